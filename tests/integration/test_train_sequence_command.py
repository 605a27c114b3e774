"""``penchant train sequence`` on files of one's own: a model in a folder, or the word that it gains nothing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import penchant_relevance.sequence_choice
import pytest
from penchant_adapters.sequences import FILE, read_sequence_model
from penchant_cli.app import app
from typer.testing import CliRunner

from tests.integration.test_train_together_command import circles, files
from tests.unit.relevance_logs import bought
from tests.unit.test_relevance_sequences import parities

WIDE = ("--width", "64", "--epochs", "120", "--patience", "12")
"""Wide and long enough to learn what matters together: ten seconds."""
BRIEF = ("--width", "8", "--blocks", "1", "--epochs", "1")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def remembered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors are remembered from test to test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture
def plain(tmp_path: Path) -> list[str]:
    """A log whose next step is settled by the newest one, and the counts know it."""
    return files(tmp_path, circles())


def train(*words: str) -> Any:
    return CliRunner(env={"COLUMNS": "160", "NO_COLOR": "1"}).invoke(app, ["train", "sequence", *words])


def test_what_gains_something_is_written_with_a_card_its_curves_and_how_to_use_it(tmp_path: Path) -> None:
    out, figures = tmp_path / "models" / "spring", tmp_path / "new" / "figures.json"
    done = train(*files(tmp_path, parities()), *WIDE, "--out", str(out), "--json", str(figures))
    assert done.exit_code == 0, done.output
    model = read_sequence_model(out)
    assert model is not None
    told = json.loads(figures.read_bytes())
    found = told["figures"]
    assert told["kind"] == "sequence"
    assert found["clear"]
    assert found["mixed"] > found["default"] + 0.01
    assert found["pairs_per_second"] > 0.0
    assert found["peak_bytes"] > 2**20
    assert (model.width, len(model.arrays["items.number"])) == (64, 36)
    assert (model.about.name, model.about.weight) == ("spring", found["weight"])
    assert model.about.encoder == told["settings"]["encoder"]
    # The table tells the same, and where things are.
    assert f"{found['default']:.4f}" in done.stdout
    assert f"{found['mixed']:.4f}" in done.stdout
    said = " ".join(done.output.split())
    for line in (
        f"Figures: {figures}",
        f"Model: {out / FILE}, version {model.about.version}",
        f"To use it: PENCHANT_SEQUENCE_MODEL={out} penchant up",
    ):
        assert line in said
    assert {path.name for path in out.iterdir()} == {FILE, "README.md", "figures.json", "curves.svg"}
    assert model.about.version in (out / "README.md").read_text()
    assert json.loads((out / "figures.json").read_bytes())["curve"] == found["curve"]
    assert (out / "curves.svg").read_text().startswith("<svg")


def test_what_gains_nothing_is_not_written_unless_it_is_kept(plain: list[str], tmp_path: Path) -> None:
    out = tmp_path / "models" / "none"
    done = train(*plain, *BRIEF, "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "leave it out" in done.output
    assert "To use it" not in done.output
    assert not out.parent.exists()
    assert train(*plain, *BRIEF, "--out", str(out), "--keep").exit_code == 0
    kept = read_sequence_model(out)
    assert kept is not None
    assert "**not better**" in (out / "README.md").read_text()


def test_without_a_folder_it_tells_what_it_would_be_worth_and_how_to_get_it(plain: list[str], tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    done = train(*plain, *BRIEF)
    assert done.exit_code == 0, done.output
    assert "the same with --out" in done.output
    assert set(tmp_path.iterdir()) == before


def test_the_folder_one_stands_in_gives_the_model_its_name(
    plain: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "autumn").mkdir()
    monkeypatch.chdir(tmp_path / "autumn")
    assert train(*plain, *BRIEF, "--out", ".", "--keep").exit_code == 0
    kept = read_sequence_model(tmp_path / "autumn")
    assert kept is not None
    assert kept.about.name == "autumn"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--width", "9"), "width: 9 does not divide by 2 heads"),
        (("--width", "4"), "Invalid value for '--width'"),
        (("--device", "warp"), "device: 'warp' is not usable here; use auto"),
        (("--out", "{tmp}/deeds.csv"), "out: {tmp}/deeds.csv cannot be written"),
        (("--out", "{tmp}/deeds.csv/spring"), "out: {tmp}/deeds.csv/spring cannot be written"),
        (("--json", "{tmp}"), "json: {tmp} cannot be written"),
        (("--events", "{tmp}/nowhere.csv"), "nowhere.csv"),
    ],
)
def test_what_cannot_be_is_refused_by_name(plain: list[str], tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    before = set(tmp_path.iterdir())
    done = train(*plain, *BRIEF, *(word.format(tmp=tmp_path) for word in words))
    assert done.exit_code == 2, done.output
    assert said.format(tmp=tmp_path) in " ".join(done.output.split())
    assert set(tmp_path.iterdir()) == before


def test_a_log_that_is_too_short_is_refused(tmp_path: Path) -> None:
    done = train(*files(tmp_path, bought([(u, u % 6, u) for u in range(12)])), *BRIEF, "--out", str(tmp_path / "out"))
    assert done.exit_code == 2, done.output
    assert "the log has 12 events; nothing can be said of quality" in " ".join(done.output.split())
    once = bought([(u, u % 6, u) for u in range(60)])
    done = train(*files(tmp_path, once), *BRIEF, "--out", str(tmp_path / "out"))
    assert done.exit_code == 2, done.output
    assert "the log is too short" in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


def test_who_stops_it_while_it_trains_finds_nothing_written(plain: list[str], tmp_path: Path) -> None:
    words = ["train", "sequence", *plain, "--width", "32", "--epochs", "5000", "--patience", "5000"]
    before = set(tmp_path.iterdir())
    penchant = str(Path(sys.executable).with_name("penchant"))
    command = [penchant, *words, "--keep", "--out", str(tmp_path / "models" / "spring")]
    # Bars are drawn on what says that it is a terminal.
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "160"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        said = ""
        while "best with" not in said:
            said += (more := process.stderr.read(1))
            assert more, said
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()
        assert process.wait(60) == 130, said
    assert "no model was written" in said
    assert set(tmp_path.iterdir()) == before


def test_who_stops_it_while_it_trains_on_the_whole_log_keeps_the_figures(
    plain: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(penchant_relevance.sequence_choice, "trained", stopped)
    figures = tmp_path / "figures.json"
    done = train(*plain, *BRIEF, "--keep", "--out", str(tmp_path / "models"), "--json", str(figures))
    assert done.exit_code == 130, done.output
    assert "no model was written" in done.output
    assert json.loads(figures.read_bytes())["kind"] == "sequence"
    assert not (tmp_path / "models").exists()


def test_without_a_log_it_says_what_to_give() -> None:
    done = train()
    assert done.exit_code == 2
    assert "--items FILE is missing" in done.output

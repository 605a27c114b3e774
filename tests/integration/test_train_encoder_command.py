"""``penchant train encoder`` on files of one's own: an encoder in a folder, or the word that it gains nothing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from penchant_adapters.encoders import open_encoder
from penchant_cli.app import app
from penchant_relevance.encoder.checkpoint import FILE
from typer.testing import CliRunner

from tests.encoder_models import write_tiny_encoder
from tests.integration.test_train_together_command import circles, files
from tests.unit.encoder_logs import LEXICON, topics
from tests.unit.relevance_logs import bought

LEARNING = ("--batch", "48", "--rate", "5e-3", "--dropout", "0", "--temperature", "0.2", "--epochs", "2")
BRIEF = ("--batch", "24", "--epochs", "1", "--pairs", "100", "--rate", "1e-8")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def remembered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors are remembered from test to test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{write_tiny_encoder(tmp_path_factory.mktemp('models') / 'tiny', LEXICON)}"


@pytest.fixture
def log(tmp_path: Path) -> list[str]:
    return files(tmp_path, topics())


def train(*words: str) -> Any:
    return CliRunner(env={"COLUMNS": "160", "NO_COLOR": "1"}).invoke(app, ["train", "encoder", *words])


def said(done: Any) -> str:
    return " ".join(done.output.split())


def test_what_gains_something_is_written_with_a_card_and_a_service_reads_it(
    log: list[str], tiny: str, tmp_path: Path
) -> None:
    out, figures = tmp_path / "models" / "words", tmp_path / "new" / "figures.json"
    done = train(*log, "--encoder", tiny, *LEARNING, "--out", str(out), "--json", str(figures))
    assert done.exit_code == 0, done.output
    told = json.loads(figures.read_bytes())
    found = told["figures"]
    assert told["kind"] == "encoder"
    assert found["clear"]
    assert found["mixed"] > found["default"] + 0.02
    assert found["pairs_per_second"] > 0.0
    assert found["peak_bytes"] > 2**20
    assert f"{found['mixed']:.4f}" in done.stdout
    for line in (f"Figures: {figures}", f"Encoder: {out}", f"To use it: PENCHANT_ENCODER=hf:{out} penchant up"):
        assert line in said(done)
    assert "**better**" in (out / "README.md").read_text()
    assert json.loads((out / "figures.json").read_bytes())["curve"] == found["curve"]
    assert (out / "curves.svg").read_text().startswith("<svg")
    # Its checkpoint is gone, and its name is that of what decides its vectors.
    assert [path.name for path in out.parent.iterdir()] == ["words"]
    name = open_encoder(f"hf:{out}", device="cpu", threads=1).name
    (out / "figures.json").write_text("{}")
    assert open_encoder(f"hf:{out}", device="cpu", threads=1).name == name


def test_what_gains_nothing_is_not_written_unless_it_is_kept(tiny: str, tmp_path: Path) -> None:
    out, log = tmp_path / "models" / "none", files(tmp_path, circles())
    words = (*log, "--encoder", tiny, *BRIEF, "--out", str(out))
    done = train(*words)
    assert done.exit_code == 0, done.output
    assert "keep the one there is" in said(done)
    assert not out.parent.exists() or not list(out.parent.iterdir())
    assert train(*words, "--keep", "--lora", "2").exit_code == 0
    assert "**not better**" in (out / "README.md").read_text()
    assert "adapters of rank 2" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--encoder", "builtin:"), "encoder: builtin: cannot be trained: name a transformer, a folder or a hub model"),
        (("--encoder", "hf:{tmp}/nowhere"), "encoder: hf:{tmp}/nowhere cannot be used"),
        (("--hard", "20"), "hard: 20 is more than half of a batch"),
        (("--device", "warp"), "device: 'warp' is not usable here"),
        (("--out", "{tmp}/deeds.csv"), "out: {tmp}/deeds.csv cannot be written"),
        (("--out", "{tiny}"), "is the encoder to begin with; name another folder"),
        (("--resume",), "resume: name the folder with --checkpoints or --out"),
        (("--resume", "--out", "{tmp}/new"), f"resume: there is no {{tmp}}/new.checkpoint/{FILE}"),
        (("--batch", "2"), "Invalid value for '--batch'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    log: list[str], tiny: str, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    before = set(tmp_path.iterdir())
    given = [word.format(tmp=tmp_path, tiny=tiny.removeprefix("hf:")) for word in words]
    done = train(*log, "--encoder", tiny, *BRIEF, *given)
    assert done.exit_code == 2, done.output
    assert told.format(tmp=tmp_path) in said(done)
    assert set(tmp_path.iterdir()) == before


def test_a_log_that_is_too_short_or_has_no_words_is_refused(tiny: str, tmp_path: Path) -> None:
    short = files(tmp_path, bought([(u, u % 6, u) for u in range(12)]))
    done = train(*short, "--encoder", tiny, *BRIEF)
    assert done.exit_code == 2, done.output
    assert "the log has 12 events; nothing can be said of quality" in said(done)
    few = files(tmp_path, bought([(u, (u + s) % 9, 10 * s + u) for u in range(17) for s in range(3)]))
    done = train(*few, "--encoder", tiny, *BRIEF)
    assert done.exit_code == 2, done.output
    assert "nothing is learnt from fewer than 50" in said(done)


def test_who_stops_it_goes_on_later_and_a_damaged_checkpoint_is_refused(
    log: list[str], tiny: str, tmp_path: Path
) -> None:
    words = ["train", "encoder", *log, "--encoder", tiny, "--epochs", "400", "--patience", "400", "--batch", "48"]
    out = tmp_path / "models" / "words"
    penchant = str(Path(sys.executable).with_name("penchant"))
    # Bars are drawn on what says that it is a terminal.
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "160", "OMP_NUM_THREADS": "1"}
    command = [penchant, *words, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment) as process:
        assert process.stderr is not None
        heard = b""
        while b"epoch 2 of 400" not in heard:
            heard += (more := process.stderr.read(1))
            assert more, heard.decode()
        process.send_signal(signal.SIGINT)
        heard += process.stderr.read()
        assert process.wait(60) == 130, heard.decode()
    kept = tmp_path / "models" / "words.checkpoint"
    assert f"Stopped. {kept} holds where training is: the same with --resume goes on." in heard.decode()
    assert not out.exists()
    again = words[2:]
    done = train(*again, "--out", str(out))
    assert done.exit_code == 2
    assert "go on with --resume, or remove it" in said(done)
    done = train(*again, "--out", str(out), "--resume", "--seed", "5")
    assert done.exit_code == 2
    assert f"resume: {kept / FILE} was made with seed 20260101, not 5" in said(done)
    content = (kept / FILE).read_bytes()
    (kept / FILE).write_bytes(content[:-10])
    done = train(*again, "--out", str(out), "--resume")
    assert done.exit_code == 2
    assert f"resume: {kept / FILE} is damaged" in said(done)


def test_two_processes_train_one_encoder_and_one_of_them_writes_it(log: list[str], tiny: str, tmp_path: Path) -> None:
    out, figures = tmp_path / "words", tmp_path / "figures.json"
    words = [*log, "--encoder", tiny, *LEARNING, "--device", "cpu", "--out", str(out), "--json", str(figures)]
    penchant = str(Path(sys.executable).with_name("penchant"))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", penchant]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "160"}
    done = subprocess.run(
        [*launch, "train", "encoder", *words], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_bytes())["figures"]
    assert found["processes"] == 2
    assert found["curve"][1]["loss"] < found["curve"][0]["loss"]
    assert (out / "model.safetensors").exists()
    assert done.stderr.count("Encoder: ") == 1
    assert done.stdout.count("lead, 95 % interval") == 1


def test_without_a_log_it_says_what_to_give(tiny: str) -> None:
    done = train("--encoder", tiny)
    assert done.exit_code == 2
    assert "--items FILE is missing" in done.output

"""``penchant tune`` on files of one's own: a profile that a service reads, or the word that nothing is better."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from penchant_adapters.profiles import read_profile
from penchant_cli.app import app
from penchant_core.tuning import Tuning
from typer.testing import CliRunner


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Sixty users who walk one of three circles of twelve things."""
    things = tmp_path / "things.csv"
    with things.open("w", newline="") as file:
        csv.writer(file).writerows([("item_id", "title"), *((f"i{n}", f"thing number {n}") for n in range(36))])
    walks = tmp_path / "walks.csv"
    with walks.open("w", newline="") as file:
        rows = [
            (f"u{u}", f"i{12 * (u % 3) + (step + u) % 12}", 1_700_000_000 + 86_400 * step + u)
            for step in range(10)
            for u in range(60)
        ]
        csv.writer(file).writerows([("user_id", "item_id", "timestamp"), *rows])
    return ["--items", str(things), "--events", str(walks), "--type", "purchase"]


def tune(*words: str, **variables: str) -> Any:
    return CliRunner(env={"COLUMNS": "160", **variables}).invoke(app, ["tune", *words])


def test_what_is_found_becomes_a_profile_that_a_service_can_read(files: list[str], tmp_path: Path) -> None:
    profile, figures = tmp_path / "profiles" / "spring.toml", tmp_path / "tune.json"
    done = tune(
        *files, "--trials", "24", "--profile", str(profile), "--json", str(figures), PENCHANT_SCORING__POPULARITY="50"
    )
    assert done.exit_code == 0, done.output
    assert "popularity" in done.stdout
    found = read_profile(profile, Tuning())
    assert found.name == "spring"
    assert found.scoring.popularity < 1.0
    assert f"version {found.version}" in done.output
    told = json.loads(figures.read_bytes())
    assert told["kind"] == "tune"
    assert told["figures"]["tuned"] > told["figures"]["default"]
    assert told["figures"]["best"]["scoring"]["popularity"] == found.scoring.popularity


def test_where_nothing_is_better_it_says_so_and_writes_nothing(files: list[str], tmp_path: Path) -> None:
    done = tune(*files, "--trials", "1", "--profile", str(tmp_path / "none.toml"))
    assert done.exit_code == 0, done.output
    assert "nothing found is better" in done.output
    assert not (tmp_path / "none.toml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--profile", "spring.json"], "must end in .toml"),
        (["--profile", "no name.toml"], "no name for a profile"),
        (["--events", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_cannot_be_is_refused_before_the_search(files: list[str], words: list[str], said: str) -> None:
    done = tune(*files, "--trials", "1", *words)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.split())


def test_nothing_to_learn_from_is_named() -> None:
    done = tune()
    assert done.exit_code == 2
    assert "--items FILE is missing" in done.output

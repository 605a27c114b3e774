"""The command measures friends from files like those of the public set, and refuses what it cannot measure so."""

import json
from pathlib import Path

import numpy as np
import pytest
from penchant_bench.quality import studies
from penchant_cli.app import app
from typer.testing import CliRunner

USERS, CIRCLES = 40, 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(1)
    here = tmp_path / "lastfm_friends"
    here.mkdir()
    names = ["id\tname\turl\tpictureURL", *(f'{artist}\tThe "{artist}\tu\tp' for artist in range(20))]
    plays = [
        f"{user}\t{artist}\t{random.integers(1, 99)}"
        for user in range(USERS)
        for artist in range(20)
        if artist % CIRCLES == user % CIRCLES
    ]
    friends = {(a, b) for a in range(USERS) for b in range(USERS) if a != b and (a - b) % CIRCLES == 0}
    kept = {(a, b) for a, b in friends if (a + b) % 3}
    (here / "artists.dat").write_text("\n".join(names), encoding="utf-8")
    (here / "user_artists.dat").write_text("\n".join(["userID\tartistID\tweight", *plays]))
    (here / "user_friends.dat").write_text("\n".join(["userID\tfriendID", *(f"{a}\t{b}" for a, b in sorted(kept))]))
    return tmp_path


def evaluated(*arguments: str) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"}).invoke(app, ["eval", *arguments])
    return result.exit_code, result.output


def test_the_command_measures_friends(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "figures.json"
    code, said = evaluated("lastfm_friends", "--data", str(folder), "--json", str(to))
    assert code == 0, said
    assert "lastfm_friends, 20% of friendships" in said
    found = json.loads(to.read_bytes())
    assert found["kind"] == "quality"
    assert found["settings"]["log"]["users"] == USERS
    models = found["figures"]["20% of friendships"]
    assert models["Penchant"]["Recall@10"]["mean"] > models["most friends"]["Recall@10"]["mean"]


def test_what_a_study_cannot_do_is_refused(folder: Path, tmp_path: Path) -> None:
    for option in (["--late"], ["--through", "service"], ["--html", str(tmp_path / "page.html")]):
        code, said = evaluated("lastfm_friends", "--data", str(folder), *option)
        assert code == 2
        assert "offline only" in said
    code, said = evaluated("netflix", "--data", str(folder))
    assert code == 2
    assert all(name in said.replace("\n", " ") for name in studies.public_sets())
    code, said = evaluated("shopping_reviews_zh", "--data", str(folder))
    assert code == 2
    assert "SOURCE.md" in said

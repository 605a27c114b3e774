"""``penchant train together`` on files of one's own: weights in a folder, or the word that they gain nothing."""

import csv
import json
from pathlib import Path
from typing import Any

from penchant_adapters.together import FILE, read_together_model
from penchant_cli.app import app
from penchant_relevance.log import Log
from typer.testing import CliRunner

from tests.unit.relevance_logs import bought
from tests.unit.test_relevance_together import clubs


def files(folder: Path, log: Log) -> list[str]:
    things, deeds = folder / "things.csv", folder / "deeds.csv"
    with things.open("w", newline="") as file:
        csv.writer(file).writerows([("item_id", "title"), *((each.item_id, each.title) for each in log.items)])
    rows = [(each.user_id, each.item_id, 1_700_000_000 + each.occurred_at) for each in log.events]
    with deeds.open("w", newline="") as file:
        csv.writer(file).writerows([("user_id", "item_id", "timestamp"), *rows])
    return ["--items", str(things), "--events", str(deeds), "--type", "purchase", "--order-only"]


def circles() -> Log:
    """Sixty users who walk a circle: what comes next is settled by the newest step, and the counts know it."""
    return bought([(user, (step + user) % 24, 100 * step + user) for step in range(10) for user in range(60)])


def train(*words: str) -> Any:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["train", "together", *words])


def test_what_gains_something_is_written_with_its_figures(tmp_path: Path) -> None:
    out, figures = tmp_path / "models" / "spring", tmp_path / "figures.json"
    done = train(*files(tmp_path, clubs()), "--out", str(out), "--json", str(figures))
    assert done.exit_code == 0, done.output
    model = read_together_model(out)
    assert model.about.name == "spring"
    assert f"version {model.about.version}" in done.output
    assert len(model.of("i0")[0]) > 0
    told = json.loads(figures.read_bytes())
    assert told["kind"] == "together"
    assert told["figures"]["clear"]
    assert model.about.weight == told["figures"]["settings"]["weight"]
    assert f"PENCHANT_TOGETHER_MODEL={out} penchant up" in " ".join(done.output.split())
    card = (out / "README.md").read_text()
    assert f"version `{model.about.version}`" in card
    assert f"{len(model.arrays['sources.weight']):,} pairs" in card
    assert "with the weights: +" in " ".join(card.split())
    assert "**better**" in card
    assert "| what a user did fades | not at all |" in card
    assert json.loads((out / "figures.json").read_bytes())["settings"] == told["figures"]["settings"]


def test_what_gains_nothing_is_not_written_unless_it_is_kept(tmp_path: Path) -> None:
    given = files(tmp_path, circles())
    done = train(*given, "--out", str(tmp_path / "none"))
    assert done.exit_code == 0, done.output
    assert "leave them out" in done.output
    assert not (tmp_path / "none" / FILE).exists()
    assert train(*given, "--out", str(tmp_path / "kept"), "--keep").exit_code == 0
    assert (tmp_path / "kept" / FILE).exists()


def test_without_a_log_it_says_what_to_give() -> None:
    done = train()
    assert done.exit_code == 2
    assert "--items FILE is missing" in done.output

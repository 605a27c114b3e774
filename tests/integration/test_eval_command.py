"""``penchant eval`` on a log of one's own: two files in; a table, figures and a page out, or what is wrong."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from penchant_bench.quality.report import SERVED, explained, explored
from penchant_cli.app import app
from typer.testing import CliRunner

WORDS = ("tea", "coffee", "piano", "violin", "tent", "boots", "novel", "atlas", "lamp", "chair", "apple", "bread")
TITLES = [f"{colour} {word}" for word in WORDS for colour in ("red", "green", "blue", "old")]
USERS, STEPS, BEGIN, STEP = 24, 16, 1_700_000_000, 600


def written(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def walks(jump: int = STEPS) -> list[tuple[str, str, int]]:
    """Return purchases of users who walk along the shelf, each from a place of their own: what comes next is certain.

    Everybody takes a step in four hours. At the step *jump* all go over to the other side of the shelf.
    """
    return [
        (
            f"u{user}",
            f"i{(5 * user + step + (len(TITLES) // 2 if step >= jump else 0)) % len(TITLES)}",
            BEGIN + STEP * (step * USERS + user),
        )
        for step in range(STEPS)
        for user in range(USERS)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("log")
    written(here / "items.csv", ("item_id", "title"), ((f"i{n}", title) for n, title in enumerate(TITLES)))
    written(here / "purchases.csv", ("user_id", "item_id", "timestamp"), walks())
    written(here / "short.csv", ("user_id", "item_id", "timestamp"), walks()[:30])
    written(here / "order.csv", ("user_id", "item_id"), (event[:2] for event in walks()))
    return here


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def here(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in the folder of the files, with vectors remembered from test to test."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("PENCHANT_TEST_DATA", raising=False)


def evaluated(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(app, ["eval", *arguments])


def measured(to: Path, *arguments: str) -> dict[str, Any]:
    result = evaluated("--items", "items.csv", *arguments, "--json", str(to))
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(to.read_bytes())
    return found


PURCHASES = ("--events", "purchases.csv", "--type", "purchase")


def test_a_log_becomes_a_table_figures_and_a_page(tmp_path: Path) -> None:
    figures, page = tmp_path / "new" / "figures.json", tmp_path / "new" / "page.html"
    result = evaluated("--items", "items.csv", *PURCHASES, "--json", str(figures), "--html", str(page))
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_bytes())
    models = found["figures"]["live"]
    assert list(found["figures"]) == ["live"]
    assert models["Penchant"]["asks"] >= 30
    assert models["Penchant"]["NDCG@10"]["mean"] > 0.95, "what comes next is certain"
    assert models["popularity"]["behind"]["NDCG@10"]["low"] > 0.5
    assert found["settings"]["log"] == {"events": USERS * STEPS, "users": USERS, "items": len(TITLES)}
    # The table holds the same numbers, whole, on a narrow terminal.
    own = models["Penchant"]["NDCG@10"]
    assert f"purchases, live: {models['Penchant']['asks']} asks of {models['Penchant']['users']} users" in result.stdout
    assert f"{own['mean']:.4f}" in result.stdout
    assert f"({own['low']:.4f}–{own['high']:.4f})" in result.stdout
    assert {"Penchant", "popularity", "ItemKNN"} <= {line.strip().split("  ")[0] for line in result.stdout.splitlines()}
    # And so does the page.
    text = page.read_text(encoding="utf-8")
    assert "clearly better than" in text
    assert "384 events of 24 users on 48 items" in text
    assert f"<td>{own['mean']:.4f}<small>{own['low']:.4f} to {own['high']:.4f}</small></td>" in text
    assert {f"Figures: {figures}", f"Report: {page}"} <= set(result.stderr.splitlines())


def test_the_service_agrees_with_the_exact_score(tmp_path: Path) -> None:
    found = measured(tmp_path / "figures.json", *PURCHASES, "--through", "service")["figures"]["live"]
    exact, served = found["Penchant"], found[SERVED]
    assert served["asks"] == exact["asks"]
    for measure in ("NDCG@10", "Recall@10", "MRR@10"):
        assert served[measure]["mean"] == pytest.approx(exact[measure]["mean"], abs=0.01)


def test_exploring_and_explanations_are_told_in_the_table_the_figures_and_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than anything was visited on this log: all is little known.
    monkeypatch.setenv("PENCHANT_SCORING__EXPLORE_UNTIL", "1000")
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    wanted = ("--explore", "0.2", "--explanations", "--json", str(figures), "--html", str(page))
    result = evaluated("--items", "items.csv", *PURCHASES, *wanted)
    assert result.exit_code == 0, result.output
    models = json.loads(figures.read_bytes())["figures"]["live"]
    assert models["Penchant, exploring"]["share"] == 0.2
    assert models["Penchant, exploring"]["behind"]["NDCG@10"]["mean"] > 0.0
    held = models["Penchant"]["explanations"]
    assert held["asks"] > 0
    told = " ".join(result.stdout.split())
    assert explored(models) in told
    assert explained(models) in told
    text = page.read_text(encoding="utf-8")
    assert "Penchant, exploring" in text
    assert "Do the explanations hold?" in text
    assert f"<td>{held['slope']['mean']:.4f}<small>" in text


def test_late_shows_what_learning_later_costs(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    # Most go over in the window: who hears of it an hour later still knows the next step, a day later nobody does.
    events = written(tmp_path / "jumps.csv", ("user_id", "item_id", "timestamp"), walks(jump=STEPS - 2))
    arguments = ("--events", str(events), "--type", "purchase", "--late", "--html", str(page))
    found = measured(tmp_path / "figures.json", *arguments)["figures"]
    assert list(found) == ["live", "30 s late", "1 h late", "1 day late", "frozen"]
    means = {variant: models["Penchant"]["MRR@10"]["mean"] for variant, models in found.items()}
    assert means["1 h late"] == means["live"]
    assert means["1 day late"] < means["1 h late"] - 0.1
    assert "What being late costs" in page.read_text(encoding="utf-8")


def test_a_cold_start_asks_the_same_with_less_known_and_one_interest_is_measured_beside_several(tmp_path: Path) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    arguments = (
        "--items",
        "items.csv",
        *PURCHASES,
        "--cold-start",
        "--interests",
        "--json",
        str(figures),
        "--html",
        str(page),
    )
    result = evaluated(*arguments)
    assert result.exit_code == 0, result.output
    several = json.loads(figures.read_bytes())["interests"]["figures"]
    assert {"users made of two", "real users"} <= set(several)
    assert several["real users"]["one interest"]["NDCG@10"]["mean"] > 0.95
    assert "purchases, users made of two: " in result.stdout
    found = json.loads(figures.read_bytes())["cold_start"]["figures"]
    assert list(found) == ["0", "1", "2", "5", "10"]
    assert found["0"]["Penchant"]["NDCG@10"]["mean"] < 0.5
    assert found["1"]["Penchant"]["NDCG@10"]["mean"] > 0.95, "what comes next is certain"
    assert "cold start" in result.stdout
    assert f"{found['5']['Penchant']['NDCG@10']['mean']:.4f}" in result.stdout
    assert "When little is known of a user" in page.read_text(encoding="utf-8")


def test_order_without_times_asks_for_the_last_item_of_everybody(tmp_path: Path) -> None:
    arguments = ("--events", "order.csv", "--type", "purchase", "--order-only")
    found = measured(tmp_path / "figures.json", *arguments)
    assert found["settings"]["plan"] == "last item"
    assert list(found["figures"]) == ["live", "frozen"]
    assert found["figures"]["live"]["Penchant"]["asks"] == USERS
    assert found["figures"]["live"]["Penchant"]["NDCG@10"]["mean"] > 0.95


def test_a_preset_that_has_only_order_asks_for_the_last_item_too(tmp_path: Path) -> None:
    sequences = tmp_path / "sequences.txt"
    steps = {user: [item for who, item, _ in walks() if who == user] for user, *_ in walks()}
    sequences.write_text("".join(f"{user} {' '.join(items)}\n" for user, items in steps.items()))
    items = tmp_path / "items.tsv"
    items.write_text("item_id\ttitle\n" + "".join(f"i{n}\t{title}\n" for n, title in enumerate(TITLES)))
    # The last of an option counts.
    arguments = ("--items", str(items), "--events", str(sequences), "--preset", "amazon_beauty")
    found = measured(tmp_path / "figures.json", *arguments)
    assert found["settings"]["plan"] == "last item"
    assert found["figures"]["live"]["Penchant"]["asks"] == USERS


def test_columns_of_any_name_and_validation_targets(tmp_path: Path) -> None:
    events = written(tmp_path / "e.csv", ("who", "what", "when", "how"), ((*event, "view") for event in walks()))
    items = written(tmp_path / "i.csv", ("code", "said"), ((f"i{n}", title) for n, title in enumerate(TITLES)))
    mapped = [f"--map-events={pair}" for pair in ("user_id=who", "item_id=what", "occurred_at=when", "type=how")]
    arguments = [*mapped, "--map-items=item_id=code", "--map-items=title=said", "--validation"]
    to = tmp_path / "figures.json"
    result = evaluated("--items", str(items), "--events", str(events), *arguments, "--json", str(to))
    assert result.exit_code == 0, result.output
    found = json.loads(to.read_bytes())
    assert found["settings"]["validation"]
    assert found["settings"]["log"]["events"] == USERS * STEPS


def test_events_on_items_that_are_not_there_are_left_out_and_counted(tmp_path: Path) -> None:
    items = written(tmp_path / "[b]some.csv", ("item_id", "title"), ((f"i{n}", TITLES[n]) for n in range(40)))
    events = written(tmp_path / "[b]shop.csv", ("user_id", "item_id", "timestamp"), walks())
    to = tmp_path / "figures.json"
    result = evaluated("--items", str(items), "--events", str(events), "--type", "view", "--json", str(to))
    assert result.exit_code == 0, result.output
    assert "[b]shop, live: " in result.stdout, "names are no markup"
    gone = sum(int(item.removeprefix("i")) >= 40 for _, item, _ in walks())
    assert f"Left out: {gone} of 384 events, on items that {items} does not have." in result.stderr.splitlines()
    assert json.loads(to.read_bytes())["settings"]["log"]["events"] == USERS * STEPS - gone


ITEMS = ("--items", "items.csv")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a public data set, or give --items FILE and --events FILE of your own"),
        (("no_such_set", "--data", "."), "'no_such_set' is no data set; take one of amazon_beauty, movielens_small"),
        (("amazon_beauty", "--data", "."), "has no folder amazon_beauty/"),
        (("amazon_beauty", "--data", "nowhere"), "nowhere is no folder; give the folder that holds amazon_beauty/"),
        (("amazon_beauty", *ITEMS, *PURCHASES), "give a public data set or files of your own, not both"),
        (("--all", "--html", "page.html"), "all: takes no name, --json or --html"),
        (ITEMS, "a log is two files: --events FILE is missing"),
        (PURCHASES, "a log is two files: --items FILE is missing"),
        ((*ITEMS, "--events", "nowhere.csv"), "nowhere.csv: cannot be read: No such file or directory"),
        ((*ITEMS, "--events", "purchases.csv"), "purchases.csv: no column for type among user_id, item_id, timestamp"),
        ((*ITEMS, "--events", "purchases.csv"), "add --map-events type=COLUMN or --type purchase"),
        ((*ITEMS, *PURCHASES, "--map-items", "title"), "--map-items title: must be FIELD=COLUMN"),
        ((*ITEMS, *PURCHASES, "--rating-scale", "good"), "--rating-scale good: must be MIN:MAX"),
        ((*ITEMS, *PURCHASES, "--preset", "mine"), "--preset mine: is unknown; there are amazon_beauty"),
        ((*ITEMS, "--events", "purchases.csv", "--type", "[/b]"), "purchases.csv: event.type: '[/b]' has no weight"),
        ((*ITEMS, "--events", "purchases.csv", "--type", "hide"), "no event approves of an item (types: hide)"),
        ((*ITEMS, "--events", "short.csv", "--type", "view"), "the log has 30 events; nothing can be said of quality"),
        ((*ITEMS, *PURCHASES, "--encoder", "mine:"), "'mine:' names no encoder; use builtin: or hf:NAME_OR_FOLDER"),
        ((*ITEMS, *PURCHASES, "--json", "."), "json: . cannot be written; name a file"),
        ((*ITEMS, *PURCHASES, "--html", "items.csv/page.html"), "html: items.csv/page.html cannot be written"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_what_to_do(arguments: tuple[str, ...], said: str) -> None:
    result = evaluated(*arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert not result.stdout


def test_the_help_shows_a_command_to_begin_with() -> None:
    result = evaluated("--help")
    assert result.exit_code == 0
    told = " ".join(result.output.split())
    assert "penchant eval --items items.csv --events purchases.csv --type purchase --html report.html" in told
    assert "penchant[torch]" in told

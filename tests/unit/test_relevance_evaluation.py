"""A whole evaluation of logs that are known to be easy, hard, or of no use."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from penchant_core.errors import InvalidSetting
from penchant_core.model import Event
from penchant_core.tuning import Tuning
from penchant_relevance.evaluation import HALF_LIVES, PENALTIES, Evaluation
from penchant_relevance.log import Log, log_of
from penchant_relevance.measure import Measure
from penchant_relevance.parts import NAMES, parts
from penchant_relevance.plans import DELAYS, Plan

from tests.unit.relevance_logs import bought, did, random_life, random_purchases, read, said, shop

PLAN = Plan("replay", (Measure("NDCG@20"), Measure("Recall@20"), Measure("MRR@20")))
MODELS = {"Penchant", "together only", "text only", "fixed mixture", "popularity", "ItemKNN"}


def circles() -> Log:
    """Everybody walks one of two long circles, so the next item is certain once the pairs are known."""
    return bought(
        [(user, 12 * (user % 2) + (step + user) % 12, 100 * step + user) for step in range(9) for user in range(40)]
    )


def evaluated(
    log: Log, plan: Plan = PLAN, heard: Callable[..., Any] = lambda *_: None, **how: Any
) -> dict[str, dict[str, Any]]:
    content = read(log, np.eye(len(log.items), dtype=np.float32))
    return Evaluation(log, content, Tuning(), plan, heard, **how).run()


def test_people_who_follow_each_other_are_predicted_by_counts_and_not_by_popularity() -> None:
    heard: list[tuple[str, int, int]] = []
    found = evaluated(circles(), heard=lambda *told: heard.append(told), with_ease=True)
    assert list(found) == ["live"]
    live = found["live"]
    assert live["Penchant"]["NDCG@20"]["mean"] > 0.9
    assert live["Penchant"]["MRR@20"]["mean"] > 0.9
    assert live["popularity"]["NDCG@20"]["mean"] < 0.5
    assert live["Penchant"]["Recall@20"]["low"] == 1.0
    assert live["popularity"]["behind"]["NDCG@20"]["low"] > 0.3
    assert set(live) == MODELS | {"recent popularity", "EASE"}
    assert live["EASE"]["penalty"] in PENALTIES
    assert live["recent popularity"]["half_life_days"] in HALF_LIVES
    size = live["Penchant"]["asks"]
    assert ("live", 0, size) in heard
    assert ("live", size, size) in heard


def test_what_is_asked_late_is_ours_alone_and_no_better() -> None:
    found = evaluated(random_purchases(), late=True)
    assert list(found) == ["live", *DELAYS]
    for variant in DELAYS:
        assert list(found[variant]) == ["Penchant"]
        assert found[variant]["Penchant"]["asks"] == found["live"]["Penchant"]["asks"]
    slices = found["frozen"]["Penchant"]["slices"]
    assert sum(part["asks"] for name, part in slices.items() if name.endswith("events known")) > 0


def test_a_fashion_that_begins_in_the_window_is_seen_live_and_missed_by_a_model_that_is_frozen() -> None:
    random = np.random.default_rng(1)
    events = [(int(random.integers(0, 100)), int(random.integers(0, 20)), step) for step in range(900)]
    fashion = [(user, 20 + user % 2, 900 + user) for user in range(100)]
    found = evaluated(bought([*events, *fashion]), late=True)
    live, frozen = found["live"]["Penchant"], found["frozen"]["Penchant"]
    assert live["asks"] == frozen["asks"] > 90
    assert live["MRR@20"]["low"] > frozen["MRR@20"]["high"]
    assert live["slices"]["new items"]["asks"] < frozen["slices"]["new items"]["asks"]


def test_what_words_and_dislikes_are_worth_is_told_where_a_log_has_them() -> None:
    times = np.arange(0, 400_000, 500, dtype=np.int64)
    rated = evaluated(random_life(times, n_users=20, n_items=15, words=False))["live"]
    assert set(rated) == MODELS | {"without dislikes", "recent popularity"}
    reviewed = evaluated(random_life(times, n_users=20, n_items=15, words=True))["live"]
    assert set(reviewed) == MODELS | {"with words", "without dislikes", "recent popularity"}
    assert {"mean", "low", "high"} == set(reviewed["with words"]["behind"]["NDCG@20"])


@pytest.mark.parametrize(
    ("words", "dislike", "rows"),
    [
        (0.0, 0.01, {"with words": (0.5, 0.01), "without dislikes": (0.0, 0.0)}),
        (0.2, 0.0, {"without words": (0.0, 0.0), "with dislikes": (0.2, 0.005)}),
    ],
)
def test_what_is_off_is_measured_on_and_what_is_on_off(
    words: float, dislike: float, rows: dict[str, tuple[float, float]]
) -> None:
    scoring = replace(Tuning().scoring, words=words, dislike=dislike)
    found = {name: tuning.scoring for name, tuning in parts(Tuning(scoring=scoring)).items() if name.startswith("with")}
    assert {name: (other.words, other.dislike) for name, other in found.items()} == rows
    assert all(replace(other, words=words, dislike=dislike) == scoring for other in found.values())
    assert set(found) < NAMES


def test_the_last_item_is_measured_live_and_frozen_with_all_models() -> None:
    found = evaluated(circles(), Plan("last item", PLAN.measures))
    assert list(found) == ["live", "frozen"]
    assert set(found["live"]) == set(found["frozen"]) == MODELS
    assert found["live"]["Penchant"]["MRR@20"]["mean"] > 0.9


def test_people_who_say_what_they_want_get_it() -> None:
    random = np.random.default_rng(1)
    told: list[Event] = []
    for step in range(600):
        user, item = int(random.integers(0, 200)), int(random.integers(0, 40))
        told += [said(user, f"wish {item}", 2 * step), did(user, item, 2 * step + 1)]
    log = log_of("wishes", shop(40), told)
    rows = np.eye(40, dtype=np.float32)
    content = read(log, rows)
    spoken = np.array([rows[int(text.removeprefix("wish "))] for text in log.texts])
    heard = Evaluation(
        log, type(content)(rows, spoken, log.index, content.text_index), Tuning(), PLAN, lambda *_: None
    ).run()
    deaf = Evaluation(log, content, Tuning(), PLAN, lambda *_: None).run()
    assert heard["live"]["text only"]["MRR@20"]["mean"] > 0.95
    assert deaf["live"]["text only"]["MRR@20"]["mean"] < 0.5


@pytest.mark.parametrize(("validated", "tested", "asked"), [(8, 0, "live"), (0, 8, "recent popularity")])
def test_a_log_in_which_nobody_turns_to_anything_new_when_asked_is_refused(
    validated: int, tested: int, asked: str
) -> None:
    # Ten users, ten steps: the ninth is asked for to choose settings, the tenth for the test; item 0 was met by all.
    items = [*range(8), validated, tested]
    told = [did(user, item, 10 * step + user) for step, item in enumerate(items) for user in range(10)]
    wanted = f"^events: {asked}: in this part of the log nobody turns to an item that they like and have not met; give"
    with pytest.raises(InvalidSetting, match=wanted):
        evaluated(log_of("again", shop(9), told))


def test_the_same_evaluation_gives_the_same_figures() -> None:
    assert evaluated(random_purchases(), with_ease=True) == evaluated(random_purchases(), with_ease=True)

"""Whether explanations hold: parts that are the score's, what is lost without a thing, and figures that tell it."""

from collections.abc import Callable

import numpy as np
import pytest
from penchant_bench.quality.report import explained
from penchant_core.tuning import Scoring, Tuning
from penchant_relevance.asks import Ask
from penchant_relevance.counting import CountsAtOnce, LiveCounts, PairCounts
from penchant_relevance.evaluation import Evaluation
from penchant_relevance.explaining import Explaining, Left
from penchant_relevance.log import Log
from penchant_relevance.measure import Measure
from penchant_relevance.metrics import bootstrap
from penchant_relevance.plans import Plan
from penchant_relevance.scoring import Mixture

from tests.unit.relevance_logs import NOTHING, bought, did, random_life, random_purchases, read
from tests.unit.test_relevance_evaluation import circles
from tests.unit.test_relevance_scoring import counted_at_once, counted_live

NOW = 10**6
PLAN = Plan("replay", (Measure("NDCG@10"),))


@pytest.mark.parametrize("count", [counted_at_once, counted_live])
def test_the_parts_that_are_looked_at_add_up_to_the_score(count: Callable[[Log, Tuning], PairCounts]) -> None:
    log = random_life(np.arange(0, 300_000, 500, dtype=np.int64), n_users=12, n_items=15, words=True)
    tuning = Tuning(scoring=Scoring(popularity=0.01, content=0.5))
    vectors = np.random.default_rng(2).normal(size=(len(log.items), 6)).astype(np.float32)
    content = read(log, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    mixture = Mixture(tuning, content, count(log, tuning))
    explaining = Explaining(mixture, log, 1)
    asks = [one for one in Plan("last item").asks(log, tuning.weights).steps() if isinstance(one, Ask)]
    for ask, scores in zip(asks, mixture.scores(asks), strict=True):
        for item in range(len(log.items)):
            reasons = explaining.reasons(ask.events, ask.now, explaining._known(item, paired=True))
            assert sum(reason.contribution for reason in reasons) == pytest.approx(float(scores[item]), abs=1e-4)


def looked_at(ask: Ask, vectors: list[list[float]], item: int) -> Left | None:
    log = bought([(0, n, n) for n in range(len(vectors))])
    tuning = Tuning(scoring=Scoring(evidence=0.0, content=1.0, together=0.0, rank_decay=0.5))
    counts = CountsAtOnce(NOTHING, NOTHING, NOTHING, len(vectors), tuning.covisitation)
    return Explaining(Mixture(tuning, read(log, np.array(vectors, np.float32)), counts), log, 1).left_out(ask, item)


def who(*items: int) -> Ask:
    """Somebody who bought these, the newest last."""
    events = tuple(did(7, item, 1_000 + n) for n, item in enumerate(items))
    return Ask(7, NOTHING, events, NOTHING, NOTHING, NOTHING, NOW)


def test_what_is_told_and_what_is_lost_are_as_worked_out_by_hand() -> None:
    vectors = [[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]]
    found = looked_at(who(0, 1), vectors, 2)
    assert found is not None
    # Item 2 is like item 0 by .8 and like item 1 by .96; the newer weighs two thirds.
    score = 0.96 * 2.0 / 3.0 + 0.8 / 3.0
    assert found.told == pytest.approx([0.64, 0.8 / 3.0])
    assert found.lost == pytest.approx([score - 0.8, score - 0.96], abs=1e-6)
    assert found.strongest == 0
    assert looked_at(who(0), vectors, 2) is None, "of one thing alone there is nothing to ask"
    assert looked_at(who(), vectors, 2) is None


def test_a_thing_that_was_done_twice_is_left_out_whole() -> None:
    vectors = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    found = looked_at(who(0, 1, 0), vectors, 2)
    assert found is not None
    assert found.told == pytest.approx([2.0 / 3.0, 0.0])
    # What says nothing of an item takes weight from what does.
    assert found.lost == pytest.approx([2.0 / 3.0, 2.0 / 3.0 - 1.0])


def test_figures_tell_how_often_explanations_hold_in_the_table_and_nothing_else_changes() -> None:
    log = circles()
    content = read(log, np.eye(len(log.items), dtype=np.float32))
    told, plain = (
        Evaluation(log, content, Tuning(), PLAN, lambda *_: None, explanations=wanted).run()["live"]
        for wanted in (True, False)
    )
    found = told["Penchant"].pop("explanations")
    assert told == plain
    assert found["asks"] == told["Penchant"]["asks"]
    assert found["things"] > 2 * found["asks"]
    assert 0.5 < found["agreement"]["low"] <= found["agreement"]["mean"] <= found["agreement"]["high"] <= 1.0
    assert 0.0 < found["slope"]["low"] < found["slope"]["mean"] < found["slope"]["high"]
    assert explained({"Penchant": {"explanations": found}}).startswith(f"Explanations of {found['asks']:,} first")
    assert explained(plain) == ""


def test_of_many_asks_every_nth_is_looked_at() -> None:
    log = random_purchases()
    content = read(log, np.eye(len(log.items), dtype=np.float32))
    counts = LiveCounts([item.item_id for item in log.items], Tuning().covisitation)
    explaining = Explaining(Mixture(Tuning(), content, counts), log, 7)
    for block in PLAN.asks(log, Tuning().weights).blocks():
        if isinstance(block, list):
            explaining.scores(block)
            asked = explaining._asked
            continue
        for at in block:
            counts.learn(int(log.user[at]), int(log.item[at]), int(log.time[at]), approving=True)
    assert len(explaining.found) == -(-asked // 7)


def test_a_ratio_is_that_of_the_means_in_every_draw() -> None:
    table = np.array([[2.0, 1.0], [4.0, 2.0], [10.0, 5.0]])
    found = bootstrap(table, np.arange(3)).ratio(0, 1)
    assert (found.low, found.mean, found.high) == (2.0, 2.0, 2.0)

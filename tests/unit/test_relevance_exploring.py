"""Explored lists offline: the order is theirs, little-known items come to places, and figures tell what that costs."""

from math import ceil

import numpy as np
from penchant_bench.quality.report import explored
from penchant_core.tuning import Scoring, Tuning
from penchant_relevance.asks import Ask
from penchant_relevance.counting import LiveCounts
from penchant_relevance.evaluation import EXPLORED, Evaluation
from penchant_relevance.exploring import Explored
from penchant_relevance.log import Log
from penchant_relevance.measure import NEW_ITEM, best
from penchant_relevance.plans import Plan
from penchant_relevance.scoring import Content, Mixture

from tests.unit.relevance_logs import bought, read

SHARE, SIZE = 0.2, 10


def old_and_new() -> Log:
    """Thirty items that all the world comes to, ten that somebody does now and then."""
    random = np.random.default_rng(3)
    often = [(int(random.integers(0, 40)), int(random.integers(0, 30)), step) for step in range(1_500)]
    seldom = [(n, 30 + n, 100 * n) for n in range(10)]
    return bought(sorted(often + seldom, key=lambda event: event[2]))


def content(log: Log) -> Content:
    vectors = np.random.default_rng(4).normal(size=(len(log.items), 8)).astype(np.float32)
    return read(log, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def learnt(log: Log) -> LiveCounts:
    counts = LiveCounts([item.item_id for item in log.items], Tuning().covisitation)
    for position in range(len(log)):
        counts.learn(int(log.user[position]), int(log.item[position]), int(log.time[position]), approving=True)
    return counts


def test_the_first_places_are_those_of_an_explored_list_and_the_rest_keeps_its_order() -> None:
    log = old_and_new()
    asks = list(Plan("last item").asks(log, Tuning().weights).blocks())
    block = next(each for each in asks if isinstance(each, list))
    counts = learnt(log)
    mixture = Mixture(Tuning(), content(log), counts)
    plain, bold = mixture.scores(block), Explored(mixture, SHARE, SIZE).scores(block)
    drawn = 0
    for ask, before, after in zip(block, plain, bold, strict=True):
        before[ask.seen] = -np.inf
        was, now = best(before, len(log.items)), best(after, len(log.items))
        came = [item for item in now[:SIZE] if item not in was[:SIZE]]
        assert len(came) <= ceil(SHARE * SIZE)
        assert all(counts.visits[item] < NEW_ITEM for item in came)
        head = SIZE - ceil(SHARE * SIZE)
        assert [item for item in now[:SIZE] if item in was[:head]] == was[:head]
        assert sorted(now) == sorted(was)
        drawn += len(came)
    assert drawn > len(block)


def test_figures_tell_what_exploring_costs_and_that_new_items_get_more_places() -> None:
    log = old_and_new()
    found = Evaluation(log, content(log), Tuning(), Plan(), lambda *_: None, explore=SHARE).run()["live"]
    assert found[EXPLORED]["new@10"] > found["Penchant"]["new@10"] + 0.1
    assert found[EXPLORED]["new@10"] < found["Penchant"]["new@10"] + SHARE + 0.01
    assert found[EXPLORED]["NDCG@10"]["mean"] < found["Penchant"]["NDCG@10"]["mean"]
    assert found[EXPLORED]["behind"]["NDCG@10"]["mean"] > 0.0
    assert f"{found['Penchant']['new@10']:.1%} → {found[EXPLORED]['new@10']:.1%}" in explored(found)
    assert EXPLORED not in Evaluation(log, content(log), Tuning(), Plan(), lambda *_: None).run()["live"]


def test_a_stranger_is_offered_little_known_items_that_are_like_what_is_popular() -> None:
    # Everybody comes to the first five; the next five are like them, all others their opposite.
    events = [(user, item, 10 * user + item) for user in range(20) for item in range(5)]
    log = bought([*events, (0, 29, 1_000)])
    vectors = np.tile(np.array([1.0, 0.0], np.float32), (30, 1))
    vectors[10:] = [-1.0, 0.0]
    tuning = Tuning(scoring=Scoring(depth=10))
    model = Explored(Mixture(tuning, read(log, vectors), learnt(log)), 0.5, 2)
    nothing = np.empty(0, np.int64)
    strangers = [Ask(user, nothing, (), nothing, nothing, nothing, 2_000) for user in range(60)]
    listed = {item for scores in model.scores(strangers) for item in best(scores, 2)}
    assert listed == {0, 5, 6, 7, 8, 9}

"""Weights between items are fitted on what may be seen, kept where they gain something, and told as measured."""

from dataclasses import replace

import numpy as np
import pytest
from penchant_core.errors import InvalidSetting
from penchant_core.together import source
from penchant_core.tuning import Scoring, Tuning, Weights
from penchant_relevance.evaluation import TOGETHER, Evaluation, Learners
from penchant_relevance.log import Log
from penchant_relevance.measure import Measure
from penchant_relevance.plans import Plan
from penchant_relevance.scoring import Mixture, shares
from penchant_relevance.together import (
    TogetherChoice,
    TogetherSettings,
    choose,
    fitted,
    frozen,
    strongest,
)

from tests.unit.relevance_logs import asked_in, bought, everybody, random_purchases, read
from tests.unit.test_relevance_sasrec import with_others_at

PLAN = Plan("last item", (Measure("NDCG@10"), Measure("Recall@1")))
CLUBS, OF_CLUB = 8, 6
SETTINGS = TogetherSettings(penalty=30.0, rank_decay=0.9, weight=0.5)


def clubs(users: int = 240, noise: int = 400) -> Log:
    """What a user does first says what comes last; in between lies what comes by chance, longer than a step spans."""
    random = np.random.default_rng(1)
    events = []
    for user in range(users):
        club = int(random.integers(CLUBS))
        own = OF_CLUB * club + random.permutation(OF_CLUB)
        between = CLUBS * OF_CLUB + random.permutation(noise)[:30]
        steps = [*own[:4], *between, *own[4:]]
        events += [(user, int(item), 1_000 * at + user) for at, item in enumerate(steps)]
    return bought(events)


def chosen(log: Log) -> TogetherChoice:
    asks = PLAN.asks(log, Weights(), validation=True)
    content = read(log, np.eye(len(log.items), dtype=np.float32))
    return choose(asks, content, Tuning(), PLAN.measures[0], lambda *_: None)


def test_weights_are_worth_having_where_the_oldest_things_matter_and_recency_is_given_up() -> None:
    found = chosen(clubs())
    assert found.verdict.clear
    assert found.settings.weight > 0.0
    assert found.settings.rank_decay == 1.0
    assert sum(found.verdict.halves) == 240
    assert max(found.tried.values()) > next(iter(found.tried.values()))
    assert found.figures()["clear"]


def test_weights_that_gain_nothing_are_not_clear_and_without_them_nothing_changes() -> None:
    found = chosen(random_purchases(n_events=500))
    assert not found.verdict.clear
    log = random_purchases()
    asks, content = PLAN.asks(log, Weights()), read(log)
    plain = Mixture(Tuning(), content, Learners(asks, Tuning()).counts)
    silent = replace(plain, fitted=replace(SETTINGS, weight=0.0).read(fitted(asks, asks.before(), 30.0)))
    block = asked_in(list(asks.steps()))
    assert np.array_equal(silent.scores(block), plain.scores(block))


def test_fitting_sees_nothing_from_the_first_ask_on() -> None:
    log = clubs(users=60)
    asks = PLAN.asks(log, Weights(), validation=True)
    other = with_others_at(log, np.setdiff1d(np.arange(len(log)), asks.before()))
    others = PLAN.asks(other, Weights(), validation=True)
    one, another = (fitted(each, each.before(), 30.0) for each in (asks, others))
    assert np.array_equal(one.toarray(), another.toarray())


def test_of_every_target_the_greatest_weights_by_size_stay() -> None:
    weights = np.array([[0.0, 1.0, -5.0], [3.0, 0.0, 0.5], [-4.0, 2.0, 0.0]], np.float32)
    assert strongest(weights, 1).toarray().tolist() == [[0, 0, -5], [0, 0, 0], [-4, 2, 0]]
    assert strongest(weights, 3).toarray().tolist() == weights.tolist()


def test_without_decay_the_oldest_thing_says_as_much_as_the_newest_and_shares_add_up_to_one() -> None:
    log = clubs(users=20)
    content, tuning = read(log), Tuning(scoring=Scoring(recent=5, half_life_days=1.0))
    asks = everybody(log, tuning, now=10**6)
    flat, faded = (shares(asks, content, tuning, decay) for decay in (1.0, 0.5))
    assert flat.sum(axis=1) == pytest.approx(1.0)
    assert faded.sum(axis=1) == pytest.approx(1.0)
    assert flat[0].data == pytest.approx(1 / flat[0].nnz)
    assert flat[0].nnz == len(asks[0].items)
    assert faded[0, asks[0].items[-1]] == pytest.approx(0.5, abs=1e-3)


def test_the_sparse_product_that_a_store_would_add_up_is_what_was_measured() -> None:
    log, tuning = clubs(users=30), Tuning()
    content, asks = read(log), everybody(log, Tuning(), now=10**6)
    pairs = fitted(PLAN.asks(log, Weights()), np.arange(len(log)), 30.0)
    model = frozen(pairs, "spring", [item.item_id for item in log.items], SETTINGS)
    plain = Mixture(tuning, content, Learners(PLAN.asks(log, Weights()), tuning).counts)
    gained = replace(plain, fitted=SETTINGS.read(pairs)).scores(asks[:5]) - plain.scores(asks[:5])
    for row, ask in enumerate(asks[:5]):
        said = model.shares(ask.events, tuning.scoring, tuning.weights)
        query = {source(share.event.item_id): share.weight for share in said}
        for at, item in enumerate(log.items):
            dims, values = model.of(item.item_id)
            stored = sum(query.get(dim, 0.0) * value for dim, value in zip(dims.tolist(), values.tolist(), strict=True))
            assert gained[row, at] == pytest.approx(stored, abs=1e-5)
    assert model.of("never seen")[0].shape == (0,)


def test_a_whole_evaluation_has_a_row_with_the_weights_and_writes_what_was_chosen() -> None:
    log = clubs(users=60)
    evaluation = Evaluation(log, read(log), Tuning(), PLAN, lambda *_: None, with_together=True)
    found = evaluation.run()
    for variant in ("live", "frozen"):
        assert "low" in found[variant][TOGETHER]["NDCG@10"]
        assert found[variant][TOGETHER]["chosen"]["settings"]["penalty"] > 0.0


def test_too_many_items_and_a_window_without_asks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSetting, match="too short"):
        chosen(bought([(u, 0, u) for u in range(6)]))
    monkeypatch.setattr("penchant_relevance.together.DENSE_ITEMS", 20)
    with pytest.raises(InvalidSetting, match="at most 20"):
        chosen(clubs(users=60))

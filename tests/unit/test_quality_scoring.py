"""The offline score is the score that ships: both read the same events and must agree."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from penchant_bench.quality.counting import LiveCounts, PairCounts, counted
from penchant_bench.quality.datasets import DataSet
from penchant_bench.quality.scoring import Ask, Mixture
from penchant_core.counts import Counts, changes_of, dimension
from penchant_core.covisitation import fold
from penchant_core.interests import Known, interests_of
from penchant_core.ledger import Ledger
from penchant_core.model import Item
from penchant_core.tuning import (
    DAY,
    REFERENCE_COVISITATION,
    REFERENCE_SCORING,
    Covisitation,
    Scoring,
    Tuning,
    Weights,
)

ITEMS, USERS, EVENTS, DIM = 40, 15, 600, 8
NOW = 1_700_000_000_000 + EVENTS * DAY
TUNINGS = {
    "evidence": Tuning(),
    "strong dislike, many interests": Tuning(scoring=Scoring(dislike=2.0, recent=30, popularity=0.1)),
    "fixed mixture": Tuning(Weights(), REFERENCE_COVISITATION, REFERENCE_SCORING),
    "aging": Tuning(covisitation=Covisitation(half_life_days=200.0), scoring=Scoring(half_life_days=30.0)),
    "aging fixed mixture": Tuning(Weights(), replace(REFERENCE_COVISITATION, half_life_days=200.0), REFERENCE_SCORING),
    "short reach, narrow": Tuning(covisitation=Covisitation(reach=3, reverse=0.0, width=16)),
}


def made_up(seed: int = 7) -> DataSet:
    random = np.random.default_rng(seed)
    # Several events share a moment, as the lines of an order do.
    times = 1_700_000_000_000 + np.sort(random.integers(0, EVENTS // 2, EVENTS)) * DAY
    return DataSet(
        name="made_up",
        items=tuple(Item(item_id=f"item-{n}") for n in range(ITEMS)),
        users=tuple(f"user-{n}" for n in range(USERS)),
        user=random.integers(0, USERS, EVENTS),
        item=(random.beta(0.7, 2.0, EVENTS) * ITEMS).astype(np.int64),
        time=times,
        type="rate",
        value=random.integers(1, 6, EVENTS).astype(np.float64),
    )


def unit_rows(seed: int = 3) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(ITEMS, DIM))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def learnt_by_the_core(data: DataSet, tuning: Tuning) -> tuple[dict[str, Ledger], dict[str, Counts]]:
    ledgers: dict[str, Ledger] = defaultdict(Ledger)
    counts: dict[str, Counts] = defaultdict(Counts)
    for position in range(len(data)):
        event = data.event(position)
        ledgers[event.user_id], flow = fold(ledgers[event.user_id], [event], tuning.weights, tuning.covisitation)
        for item, change in changes_of(flow).items():
            counts[item] = counts[item].with_change(change, tuning.covisitation)
    return ledgers, counts


def scores_of_the_core(data: DataSet, vectors: NDArray[np.float32], tuning: Tuning) -> NDArray[np.float64]:
    ledgers, counts = learnt_by_the_core(data, tuning)
    items = [item.item_id for item in data.items]
    known = {name: Known(item, row, counts[name]) for name, item, row in zip(items, data.items, vectors, strict=True)}
    found = np.zeros((len(data.users), len(items)))
    for user, user_id in enumerate(data.users):
        interests = interests_of(ledgers[user_id].events, known, {}, tuning, NOW)
        weights = {dimension(source): weight for source, weight in interests.sources.items()}
        for item, name in enumerate(items):
            own = counts[name]
            pairs = zip(own.dims.tolist(), own.weighted(tuning.covisitation).tolist(), strict=True)
            together = sum(weights.get(dim, 0.0) * value for dim, value in pairs)
            popular = interests.popularity * np.log1p(own.visits)
            found[user, item] = interests.content @ vectors[item] + together + popular
    return found


def asks(data: DataSet, tuning: Tuning) -> list[Ask]:
    weights = data.weights(tuning.weights)
    nothing = np.empty(0, np.int64)
    return [
        Ask(user, data.item[steps], weights[steps], data.time[steps], nothing, NOW)
        for user, steps in enumerate(data.sequences)
    ]


def counted_at_once(data: DataSet, tuning: Tuning) -> PairCounts:
    steps = np.concatenate(data.sequences)
    steps = steps[data.weights(tuning.weights)[steps] > 0.0]
    return counted(data.item[steps], data.user[steps], data.time[steps], ITEMS, tuning.covisitation)


def counted_live(data: DataSet, tuning: Tuning) -> PairCounts:
    live = LiveCounts([item.item_id for item in data.items], tuning.covisitation)
    approving = data.weights(tuning.weights) > 0.0
    for position in range(len(data)):
        user, item, time = (int(column[position]) for column in (data.user, data.item, data.time))
        live.learn(user, item, time, approving=bool(approving[position]))
    return live


@pytest.mark.parametrize("name", TUNINGS)
def test_live_counts_give_the_score_of_the_core(name: str) -> None:
    data, vectors, tuning = made_up(), unit_rows(), TUNINGS[name]
    expected = scores_of_the_core(data, vectors, tuning)
    found = Mixture(tuning, vectors, counted_live(data, tuning)).scores(asks(data, tuning))
    assert np.abs(expected).max() > 0.01
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", [name for name in TUNINGS if "narrow" not in name])
def test_counts_of_all_events_at_once_give_the_score_of_the_core(name: str) -> None:
    data, vectors, tuning = made_up(), unit_rows(), TUNINGS[name]
    expected = scores_of_the_core(data, vectors, tuning)
    found = Mixture(tuning, vectors, counted_at_once(data, tuning)).scores(asks(data, tuning))
    assert found == pytest.approx(expected, abs=1e-4)


def test_counting_at_once_keeps_the_strongest_sources_of_a_target() -> None:
    data = made_up()
    wide = counted_at_once(data, Tuning()).pairs.toarray()
    narrow = counted_at_once(data, Tuning(covisitation=Covisitation(width=16))).pairs.toarray()
    full = (wide > 0.0).sum(axis=0) > 16
    assert full.any()
    for target in np.flatnonzero(full):
        kept = np.flatnonzero(narrow[:, target])
        assert len(kept) == 16
        assert wide[kept, target].min() >= np.delete(wide[:, target], kept).max()


def test_somebody_without_interests_gets_what_is_popular() -> None:
    data, tuning = made_up(), Tuning()
    counts = counted_at_once(data, tuning)
    nothing = np.empty(0, np.int64)
    stranger = Ask(0, nothing, np.empty(0), nothing, nothing, NOW)
    hater = Ask(1, np.array([3]), np.array([-1.0]), np.array([NOW]), nothing, NOW)
    found = Mixture(tuning, unit_rows(), counts).scores([stranger, hater])
    assert found[0] == pytest.approx(np.log1p(counts.visits))
    assert found[1] == pytest.approx(np.log1p(counts.visits))

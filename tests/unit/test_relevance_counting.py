"""Counting all paths at once and counting live are one way of counting, and it is the core's."""

from collections import defaultdict
from collections.abc import Iterable
from copy import deepcopy

import numpy as np
import pytest
import scipy.sparse as sp
from penchant_core.counts import Counts, changes_of, dimension
from penchant_core.covisitation import fold
from penchant_core.ledger import Ledger
from penchant_core.tuning import DAY, Covisitation, Weights
from penchant_relevance.asks import Asks
from penchant_relevance.counting import CountsAtOnce, LiveCounts
from penchant_relevance.log import Log

from tests.unit.relevance_logs import bought, random_life, random_purchases

ITEMS = 60
WAYS = {
    "as shipped": Covisitation(),
    "far, both ways": Covisitation(reach=20, reverse=1.0, reverse_reach=20),
    "one way": Covisitation(reverse=0.0),
    "the next item only": Covisitation(reach=1, step_decay=0.0),
    "aging": Covisitation(half_life_days=90.0),
}


def life() -> Log:
    times = 1_700_000_000_000 + np.arange(900) * DAY // 2
    return random_life(times, n_users=20, n_items=ITEMS, words=False)


def at_once(log: Log, settings: Covisitation) -> CountsAtOnce:
    steps = Asks(log, Weights()).liked(np.concatenate(log.sequences))
    return CountsAtOnce(log.item[steps], log.user[steps], log.time[steps], len(log.items), settings)


def tell(counts: LiveCounts, log: Log, positions: Iterable[int]) -> None:
    liked = log.weights(Weights()) > 0.0
    for position in positions:
        user, item, time = (int(column[position]) for column in (log.user, log.item, log.time))
        counts.learn(user, item, time, approving=bool(liked[position]))


def live(log: Log, settings: Covisitation) -> LiveCounts:
    counts = LiveCounts([item.item_id for item in log.items], settings)
    tell(counts, log, range(len(log)))
    return counts


def each_source(log: Log) -> sp.csr_matrix:
    return sp.csr_matrix(np.eye(len(log.items), dtype=np.float32))


@pytest.mark.parametrize("name", WAYS)
def test_both_ways_of_counting_agree_where_the_width_does_not_bind(name: str) -> None:
    log, settings = life(), WAYS[name]
    one, other = at_once(log, settings), live(log, settings)
    assert one.out == pytest.approx(other.out, rel=1e-4)
    assert one.visits == pytest.approx(other.visits, rel=1e-4)
    weights = np.random.default_rng(2).random((7, ITEMS)).astype(np.float32)
    sources = sp.csr_matrix(np.where(weights < 0.3, weights, 0.0))
    for asked in (each_source(log), sources):
        flow = one.flow(asked)
        assert flow.shape == asked.shape
        assert flow.max() > 0.0
        assert flow == pytest.approx(other.flow(asked), rel=1e-4, abs=1e-6)


def test_a_path_counts_as_worked_out_by_hand() -> None:
    log = bought([(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 1, 4), (1, 1, 5), (1, 0, 6)])
    settings = Covisitation(reach=2, step_decay=0.5, reverse=0.25, reverse_reach=1)
    # 0 → 1 → 2, and 1 → 0; the second time at 1 counts nothing. Rows: from, columns: to.
    expected = np.array([[0.0, 1.0 + 0.25, 0.5], [1.0 + 0.25, 0.0, 1.0], [0.0, 0.25, 0.0]])
    for counts in (at_once(log, settings), live(log, settings)):
        assert counts.flow(each_source(log)) == pytest.approx(expected)
        assert counts.out == pytest.approx(expected.sum(axis=1))
        assert counts.visits.tolist() == [2.0, 2.0, 1.0]


def test_what_is_asked_in_between_changes_nothing() -> None:
    log, settings = life(), Covisitation(width=16)
    counts = LiveCounts([item.item_id for item in log.items], settings)
    for start in range(0, len(log), 7):
        tell(counts, log, range(start, min(start + 7, len(log))))
        counts.flow(each_source(log))
    assert np.array_equal(counts.flow(each_source(log)), live(log, settings).flow(each_source(log)))


def test_a_copy_goes_on_by_itself() -> None:
    log, settings = life(), Covisitation(width=16)
    first, whole = LiveCounts([item.item_id for item in log.items], settings), live(log, settings)
    tell(first, log, range(450))
    flow, out, visits = first.flow(each_source(log)), first.out.copy(), first.visits.copy()
    twin = deepcopy(first)
    tell(twin, log, range(450, len(log)))
    assert np.array_equal(twin.flow(each_source(log)), whole.flow(each_source(log)))
    assert np.array_equal(twin.out, whole.out)
    assert np.array_equal(twin.visits, whole.visits)
    assert np.array_equal(first.flow(each_source(log)), flow)
    assert np.array_equal(first.out, out)
    assert np.array_equal(first.visits, visits)
    tell(first, log, range(450, len(log)))
    assert np.array_equal(first.flow(each_source(log)), whole.flow(each_source(log)))


def test_nothing_flows_from_no_sources() -> None:
    log = random_purchases()
    nothing = sp.csr_matrix(np.zeros((3, len(log.items)), np.float32))
    for counts in (at_once(log, Covisitation()), live(log, Covisitation())):
        assert not counts.flow(nothing).any()


def test_counting_at_once_keeps_the_strongest_sources_of_a_target() -> None:
    log = life()
    wide = at_once(log, Covisitation()).pairs.toarray()
    narrow = at_once(log, Covisitation(width=16)).pairs.toarray()
    full = (wide > 0.0).sum(axis=0) > 16
    assert full.sum() > 10
    for target in np.flatnonzero(full):
        kept = np.flatnonzero(narrow[:, target])
        assert len(kept) == 16
        assert wide[kept, target].min() >= np.delete(wide[:, target], kept).max()
    assert np.array_equal(narrow[:, ~full], wide[:, ~full])


def test_live_counts_keep_the_sources_that_the_core_keeps() -> None:
    log, settings = life(), Covisitation(width=16)
    ledgers: dict[str, Ledger] = defaultdict(Ledger)
    counts: dict[str, Counts] = defaultdict(Counts)
    for event in log.events:
        ledgers[event.user_id], flow = fold(ledgers[event.user_id], [event], Weights(), settings)
        for item, change in changes_of(flow).items():
            counts[item] = counts[item].with_change(change, settings)
    expected = np.zeros((ITEMS, ITEMS), np.float32)
    source_of = {dimension(item.item_id): at for at, item in enumerate(log.items)}
    for item_id, own in counts.items():
        for dim, value in zip(own.dims.tolist(), own.values.tolist(), strict=True):
            expected[source_of[dim], log.index[item_id]] = value
    found = live(log, settings).flow(each_source(log))
    assert ((expected > 0.0).sum(axis=0) == 16).sum() > 10
    assert ((found > 0.0) == (expected > 0.0)).all()
    assert found == pytest.approx(expected, rel=1e-4)

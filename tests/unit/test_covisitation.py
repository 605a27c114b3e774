"""Counts are sums, but sums of a function of a set: order, repetition and lateness do not change them."""

from collections import defaultdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant_core.counts import Counts, changes_of, dimension
from penchant_core.covisitation import Flow, added, flow_between, fold, occurrences
from penchant_core.ledger import CAPACITY, Ledger
from penchant_core.model import Event
from penchant_core.tuning import Covisitation, Weights

from tests.unit.strategies import many_events

SETTINGS = Covisitation(half_life_days=30.0)
WEIGHTS = Weights()
seeds = st.integers(0, 10**9)


def learnt(events: list[Event], batch: int = 1) -> tuple[Ledger, Flow]:
    ledger, flows = Ledger(), []
    for start in range(0, len(events), batch):
        ledger, flow = fold(ledger, events[start : start + batch], WEIGHTS, SETTINGS)
        flows.append(flow)
    return ledger, added(flows)


def close(one: Flow, other: Flow) -> bool:
    pairs = set(one.pairs) | set(other.pairs)
    visits = set(one.visits) | set(other.visits)
    return all(one.pairs.get(p, 0.0) == pytest.approx(other.pairs.get(p, 0.0), abs=1e-9) for p in pairs) and all(
        one.visits.get(v, 0.0) == pytest.approx(other.visits.get(v, 0.0), abs=1e-9) for v in visits
    )


@given(seeds, st.sampled_from([2, 10, 60, CAPACITY]), st.integers(1, 40))
def test_any_order_repetition_and_split_give_the_same_counts(seed: int, count: int, batch: int) -> None:
    events = many_events(seed, count)
    shuffled = Random(seed).sample(events, len(events)) + Random(seed).choices(events, k=count)
    assert close(learnt(events)[1], learnt(shuffled, batch)[1])


@given(seeds)
def test_an_event_older_than_a_full_ledger_counts_once_however_often_it_comes(seed: int) -> None:
    events = sorted(many_events(seed, 2 * CAPACITY), key=lambda e: (e.occurred_at, e.event_id))
    ledger, _ = learnt(events)
    for event in events:
        again, flow = fold(ledger, [event], WEIGHTS, SETTINGS)
        assert again == ledger
        assert not flow


def test_pairs_follow_distance_and_only_approval_counts() -> None:
    settings = Covisitation(reach=2, step_decay=0.5, reverse=0.5, reverse_reach=1)
    kinds = [("a", "view"), ("b", "purchase"), ("x", "hide"), ("a", "click"), ("c", "like"), ("d", "view")]
    path = occurrences([Event(f"{n}", "u", kind, n, item) for n, (item, kind) in enumerate(kinds)], WEIGHTS)
    flow = flow_between([], path, settings)
    ahead = {("a", "b"): 1.0, ("b", "c"): 1.0, ("a", "c"): 0.5, ("c", "d"): 1.0, ("b", "d"): 0.5}
    back = {("b", "a"): 0.5, ("c", "b"): 0.5, ("d", "c"): 0.5}
    assert flow.pairs == ahead | back
    assert flow.visits == {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0}


@given(seeds, st.integers(1, 120))
def test_counts_of_items_add_up_to_the_flow(seed: int, count: int) -> None:
    settings = Covisitation(width=4096)
    _, flow = learnt(many_events(seed, count))
    expected: dict[tuple[str, str], float] = defaultdict(float)
    for (source, target), weight in flow.pairs.items():
        expected[source, target] += weight
    for item, change in changes_of(flow).items():
        counts = Counts().with_change(change, settings)
        back = Counts.from_sparse(*counts.as_sparse(settings), counts.out, settings)
        for read in (counts, back):
            kept = dict(zip(read.dims.tolist(), read.values.tolist(), strict=True))
            assert list(kept) == sorted(kept)
            for (source, target), weight in expected.items():
                if target == item and weight > 1e-5:
                    assert kept[dimension(source)] == pytest.approx(weight, rel=1e-4)
            assert read.out == pytest.approx(sum(w for (s, _), w in expected.items() if s == item), rel=1e-4)
            assert read.visits == pytest.approx(flow.visits.get(item, 0.0), rel=1e-4)


def test_only_the_strongest_sources_are_kept() -> None:
    settings = Covisitation(width=16)
    flow = Flow({(f"s{n}", "t"): float(n + 1) for n in range(100)}, {"t": 1.0})
    counts = Counts().with_change(changes_of(flow)["t"], settings)
    assert sorted(counts.values.tolist()) == [float(n) for n in range(85, 101)]


def test_a_pair_taken_back_leaves_nothing() -> None:
    settings = Covisitation()
    there = changes_of(Flow({("s", "t"): 0.7, ("r", "t"): 1.0}))["t"]
    back = changes_of(Flow({("s", "t"): -0.7}))["t"]
    counts = Counts().with_change(there, settings).with_change(back, settings)
    assert counts.dims.tolist() == [dimension("r")]

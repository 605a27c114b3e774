"""What the design promises of the ledger, on lists long enough to reach its bound."""

from random import Random

from hypothesis import example, given
from hypothesis import strategies as st
from penchant_core.ledger import CAPACITY, FORGOTTEN, WINDOW, Ledger
from penchant_core.model import Event

from tests.unit.strategies import many_events

seeds = st.integers(0, 10**9)
counts = st.sampled_from([3, 40, CAPACITY - 1, CAPACITY, CAPACITY + 1, 2 * CAPACITY, 4 * CAPACITY])


@given(seeds, counts)
@example(1, 4 * CAPACITY)
def test_any_order_gives_the_same_ledger(seed: int, count: int) -> None:
    events = many_events(seed, count)
    shuffled = Random(seed + 1).sample(events, len(events))
    assert Ledger().with_events(events) == Ledger().with_events(shuffled)


@given(seeds, counts)
@example(1, 4 * CAPACITY)
def test_one_by_one_in_any_order_gives_the_same_ledger_as_all_at_once(seed: int, count: int) -> None:
    events = many_events(seed, count)
    ledger = Ledger()
    for event in Random(seed + 1).sample(events, len(events)):
        ledger = ledger.with_events([event])
    assert ledger == Ledger().with_events(events)


@given(seeds, counts)
def test_any_repetition_gives_the_same_ledger(seed: int, count: int) -> None:
    events = many_events(seed, count)
    once = Ledger().with_events(events)
    assert once.with_events(Random(seed).choices(events, k=2 * count)) == once


@given(seeds, counts, st.integers(1, 50))
def test_any_split_into_batches_gives_the_same_ledger(seed: int, count: int, size: int) -> None:
    events = many_events(seed, count)
    ledger = Ledger()
    for start in range(0, count, size):
        ledger = ledger.with_events(events[start : start + size])
    assert ledger == Ledger().with_events(events)


@given(seeds, counts, counts)
def test_uniting_ledgers_is_learning_both_streams(seed: int, one: int, other: int) -> None:
    left, right = many_events(seed, one), many_events(seed + 1, other)
    united = Ledger().with_events(left).joined(Ledger().with_events(right))
    assert united == Ledger().with_events(left + right)
    assert united == Ledger().with_events(right).joined(Ledger().with_events(left))


@given(seeds, counts, st.integers(0, CAPACITY - WINDOW))
@example(1, 4 * CAPACITY, CAPACITY - WINDOW)
def test_forgetting_events_is_never_having_seen_them(seed: int, count: int, forgotten: int) -> None:
    events = many_events(seed, count)
    ids = {event.event_id for event in Random(seed).sample(events, min(forgotten, count))}
    never = Ledger().with_events([event for event in events if event.event_id not in ids])
    assert Ledger().with_events(events).without(ids, now=1).events == never.events
    assert Ledger().without(ids, now=1).with_events(events).events == never.events


@given(seeds, counts, st.integers(1, 60))
def test_forgetting_commutes_with_learning(seed: int, count: int, forgotten: int) -> None:
    events = many_events(seed, count)
    ids = [event.event_id for event in events[:forgotten]]
    after = Ledger().with_events(events).without(ids, now=1)
    assert after == Ledger().without(ids, now=1).with_events(events)
    assert after.with_events(events) == after, "a replay brought a forgotten event back"
    assert not {event.event_id for event in after.live} & set(ids)
    assert all(slot == Event(slot.event_id, "", FORGOTTEN, slot.occurred_at) for slot in after.slots if slot.type == "")


@given(seeds, counts)
def test_the_bound_holds_and_keeps_the_newest(seed: int, count: int) -> None:
    events = many_events(seed, count)
    latest: dict[str, Event] = {}
    for event in events:
        if event.event_id not in latest or event.occurred_at > latest[event.event_id].occurred_at:
            latest[event.event_id] = event
    newest = sorted((e.occurred_at, e.event_id) for e in latest.values())[-CAPACITY:]
    ledger = Ledger().with_events(events)
    assert [(e.occurred_at, e.event_id) for e in ledger.slots] == newest
    assert len(ledger.events) <= WINDOW
    assert CAPACITY - WINDOW >= 50, "forgetting is exact for some fifty events"


@given(seeds, counts)
def test_a_ledger_learns_from_exactly_the_events_that_change_it(seed: int, count: int) -> None:
    events = many_events(seed, count)
    ledger = Ledger().with_events(events[: count // 2]).without([events[0].event_id], now=1)
    for event in events[-20:]:
        assert ledger.learns_from(event) == (ledger.with_events([event]) != ledger)

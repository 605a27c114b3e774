"""Live co-visitation: what people went on to, counted so that order and repetition of delivery do not matter.

The counts of a user are a function of the *set* of their events (``flow_of``). What an event adds is the difference
between the set with and without it, so a late or repeated event leaves the same counts as a timely single one.

With c_ji the decayed count of "j, then i" (and, at a lower weight, "i, then j"), n_j = Σ_i c_ji and v_i the visits of
an item, the score uses together(j → i) = c_ji / (n_j + κ) / v_i^g. Counts age by a half-life H counted from one fixed
day for all items (forward decay, Cormode et al. 2009): a pair at time t adds w · 2^((t - LANDMARK) / H), which is again
a sum that does not depend on order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from penchant_core.ledger import FORGOTTEN, Ledger
from penchant_core.model import Event
from penchant_core.tuning import DAY, Covisitation, Weights

LANDMARK = 1_767_225_600_000
"""2026-01-01 in milliseconds: the day on which an aging count weighs its plain value."""

Occurrence = tuple[str, int]
"""Item and time of a user's first approving event on it."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Changes of the counts, to be added exactly once."""

    pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(source, target) → weight of "source, then target" and, smaller, of "target, then source"."""
    visits: Mapping[str, float] = field(default_factory=dict)
    """Item → weight of users who came to it."""

    def __bool__(self) -> bool:
        return bool(self.pairs or self.visits)


def aged(time: int, settings: Covisitation) -> float:
    """Return the weight, on the landmark's scale, of something counted at *time* (milliseconds).

    What is 60 half-lives older than the landmark weighs nothing. A float32 has room for 100 half-lives after it.
    """
    if settings.half_life_days is None:
        return 1.0
    half_lives = (time - LANDMARK) / (settings.half_life_days * DAY)
    return 0.0 if half_lives < -60.0 else float(2.0 ** min(half_lives, 100.0))  # noqa: PLR2004 see the docstring


def occurrences(events: Iterable[Event], weights: Weights) -> list[Occurrence]:
    """Return the items approved of, in the order of their first approving event."""
    first: dict[str, int] = {}
    for event in events:
        if event.item_id not in first and _approves(event, weights):
            first[event.item_id] = event.occurred_at
    return list(first.items())


def _approves(event: Event, weights: Weights) -> bool:
    return bool(event.item_id) and event.type != FORGOTTEN and weights.weigh(event.type, event.value) > 0.0


def last_occurrences(events: Sequence[Event], count: int, weights: Weights) -> list[Occurrence]:
    """Return the last *count* of the ``occurrences``, without weighing all of the events."""
    earliest = dict(zip((event.item_id for event in reversed(events)), reversed(range(len(events))), strict=True))
    found: list[Occurrence] = []
    for position in reversed(range(len(events))):
        if len(found) == count:
            break
        event = events[position]
        earlier = events[earliest[event.item_id] : position]
        if _approves(event, weights) and not _approved(event.item_id, earlier, weights):
            found.append((event.item_id, event.occurred_at))
    return found[::-1]


def _approved(item_id: str, events: Iterable[Event], weights: Weights) -> bool:
    return any(event.item_id == item_id and _approves(event, weights) for event in events)


def _pairs(path: Sequence[Occurrence], since: int, settings: Covisitation) -> Iterator[tuple[tuple[str, str], float]]:
    for position in range(since, len(path)):
        target, time = path[position]
        weight = aged(time, settings)
        for step, (source, _) in enumerate(reversed(path[max(0, position - settings.reach) : position])):
            yield (source, target), weight
            if step < settings.reverse_reach:
                yield (target, source), weight * settings.reverse
            weight *= settings.step_decay


def flow_between(before: Sequence[Occurrence], after: Sequence[Occurrence], settings: Covisitation) -> Flow:
    """Return what the counts gain (or lose) when a user's path changes from *before* to *after*."""
    same = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        same += 1
    pairs: dict[tuple[str, str], float] = {}
    visits: dict[str, float] = {}
    for path, sign in ((before, -1.0), (after, 1.0)):
        for pair, weight in _pairs(path, same, settings):
            pairs[pair] = pairs.get(pair, 0.0) + sign * weight
        for item_id, time in path[same:]:
            visits[item_id] = visits.get(item_id, 0.0) + sign * aged(time, settings)
    return Flow({p: w for p, w in pairs.items() if w}, {i: w for i, w in visits.items() if w})


def fold(ledger: Ledger, events: Sequence[Event], weights: Weights, settings: Covisitation) -> tuple[Ledger, Flow]:
    """Fold a user's *events* into the ledger; return the new ledger and what the counts gain by it."""
    if len(events) == 1 and ledger.is_followed_by(events[0]):
        return ledger.followed_by(events[0]), _lengthening(ledger, events[0], weights, settings)
    united = ledger.united(events)
    before = occurrences(ledger.live, weights)
    after = occurrences(united, weights)
    return ledger.bounded(united), flow_between(before, after, settings)


def _lengthening(ledger: Ledger, event: Event, weights: Weights, settings: Covisitation) -> Flow:
    # Most events are newer than all before them: the path grows at its end or not at all.
    if not _approves(event, weights) or _approved(event.item_id, ledger.slots, weights):
        return Flow()
    near = last_occurrences(ledger.slots, settings.reach, weights)
    return flow_between(near, [*near, (event.item_id, event.occurred_at)], settings)


def added(flows: Iterable[Flow]) -> Flow:
    """Return the sum of flows."""
    pairs: dict[tuple[str, str], float] = {}
    visits: dict[str, float] = {}
    for flow in flows:
        for pair, weight in flow.pairs.items():
            pairs[pair] = pairs.get(pair, 0.0) + weight
        for item_id, weight in flow.visits.items():
            visits[item_id] = visits.get(item_id, 0.0) + weight
    # What one event adds and the next takes back leaves a rounding error, which is no pair.
    least = 1e-12 * max(map(abs, pairs.values()), default=0.0)
    return Flow({p: w for p, w in pairs.items() if abs(w) > least}, {i: w for i, w in visits.items() if w})

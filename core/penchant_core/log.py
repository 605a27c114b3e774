"""Learning from a partitioned log, where a batch may be delivered again, by somebody else, or by a sleeper who wakes.

Theory of operation
-------------------
A log has partitions; a partition numbers its records by offset. All events of one user stand in one partition.

* **A user's state in the store is the fold of a prefix of the log**: of all events up to the offset ``through``.
  Whoever folds on from a state that was read, in order, makes the fold of a longer prefix. Writes only ever move
  ``through`` forward, so it does not matter who wins: a sleeper's write is refused, or is as good as anybody's.
* **What an event adds to the counts is a function of the prefix before it**, so it has a name, (partition, offset), and
  the same value whoever tells it. An item's counts remember for each partition up to which offset they were told
  (``ItemCounts.told``) and pass over what they know. Telling twice is harmless; only not telling would be a loss.
* **Nothing is left untold.** The state carries the gains of its last batch (``pending``). A batch is written, then
  told, then committed, and the next one is written only after this one was told. So an event that is delivered again
  was either told before, or its gain stands in ``pending`` and is told once more, at its own place in the order.
* **Gains are told in the order of the log**, all users' together, because an item keeps only the highest offset.

There is no transaction across the store and the log, and none is needed: a crash anywhere between the steps repeats
steps that are harmless to repeat.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from penchant_core.counts import Change, Counts, changes_of
from penchant_core.covisitation import Flow, fold
from penchant_core.ledger import Ledger, timed
from penchant_core.model import Event, Item
from penchant_core.ports import NOWHERE
from penchant_core.reading import Whole
from penchant_core.tuning import Covisitation, Weights
from penchant_core.vectors import Vector

NOTHING = -1
"""The offset before the first."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event as the log has it."""

    offset: int
    event: Event
    """Without a time of its own it has that of the same event known already, else that of its record."""
    time: int = 0
    """When its record was written, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What the event at an offset adds to the counts."""

    offset: int
    flow: Flow


@dataclass(frozen=True, slots=True)
class UserState:
    """A user as a prefix of the log left them."""

    ledger: Ledger = field(default_factory=Ledger)
    through: int = NOTHING
    """Offset of the last event that changed the ledger."""
    pending: tuple[Gain, ...] = ()
    """Gains of the last batch that changed the ledger, oldest first."""


def folded(
    state: UserState, events: Sequence[Delivered], weights: Weights, settings: Covisitation
) -> tuple[UserState, list[Gain]]:
    """Fold a user's events of one delivery, in the order of the log.

    Return the new state, the same object when nothing changed, and the gains to tell, in the order of the log. Those of
    events that were folded in before may have been told before.
    """
    pending = {gain.offset: gain for gain in state.pending}
    ledger, through, gains = state.ledger, state.through, []
    for one in events:
        if one.offset <= state.through:
            if (gain := pending.get(one.offset)) is not None:
                gains.append(gain)
        elif ledger.learns_from(event := timed(one.event, ledger.slots, one.time)):
            ledger, flow = fold(ledger, [event], weights, settings)
            through = one.offset
            if flow:
                gains.append(Gain(one.offset, flow))
    return (state if through == state.through else UserState(ledger, through, tuple(gains))), gains


class Told(NamedTuple):
    """What one event adds to one item."""

    partition: int
    """Of the event in its topic."""
    offset: int
    item_id: str
    change: Change


def told(partition: int, gains: Iterable[Gain]) -> list[Told]:
    """Tell every item what the gains of one delivery of a partition, of all its users, mean to it: in their order."""
    return [
        Told(partition, gain.offset, item_id, change)
        for gain in sorted(gains, key=lambda gain: gain.offset)
        for item_id, change in changes_of(gain.flow).items()
    ]


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """An item's counts and how far in each partition of the events they were told."""

    counts: Counts = field(default_factory=Counts)
    told: Mapping[int, int] = field(default_factory=dict)
    """Partition of the events → offset."""


def counted(item: ItemCounts, news: Sequence[Told], settings: Covisitation) -> ItemCounts:
    """Add what an item is told, in the order of its arrival, each event once; the same object when all was known."""
    through = dict(item.told)
    sources: dict[int, float] = {}
    sums = [0.0, 0.0]
    for one in news:
        if one.offset <= through.get(one.partition, NOTHING):
            continue
        through[one.partition] = one.offset
        for dim, weight in one.change.sources.items():
            sources[dim] = sources.get(dim, 0.0) + weight
        sums[0] += one.change.sums[0]
        sums[1] += one.change.sums[1]
    if through == item.told:
        return item
    return ItemCounts(item.counts.with_change(Change(sources, sums), settings), through)


@dataclass(frozen=True, slots=True)
class Written:
    """A user to write."""

    state: UserState
    interest: Vector | None
    """The unit vector of all that is approved of."""
    words: Mapping[str, Vector]
    """Text → unit vector, of the texts that speak: whoever reads the user needs no model for them."""
    others: Mapping[str, Whole] = field(default_factory=dict)
    """The same two in other spaces, by the names of their encoders; a space that is absent is to be filled in."""


class UserStates(Protocol):
    """Keeps users' states."""

    async def states(self, user_ids: Sequence[str]) -> dict[str, UserState]:
        """Return a state for every id, an empty one where there is none, as the store has it now."""

    async def write(self, users: Mapping[str, Written]) -> None:
        """Write users, durably and readable by everybody, each unless the store has it as far or further already."""


class ItemStates(Protocol):
    """Keeps items for the one who owns their partition of the log."""

    async def item_counts(self, item_ids: Sequence[str]) -> dict[str, ItemCounts]:
        """Return counts for every id, empty ones where there are none, as the store has them now."""

    async def write_counts(self, parts: Mapping[int, Mapping[str, ItemCounts]]) -> None:
        """Write the counts of items, by the offset of their own partition up to which they were told, durably.

        An item whose counts were written with its offset or a later one stays as it is. Items that the catalogue does
        not have get a place for their counts, in no list.
        """

    async def put_items(
        self, items: Sequence[tuple[int, Item, Vector]], others: Mapping[str, Sequence[Vector]] = NOWHERE
    ) -> None:
        """Add or replace (offset, item, vector), durably, each unless it is there with a later offset.

        *others* are the vectors of the same items in other spaces, by the names of their encoders.
        """

    async def remove_items(self, items: Sequence[tuple[int, str]]) -> None:
        """Take (offset, item id) out, durably, each unless it is there with a later offset. Counts stay."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a partition was learnt, and by which record one knows it again."""

    offset: int
    time: int
    """Timestamp of the record at that offset, in milliseconds."""


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """The log that a store was made from."""

    partitions: int
    checkpoints: Mapping[int, Checkpoint] = field(default_factory=dict)


class Checkpoints(Protocol):
    """Remembers which log a store was made from: offsets mean nothing in another one."""

    async def log(self, topic: str) -> LogIdentity | None:
        """Return what is remembered of a topic; none where nothing was learnt from it."""

    async def remember(self, topic: str, partitions: int, checkpoints: Mapping[int, Checkpoint]) -> None:
        """Remember how far some partitions of a topic were learnt."""

"""The ledger: a user's state as a bounded set of events. Everything else is a pure function of it.

Theory of operation
-------------------
A ledger keeps the newest ``CAPACITY`` slots by (time, id). Keeping the newest N of a set does not depend on the order
or the repetition of what is put in, so ledgers form a join semilattice (Shapiro et al. 2011, "Conflict-free
Replicated Data Types"): folding is commutative, associative and idempotent, and two ledgers unite.

* One id stands for one event. Two contents under one id: the greater by (time, content) wins. The winner is never
  older, so replacing one cannot make room for a slot that was dropped before.
* Forgetting leaves the slot, without its content, and a marker that keeps a replay from filling it again.
* Interests read the newest ``WINDOW`` live events. The spare slots make forgetting exact: after forgetting up to
  ``CAPACITY - WINDOW`` events the window is the one of a user who never did them.

What the bound costs: an event older than every slot of a full ledger is dropped, a repeated one and a late one alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from penchant_core.model import Event

WINDOW = 200
CAPACITY = 256
MARKERS = 1024
FORGOTTEN = ""
"""Type of a slot whose content was forgotten."""


def _age(event: Event) -> tuple[int, str]:
    return (event.occurred_at, event.event_id)


def _precedence(event: Event) -> tuple[object, ...]:
    value = (0.0, 0) if event.value is None else (event.value, 1)
    texts = (event.type, event.item_id, event.text, event.surface, event.attribution, event.user_id)
    return (event.occurred_at, event.type == FORGOTTEN, texts, value)


def _stripped(event: Event) -> Event:
    return Event(event_id=event.event_id, user_id="", type=FORGOTTEN, occurred_at=event.occurred_at)


def timed(event: Event, others: Iterable[Event], time: int) -> Event:
    """Give an event without a time the one it had when it came before, among *others*, else *time* (milliseconds)."""
    if event.occurred_at:
        return event
    earlier = (other.occurred_at for other in others if other.event_id == event.event_id)
    return replace(event, occurred_at=next(earlier, time))


@dataclass(frozen=True, slots=True)
class Ledger:
    """A user's newest events, as a value: every method returns a new ledger."""

    slots: tuple[Event, ...] = ()
    """Oldest first, at most ``CAPACITY``; forgotten ones without content."""
    forgotten: Mapping[str, int] = field(default_factory=dict)
    """Id → when it was asked to be forgotten, in milliseconds; the newest ``MARKERS``."""

    @property
    def live(self) -> tuple[Event, ...]:
        """Every event kept, oldest first."""
        if not self.forgotten:
            return self.slots
        return tuple(event for event in self.slots if event.type != FORGOTTEN)

    @property
    def events(self) -> tuple[Event, ...]:
        """The newest ``WINDOW`` events, oldest first: what interests are made of."""
        return self.live[-WINDOW:]

    def has_room_for(self, event: Event) -> bool:
        """Tell whether the event is newer than something here, or its oldest event again, or there is a free slot."""
        return len(self.slots) < CAPACITY or _age(event) >= _age(self.slots[0])

    def learns_from(self, event: Event) -> bool:
        """Tell whether folding *event* would change anything."""
        if not self.has_room_for(event):
            return False
        rival = self._rival(event)
        return rival is None or _precedence(self._admitted(event)) > _precedence(rival)

    def is_followed_by(self, event: Event) -> bool:
        """Tell whether *event* is unheard of and newer than all that is here."""
        if self.slots and _age(event) <= _age(self.slots[-1]):
            return False
        return event.event_id not in self.forgotten and self._rival(event) is None

    def followed_by(self, event: Event) -> "Ledger":
        """Fold in an event of which ``is_followed_by`` is true."""
        return self.bounded((*self.slots, event))

    def _rival(self, event: Event) -> Event | None:
        return next((slot for slot in self.slots if slot.event_id == event.event_id), None)

    def united(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """Return the slots with *events* among them, oldest first, before the oldest are dropped."""
        kept = {event.event_id: event for event in self.slots}
        for event in events:
            if not self.has_room_for(event):
                continue
            admitted = self._admitted(event)
            rival = kept.get(event.event_id)
            if rival is None or _precedence(admitted) > _precedence(rival):
                kept[event.event_id] = admitted
        return tuple(sorted(kept.values(), key=_age))

    def _admitted(self, event: Event) -> Event:
        return _stripped(event) if event.event_id in self.forgotten else event

    def with_events(self, events: Iterable[Event]) -> "Ledger":
        """Fold *events* in. Any order, any repetition and any split into batches give the same ledger."""
        return self.bounded(self.united(events))

    def bounded(self, united: tuple[Event, ...]) -> "Ledger":
        """Keep the newest ``CAPACITY`` of united slots."""
        return Ledger(united[-CAPACITY:], self.forgotten)

    def without(self, event_ids: Iterable[str], now: int) -> "Ledger":
        """Forget events, known or still to come, as if they had never happened. *now* in milliseconds."""
        return self.joined(Ledger(forgotten=dict.fromkeys(event_ids, now)))

    def joined(self, other: "Ledger") -> "Ledger":
        """Unite two ledgers: the same as folding both streams into one."""
        markers = dict(self.forgotten)
        for event_id, when in other.forgotten.items():
            markers[event_id] = max(when, markers.get(event_id, when))
        newest = sorted(markers.items(), key=lambda marker: (marker[1], marker[0]))[-MARKERS:]
        base = Ledger(forgotten=dict(newest))
        return base.with_events(chain(self.slots, other.slots))

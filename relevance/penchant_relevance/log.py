"""A log: items with words, and what users did and said, in the order in which it happened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from penchant_core.covisitation import LANDMARK
from penchant_core.errors import InvalidSetting
from penchant_core.model import Event, Item
from penchant_core.tuning import Weights

Indices = NDArray[np.int64]

LEAST_EVENTS, LEAST_USERS, LEAST_ITEMS = 50, 5, 5
"""Below these nothing can be said of quality."""


@dataclass(frozen=True)
class Log:
    """Items and events; made by ``log_of``."""

    name: str
    items: tuple[Item, ...]
    events: tuple[Event, ...]
    """Oldest first; of one moment, in the order in which they happened, which their ids follow."""
    baskets: Indices | None = None
    """Per event, number of the order it belongs to; none where every event stands alone."""

    def __len__(self) -> int:
        return len(self.events)

    @cached_property
    def index(self) -> dict[str, int]:
        """Item id → position in ``items``."""
        return {item.item_id: position for position, item in enumerate(self.items)}

    @cached_property
    def users(self) -> tuple[str, ...]:
        """User ids, ascending."""
        return tuple(sorted({event.user_id for event in self.events}))

    @cached_property
    def user(self) -> Indices:
        """Per event, position in ``users``."""
        index = {user: position for position, user in enumerate(self.users)}
        return np.array([index[event.user_id] for event in self.events], np.int64)

    @cached_property
    def item(self) -> Indices:
        """Per event, position in ``items``; −1 for words without an item."""
        return np.array([self.index.get(event.item_id, -1) for event in self.events], np.int64)

    @cached_property
    def time(self) -> Indices:
        """Per event, milliseconds since 1970."""
        return np.array([event.occurred_at for event in self.events], np.int64)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What users said, each text once."""
        return tuple(dict.fromkeys(event.text for event in self.events if event.text))

    @cached_property
    def sequences(self) -> list[Indices]:
        """Positions of every user's events, oldest first."""
        order = np.argsort(self.user, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.user, minlength=len(self.users)))[:-1])

    def weights(self, weights: Weights) -> NDArray[np.float64]:
        """Return the signed weight of every event."""
        return np.array([weights.weigh(event.type, event.value) for event in self.events], np.float64)


def log_of(name: str, items: Iterable[Item], events: Sequence[Event], baskets: Indices | None = None) -> Log:
    """Return the log of *events*, which may come in any order but for those of one moment.

    Of items with one id the last counts, of events with one id of a user the first. Events on items that are not there
    are left out. Ids are given anew, so that they settle the order of one moment.
    """
    catalogue = {item.item_id: item for item in items}
    seen: set[tuple[str, str]] = set()
    kept = []
    for position, event in enumerate(events):
        key = (event.user_id, event.event_id)
        if (event.item_id and event.item_id not in catalogue) or (event.event_id and key in seen):
            continue
        seen.add(key)
        kept.append(position)
    # The lines of an order stand together, whoever else did something at the same moment.
    orders = range(len(events)) if baskets is None else baskets.tolist()
    first: dict[int, int] = {}
    for position in kept:
        first.setdefault(orders[position], position)
    kept.sort(key=lambda position: (events[position].occurred_at, first[orders[position]]))
    named = tuple(replace(events[position], event_id=f"{number:09d}") for number, position in enumerate(kept))
    return Log(name, tuple(catalogue.values()), named, None if baskets is None else baskets[kept])


def moments(events: Sequence[Event]) -> Indices:
    """Return a number for what a user did at one moment, per event: the lines of an order are no steps of a path."""
    numbers: dict[tuple[str, int], int] = {}
    return np.array([numbers.setdefault((event.user_id, event.occurred_at), len(numbers)) for event in events])


def lately(log: Log) -> Log:
    """Return the log as if its newest event had happened at the landmark of aging counts.

    Counts that age weigh nothing 60 half-lives before it (``penchant_core.covisitation.aged``), and logs that are
    measured may be old; only the distances between their events matter.
    """
    later = LANDMARK - log.events[-1].occurred_at
    events = tuple(replace(event, occurred_at=event.occurred_at + later) for event in log.events)
    return replace(log, events=events)


def check(log: Log, weights: Weights) -> None:
    """Look whether quality can be measured on a log. Raises ``InvalidSetting`` with what is missing."""
    on_items = log.item >= 0
    found = {
        "events": (int(on_items.sum()), LEAST_EVENTS),
        "users": (len(np.unique(log.user[on_items])), LEAST_USERS),
        "items": (len(np.unique(log.item[on_items])), LEAST_ITEMS),
    }
    for what, (there, least) in found.items():
        if there < least:
            raise InvalidSetting(
                f"the log has {there:,} {what}; nothing can be said of quality with fewer than {least}", field="events"
            )
    signs = log.weights(weights)
    if not (signs[on_items] > 0.0).any():
        types = ", ".join(sorted({event.type for event in log.events})[:8])
        raise InvalidSetting(
            f"no event approves of an item (types: {types}); give approving types a weight above 0", field="weights"
        )
    if not any(item.words for item in log.items):
        raise InvalidSetting("no item has a title, a description or categories", field="items")
    paths = {tuple(log.item[steps[signs[steps] > 0.0]].tolist()) for steps in log.sequences}
    if len(paths) == 1:
        raise InvalidSetting("all users did the same: there is nothing to tell them apart by", field="events")

"""Moving a whole store: users, items, counts and who made it, from one engine or place to another.

Another kind of store numbers what it learns in another way: an embedded store counts commits and has no log, one on
Qdrant has the offsets of a log. So a copy to the other kind begins at the beginning of a log, or of no log, and gets an
id of its own: tokens of the old store would name positions that mean something else there. A copy to the same kind
keeps both, and goes on where the source stood.

A target is filled aside and put into place at the end: what was cut short leaves no half of a store behind, and can be
run again.
"""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from penchant_core.errors import InvalidSetting

from penchant_adapters.copying.on_edge import edge_source, edge_target
from penchant_adapters.copying.on_qdrant import qdrant_source, qdrant_target
from penchant_adapters.copying.places import OnEdge, Origin, Place, Source, Target, place_of
from penchant_adapters.settings import Settings

__all__ = ["Copied", "Watch", "copy", "place_of"]

Watch = Callable[[str, int, int], None]
"""Is told ``users`` or ``items``, how many of them are copied, and of how many."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    users: int
    events: int
    items: int
    """Those in the catalogue."""
    removed_items: int
    """Items that are not in the catalogue; their counts are kept for when they come back."""
    words: int
    """Vectors of texts that users said."""
    model: str
    store_id: str
    """Of the copy."""
    seconds: float


async def copy(source: Place, target: Place, settings: Settings, watch: Watch, *, replacing: bool = False) -> Copied:
    """Copy a store; one that is there is replaced only when *replacing*.

    Raises ``StoreInUse``, ``StoreMismatch`` or ``InvalidSetting``; then the target is as it was.
    """
    if source == target:
        raise InvalidSetting("source and target are the same store", "target")
    started = time.monotonic()
    async with (
        _source(source, settings) as reading,
        _target(target, reading.origin, settings, replacing=replacing) as writing,
    ):
        users, events, words = await _users(reading, writing, watch)
        items, gone = await _items(reading, writing, watch)
        await reading.refuse_changed()
    seconds = time.monotonic() - started
    return Copied(users, events, items, gone, words, reading.origin.model, writing.store_id, seconds)


def _source(place: Place, settings: Settings) -> AbstractAsyncContextManager[Source]:
    return edge_source(place, settings) if isinstance(place, OnEdge) else qdrant_source(place)


def _target(
    place: Place, origin: Origin, settings: Settings, *, replacing: bool
) -> AbstractAsyncContextManager[Target]:
    if isinstance(place, OnEdge):
        return edge_target(place, origin, settings, replacing=replacing)
    return qdrant_target(place, origin, settings, replacing=replacing)


async def _users(source: Source, target: Target, watch: Watch) -> tuple[int, int, int]:
    total, _ = await source.sizes()
    users = events = words = 0
    watch("users", 0, total)
    async for page in source.users():
        await target.put_users(page)
        users += len(page)
        events += sum(len(one.written.state.ledger.slots) for one in page)
        words += sum(len(one.written.words) for one in page)
        watch("users", users, total)
    return users, events, words


async def _items(source: Source, target: Target, watch: Watch) -> tuple[int, int]:
    _, total = await source.sizes()
    items = gone = 0
    watch("items", 0, total)
    async for page in source.items():
        await target.put_items(page)
        there = sum(one.item is not None for one in page)
        items, gone = items + there, gone + len(page) - there
        watch("items", items + gone, total)
    return items, gone

"""A space is filled while everything goes on: all items first, then all users.

What is put or learnt meanwhile is written to the space by whoever writes it, so only what was there before is left to
do. Nothing is noted of how far it came: what lacks a vector is looked for in the store, so a fill that was cut short
goes on where it was, and one that is done finds nothing. A user's interest is a sum over items; it is not written
before all items are there, or it would be a sum over some.
"""

import asyncio
from dataclasses import dataclass

from penchant_adapters.edge import EdgeStore
from penchant_core.pipeline import Learner
from penchant_core.spaces import Space, Spaces, Standing

SLICE = 32
"""Items encoded and written, or users read and written, in one go: some milliseconds of the event loop."""


@dataclass(slots=True)
class Progress:
    """How far it is."""

    items: int = 0
    """Items that lack a vector."""
    users: int = 0
    """Users that do."""
    problem: str = ""
    """Why it stands still; empty: it does not."""


class Filling:
    """Fills spaces."""

    def __init__(self, store: EdgeStore, spaces: Spaces, learner: Learner) -> None:
        self._store = store
        self._spaces = spaces
        self._learner = learner

    async def fill(self, space: Space, progress: Progress) -> None:
        """Return when every item and every user has a vector. Raises ``EncoderFailed`` and ``OutOfSpace``."""
        await self._items(space, progress)
        now = self._spaces.now
        if space is not now.active and space not in now.peopled:
            self._spaces.switch(Standing(now.active, now.others, (*now.peopled, space)))
        await self._users(space, progress)

    async def _items(self, space: Space, progress: Progress) -> None:
        items = self._store.items
        while True:
            # Who writes by a standing from before the space knows nothing of it.
            await self._spaces.taken_over()
            progress.items = await items.count_lacking(space.name)
            if not progress.items:
                return
            after: int | None = 0
            while after is not None:
                found, after = await items.lacking(space.name, SLICE, after)
                vectors = await space.encoder.encode([item.content for item in found])
                written = await items.fill(space.name, list(zip(found, vectors, strict=True)))
                progress.items = max(0, progress.items - written)
                await asyncio.sleep(0)

    async def _users(self, space: Space, progress: Progress) -> None:
        users = self._store.users
        written = 1
        while written:
            await self._spaces.taken_over()
            active = self._spaces.now.active
            besides = active.name if space is not active else ""
            progress.users = await users.count_lacking(space.name, besides)
            written, after = 0, 0 if progress.users else None
            while after is not None:
                found, after = await users.lacking(space.name, besides, SLICE, after)
                ledgers = await users.ledgers(found)
                vectors = await self._learner.whole_interests(ledgers, space)
                done = await users.fill(space.name, ledgers, vectors)
                written += done
                progress.users = max(0, progress.users - done)
                await asyncio.sleep(0)
        # What is left likes nothing that is still there.
        progress.users = 0

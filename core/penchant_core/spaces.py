"""Spaces: the vectors of one encoder each, side by side in one store and never compared with each other.

A store has one space that answers, and may have others that are written beside it: one that is being filled, to take
over later, or the one that answered before, to go back to. Whoever answers or learns takes a *standing* once, at the
beginning, and holds it to the end: nothing that is made of it mixes two spaces, whatever is switched meanwhile.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from penchant_core.ports import Encoder, Retriever, Shelves
from penchant_core.trained import UNTRAINED, Trained


@dataclass(frozen=True, eq=False, slots=True)
class Space:
    """One encoder, and the items as its vectors show them."""

    encoder: Encoder
    catalogue: Shelves
    retriever: Retriever
    trained: Trained = UNTRAINED
    """The models that score in it; a sequence model is one that was learnt with the encoder's vectors."""

    @property
    def name(self) -> str:
        """The encoder's identity, which a store knows the space by."""
        return self.encoder.name


@dataclass(frozen=True, eq=False, slots=True)
class Standing:
    """Which spaces there are at a moment."""

    active: Space
    """The one that answers. What cannot be written in it is refused."""
    others: tuple[Space, ...] = ()
    """Those whose items are written beside it, as well as can be."""
    peopled: tuple[Space, ...] = ()
    """Those of the others that have every item, so that users' interests are written there too."""


class Spaces:
    """The present standing, and who still holds one before it."""

    def __init__(self, standing: Standing) -> None:
        self._now = standing
        self._held: Counter[Standing] = Counter()
        self._let_go = asyncio.Event()
        self.behind: set[str] = set()
        """Names of spaces in which something could not be written: it is to be filled in."""
        self.wanted = asyncio.Event()
        """Set when a space falls behind."""

    @property
    def now(self) -> Standing:
        """The present standing, for a look; ``held`` is for work."""
        return self._now

    @contextmanager
    def held(self) -> Iterator[Standing]:
        """Give the present standing, whose spaces stay open until the block is left."""
        standing = self._now
        self._held[standing] += 1
        try:
            yield standing
        finally:
            self._held[standing] -= 1
            if not self._held[standing]:
                del self._held[standing]
            self._let_go.set()

    def switch(self, standing: Standing) -> None:
        """Let everything that begins from now on have another standing."""
        self._now = standing

    async def taken_over(self) -> None:
        """Wait until nobody holds a standing from before the present one."""
        older = [standing for standing in self._held if standing is not self._now]
        while any(standing in self._held for standing in older):
            self._let_go.clear()
            await self._let_go.wait()

    def missed(self, space: Space) -> None:
        """Take note that something was not written in one of the others; its users wait until it is made good."""
        self.behind.add(space.name)
        now = self._now
        self._now = Standing(now.active, now.others, tuple(one for one in now.peopled if one is not space))
        self.wanted.set()

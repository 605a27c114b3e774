"""A model in the shadow: a share of the lists is made by it too, after they were answered, and compared."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import numpy as np
import structlog
from penchant_core.ledger import Ledger
from penchant_core.pipeline import Recommended, Wish
from penchant_core.spaces import Space, Spaces

from penchant_server.answering import Answering

TOP = 10
"""Items of both lists that are compared."""
NEWEST = 1_000
"""Lists that figures are made of."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Figures:
    """How a model's lists compare with those that were answered."""

    lists: int
    overlap: float
    """Mean part of the first ten items that both have, 0–1."""
    p50: float
    """Seconds, as are the others."""
    p99: float
    active_p50: float
    active_p99: float


@dataclass(slots=True)
class _Compared:
    share: float
    lists: int = 0
    overlaps: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))
    active: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))


class Shadow:
    """Makes lists by the models that shadow; one at a time, lists that come meanwhile are passed over."""

    def __init__(self, spaces: Spaces, answering: Answering, chance: Random | None = None) -> None:
        self._spaces = spaces
        self._answering = answering
        self._chance = chance or Random()  # noqa: S311 a sample of lists is no secret
        self._compared: dict[str, _Compared] = {}
        self._comparing: asyncio.Task[None] | None = None

    def set(self, model: str, share: float) -> None:
        """Compare a share of the lists with a model's, 0–1; 0 ends it. Figures begin anew."""
        self._compared.pop(model, None)
        if share > 0.0:
            self._compared[model] = _Compared(share)

    def share(self, model: str) -> float:
        """Return the share of lists that a model makes too."""
        return self._compared[model].share if model in self._compared else 0.0

    def figures(self, model: str) -> Figures | None:
        """Return how a model compares; none where no list was compared yet."""
        found = self._compared.get(model)
        if found is None or not found.lists:
            return None
        own, active = np.percentile(found.seconds, (50, 99)), np.percentile(found.active, (50, 99))
        return Figures(found.lists, float(np.mean(found.overlaps)), *map(float, (*own, *active)))

    def hear(self, ledger: Ledger, wish: Wish, listing: Sequence[Recommended], took: float) -> None:
        """Take a list that was answered, and perhaps compare it."""
        if self._comparing is not None and not self._comparing.done():
            return
        wanted = [one for one in self._spaces.now.peopled if self._chance.random() < self.share(one.name)]
        if wanted:
            self._comparing = asyncio.create_task(self._compare(wanted, ledger, wish, listing, took))

    async def _compare(
        self, spaces: Sequence[Space], ledger: Ledger, wish: Wish, listing: Sequence[Recommended], took: float
    ) -> None:
        # The answer goes out before any of this begins.
        await asyncio.sleep(0)
        with self._spaces.held() as standing:
            for space in spaces:
                if space not in standing.peopled or space.name not in self._compared:
                    continue
                began = time.perf_counter()
                try:
                    other = await self._answering.of(space).recommend(ledger, wish)
                except Exception as error:  # noqa: BLE001 nobody waits for it
                    _log.warning("no list in the shadow", model=space.name, error=repr(error))
                    continue
                seconds = time.perf_counter() - began
                if (found := self._compared.get(space.name)) is not None:
                    found.lists += 1
                    found.overlaps.append(overlap(listing, other))
                    found.seconds.append(seconds)
                    found.active.append(took)

    async def aclose(self) -> None:
        """Leave off."""
        self._compared.clear()
        if self._comparing is not None:
            self._comparing.cancel()
            with suppress(asyncio.CancelledError):
                await self._comparing


def overlap(one: Sequence[Recommended], other: Sequence[Recommended]) -> float:
    """Return the part of the first ten items that both lists have; 1 for two empty lists."""
    first, second = ({each.known.item.item_id for each in listing[:TOP]} for listing in (one, other))
    most = max(len(first), len(second))
    return len(first & second) / most if most else 1.0

"""A generation that is being filled beside the one in use, by a copy or a rebuild: put to use whole, or never.

It carries a mark whose number rises while its maker lives. Whoever finds a mark that stands still finds the remains of
a process that was killed, and takes them away.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from penchant_core.errors import PenchantError, StoreInUse, Unavailable
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation

from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.connection import connected
from penchant_adapters.qdrant.generations import Generations
from penchant_adapters.qdrant.protocol import set_payload
from penchant_adapters.qdrant.store import QdrantStore, open_qdrant
from penchant_adapters.settings_groups import QdrantSettings

UNFINISHED = "unfinished"
BEAT, STILL = 1.0, 5.0
"""Seconds between two signs of life, and without one until somebody counts as dead."""
PAGE = 1_000
PartitionOf = Callable[[bytes, int], int]
"""Of a key among so many partitions."""


class Draft:
    """A generation that nobody reads yet."""

    def __init__(self, store: QdrantStore, previous: int | None) -> None:
        self.store = store
        self.previous = previous
        """The generation in use; none where there is no store yet."""
        self.published = False

    @property
    def _items(self) -> Collection:
        return self.store.generations.collection("items", self.store.generation)

    async def beat(self) -> None:
        """Give a sign of life."""
        await self._items.write([set_payload({UNFINISHED: time.time_ns()}, [META])])

    async def fence(self, offsets: Mapping[int, int], partition_of: PartitionOf) -> None:
        """Say of every item that its counts were written at an offset, that of the item's partition of the pairs."""
        start: int | None = META + 1
        while start is not None:
            found, start = await self._items.page(start, PAGE, None, payload=("id",))
            points: defaultdict[int, list[int]] = defaultdict(list)
            for one in found:
                points[offsets[partition_of(str(one.payload["id"]).encode(), len(offsets))]].append(one.point)
            await self._items.write([set_payload({"at": offset}, some) for offset, some in points.items()])

    async def publish(self, *, keep_old: bool = False) -> None:
        """Put it to use, for everybody and in one step; then delete the generation that was in use before."""
        generations, number = self.store.generations, self.store.generation
        await generations.switch(number)
        self.published = True
        # After the switch: a crash in between leaves a mark on the generation in use, which nobody takes for remains.
        await self._items.write([set_payload({UNFINISHED: None}, [META])])
        if self.previous is not None and not keep_old:
            await generations.delete(self.previous)


@asynccontextmanager
async def drafted(
    url: str,
    model: str,
    dim: int,
    covisitation: Covisitation,
    settings: QdrantSettings,
    store_id: str | None = None,
    trained: Trained = UNTRAINED,
) -> AsyncIterator[Draft]:
    """Give a new, empty generation; deleted at the end of the block unless it was published.

    Remains of earlier ones are taken away. Raises ``StoreInUse`` while another process fills one.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(url, settings))
        generations = Generations(client, settings)
        previous = await generations.current()
        await _clear(generations, previous)
        number = max(await generations.all(), default=0) + 1
        try:
            store = await stack.enter_async_context(
                open_qdrant(
                    url,
                    model,
                    dim,
                    covisitation,
                    settings,
                    generation=number,
                    store_id=store_id,
                    client=client,
                    trained=trained,
                )
            )
            draft = Draft(store, previous)
            await draft.beat()
        except BaseException:
            await _deleted(generations, number)
            raise
        beating = asyncio.create_task(_beating(draft))
        try:
            yield draft
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            if not draft.published:
                await _deleted(generations, number)


async def _beating(draft: Draft) -> None:
    while True:
        await asyncio.sleep(BEAT)
        # Whoever fills the draft meets the same failure, and tells of it.
        with suppress(PenchantError):
            await draft.beat()


async def _deleted(generations: Generations, number: int) -> None:
    # What cannot be deleted now is taken away by the next one.
    with suppress(PenchantError):
        await generations.delete(number)


async def _clear(generations: Generations, current: int | None) -> None:
    """Delete unfinished generations."""
    others = [number for number in await generations.all() if number != current]
    marks = {number: mark for number in others if (mark := await _mark(generations, number)) is not None}
    deadline = time.monotonic() + STILL
    while marks and time.monotonic() < deadline:
        await asyncio.sleep(BEAT / 4)
        for number, mark in marks.items():
            now = await _mark(generations, number)
            if now != mark:
                raise StoreInUse(
                    f"another copy or rebuild fills {generations.name('items', number)} at this moment; "
                    "wait for it to end, or stop it"
                )
    for number in marks:
        await generations.delete(number)


async def _mark(generations: Generations, number: int) -> int | None:
    """Return the mark of an unfinished generation, 0 where it is not even described; none of a finished one."""
    try:
        found = await generations.collection("items", number).read([META])
    except Unavailable:
        raise
    except PenchantError:
        # A collection of two is missing: it was being made, or deleted.
        return 0
    if not found:
        return 0
    mark = found[0].payload.get(UNFINISHED)
    return None if mark is None else int(mark)

"""Encoders beside the one that a consumer reads words with: another one that is rolled out, or the one before.

Whatever the stages write they write in these spaces too, as well as can be: an encoder that fails here holds nobody up.
What a space lacks, since it is new, since a consumer without it was at work or since its encoder failed, is filled in
by every consumer that has it: items first, then users, whose interests are sums over items. Consumers that fill at once
begin at different places, so hardly anything is encoded twice.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from penchant_adapters.points import META
from penchant_adapters.qdrant.store import QdrantStore
from penchant_core.errors import EncoderFailed, StoreMismatch
from penchant_core.ledger import Ledger
from penchant_core.model import Content
from penchant_core.ports import Encoder
from penchant_core.reading import Reader, Whole
from penchant_core.vectors import Vector

from penchant_consumers.stage import BACK_OFF, HELD_BY
from penchant_consumers.words import unreadable

LOOK = 10.0
"""Seconds between two looks at whether a space is still whole."""
TELL = 30.0
"""Seconds after which a fill says how far it is."""
_log = structlog.get_logger()


@dataclass(eq=False)
class Beside:
    """One of them."""

    encoder: Encoder
    reader: Reader
    peopled: bool = False
    """Whether users are written in its space: not before all items are there."""
    behind: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something was left out."""


async def encoded(beside: Sequence[Beside], texts: Sequence[Content], *, said: bool = False) -> dict[str, list[Vector]]:
    """Return the vectors of texts in each space; one whose encoder fails is left out, and behind."""
    found: dict[str, list[Vector]] = {}
    for one in beside:
        try:
            found[one.encoder.name] = list(await one.encoder.encode(texts, said=said))
        except EncoderFailed as error:
            _left_out(one, error)
    return found


async def read_beside(beside: Sequence[Beside], ledgers: Mapping[str, Ledger]) -> dict[str, dict[str, Whole]]:
    """Return what ledgers say in each space, by user; one whose encoder fails is left out, and behind."""
    found: dict[str, dict[str, Whole]] = {user: {} for user in ledgers}
    for one in beside:
        if not one.peopled:
            continue
        try:
            for user, whole in (await one.reader.wholes(ledgers)).items():
                found[user][one.encoder.name] = whole
        except EncoderFailed as error:
            _left_out(one, error)
    return found


def _left_out(one: Beside, error: EncoderFailed) -> None:
    _log.warning("left out of a space", model=one.encoder.name, error=str(error))
    one.behind.set()


class Filling:
    """Fills a space, and keeps it whole."""

    def __init__(self, store: QdrantStore, space: Beside) -> None:
        self._store = store
        self._space = space
        self._model = space.encoder.name

    async def run(self) -> None:
        """Fill what lacks, now and whenever somebody left something out."""
        pause = BACK_OFF[0]
        looked = False
        while True:
            try:
                there = await self._store.spaces.there()
                if self._model not in there:
                    raise StoreMismatch(f"the vectors of {self._model} were deleted; start consumers without it")
                if not there[self._model].whole:
                    filling = await self._store.spaces.begin(self._model)
                    await self._fill(list(there))
                    await self._store.spaces.end(self._model, filling)
                elif self._space.behind.is_set() or (len(there) > 1 and not looked):
                    # A first look though every item has its vector: users may lack theirs.
                    await self._fill(list(there))
                self._space.peopled = looked = True
            except HELD_BY as error:
                _log.warning("filling is held up", model=self._model, error=str(error), again_in=pause)
                self._space.behind.set()
                await asyncio.sleep(pause)
                pause = min(2.0 * pause, BACK_OFF[1])
            else:
                pause = BACK_OFF[0]
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._space.behind.wait(), LOOK)

    async def _fill(self, models: Sequence[str]) -> None:
        self._space.behind.clear()
        _log.info("looking for what a model lacks", model=self._model)
        items = await self._items(META + 1 + secrets.randbelow(1 << 63))
        # All of it once more: what came before the place to begin, and what was left out meanwhile.
        while more := await self._items(META + 1):
            items += more
        self._space.peopled = True
        users = sum([await self._users(other) for other in models if other != self._model])
        _log.info("a model is whole", model=self._model, items=items, users=users)

    async def _items(self, start: int | None) -> int:
        """Write the vectors that items lack from a point on; return how many."""
        encoder, filled = self._space.encoder, 0
        told = time.monotonic()
        while start is not None:
            if time.monotonic() - told > TELL:
                told = time.monotonic()
                _log.info("filling a model", model=self._model, items=filled)
            page, start = await self._store.items.lacking(self._model, start)
            failed = await unreadable(encoder, [one.item.content for one in page])
            for one in page:
                if one.item.content in failed:
                    _log.warning(
                        "an item has no vector: its words cannot be read", model=self._model, item=one.item.item_id
                    )
            good = [one for one in page if one.item.content not in failed]
            if good:
                vectors = await encoder.encode([one.item.content for one in good])
                await self._store.items.fill(self._model, list(zip(good, vectors, strict=True)))
            filled += len(good)
            await asyncio.sleep(0)
        return filled

    async def _users(self, other: str) -> int:
        """Write the interests that users lack who have one in another space; return how many."""
        filled = 0
        following: int | None = META + 1
        while following is not None:
            states, following = await self._store.users.lacking(self._model, other, following)
            wholes = await self._space.reader.wholes({user: state.ledger for user, state in states.items()})
            some = {user: (state, wholes[user]) for user, state in states.items()}
            filled += await self._store.users.fill(self._model, some)
            await asyncio.sleep(0)
        return filled

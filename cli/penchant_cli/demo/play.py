"""The play: events go to a service, and the lists it pushes come back. No drawing.

Every shopper's list is watched on an open stream from the beginning. An event is sent with ``record``; what counts as
its push is the update that names it as its trigger. Reasons and interests are asked for afterwards, so that asking
does not stand in the way of the push that is timed.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import penchant
from penchant.v1.event_pb2 import Event as EventMessage

PAGE = 8
"""Items in a list."""
PATIENCE = 5.0
"""Seconds that a push may take."""
QUIET = 0.25
"""Seconds after which the list is asked for, to see whether a push is due at all."""
PENDING = 256
"""Pushes that may wait to be looked at; more are held back at the service."""


class NoPush(Exception):
    """A list changed, and nobody told the shopper's stream."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What one event did."""

    event: penchant.Event
    listing: tuple[penchant.Recommendation, ...]
    """The shopper's list after it, best first, with items and reasons."""
    movements: tuple[int | None, ...]
    """For each item of the list, as :func:`movements` gives it."""
    interests: tuple[penchant.Interest, ...]
    """The shopper's interests after it, strongest first."""
    seconds: float | None
    """From sending the event to receiving the pushed list; None when the list stayed as it was."""
    agreed: bool
    """True when asking for the list afterwards gave the same one."""
    note: str = ""
    """What to notice; empty for an event that is not of the story."""


@dataclass(frozen=True, slots=True)
class Push:
    """A list that a stream brought."""

    shopper: str
    update: penchant.Update
    at: float
    """On the clock of ``time.perf_counter``."""

    @property
    def order(self) -> tuple[str, ...]:
        """The list's item ids."""
        return tuple(one.item_id for one in self.update.recommendations)


def movements(before: Sequence[str], after: Sequence[str]) -> tuple[int | None, ...]:
    """Return, for each item of *after*, how many places it went up; negative: down; None: it is new."""
    places = {item_id: place for place, item_id in enumerate(before)}
    return tuple(places[item_id] - place if item_id in places else None for place, item_id in enumerate(after))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile, share in (0, 1], of at least one value."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def as_event(message: EventMessage, shopper: str) -> penchant.Event:
    """Return an event of the story as one that *shopper* sends, with an id of its own."""
    value = message.value if message.HasField("value") else None
    return penchant.Event(shopper, message.type, message.item_id, message.text, value, event_id=uuid4().hex)


async def cast(client: penchant.aio.Client, names: Iterable[str]) -> dict[str, str]:
    """Return a user id for every name, none known to the service: the name itself, else name-2, name-3 and so on."""
    names = list(names)
    for number in count(1):
        users = {name: name if number == 1 else f"{name}-{number}" for name in names}
        known = await asyncio.gather(*(client.interests(user) for user in users.values()))
        if not any(interests.event_count for interests in known):
            return users
    raise AssertionError("counting never ends")


class Play:
    """The shoppers' streams and what they brought; opened by :func:`opened`."""

    def __init__(self, client: penchant.aio.Client) -> None:
        self._client = client
        self._orders: dict[str, tuple[str, ...]] = {}
        self._pushes: asyncio.Queue[Push | penchant.PenchantError] = asyncio.Queue(PENDING)

    async def listen(self, shopper: str) -> None:
        """Read a shopper's stream until the task is cancelled or the service is lost."""
        try:
            async with aclosing(self._client.watch(shopper, page_size=PAGE, include_items=True)) as updates:
                async for update in updates:
                    await self._pushes.put(Push(shopper, update, time.perf_counter()))
        except penchant.PenchantError as error:
            await self._pushes.put(error)

    async def begin(self, shoppers: Iterable[str]) -> None:
        """Wait for every shopper's first list."""
        waiting = set(shoppers)
        while waiting:
            push, _ = await self._taken()
            waiting.discard(push.shopper)

    async def perform(self, event: penchant.Event, note: str = "") -> Scene:
        """Send an event, as of now, and return what it did. Raises :class:`NoPush` or the client's errors."""
        event = replace(event, occurred_at=datetime.now(UTC))
        sent = time.perf_counter()
        recorded = await self._record(event)
        before = self._orders[event.user_id]
        push = await self._caused(event.event_id, QUIET)
        if push is None and await self._asked(event.user_id, recorded.freshness_token) != before:
            push = await self._caused(event.event_id, PATIENCE)
            if push is None:
                raise NoPush(
                    f"{event.user_id}'s list changed by {event.type} {event.item_id or event.text}, but no push came "
                    f"within {PATIENCE:g} s; look at the service's log, and whether a proxy holds its streams back"
                )
        scene = await self._scene(event, before, push, recorded.freshness_token)
        return replace(scene, seconds=push.at - sent if push else None, note=note)

    async def repeated(self, event: penchant.Event) -> bool:
        """Send an event again; return True when the service knew it and changed nothing."""
        return (await self._record(event)).unchanged

    async def overheard(self) -> Scene:
        """Wait for a push that nobody here caused, and return what it shows."""
        push, before = await self._taken()
        trigger = push.update.trigger
        event = penchant.Event(push.shopper, "")
        if trigger is not None:
            event = penchant.Event(push.shopper, trigger.type, trigger.item_id, trigger.text, event_id=trigger.event_id)
        return await self._scene(event, before, push, "")

    async def _record(self, event: penchant.Event) -> penchant.Recorded:
        return await self._client.record(
            event.user_id,
            event.type,
            item_id=event.item_id,
            text=event.text,
            value=event.value,
            occurred_at=event.occurred_at,
            event_id=event.event_id,
            surface="demo",
        )

    async def _taken(self) -> tuple[Push, tuple[str, ...]]:
        """Return the oldest push nobody has looked at, and the shopper's list before it."""
        push = await self._pushes.get()
        if isinstance(push, penchant.PenchantError):
            raise push
        before = self._orders.get(push.shopper, ())
        self._orders[push.shopper] = push.order
        return push, before

    async def _caused(self, event_id: str, patience: float) -> Push | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while True:
                    push, _ = await self._taken()
                    if push.update.trigger is not None and push.update.trigger.event_id == event_id:
                        return push
        return None

    async def _asked(self, shopper: str, token: str) -> tuple[str, ...]:
        found = await self._client.recommend(shopper, page_size=PAGE, min_freshness=token)
        return tuple(one.item_id for one in found)

    async def _scene(self, event: penchant.Event, before: tuple[str, ...], push: Push | None, token: str) -> Scene:
        # A push brings details of new items only; the reasons of those that stayed have changed as well.
        asked, known = await asyncio.gather(
            self._client.recommend(
                event.user_id, page_size=PAGE, include_items=True, explain=True, min_freshness=token
            ),
            self._client.interests(event.user_id, min_freshness=token),
        )
        order = push.order if push else before
        agreed = tuple(one.item_id for one in asked) == order
        listing = asked.items if agreed or push is None else push.update.recommendations
        return Scene(event, listing, movements(before, order), known.interests, None, agreed)


@asynccontextmanager
async def opened(client: penchant.aio.Client, shoppers: Iterable[str]) -> AsyncIterator[Play]:
    """Watch every shopper's list inside the block; each has its first list when the block begins."""
    shoppers = list(shoppers)
    play = Play(client)
    streams = [asyncio.create_task(play.listen(shopper)) for shopper in shoppers]
    try:
        await play.begin(shoppers)
        yield play
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

"""How soon a recommendation follows: from an event being sent to the changed list arriving on an open stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from penchant.v1 import event_pb2
from penchant.v1 import recommendation_pb2 as pb
from penchant_adapters.encoders import open_encoder

from penchant_bench.speed import bare
from penchant_bench.speed.catalogue import Shop, item_id, new_texts, user_id
from penchant_bench.speed.client import Client, connected, paced
from penchant_bench.speed.engine import engine_seconds
from penchant_bench.speed.figure import Figure, Figures, Latencies, Options
from penchant_bench.speed.process import service
from penchant_bench.speed.stocked import shop_of, stocked

ITEMS = 12_000
EVENTS = 300
FOLLOWERS = 60
"""Users with a stream; each has an event every 1.5 s, far apart of ``push_interval``."""
EVENTS_PER_SECOND = 40.0
LOAD_PER_SECOND = 200.0
"""Events of other users in the background."""
PATIENCE = 5.0
"""Seconds after which an event is taken to have left the list as it was."""
AIM_ITEM, AIM_TEXT = 50.0, 100.0
"""Milliseconds."""
LIMIT = "bare gRPC echo + the raw engine queries"


async def measure(options: Options) -> Figures:
    """Measure events on listed items and searches for new words, with and without others' events beside them."""
    shop = shop_of(options.size(ITEMS, 500))
    count = 20 if options.quick else round((options.seconds or EVENTS / EVENTS_PER_SECOND) * EVENTS_PER_SECOND)
    async with stocked(shop) as data_dir:
        item_limit, text_limit = await _limits(data_dir, 0.3 if options.quick else 1.0)
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(service(data_dir))
            client = await stack.enter_async_context(connected(server.address))
            # The load has a connection of its own, as other users have.
            other = await stack.enter_async_context(connected(server.address))
            followers = [Follower(client, user_id(number)) for number in range(min(FOLLOWERS, count))]
            for follower in followers:
                await stack.enter_async_context(follower.following())
            texts = new_texts(2 * count, 1)
            figures: Figures = {}
            figures |= await _measured("item", followers, [""] * count, item_limit, AIM_ITEM)
            figures |= await _measured("new words", followers, texts[:count], text_limit, AIM_TEXT)
            async with loaded(other, shop, LOAD_PER_SECOND):
                figures |= await _measured("item, busy", followers, [""] * count, item_limit, AIM_ITEM)
                figures |= await _measured("new words, busy", followers, texts[count:], text_limit, AIM_TEXT)
    return figures


async def _limits(data_dir: Path, seconds: float) -> tuple[float, float]:
    """Return milliseconds that the bare parts take for an event on an item, and for new words."""
    _, engine = await engine_seconds(data_dir, [user_id(number) for number in range(FOLLOWERS)], seconds)
    plain = await bare.streams(100, 700, 1, seconds)
    encoding = Latencies()
    async with open_encoder("builtin:") as encoder:
        for text in new_texts(100, 2):
            with encoding.timed():
                await encoder.encode([text])
    item = plain.latencies.quantile(0.5) + engine.quantile(0.5)
    return item, item + encoding.quantile(0.5)


async def _measured(
    name: str, followers: Sequence["Follower"], texts: Sequence[str], limit: float, aim: float
) -> Figures:
    found = Latencies()
    turns = [partial(followers[n % len(followers)].told, text, found) for n, text in enumerate(texts)]
    await paced(turns, EVENTS_PER_SECOND)
    over = LIMIT if name.startswith("item") else f"{LIMIT} + encoding one text"
    still = Figure(1.0 - len(found.seconds) / len(texts), "of events left the list as it was")
    return found.figures(name, limit, over, aim) | ({f"{name}, unmoved": still} if still.value else {})


@asynccontextmanager
async def loaded(client: Client, shop: Shop, per_second: float) -> AsyncIterator[None]:
    """Record events of users who do not follow, one a message, evenly, inside the block."""

    async def requests() -> AsyncIterator[event_pb2.RecordEventsRequest]:
        random, begin, number = np.random.default_rng(3), time.monotonic(), 0
        while True:
            await asyncio.sleep(begin + number / per_second - time.monotonic())
            number += 1
            user = user_id(int(random.integers(FOLLOWERS, max(FOLLOWERS + 100, shop.users))))
            event = event_pb2.Event(user_id=user, type="view", item_id=item_id(int(random.integers(shop.items))))
            yield event_pb2.RecordEventsRequest(events=[event])

    async def record() -> None:
        async for answer in client.events.RecordEvents(requests()):
            assert not answer.acknowledgements[0].HasField("error"), answer

    recording = asyncio.create_task(record())
    try:
        yield
    finally:
        recording.cancel()
        await asyncio.wait([recording])


@dataclass
class Follower:
    """A user with an open stream."""

    client: Client
    user: str
    order: Sequence[str] = ()
    _expected: dict[str, asyncio.Future[float]] = field(default_factory=dict)
    _told: int = 0

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Keep the stream open inside the block."""
        call: Any = self.client.recommendations.StreamRecommendations()
        await call.write(pb.StreamRecommendationsRequest(open=pb.StreamStart(user_id=self.user, surface="home")))
        self.order = list((await call.read()).update.order)
        reading = asyncio.create_task(self._read(call))
        try:
            yield
        finally:
            call.cancel()
            await asyncio.wait([reading])

    async def _read(self, call: Any) -> None:
        while answer := await call.read():  # gRPC's end of a stream is falsy
            arrived = time.perf_counter()
            self.order = list(answer.update.order)
            waiter = self._expected.get(answer.update.trigger.event_id)
            if waiter is not None and not waiter.done():
                waiter.set_result(arrived)

    async def send(self, event: event_pb2.Event) -> None:
        """Record an event."""
        await self.client.events.RecordEvent(event_pb2.RecordEventRequest(event=event))

    async def told(self, text: str, found: Latencies) -> None:
        """Search for *text*, or without one click on an item of the list, and time until the list has changed."""
        self._told += 1
        event_id = f"{self.user}-{self._told}"
        place = self._told % 5
        event = event_pb2.Event(event_id=event_id, user_id=self.user, type="search" if text else "click", text=text)
        event.item_id = "" if text else self.order[place]
        waiter = self._expected[event_id] = asyncio.get_running_loop().create_future()
        sent = time.perf_counter()
        await self.send(event)
        try:
            async with asyncio.timeout(PATIENCE):
                found.seconds.append(await waiter - sent)
        except TimeoutError:
            pass
        finally:
            del self._expected[event_id]

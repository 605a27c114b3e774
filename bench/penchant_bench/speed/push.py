"""How soon a recommendation follows through Kafka: from a producer's send to the changed list on a server's stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from aiokafka import AIOKafkaProducer
from penchant.v1 import event_pb2
from penchant_adapters.parts import CONTENT
from penchant_adapters.qdrant.connection import connected as store_client
from penchant_adapters.qdrant.protocol import query
from qdrant_client import grpc

from penchant_bench.speed import bare, bare_log
from penchant_bench.speed.catalogue import Shop, did, item_id, user_id
from penchant_bench.speed.catching import clicks, watching
from penchant_bench.speed.client import connected, paced
from penchant_bench.speed.cluster import Cluster, cluster, note
from penchant_bench.speed.figure import Figure, Figures, Latencies, Options
from penchant_bench.speed.freshness import FOLLOWERS, LOAD_PER_SECOND, Follower
from penchant_bench.speed.shelf import Shelf, shelf_of

ITEMS, USERS = 2_000, 1_000
PER_USER = 15
EVENTS, EVENTS_PER_SECOND = 400, 20.0
"""Each follower has an event every three seconds."""
EVENT_BYTES, REPLY_BYTES = 60, 700
DEPTH = 100
AIM = 150.0
"""Milliseconds."""
LIMIT = "two bare round trips through the broker, event and wake-up + one search in the store + bare gRPC echo"
__all__ = ["measure", "note"]


async def measure(options: Options) -> Figures:
    """Measure clicks of users with a stream, with and without others' events beside them."""
    shelf = await shelf_of(Shop(options.size(ITEMS, 150), 100 if options.quick else USERS))
    count = 20 if options.quick else round((options.seconds or EVENTS / EVENTS_PER_SECOND) * EVENTS_PER_SECOND)
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(cluster(quick=options.quick))
        await shelf.put_into(ground)
        await ground.produce(clicks(shelf.shop, shelf.shop.users * PER_USER))
        watch = await stack.enter_async_context(watching(ground))
        await watch.caught_up([await stack.enter_async_context(ground.consuming())])
        parts = await _parts(ground, shelf, count)
        server = await stack.enter_async_context(ground.answering())
        client = await stack.enter_async_context(connected(server.address))
        producer = await stack.enter_async_context(ground.producing())
        followers = [
            Producing(client, user_id(n), producer=producer, topic=ground.topics.events)
            for n in range(min(FOLLOWERS, count))
        ]
        for follower in followers:
            await stack.enter_async_context(follower.following())
        # The first of everything is slower: connections, metadata, the producer's id.
        await asyncio.gather(*(follower.told("", Latencies()) for follower in followers))
        figures = await _measured("quiet", followers, count, sum(parts.values()))
        async with loaded(producer, ground.topics.events, shelf.shop, LOAD_PER_SECOND):
            figures |= await _measured(f"{LOAD_PER_SECOND:g} other events/s", followers, count, sum(parts.values()))
    return figures | {f"limit, {name} p50": Figure(took, "ms") for name, took in parts.items()}


async def _parts(ground: Cluster, shelf: Shelf, count: int) -> dict[str, float]:
    """Return milliseconds of what no service could do without."""
    beside = await ground.renewed()
    trips = await bare_log.round_trips(ground.broker.address, beside.topics.events, EVENT_BYTES, count)
    plain = await bare.streams(EVENT_BYTES, REPLY_BYTES, 1, 0.3)
    searches, random, settings = Latencies(), np.random.default_rng(31), ground.settings
    async with store_client(settings.store, settings.qdrant) as store:
        for _ in range(count):
            vector = random.standard_normal(shelf.dim).astype(np.float32)
            asked = query(vector / np.linalg.norm(vector), CONTENT, DEPTH, grpc.Filter())
            asked.collection_name = f"{ground.prefix}-items"
            with searches.timed():
                await store.grpc_points.QueryBatch(
                    grpc.QueryBatchPoints(collection_name=asked.collection_name, query_points=[asked])
                )
    return {
        "two round trips": 2.0 * trips.quantile(0.5),
        "search": searches.quantile(0.5),
        "echo": plain.latencies.quantile(0.5),
    }


async def _measured(name: str, followers: Sequence["Producing"], count: int, limit: float) -> Figures:
    found = Latencies()
    await paced([partial(followers[n % len(followers)].told, "", found) for n in range(count)], EVENTS_PER_SECOND)
    still = Figure(1.0 - len(found.seconds) / count, "of events left the list as it was")
    return found.figures(name, limit, LIMIT, AIM) | ({f"{name}, unmoved": still} if still.value else {})


@dataclass
class Producing(Follower):
    """A user with an open stream whose events go to the log, past the servers."""

    producer: AIOKafkaProducer = None
    topic: str = ""

    async def send(self, event: event_pb2.Event) -> None:
        """Hand an event to the producer, which waits for the broker in its own time."""
        await self.producer.send(self.topic, event.SerializeToString(), key=event.user_id.encode())


@asynccontextmanager
async def loaded(producer: AIOKafkaProducer, topic: str, shop: Shop, per_second: float) -> AsyncIterator[None]:
    """Produce events of users who do not follow, one at a time, evenly, inside the block."""

    async def record() -> None:
        random, begin, number = np.random.default_rng(3), time.monotonic(), 0
        while True:
            await asyncio.sleep(begin + number / per_second - time.monotonic())
            number += 1
            user = int(random.integers(FOLLOWERS, max(FOLLOWERS + 100, shop.users)))
            event = did(number, user, 0)
            event.event_id, event.item_id = f"load-{number}", item_id(int(random.integers(shop.items)))
            event.ClearField("occurred_at")
            await producer.send(topic, event.SerializeToString(), key=event.user_id.encode())

    recording = asyncio.create_task(record())
    try:
        yield
    finally:
        recording.cancel()
        with suppress(asyncio.CancelledError):
            await recording

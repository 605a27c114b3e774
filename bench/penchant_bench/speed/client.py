"""The load: calls of the service through its generated stubs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import grpc
from penchant.v1 import catalog_pb2, catalog_pb2_grpc, event_pb2, event_pb2_grpc, recommendation_pb2_grpc

from penchant_bench.speed.figure import Latencies

UNDER_WAY = 8
"""Messages of one stream that wait for their acknowledgement."""


class Client:
    """One connection to a service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        # Not typed: the type stubs know neither calls without requests nor their reading.
        self.events: Any = event_pb2_grpc.EventServiceStub(channel)
        self.catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.recommendations: Any = recommendation_pb2_grpc.RecommendationServiceStub(channel)

    async def import_items(self, requests: Iterable[catalog_pb2.UpsertItemsRequest]) -> None:
        """Put items into the catalogue. Raises ``RuntimeError`` when one is refused."""
        async for answer in self.catalog.UpsertItems(iter(requests)):
            if answer.refused:
                raise RuntimeError(f"an item was refused: {answer.refused[0]}")

    async def record(self, events: Iterable[event_pb2.Event], batch: int) -> int:
        """Record events over one stream, ``UNDER_WAY`` messages at a time; return how many were new.

        Raises ``RuntimeError`` when one is refused.
        """
        new = 0
        # Without a bound, seconds of work would stand in gRPC's buffers when the last event is given.
        under_way = asyncio.Semaphore(UNDER_WAY)

        async def requests() -> AsyncIterator[event_pb2.RecordEventsRequest]:
            for request in batches(events, batch):
                await under_way.acquire()
                yield request

        async for answer in self.events.RecordEvents(requests()):
            under_way.release()
            for told in answer.acknowledgements:
                if told.HasField("error"):
                    raise RuntimeError(f"event {told.event_id} was refused: {told.error}")
                new += not told.unchanged
        return new


def batches(events: Iterable[event_pb2.Event], size: int) -> Iterable[event_pb2.RecordEventsRequest]:
    """Yield requests of at most *size* events."""
    rest = iter(events)
    while part := list(islice(rest, size)):
        yield event_pb2.RecordEventsRequest(events=part)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    """Connect inside the block."""
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        yield Client(channel)


async def closed_loop(
    call: Callable[[int], Awaitable[object]], concurrency: int, seconds: float
) -> tuple[Latencies, float]:
    """Keep *concurrency* calls going for so many seconds; return their times and how long it really took.

    *call* gets a running number.
    """
    found, begin, count = Latencies(), time.perf_counter(), 0

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() - begin < seconds:
            count += 1
            with found.timed():
                await call(count)

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return found, time.perf_counter() - begin


async def paced(work: Sequence[Callable[[], Awaitable[None]]], per_second: float) -> None:
    """Begin each piece of work at its own moment, whether or not those before it have ended, and wait for all.

    A service that stands still thereby delays everything that was due meanwhile, and is charged for all of it.
    """
    begin = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        for number, piece in enumerate(work):
            await asyncio.sleep(begin + number / per_second - asyncio.get_running_loop().time())
            tasks.create_task(_awaited(piece))


async def _awaited(piece: Callable[[], Awaitable[None]]) -> None:
    await piece()

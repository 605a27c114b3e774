"""What the Python client costs beside the bare stubs."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from penchant import Event, aio
from penchant.v1 import event_pb2, recommendation_pb2

BATCH, WINDOW = 100, 1_000


async def timed(work: Callable[[], Awaitable[Sequence[float]]], count: int) -> dict[str, Any]:
    """Do it, and tell what it took; it returns how long single calls took, seconds."""
    cpu, begun = time.process_time(), time.perf_counter()
    calls = sorted(await work())
    seconds, spent = time.perf_counter() - begun, time.process_time() - cpu

    def quantile(share: float) -> float | None:
        return calls[min(len(calls) - 1, int(share * len(calls)))] * 1_000 if calls else None

    return {"count": count, "seconds": seconds, "cpu": spent, "p50": quantile(0.5), "p99": quantile(0.99)}


async def repeated(count: int, call: Callable[[], Awaitable[object]]) -> list[float]:
    """Call one after the other."""
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        await call()
        took.append(time.perf_counter() - begun)
    return took


async def recommend(client: aio.Client, user_id: str, count: int, _: Sequence[str]) -> dict[str, Any]:
    """Lists, by the client."""
    return await timed(lambda: repeated(count, lambda: client.recommend(user_id)), count)


async def recommend_raw(client: aio.Client, user_id: str, count: int, _: Sequence[str]) -> dict[str, Any]:
    """Lists, by the stub."""
    ask = client.raw.recommendations.Recommend
    options = recommendation_pb2.ListOptions(page_size=10)

    async def call() -> None:
        await ask(recommendation_pb2.RecommendRequest(user_id=user_id, options=options), timeout=5.0)

    return await timed(lambda: repeated(count, call), count)


async def events(client: aio.Client, user_id: str, count: int, item_ids: Sequence[str]) -> dict[str, Any]:
    """Views on a recorder."""

    async def record() -> Sequence[float]:
        async with client.recorder(batch=BATCH, window=WINDOW) as recorder:
            for number in range(count):
                await recorder.put(Event(user_id, "view", item_id=item_ids[number % len(item_ids)]))
            await recorder.flush()
        return ()

    return await timed(record, count)


async def events_raw(client: aio.Client, user_id: str, count: int, item_ids: Sequence[str]) -> dict[str, Any]:
    """The same views on a bare stream."""

    async def record() -> Sequence[float]:
        room = asyncio.Semaphore(WINDOW // BATCH)

        async def requests() -> AsyncIterator[event_pb2.RecordEventsRequest]:
            for first in range(0, count, BATCH):
                await room.acquire()
                yield event_pb2.RecordEventsRequest(
                    events=[
                        event_pb2.Event(
                            event_id=str(uuid.uuid4()),
                            user_id=user_id,
                            type="view",
                            item_id=item_ids[number % len(item_ids)],
                        )
                        for number in range(first, min(first + BATCH, count))
                    ]
                )

        answered = 0
        async for response in client.raw.events.RecordEvents(requests()):
            before, answered = answered, answered + len(response.acknowledgements)
            for _ in range(answered // BATCH - before // BATCH):
                room.release()
        if answered != count:
            raise AssertionError(f"{answered} of {count} events were answered")
        return ()

    return await timed(record, count)


MEASURED = {"recommend": recommend, "recommend_raw": recommend_raw, "events": events, "events_raw": events_raw}
"""What may be measured."""

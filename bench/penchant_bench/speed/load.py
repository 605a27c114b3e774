"""A busy hour for a service: an import beside events and lists. ``python -m penchant_bench.speed.load ADDRESS ITEMS``.

Prints the seconds that the import took and what the others waited for, in milliseconds, as JSON.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import numpy as np
import orjson
import uvloop
from penchant.v1 import event_pb2
from penchant.v1 import recommendation_pb2 as pb

from penchant_bench.speed.catalogue import Shop, item_id, user_id
from penchant_bench.speed.client import connected
from penchant_bench.speed.figure import Latencies
from penchant_bench.speed.stocked import shop_of

FIRST = 256
"""Items that are there before anybody comes."""
EVENTS_PER_SECOND = 200.0
LISTS_PER_SECOND = 50.0


async def run(address: str, items: int) -> dict[str, float]:
    """Return what the load met."""
    shop = shop_of(items)
    events, lists = Latencies(), Latencies()
    # The importer has a connection of its own, as an import has.
    async with connected(address) as client, connected(address) as importer:
        await importer.import_items(Shop(FIRST, 1).upserts())
        random = np.random.default_rng(8)

        def somebody() -> str:
            return user_id(int(random.integers(shop.users)))

        async def click() -> None:
            item = item_id(int(random.integers(FIRST)))
            event = event_pb2.Event(user_id=somebody(), type="click", item_id=item)
            await client.events.RecordEvent(event_pb2.RecordEventRequest(event=event))

        async def ask() -> None:
            await client.recommendations.Recommend(pb.RecommendRequest(user_id=somebody()))

        visitors = [
            asyncio.create_task(_visit(EVENTS_PER_SECOND, click, events)),
            asyncio.create_task(_visit(LISTS_PER_SECOND, ask, lists)),
        ]
        begin = time.perf_counter()
        await importer.import_items(shop.upserts())
        took = time.perf_counter() - begin
        for visitor in visitors:
            visitor.cancel()
        await asyncio.wait(visitors)
    return {
        "seconds": took,
        "list_p50": lists.quantile(0.5),
        "list_p99": lists.quantile(0.99),
        "event_p99": events.quantile(0.99),
    }


async def _visit(per_second: float, call: Callable[[], Awaitable[object]], found: Latencies) -> None:
    """Make calls at their moments, whether or not the ones before are answered, until cancelled."""
    begin, number = time.perf_counter(), 0

    async def timed() -> None:
        with found.timed():
            await call()

    async with asyncio.TaskGroup() as tasks:
        while True:
            await asyncio.sleep(max(0.0, begin + number / per_second - time.perf_counter()))
            number += 1
            tasks.create_task(timed())


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(run(sys.argv[1], int(sys.argv[2])))))

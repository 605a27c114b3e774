"""A long log and an empty group: whether memory stays flat, how fast it goes, and what more consumers bring."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

from penchant_bench.speed import bare_log
from penchant_bench.speed.catalogue import Shop
from penchant_bench.speed.catching import Caught, Moment, clicks, watching
from penchant_bench.speed.cluster import PARTITIONS, Cluster, cluster, note
from penchant_bench.speed.figure import Figure, Figures, Options, slope
from penchant_bench.speed.shelf import Shelf, shelf_of

ITEMS, USERS = 2_000, 50_000
EVENTS, QUICK_EVENTS = 1_000_000, 2_000
PART = 10
"""The scaling is measured on this part of the events."""
CONSUMERS = (1, 2, 4)
MEMORY_AIM = 1.1
"""Last quarter ÷ first quarter."""
GETMANY = "a bare `getmany` loop over the same records"
__all__ = ["measure", "note"]


async def measure(options: Options) -> Figures:
    """Measure one consumer on the whole log, for so many seconds at most, and several on a part of it."""
    events = QUICK_EVENTS if options.quick else EVENTS
    shelf = await shelf_of(Shop(options.size(ITEMS, 150), 300 if options.quick else USERS))
    async with cluster(quick=options.quick) as ground:
        await shelf.put_into(ground)
        await ground.produce(clicks(shelf.shop, events))
        bare = await bare_log.read_by_process(ground.broker.address, ground.topics.events, PARTITIONS)
        async with watching(ground) as watch, ground.consuming() as consumer:
            caught = await watch.caught_up([consumer], seconds=options.seconds or float("inf"))
        figures = _figures(f"{caught.events:,} events", caught, bare)
        for count in CONSUMERS[:2] if options.quick else CONSUMERS:
            figures |= await _shared(ground, shelf, events // PART, count)
    if options.plot is not None:
        from penchant_bench.speed.plot import draw_catching_up  # noqa: PLC0415 matplotlib is slow to import

        draw_catching_up(caught.moments, options.plot)
    return figures


def _figures(name: str, caught: Caught, bare: bare_log.BareLog) -> Figures:
    quarter = max(1, len(caught.moments) // 4)
    # The first events warm everything up; it is growth with the log that must not be.
    first, last = (_memory(part) for part in (caught.moments[quarter:][:quarter], caught.moments[-quarter:]))
    half = caught.moments[len(caught.moments) // 2 :]
    figures: Figures = {
        name: Figure(caught.per_second, "/s", bare.per_second, GETMANY, more_is_better=True),
        f"{name}, time": Figure(caught.seconds, "s"),
        **caught.costs(name),
        "memory, second quarter": Figure(first, "MiB"),
        "memory, last quarter": Figure(last, "MiB", first, "the second quarter of the same run", ratio_aim=MEMORY_AIM),
    }
    if half[-1].events > half[0].events:
        grown = slope([one.events for one in half], [one.memory for one in half]) * 1e5 / 2**20
        # A slope below nothing is flat, too.
        figures["memory, growth in the second half"] = Figure(max(grown, 0.0), "MiB per 100k events")
    return figures


def _memory(moments: Sequence[Moment]) -> float:
    return median(one.memory for one in moments) / 2**20


async def _shared(ground: Cluster, shelf: Shelf, events: int, count: int) -> Figures:
    """Have several consumers, of one group, catch up with events written when all have their partitions."""
    place = await ground.renewed()
    await shelf.put_into(place)
    async with watching(place, events) as watch, AsyncExitStack() as stack:
        consumers = [await stack.enter_async_context(place.consuming()) for _ in range(count)]
        caught, _ = await asyncio.gather(watch.caught_up(consumers), place.produce(clicks(shelf.shop, events)))
    name = f"{count} consumer{'s' if count > 1 else ''}, {events:,} events"
    return {name: Figure(caught.per_second, "/s", more_is_better=True), **caught.costs(name)}

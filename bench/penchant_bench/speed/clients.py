"""What the clients of all languages cost beside the bare stubs, and how soon their lists go on after a restart."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from penchant.v1 import event_pb2

from penchant_bench.neighbours.drivers import Driver, Language, driving, languages, told
from penchant_bench.neighbours.process import free_port
from penchant_bench.speed.catalogue import item_id, user_id
from penchant_bench.speed.client import connected
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.process import Server, service, serving
from penchant_bench.speed.stocked import shop_of, stocked

ITEMS = 12_000
LISTS, EVENTS = 1_000, 10_000
"""In one round."""
ROUNDS = 5
STREAMING_SECONDS = 600.0
EVENTS_PER_SECOND = 20.0
"""Of each user whose list is streamed."""
RESTARTS = 5
LIMIT = "the same calls by the generated stub of that language"
AIM_SHARE = 0.85
AIM_RESUMED = 1.0
"""Seconds."""

Drivers = Mapping[str, Driver]
Measured = dict[str, Any]


def note() -> str:
    """Say which clients were not there."""
    missing = [f"{one.name} (without {', '.join(one.missing)})" for one in languages() if one.missing]
    return (
        "One connection, one call after the other; events a hundred in a request, at most a thousand unanswered. The "
        "service runs on the same cores. " + (f"Not measured: {', '.join(missing)}." if missing else "")
    ).strip()


async def measure(options: Options) -> Figures:
    """Measure every client whose tools are here."""
    shop = shop_of(options.size(ITEMS, 500))
    present = [language for language in languages() if not language.missing]
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for language in present:
            told(language.build, language, Path(folder))
        async with stocked(shop) as data_dir:
            async with service(data_dir) as server:
                for language in present:
                    figures |= await asyncio.to_thread(_costs, language, Path(folder), server, options)
                with _driven(present, Path(folder)) as drivers:
                    figures |= await _memory(drivers, server, options.duration(STREAMING_SECONDS, 3.0))
            with _driven(present, Path(folder)) as drivers:
                figures |= await _resumed(drivers, data_dir, 1 if options.quick else RESTARTS)
    return dict(sorted(figures.items(), key=lambda pair: pair[0].partition(":")[0]))


@contextmanager
def _driven(chosen: Sequence[Language], out: Path) -> Iterator[Drivers]:
    """Run the drivers of all clients."""
    with ExitStack() as stack:
        yield {language.name: stack.enter_context(driving(language, out)) for language in chosen}


def _costs(language: Language, out: Path, server: Server, options: Options) -> Figures:
    lists, events = (50, 300) if options.quick else (LISTS, EVENTS)
    items = [item_id(number) for number in range(50)]
    with driving(language, out) as driver:
        driver.ask("connect", target=server.address)

        def done(what: str, count: int) -> Measured:
            return driver.ask("measure", what=what, user_id=user_id(7), count=count, item_ids=items)

        def compared(what: str, count: int) -> tuple[list[Measured], list[Measured]]:
            for each in (what, f"{what}_raw"):  # until compilers and caches are warm
                done(each, count)
            pairs = [(done(what, count), done(f"{what}_raw", count)) for _ in range(1 if options.quick else ROUNDS)]
            return [one for one, _ in pairs], [raw for _, raw in pairs]

        return _of_lists(language.name, *compared("recommend", lists)) | _of_events(
            language.name, *compared("events", events)
        )


def _of_lists(name: str, wrapped: list[Measured], raw: list[Measured]) -> Figures:
    figures = {f"{name}: lists": _rate("lists/s", wrapped, raw)}
    for quantile in ("p50", "p99"):
        values = [median(one[quantile] for one in some) for some in (wrapped, raw)]
        figures[f"{name}: a list, {quantile}"] = Figure(values[0], "ms", values[1], LIMIT)
    return figures | {f"{name}: processor for a list": _processor(wrapped, raw)}


def _of_events(name: str, wrapped: list[Measured], raw: list[Measured]) -> Figures:
    return {
        f"{name}: events": _rate("events/s", wrapped, raw),
        f"{name}: processor for an event": _processor(wrapped, raw),
    }


def _rate(unit: str, wrapped: list[Measured], raw: list[Measured]) -> Figure:
    values = [median(one["count"] / one["seconds"] for one in some) for some in (wrapped, raw)]
    return Figure(values[0], unit, values[1], LIMIT, ratio_aim=AIM_SHARE, more_is_better=True)


def _processor(wrapped: list[Measured], raw: list[Measured]) -> Figure:
    values = [median(one["cpu"] / one["count"] * 1e6 for one in some) for some in (wrapped, raw)]
    return Figure(values[0], "µs", values[1], LIMIT)


async def _memory(drivers: Drivers, server: Server, seconds: float) -> Figures:
    """Stream a list to each while it moves; tell what they hold at the end, and by how much it grew after a tenth."""
    early: dict[str, int] = {}
    async with connected(server.address) as client:
        for name, driver in drivers.items():
            await asyncio.to_thread(_followed, driver, server.address, f"streaming {name}")
        begun, number, looked = time.monotonic(), 0, 0.0
        while (passed := time.monotonic() - begun) < seconds:
            for name in drivers:
                event = event_pb2.Event(user_id=f"streaming {name}", type="click", item_id=item_id(number * 37 % 100))
                await client.events.RecordEvent(event_pb2.RecordEventRequest(event=event))
            number += 1
            if passed > looked:
                looked = passed + 1.0
                for driver in drivers.values():
                    driver.begin({"do": "latest", "name": "s", "after": 0})
                    await asyncio.to_thread(driver.answer)
            if not early and passed > seconds / 10:
                early = {name: _resident(driver) for name, driver in drivers.items()}
            await asyncio.sleep(max(0.0, begun + number / EVENTS_PER_SECOND - time.monotonic()))
    figures: Figures = {}
    for name, driver in drivers.items():
        held = _resident(driver)
        figures[f"{name}: memory, streaming"] = Figure(held / 2**20, "MiB")
        growth = (held - early[name]) / 2**20
        figures[f"{name}: memory growth, last nine tenths of {seconds:g} s"] = Figure(max(0.0, growth), "MiB")
    return figures


def _followed(driver: Driver, address: str, user: str) -> list[str]:
    driver.ask("connect", target=address)
    driver.ask("open_stream", name="s", user_id=user, options={"page_size": 10, "include_seen": True})
    order: list[str] = driver.ask("next", name="s", within=10_000)["order"]
    return order


def _resident(driver: Driver) -> int:
    return int(psutil.Process(driver.pid).memory_info().rss)


async def _resumed(drivers: Drivers, data_dir: Path, restarts: int) -> Figures:
    """Kill the service under open streams; time from when it serves again to the list that a later event makes."""
    address = f"127.0.0.1:{free_port()}"
    command = [str(Path(sys.executable).with_name("penchant")), "up", "--data-dir", str(data_dir), "--listen", address]
    took: dict[str, list[float]] = {name: [] for name in drivers}
    orders: dict[str, list[str]] = {}
    for number in range(restarts + 1):
        async with serving(command) as server:
            back = time.perf_counter()
            if number == 0:
                for name, driver in drivers.items():
                    orders[name] = await asyncio.to_thread(_followed, driver, address, name)
            else:
                async with connected(address) as client:
                    for name in drivers:
                        # What is last moves up, so the list changes.
                        event = event_pb2.Event(user_id=name, type="like", item_id=orders[name][-1])
                        await client.events.RecordEvent(event_pb2.RecordEventRequest(event=event))
                found = await asyncio.gather(*(asyncio.to_thread(_heard, driver) for driver in drivers.values()))
                for name, (moment, orders[name]) in zip(drivers, found, strict=True):
                    took[name].append(moment - back)
            os.kill(server.pid, signal.SIGKILL)
    return {f"{name}: resumes after": Figure(max(times), "s", aim=AIM_RESUMED) for name, times in took.items()}


def _heard(driver: Driver) -> tuple[float, list[str]]:
    """Wait for another list; return when it came and its order."""
    while True:
        found = driver.ask("next", name="s", within=20_000)
        if found["changed"]:
            return time.perf_counter(), found["order"]

"""How long the service stands still: the event loop watched from inside while an import, events and lists go on.

Only here the service runs in the measuring process, so that a ticker can stand in its loop; the load is a process of
its own. Calls of the engine and garbage collections hold the loop; each is timed and laid beside the gaps that it
explains.
"""

import asyncio
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import orjson
import structlog
from penchant_adapters.edge.shard import Shard
from penchant_adapters.settings import Settings
from penchant_server.app import running

from penchant_bench.speed.figure import Figure, Figures, Options, quantile
from penchant_bench.speed.stocked import empty

ITEMS = 50_000
TICK = 0.001
IDLE_SECONDS = 2.0
AIM = 50.0
"""Milliseconds."""
CALLS = ("update", "flush", "query", "retrieve", "scroll")
COLLECTION = "garbage collection"
REPORTED = 0.005
"""Seconds from which an engine call is written down."""


@dataclass(slots=True)
class Watch:
    """Gaps between ticks and long calls, as (start, end, name) in seconds of the performance counter."""

    gaps: list[tuple[float, float]] = field(default_factory=list)
    calls: list[tuple[float, float, str]] = field(default_factory=list)
    _begun: float = 0.0

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Tick inside the block."""
        ticker = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker

    async def _tick(self) -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(TICK)
            self.gaps.append((begin + TICK, time.perf_counter()))

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Time the engine's calls inside the block."""
        with ExitStack() as stack:
            for name in CALLS:
                plain = getattr(Shard, name)
                setattr(Shard, name, self._timed(name, plain))
                stack.callback(setattr, Shard, name, plain)
            gc.callbacks.append(self._collected)
            stack.callback(gc.callbacks.remove, self._collected)
            yield

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        del info
        now = time.perf_counter()
        if phase == "start":
            self._begun = now
        else:
            self._note(self._begun, now, COLLECTION)

    def _note(self, begin: float, end: float, name: str) -> None:
        if end - begin > REPORTED:
            self.calls.append((begin, end, name))

    def _timed(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(plain)
        def call(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            try:
                return plain(*args, **kwargs)
            finally:
                self._note(begin, time.perf_counter(), name)

        return call

    def lengths(self) -> list[float]:
        """Return the milliseconds by which ticks were late."""
        return [(end - begin) * 1e3 for begin, end in self.gaps]

    def figures(self) -> Figures:
        """Return how the longest gaps were made up."""
        figures: Figures = {}
        # Of what the ten longest gaps were made; the rest is Python's own work and other threads' turns.
        longest = sorted(self.gaps, key=lambda gap: gap[0] - gap[1])[:10]
        total = sum(end - begin for begin, end in longest)
        for name in (*CALLS, COLLECTION):
            spans = [(begin, end) for begin, end, called in self.calls if called == name]
            if spans:
                figures[f"longest {name}"] = Figure(max(end - begin for begin, end in spans) * 1e3, "ms")
                inside = sum(max(0.0, min(e, end) - max(b, begin)) for b, e in longest for begin, end in spans)
                figures[f"{name} in the ten longest stalls"] = Figure(100.0 * inside / total, "%")
        return figures


async def measure(options: Options) -> Figures:
    """Measure stalls while a catalogue is imported, 200 events and 50 lists a second beside it."""
    items = options.size(ITEMS, 500)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    watch, idle = Watch(), Watch()
    async with empty() as data_dir, running(Settings(listen="127.0.0.1:0", data_dir=data_dir)) as service:
        async with idle.ticking():
            await asyncio.sleep(options.duration(IDLE_SECONDS, 0.3))
        with watch.timing():
            async with watch.ticking():
                load = await _load(service.address, items)
    lengths = watch.lengths()
    limit = max(idle.lengths())
    return {
        "longest stall": Figure(max(lengths), "ms", limit, "the same service, idle", aim=AIM),
        "stalls, 99.9 % of ticks below": Figure(quantile(lengths, 0.999), "ms"),
        "stalls above 50 ms": Figure(float(sum(length > AIM for length in lengths)), "in the run"),
        "time in stalls above 10 ms": Figure(
            100.0 * sum(length for length in lengths if length > 10.0) / 1e3 / load["seconds"], "%"
        ),
        **watch.figures(),
        "import beside it": Figure(items / load["seconds"], "items/s", more_is_better=True),
        "Recommend beside it p50": Figure(load["list_p50"], "ms"),
        "Recommend beside it p99": Figure(load["list_p99"], "ms"),
        "event beside it p99": Figure(load["event_p99"], "ms"),
    }


async def _load(address: str, items: int) -> dict[str, float]:
    command = [sys.executable, "-m", "penchant_bench.speed.load", address, str(items)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"the load ended with {process.returncode}")
    found: dict[str, float] = orjson.loads(told)
    return found

"""The runtime of an encoder under load: one text alone, beside a bulk, many callers, and texts that are known."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from statistics import mean
from typing import Any

import psutil
from penchant_adapters.encoders import CachedEncoder, VectorFile, WorkerEncoder
from penchant_adapters.encoders.schedule import Bounds
from penchant_core.vectors import Matrix

from penchant_bench.speed.encoding_texts import SEED
from penchant_bench.speed.figure import Figure, Figures, Latencies

_CALLERS = (1, 4, 16, 64, 256)
_SEARCH = "trail running shoes"
_BATCH = 64
"""Events that are asked about at once, as a consumer does."""


class _Watched:
    """A model that tells how long its batches took."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.seconds: list[tuple[int, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def vectors(self, given: Sequence[Any]) -> Matrix:
        begin = time.perf_counter()
        rows: Matrix = self._inner.vectors(given)
        self.seconds.append((len(given), time.perf_counter() - begin))
        return rows


async def lone(ours: dict[str, WorkerEncoder], searches: int) -> Figures:
    """Ask for one text after the other, by turns."""
    took = {name: Latencies() for name in ours}
    for search in range(searches):
        for name, encoder in ours.items():
            with took[name].timed():
                await encoder.encode([f"waterproof trail running shoes {search}"], urgent=True)
    return {f"a lone text p50, {name}": Figure(found.quantile(0.5), "ms") for name, found in took.items()}


async def during_a_bulk(full: WorkerEncoder, texts: Sequence[str], searches: int) -> Figures:
    """Encode in bulk without an end while a visitor searches, one word after the other."""
    watched = [_Watched(model) for model in full.models]
    took = Latencies()
    number = count()
    async with WorkerEncoder(*watched) as encoder:

        async def bulk() -> None:
            while True:
                await encoder.encode([f"{text} {next(number)}" for text in texts])

        working = [asyncio.create_task(bulk()) for _ in range(2)]
        await asyncio.sleep(0)
        for search in range(searches):
            with took.timed():
                await encoder.encode([f"trail shoes {search}"], urgent=True)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    batch = mean(seconds for one in watched for size, seconds in one.seconds if size > 1)
    limit_is = "two batches of the bulk"
    return {
        "a search during a bulk p50": Figure(took.quantile(0.5), "ms"),
        "a search during a bulk p99": Figure(took.quantile(0.99), "ms", 2e3 * batch, limit_is, ratio_aim=1.0),
    }


async def at_once(full: WorkerEncoder, seconds: float) -> Figures:
    """Have ever more callers ask for one text after the other."""
    figures: Figures = {}
    process, number = psutil.Process(), count()
    before = process.memory_info().rss
    async with WorkerEncoder(*full.models, bounds=Bounds(urgent=4_096)) as encoder:
        for callers in _CALLERS:
            rate = await _rate(seconds, callers, lambda: encoder.encode([f"{_SEARCH} {next(number)}"], urgent=True))
            figures[f"{callers} callers at once"] = Figure(rate, "texts/s", more_is_better=True)
    figures["memory that the callers took"] = Figure((process.memory_info().rss - before) / 2**20, "MiB")
    return figures


async def _rate(seconds: float, callers: int, call: Callable[[], Awaitable[object]]) -> float:
    """Return the calls a second of so many callers, each of whom makes the next one when the last is answered."""
    begin, done = time.perf_counter(), 0

    async def calling() -> None:
        nonlocal done
        while time.perf_counter() < begin + seconds:
            await call()
            done += 1

    await asyncio.gather(*(calling() for _ in range(callers)))
    return done / (time.perf_counter() - begin)


async def remembered(full: WorkerEncoder, folder: Path, seconds: float) -> Figures:
    """Ask for one text at a time, of which a share was asked for before."""
    figures: Figures = {}
    async with VectorFile(folder / "vectors.sqlite") as file:
        known = [f"known {number}" for number in range(1_000)]
        cache = CachedEncoder(full, file)
        await cache.encode(known)
        for where, one in (("memory", cache), ("the file", CachedEncoder(full, file))):
            begin = time.perf_counter()
            for text in known:
                await one.encode([text])
            figures[f"found in {where}"] = Figure(1e6 * (time.perf_counter() - begin) / len(known), "µs")
        dice, number = random.Random(SEED), count()  # noqa: S311
        for share in (0.0, 0.5, 0.99):

            async def batch(share: float = share) -> None:
                texts = [
                    dice.choice(known) if dice.random() < share else f"new words {next(number)}" for _ in range(_BATCH)
                ]
                await asyncio.gather(*(cache.encode([text]) for text in texts))

            rate = _BATCH * await _rate(seconds, 1, batch)
            figures[f"events, {share:.0%} of their words known"] = Figure(rate, "texts/s", more_is_better=True)
    return figures

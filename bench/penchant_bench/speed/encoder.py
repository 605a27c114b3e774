"""Speed of the built-in encoder: one by one, in bulk, through the cache, and what a bulk does to everybody else.

``python -m penchant_bench.speed.encoder`` prints the figures; another encoder's URL may follow.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable
from itertools import product
from pathlib import Path
from statistics import median

from penchant_adapters.encoders import CachedEncoder, VectorFile, WorkerEncoder, open_encoder

from penchant_bench.speed.figure import Figure, Figures, Options

_WORDS = (
    ("Light", "Waterproof", "Second-hand", "结实的", "軽い", "Leichte", "Ligero", "خفيف"),
    ("trail running shoes", "香蕉和水果", "argan oil shampoo", "手机壳", "acoustic guitar strings", "Kaffeemaschine"),
    ("for women", "with free shipping", "适合送礼", "pack of two", "pour la montagne", "in dark blue"),
    ("4 oz", "size 42", "2026", "model B", "v2", "XL", "大号", "limited"),
)
TEXTS = [" ".join(words) for words in product(*_WORDS)]
"""2,304 made-up titles in eight languages, 39 characters on average."""


async def run(url: str = "builtin:", texts: int = 2_000) -> dict[str, float | str]:
    """Return texts per second (``…_per_s``) and milliseconds (``…_ms``) of the encoder at *url*, on *texts* titles."""
    start = time.perf_counter()
    encoder = open_encoder(url)
    load_ms = 1e3 * (time.perf_counter() - start)
    sample, singles = TEXTS[:texts], TEXTS[: texts // 5]
    async with encoder:
        figures: dict[str, float | str] = {"encoder": encoder.name, "load_ms": load_ms}
        one_by_one = [await _seconds(encoder.encode([text])) for text in singles]
        figures |= {"one_by_one_per_s": len(singles) / sum(one_by_one), "one_p50_ms": 1e3 * median(one_by_one)}
        figures["callers_at_once_per_s"] = texts / await _seconds(
            asyncio.gather(*(encoder.encode([t]) for t in sample))
        )
        figures |= await _bulk(encoder, sample)
        with tempfile.TemporaryDirectory() as folder:
            async with VectorFile(Path(folder) / "vectors.sqlite") as store:
                await CachedEncoder(encoder, store).encode(sample)
                cache = CachedEncoder(encoder, store)
                figures["from_file_per_s"] = texts / await _seconds(cache.encode(sample))
                figures["from_memory_per_s"] = texts / await _seconds(cache.encode(sample))
                start = time.perf_counter()
                for text in sample:
                    cache.peek(text)
                figures["peek_ms"] = 1e3 * (time.perf_counter() - start) / texts
    return figures


async def measure(options: Options) -> Figures:
    """Measure the built-in encoder; the limit is its model, fed slice by slice without anything around it."""
    texts = 100 if options.quick else len(TEXTS)
    found = await run(texts=texts)
    bulk, single = await _model_alone(TEXTS[:texts])
    rates = {
        "one by one": ("one_by_one_per_s", single),
        "callers at once": ("callers_at_once_per_s", bulk),
        "in bulk": ("bulk_per_s", bulk),
        "from the file": ("from_file_per_s", None),
        "from memory": ("from_memory_per_s", None),
    }
    times = {
        "one text p50": "one_p50_ms",
        "a search during a bulk p50": "search_during_bulk_p50_ms",
        "longest stall of the loop during a bulk": "loop_stall_during_bulk_max_ms",
        "loading the weights": "load_ms",
    }
    limit_is = "the model alone"
    return {
        name: Figure(float(found[key]), "texts/s", limit, limit_is if limit else "", more_is_better=True)
        for name, (key, limit) in rates.items()
    } | {name: Figure(float(found[key]), "ms") for name, key in times.items()}


async def _model_alone(texts: list[str]) -> tuple[float, float]:
    """Return texts a second in slices and one by one."""
    encoder = open_encoder("builtin:")
    async with encoder:
        model, size = encoder.model, encoder.model.room.texts
        rates = []
        for step, sample in ((size, texts), (1, texts[: len(texts) // 5])):
            begin = time.perf_counter()
            for start in range(0, len(sample), step):
                model.vectors(sample[start : start + step])
            rates.append(len(sample) / (time.perf_counter() - begin))
        return rates[0], rates[1]


async def _seconds(work: Awaitable[object]) -> float:
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


async def _bulk(encoder: WorkerEncoder, texts: list[str]) -> dict[str, float]:
    """Encode all at once while the event loop ticks every millisecond and a visitor searches now and then."""
    bulk = asyncio.create_task(_seconds(encoder.encode(texts)))
    ticks: list[float] = []
    searches: list[float] = []
    while not bulk.done():
        ticks += [await _seconds(asyncio.sleep(0.001)) for _ in range(50)]
        searches.append(await _seconds(encoder.encode([f"search {len(searches)}"], urgent=True)))
    return {
        "bulk_per_s": len(texts) / await bulk,
        "search_during_bulk_p50_ms": 1e3 * median(searches),
        "loop_stall_during_bulk_max_ms": 1e3 * max(ticks),
    }


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "builtin:"
    print(json.dumps(asyncio.run(run(chosen)), indent=2))

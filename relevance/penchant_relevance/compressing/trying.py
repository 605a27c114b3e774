"""How fast a model is and how much memory it takes: in a process of its own, as a service would have it."""

import asyncio
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from penchant_adapters.encoders import open_encoder

TEXTS, ROUNDS = 400, 3
"""Texts that are encoded at once, and how often; the fastest counts."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What a process with a model in it took."""

    texts_per_second: float
    peak_bytes: int
    """Greatest memory of the whole process: interpreter, libraries, weights and a batch."""


def tried(url: str, texts: Sequence[str]) -> Speed:
    """Encode *texts* by the model of a URL in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_encode, url, list(texts[:TEXTS])).result()


def _encode(url: str, texts: list[str]) -> Speed:
    fastest = asyncio.run(_fastest(url, texts))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Speed(len(texts) / fastest, peak if sys.platform == "darwin" else peak << 10)


async def _fastest(url: str, texts: list[str]) -> float:
    async with open_encoder(url) as encoder:
        await encoder.encode(texts[:16])
        seconds = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            await encoder.encode(texts)
            seconds.append(time.perf_counter() - begun)
    return min(seconds)

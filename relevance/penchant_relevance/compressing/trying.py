"""How fast a model is and how much memory it takes: in a process of its own, as a service would have it.

Two models take turns, each in its process, so that whatever else the machine does meanwhile both of them meet it.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from penchant_adapters.encoders import WorkerEncoder, open_encoder

from penchant_relevance.memory import peak_bytes_of_process

TEXTS, ROUNDS = 400, 5
"""Texts that are encoded at once, and how often by turns."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What a process with a model in it took."""

    texts_per_second: float
    """In its fastest round."""
    peak_bytes: int
    """Greatest memory of the whole process: interpreter, libraries, weights and a batch."""
    times_as_fast: float = 1.0
    """As the model that it took turns with: the median of all rounds."""


class Running:
    """A model in a process of its own."""

    def __init__(self, pool: ProcessPoolExecutor, texts: int) -> None:
        self._pool, self._texts = pool, texts

    def round(self) -> float:
        """Return the seconds that it takes for the texts."""
        return self._pool.submit(_encode).result()

    def alone(self) -> Speed:
        """Return how fast it is."""
        return self._speed([self.round() for _ in range(ROUNDS)])

    def beside(self, first: "Running") -> Speed:
        """Return how fast it is, by turns with another one."""
        seconds = [(first.round(), self.round()) for _ in range(ROUNDS)]
        return self._speed([own for _, own in seconds], float(np.median([other / own for other, own in seconds])))

    def _speed(self, seconds: Sequence[float], times: float = 1.0) -> Speed:
        peak = self._pool.submit(peak_bytes_of_process).result()
        return Speed(self._texts / min(seconds), peak, times)


@contextmanager
def running(url: str, texts: Sequence[str]) -> Iterator[Running]:
    """Have the model of a URL in a new process, to encode *texts* again and again."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_open, url, list(texts)).result()
        try:
            yield Running(pool, len(texts))
        finally:
            pool.submit(_close).result()


# In the process of a model:


@dataclass
class _Here:
    runner: asyncio.Runner
    encoder: WorkerEncoder
    texts: list[str]


_here: list[_Here] = []


def _open(url: str, texts: list[str]) -> None:
    runner = asyncio.Runner()
    here = _Here(runner, open_encoder(url), texts)
    _here.append(here)
    runner.run(here.encoder.encode(texts[:16]))


def _encode() -> float:
    (here,) = _here
    begun = time.perf_counter()
    here.runner.run(here.encoder.encode(here.texts))
    return time.perf_counter() - begun


def _close() -> None:
    here = _here.pop()
    here.runner.run(here.encoder.aclose())
    here.runner.close()

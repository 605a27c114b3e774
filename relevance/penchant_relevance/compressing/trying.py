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


def tried(url: str, texts: Sequence[str]) -> Speed:
    """Encode *texts* by the model of a URL in a new process."""
    with _process(url, texts) as model:
        return _speed(len(texts), [_round(model) for _ in range(ROUNDS)], _peak(model))


def tried_beside(first: str, url: str, texts: Sequence[str]) -> Speed:
    """Encode *texts* by the model of a URL in a new process, by turns with another model in another one."""
    with _process(first, texts) as before, _process(url, texts) as model:
        seconds = [(_round(before), _round(model)) for _ in range(ROUNDS)]
        times = float(np.median([one / other for one, other in seconds]))
        return _speed(len(texts), [other for _, other in seconds], _peak(model), times)


def _speed(texts: int, seconds: Sequence[float], peak: int, times: float = 1.0) -> Speed:
    return Speed(texts / min(seconds), peak, times)


@contextmanager
def _process(url: str, texts: Sequence[str]) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_open, url, list(texts)).result()
        try:
            yield pool
        finally:
            pool.submit(_close).result()


def _round(model: ProcessPoolExecutor) -> float:
    return model.submit(_encode).result()


def _peak(model: ProcessPoolExecutor) -> int:
    return model.submit(peak_bytes_of_process).result()


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

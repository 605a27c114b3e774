"""The engine alone: the very requests that the store makes for a user's list, made beforehand."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from penchant_adapters.edge import EdgeStore, open_edge
from penchant_adapters.encoders import opened_encoder
from penchant_adapters.process import now
from penchant_adapters.settings import Settings
from penchant_core.pipeline import Recommender, Wish
from penchant_core.trained import UNTRAINED, Trained
from qdrant_edge import QueryBatchRequest, QueryRequest, ScoredPoint

from penchant_bench.speed.figure import Latencies

Question: TypeAlias = list[Callable[[], Any]]
"""What the engine is asked for one list, step by step."""


class Tap:
    """Stands before the shard of the items and writes down what is asked."""

    def __init__(self, shard: Any) -> None:
        self._shard = shard
        self.question: Question = []

    def query(self, requests: Sequence[QueryRequest]) -> list[list[ScoredPoint]]:
        """Answer as the shard does."""
        engine = self._shard._shard  # noqa: SLF001 the limit is the engine without the code around it
        if len(requests) == 1:
            self.question.append(partial(engine.query, requests[0]))
        else:
            self.question.append(partial(engine.query_batch, QueryBatchRequest(list(requests))))
        answers: list[list[ScoredPoint]] = self._shard.query(requests)
        return answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shard, name)


@asynccontextmanager
async def questions(
    data_dir: Path, users: Sequence[str], trained: Trained = UNTRAINED
) -> AsyncIterator[list[Question]]:
    """Open a store that no process has open and give the questions behind these users' lists."""
    settings = Settings(data_dir=data_dir)
    async with opened_encoder(settings.encoder, settings) as encoder:
        with open_edge(data_dir, encoder.name, encoder.dim, settings.covisitation, trained=trained) as store:
            recommender = Recommender(store.stores.library, encoder, settings.tuning, now, trained)
            yield [await _question(store, recommender, user) for user in users]


async def _question(store: EdgeStore, recommender: Recommender, user: str) -> Question:
    search: Any = store.items._search  # noqa: SLF001 as above
    tap = Tap(search._shard)  # noqa: SLF001
    search._shard = tap  # noqa: SLF001
    try:
        await recommender.recommend(await recommender.ledger(user), Wish())
    finally:
        search._shard = tap._shard  # noqa: SLF001
    return tap.question


async def engine_seconds(
    data_dir: Path, users: Sequence[str], seconds: float, trained: Trained = UNTRAINED
) -> tuple[float, Latencies]:
    """Return the processor seconds that the engine needs for one list, and how long each took."""
    found = Latencies()
    async with questions(data_dir, users, trained) as asked:
        begin, used = time.perf_counter(), time.process_time()
        while time.perf_counter() - begin < seconds:
            for question in asked:
                with found.timed():
                    for step in question:
                        step()
        return (time.process_time() - used) / len(found.seconds), found

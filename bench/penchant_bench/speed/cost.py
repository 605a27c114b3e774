"""What a thousand lists cost, stage by stage: processor time, and money at a price of a core."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from penchant.v1 import recommendation_pb2 as pb
from penchant_adapters.edge import EdgeStore, open_edge
from penchant_adapters.encoders import opened_encoder
from penchant_adapters.process import now
from penchant_adapters.settings import Settings
from penchant_core.interests import Interests
from penchant_core.model import Filter
from penchant_core.pipeline import Recommender, Wish
from penchant_core.ports import Encoder, Query
from penchant_core.sequence import About, SequenceModel, shapes, version_of
from penchant_core.trained import UNTRAINED, Trained
from threadpoolctl import threadpool_limits

from penchant_bench.speed import bare
from penchant_bench.speed.catalogue import new_texts, user_id
from penchant_bench.speed.client import closed_loop, connected
from penchant_bench.speed.engine import engine_seconds
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.process import service
from penchant_bench.speed.stocked import shop_of, stocked
from penchant_bench.speed.weights import made_up

ITEMS = 12_000
USERS = 400
WIDTH, BLOCKS, HEADS, LENGTH = 128, 2, 2, 30
"""Of a sequence model, as ``penchant train sequence`` makes it; drawn at random, which costs as much."""
PER = 1_000
ENGINE = "the raw engine queries of a list"


async def measure(options: Options) -> Figures:
    """Measure the stages in this process, on ledgers of 10–20 events, then whole lists of a service over gRPC."""
    with threadpool_limits(1, user_api="blas"):  # as in the service: more would wait for each other by spinning
        return await _measured(options)


async def _measured(options: Options) -> Figures:
    shop, seconds = shop_of(options.size(ITEMS, 500)), options.duration(3.0, 0.3)
    users = [user_id(number) for number in range(min(shop.users, USERS))]
    async with stocked(shop) as data_dir:
        engine, _ = await engine_seconds(data_dir, users, seconds)
        served, plain = await _served(data_dir, users, seconds)
        async with _opened(data_dir) as ground:
            found = {"encoding words": await _encoding(ground.encoder, seconds)}
            found |= await ground.stages(users, seconds)
            model = _model(ground.encoder)
        found[f"sequence model, {LENGTH} items"] = await _network(model, seconds)
        async with _opened(data_dir, Trained(sequence=model)) as ground:
            found["list with a sequence model"] = await ground.lists(users, seconds)
        async with _opened(data_dir, Trained(together=made_up(shop))) as ground:
            found["list with weights between items"] = await ground.lists(users, seconds)
    found["list over gRPC"] = served
    limits = {
        "list": (engine, ENGINE),
        "list over gRPC": (engine + plain, f"{ENGINE}, and a bare gRPC echo of its bytes"),
    }
    figures = {name: Figure(cpu * PER, f"CPU s per {PER:,}", *_limit(limits.get(name))) for name, cpu in found.items()}
    figures["engine alone"] = Figure(engine * PER, f"CPU s per {PER:,}")
    price = options.hourly / 3600.0
    money = {f"money, {name}": Figure(figure.value * price, f"per {PER:,}") for name, figure in figures.items()}
    return figures | money


def note() -> str:
    """Say what the figures are of."""
    return (
        "Processor seconds of all threads per 1,000: texts of 45 bytes for the encoder, lists of ten for the rest. "
        "Money: those seconds at the price of a core's hour that `--hourly` gives, in its currency (0.05 unless told); "
        "idle cores, memory and disks cost besides."
    )


def _limit(found: tuple[float, str] | None) -> tuple[float | None, str]:
    return (None, "") if found is None else (found[0] * PER, found[1])


async def _cpu(call: Callable[[int], Awaitable[object]], seconds: float) -> float:
    """Return the processor seconds of one call; *call* gets a running number."""
    begin, used, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < seconds:
        await call(count)
        count += 1
    return (time.process_time() - used) / count


async def _encoding(encoder: Encoder, seconds: float) -> float:
    texts = new_texts(20_000, 31)
    return await _cpu(lambda n: encoder.encode([texts[n % len(texts)]]), seconds)


@dataclass(frozen=True, slots=True)
class _Ground:
    """A store that no process has open, and what makes lists of it."""

    store: EdgeStore
    encoder: Encoder
    recommender: Recommender

    async def stages(self, users: Sequence[str], seconds: float) -> Mapping[str, float]:
        """Return the processor seconds of the stages of one list."""
        recommender = self.recommender
        ledgers = [await recommender.ledger(user) for user in users]
        interests = [await recommender.interests(ledger) for ledger in ledgers]
        queries = [self._query(one, seen) for one, seen in zip(interests, map(_seen, ledgers), strict=True)]
        by_words = [replace(query, sources={}, popularity=0.0) for query in queries]
        by_counts = [replace(query, content=None, directions=()) for query in queries]

        def every(call: Callable[[Any], Awaitable[object]], of: Sequence[Any]) -> Awaitable[float]:
            return _cpu(lambda n: call(of[n % len(of)]), seconds)

        search = self.store.items.candidates
        plain = await every(lambda one: recommender.recommend(one, Wish()), ledgers)
        told = await every(lambda one: recommender.recommend(one, Wish(explain=True)), ledgers)
        return {
            "reading the ledger": await every(recommender.ledger, users),
            "reading interests": await every(recommender.interests, ledgers),
            "searching by words": await every(search, by_words),
            "searching by counts": await every(search, by_counts),
            "searching by both": await every(search, queries),
            "list": plain,
            "explaining a list": max(0.0, told - plain),
        }

    async def lists(self, users: Sequence[str], seconds: float) -> float:
        """Return the processor seconds of one list, of ledgers that are read already."""
        ledgers = [await self.recommender.ledger(user) for user in users]
        return await _cpu(lambda n: self.recommender.recommend(ledgers[n % len(ledgers)], Wish()), seconds)

    def _query(self, interests: Interests, seen: frozenset[str]) -> Query:
        several = len(interests.directions) > 1
        return Query(
            content=interests.content,
            directions=interests.directions if several else (interests.content,),
            sources=interests.sources,
            popularity=interests.popularity,
            filter=Filter(exclude=seen),
            depth=Settings().tuning.scoring.depth,
            limit=10,
        )


def _seen(ledger: Any) -> frozenset[str]:
    return frozenset(event.item_id for event in ledger.live if event.item_id)


@asynccontextmanager
async def _opened(data_dir: Path, trained: Trained = UNTRAINED) -> AsyncIterator[_Ground]:
    settings = Settings(data_dir=data_dir)
    async with opened_encoder(settings.encoder, settings) as encoder:
        with open_edge(data_dir, encoder.name, encoder.dim, settings.covisitation, trained=trained) as store:
            yield _Ground(store, encoder, Recommender(store.stores.library, encoder, settings.tuning, now, trained))


async def _network(model: SequenceModel, seconds: float) -> float:
    read = np.random.default_rng(5).normal(size=(LENGTH, WIDTH)).astype(np.float32)
    read /= np.linalg.norm(read, axis=1, keepdims=True)

    async def once(_: int) -> None:
        model.state(read)

    return await _cpu(once, seconds)


def _model(encoder: Encoder) -> SequenceModel:
    random = np.random.default_rng(11)
    arrays: dict[str, Any] = {
        name: random.normal(scale=0.1, size=shape).astype(np.float32)
        for name, shape in shapes(WIDTH, encoder.dim, LENGTH, BLOCKS, 0).items()
    }
    arrays["items.number"] = np.empty(0, np.uint64)
    return SequenceModel(About("cost", version_of(arrays), encoder.name, HEADS, 0.02), arrays)


async def _served(data_dir: Path, users: Sequence[str], seconds: float) -> tuple[float, float]:
    """Return the processor seconds of a service for one list, and of a bare echo of as many bytes."""
    async with service(data_dir) as server, connected(server.address) as client:
        requests = [pb.RecommendRequest(user_id=user, surface="home") for user in users]
        answers = [await client.recommendations.Recommend(request) for request in requests]
        used = server.cpu_seconds()
        found, _ = await closed_loop(
            lambda n: client.recommendations.Recommend(requests[n % len(requests)]), 8, max(seconds, 1.0)
        )
        cpu = (server.cpu_seconds() - used) / len(found.seconds)
    sent = round(fmean(request.ByteSize() for request in requests))
    received = round(fmean(answer.ByteSize() for answer in answers))
    return cpu, (await bare.unary(sent, received, 8, max(seconds / 2, 0.5))).cpu

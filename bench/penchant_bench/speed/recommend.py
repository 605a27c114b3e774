"""What a list costs: processor time of the server for a unary call and for a push, and how long callers wait."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from penchant.v1 import recommendation_pb2 as pb
from penchant_adapters.together import write_together_model
from penchant_core.trained import Trained

from penchant_bench.speed import bare
from penchant_bench.speed.catalogue import Shop, user_id
from penchant_bench.speed.client import Client, closed_loop, connected
from penchant_bench.speed.engine import engine_seconds
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.process import Server, service
from penchant_bench.speed.stocked import shop_of, stocked
from penchant_bench.speed.weights import made_up

ITEMS = 12_000
CONCURRENCIES = (1, 8, 32)
STREAMS = 64
"""Open at once; a stream is pushed to at most every ``push_interval``."""
EXCLUDED = 3
"""Items of the list that each push replaces."""
LIMIT = "bare gRPC echo of as many bytes + the raw engine queries"


@dataclass(frozen=True, slots=True)
class _Pushed:
    cpu: float
    per_second: float
    request_bytes: int
    reply_bytes: int


async def measure(options: Options) -> Figures:
    """Measure ``Recommend`` and pushes on a stream, on ledgers of 10–20 events."""
    shop, seconds = shop_of(options.size(ITEMS, 500)), options.duration(3.0, 0.4)
    users = [user_id(number) for number in range(min(shop.users, 400))]
    async with stocked(shop) as data_dir:
        engine, times = await engine_seconds(data_dir, users, seconds)
        async with service(data_dir) as server, connected(server.address) as client:
            requests = [pb.RecommendRequest(user_id=user, surface="home") for user in users]
            answers = [await client.recommendations.Recommend(request) for request in requests]
            request_bytes = round(fmean(request.ByteSize() for request in requests))
            reply_bytes = round(fmean(answer.ByteSize() for answer in answers))
            figures: Figures = {
                "engine per list": Figure(engine * 1e6, "µs CPU"),
                "engine per list p50": Figure(times.quantile(0.5), "ms"),
                "bytes of a reply": Figure(reply_bytes, "bytes"),
            }
            for concurrency in CONCURRENCIES:
                plain = await bare.unary(request_bytes, reply_bytes, concurrency, seconds / 2)
                figures |= await _calls(server, client, requests, concurrency, seconds, plain, engine)
            pushed = await _pushes(server, client, users[:STREAMS], seconds)
        figures |= await _with_weights(shop, data_dir, users, seconds)
    plain = await bare.streams(pushed.request_bytes, pushed.reply_bytes, len(users[:STREAMS]), seconds / 2)
    limit = (plain.cpu + engine) * 1e6
    figures["push"] = Figure(pushed.cpu * 1e6, "µs CPU", limit, LIMIT, ratio_aim=1.5)
    figures["pushes, streams at once"] = Figure(pushed.per_second, "/s", more_is_better=True)
    return figures


async def _with_weights(shop: Shop, data_dir: Path, users: Sequence[str], seconds: float) -> Figures:
    """Measure the same lists with weights between items, whose data directory has them from then on."""
    model = made_up(shop)
    size = _disk(data_dir)
    engine, times = await engine_seconds(data_dir, users, seconds, Trained(together=model))
    grown = _disk(data_dir) - size
    folder = write_together_model(data_dir / "weights", model, {}).parent
    async with service(data_dir, together_model=str(folder)) as server, connected(server.address) as client:
        requests = [pb.RecommendRequest(user_id=user, surface="home") for user in users]
        used = server.cpu_seconds()
        found, _ = await closed_loop(
            lambda n: client.recommendations.Recommend(requests[n % len(requests)]), 1, seconds
        )
        cpu = (server.cpu_seconds() - used) / len(found.seconds)
    name = "with weights"
    return {
        f"engine per list, {name}": Figure(engine * 1e6, "µs CPU"),
        f"engine per list p50, {name}": Figure(times.quantile(0.5), "ms"),
        f"Recommend, 1 at once, {name}": Figure(cpu * 1e6, "µs CPU"),
        f"Recommend, 1 at once, {name}, p50": Figure(found.quantile(0.5), "ms"),
        "disk for the weights of an item": Figure(grown / shop.items, "bytes"),
    }


def _disk(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


async def _calls(
    server: Server,
    client: Client,
    requests: Sequence[pb.RecommendRequest],
    concurrency: int,
    seconds: float,
    plain: bare.Bare,
    engine: float,
) -> Figures:
    used = server.cpu_seconds()
    found, took = await closed_loop(
        lambda n: client.recommendations.Recommend(requests[n % len(requests)]), concurrency, seconds
    )
    cpu = (server.cpu_seconds() - used) / len(found.seconds)
    name = f"Recommend, {concurrency} at once"
    return {
        name: Figure(cpu * 1e6, "µs CPU", (plain.cpu + engine) * 1e6, LIMIT, ratio_aim=1.5),
        **found.figures(name, plain.latencies.quantile(0.5) + engine * 1e3 * concurrency, LIMIT),
        f"{name}, calls": Figure(
            len(found.seconds) / took, "/s", 1.0 / (1.0 / plain.per_second + engine), LIMIT, more_is_better=True
        ),
    }


async def _pushes(server: Server, client: Client, users: Sequence[str], seconds: float) -> _Pushed:
    """Have every stream leave out and take in again the top of its list, so that each push changes as much."""
    streams = [await _Stream.opened(client, user) for user in users]
    begin, used = time.perf_counter(), server.cpu_seconds()
    await asyncio.gather(*(stream.turns(begin + seconds) for stream in streams))
    took, used = time.perf_counter() - begin, server.cpu_seconds() - used
    for stream in streams:
        stream.call.cancel()
    count = sum(stream.count for stream in streams)
    sent, received = sum(s.sent_bytes for s in streams), sum(s.received_bytes for s in streams)
    return _Pushed(used / count, count / took, sent // count, received // count)


@dataclass(slots=True)
class _Stream:
    call: Any
    top: Sequence[str]
    count: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0

    @classmethod
    async def opened(cls, client: Client, user: str) -> "_Stream":
        call: Any = client.recommendations.StreamRecommendations()
        await call.write(pb.StreamRecommendationsRequest(open=pb.StreamStart(user_id=user, surface="home")))
        first = await call.read()
        return cls(call, list(first.update.order[:EXCLUDED]))

    async def turns(self, end: float) -> None:
        while time.perf_counter() < end:
            excluded = [] if self.count % 2 else self.top
            change = pb.ListOptions(filter=pb.Filter(exclude_item_ids=excluded))
            request = pb.StreamRecommendationsRequest(change=change)
            await self.call.write(request)
            answer = await self.call.read()
            self.count += 1
            self.sent_bytes += request.ByteSize()
            self.received_bytes += answer.ByteSize()

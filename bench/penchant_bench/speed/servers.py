"""Recommendations a second from one server process and from two on one port, and beside a consumer at full speed."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import fmean

import grpc
from penchant.v1 import recommendation_pb2 as pb

from penchant_bench.speed import bare
from penchant_bench.speed.catalogue import Shop, user_id
from penchant_bench.speed.catching import PATIENCE, Watch, clicks, watching
from penchant_bench.speed.client import Client, closed_loop
from penchant_bench.speed.cluster import Cluster, cluster, cpu_seconds, note
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.process import Server
from penchant_bench.speed.shelf import shelf_of

ITEMS, USERS = 12_000, 3_400
PER_USER = 15
PROCESSES = (1, 2)
CONCURRENCY = 8
CONNECTIONS = 32
"""The kernel gives a connection to one of the processes, by chance: with many of them, each gets its share."""
BACKLOG_PER_SECOND = 12_000
"""Events written beforehand for each second that a consumer shall be busy: more than it can learn."""
LIMIT = "bare gRPC echo of as many bytes, one process"
__all__ = ["measure", "note"]


async def measure(options: Options) -> Figures:
    """Measure ``Recommend`` on ledgers of some 15 events."""
    shelf = await shelf_of(Shop(options.size(ITEMS, 150), 100 if options.quick else USERS))
    seconds = options.duration(6.0, 0.5)
    figures: Figures = {}
    async with cluster(quick=options.quick) as ground:
        await shelf.put_into(ground)
        await ground.produce(clicks(shelf.shop, shelf.shop.users * PER_USER))
        async with watching(ground) as watch, ground.consuming() as consumer:
            await watch.caught_up([consumer])
        requests = [pb.RecommendRequest(user_id=user_id(n), surface="home") for n in range(min(400, shelf.shop.users))]
        for processes in PROCESSES:
            name = f"{processes} process{'es' if processes > 1 else ''}"
            async with ground.answering(processes) as server, _connections(server.address) as clients:
                # Every process opens its connections with its first call.
                answers = [await clients[n % CONNECTIONS].recommendations.Recommend(r) for n, r in enumerate(requests)]
                size = round(fmean(answer.ByteSize() for answer in answers))
                plain = await bare.unary(requests[0].ByteSize(), size, CONCURRENCY, seconds / 2)
                figures |= await _asked(name, ground, server, clients, requests, seconds, plain)
                if processes == 1:
                    figures["bytes of a reply"] = Figure(size, "bytes")
                    figures |= await _busy(ground, shelf.shop, server, clients, requests, seconds, plain)
    return figures


@asynccontextmanager
async def _connections(address: str) -> AsyncIterator[list[Client]]:
    """Open many connections inside the block; channels of one process else share one."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(CONNECTIONS):
            own = [("grpc.use_local_subchannel_pool", 1)]
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=own))
            await channel.channel_ready()
            clients.append(Client(channel))
        yield clients


async def _asked(
    name: str,
    ground: Cluster,
    server: Server,
    clients: Sequence[Client],
    requests: Sequence[pb.RecommendRequest],
    seconds: float,
    plain: bare.Bare,
) -> Figures:
    used, store = cpu_seconds(server.pid), ground.store.cpu_seconds()
    found, took = await closed_loop(
        lambda n: clients[n % CONNECTIONS].recommendations.Recommend(requests[n % len(requests)]), CONCURRENCY, seconds
    )
    calls = len(found.seconds)
    name = f"{name}, {CONCURRENCY} at once"
    figures: Figures = {
        name: Figure(calls / took, "/s", plain.per_second, LIMIT, more_is_better=True),
        **found.figures(name, plain.latencies.quantile(0.5), LIMIT),
        f"{name}, servers": Figure((cpu_seconds(server.pid) - used) / calls * 1e6, "µs CPU", plain.cpu * 1e6, LIMIT),
    }
    if spent := ground.store.cpu_seconds() - store:
        figures[f"{name}, store"] = Figure(spent / calls * 1e6, "µs CPU")
    return figures


async def _busy(
    ground: Cluster,
    shop: Shop,
    server: Server,
    clients: Sequence[Client],
    requests: Sequence[pb.RecommendRequest],
    seconds: float,
    plain: bare.Bare,
) -> Figures:
    """Ask while a consumer works on a backlog. Raises ``RuntimeError`` when it was done before the time was over."""
    await ground.produce(clicks(shop, max(2_000, round(BACKLOG_PER_SECOND * seconds)), seed=41))
    async with watching(ground) as watch, ground.consuming():
        begin = await _advanced(watch)
        figures = await _asked("consumer at full speed", ground, server, clients, requests, seconds, plain)
        end = await _advanced(watch)
    if end[1] >= watch.end:
        raise RuntimeError(f"all {watch.end:,} events were learnt before {seconds:g} s were over")
    learnt = (end[1] - begin[1]) / (end[0] - begin[0])
    return figures | {"consumer at full speed, learnt": Figure(learnt, "/s", more_is_better=True)}


async def _advanced(watch: Watch) -> tuple[float, int]:
    """Wait for the next commit; return when it was seen and how many events it made."""
    before = now = await watch.events()
    async with asyncio.timeout(PATIENCE):
        while now == before:
            await asyncio.sleep(0.02)
            now = await watch.events()
    return time.perf_counter(), now

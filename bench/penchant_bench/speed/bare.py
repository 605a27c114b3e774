"""How fast a bare gRPC server answers: the limit of what the service can reach over the same wire."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from penchant_bench.speed.client import closed_loop
from penchant_bench.speed.echo import STREAM, UNARY, plain
from penchant_bench.speed.figure import Latencies
from penchant_bench.speed.process import echo


@dataclass(frozen=True, slots=True)
class Bare:
    """What a bare server took."""

    cpu: float
    """Processor seconds of the server for one message answered."""
    latencies: Latencies
    per_second: float
    """Messages answered."""


async def unary(request_bytes: int, reply_bytes: int, concurrency: int, seconds: float) -> Bare:
    """Measure unary calls, so many at a time."""
    request = bytes(request_bytes)
    async with echo(reply_bytes) as server, plain(server.address) as channel:
        call = channel.unary_unary(UNARY)
        await call(request)
        used = server.cpu_seconds()
        found, took = await closed_loop(lambda _: call(request), concurrency, seconds)
        return Bare((server.cpu_seconds() - used) / len(found.seconds), found, len(found.seconds) / took)


async def streams(request_bytes: int, reply_bytes: int, count: int, seconds: float) -> Bare:
    """Measure bidirectional streams, each with one message on its way."""
    request = bytes(request_bytes)
    async with echo(reply_bytes) as server, plain(server.address) as channel:
        calls = [channel.stream_stream(STREAM)() for _ in range(count)]

        async def turn(number: int) -> None:
            await calls[number].write(request)
            await calls[number].read()

        await asyncio.gather(*map(turn, range(count)))
        found, used, begin = Latencies(), server.cpu_seconds(), time.perf_counter()

        async def caller(number: int) -> None:
            while time.perf_counter() - begin < seconds:
                with found.timed():
                    await turn(number)

        await asyncio.gather(*map(caller, range(count)))
        took, used = time.perf_counter() - begin, server.cpu_seconds() - used
        for each in calls:
            each.cancel()
        return Bare(used / len(found.seconds), found, len(found.seconds) / took)


async def flood(request_bytes: int, reply_bytes: int, seconds: float) -> Bare:
    """Measure one stream whose messages never wait for answers."""
    begin = time.perf_counter()

    async def requests() -> AsyncIterator[bytes]:
        while time.perf_counter() - begin < seconds:
            yield bytes(request_bytes)

    async with echo(reply_bytes) as server, plain(server.address) as channel:
        await channel.channel_ready()
        used, begin, count = server.cpu_seconds(), time.perf_counter(), 0
        async for _ in channel.stream_stream(STREAM)(requests()):
            count += 1
        took = time.perf_counter() - begin
        return Bare((server.cpu_seconds() - used) / count, Latencies(), count / took)

"""How many events a second are learnt, durably and acknowledged, over one stream."""

import time
from collections.abc import Iterator
from itertools import count, cycle

import numpy as np
from penchant.v1 import event_pb2
from penchant_adapters.encoders import open_encoder

from penchant_bench.speed import bare
from penchant_bench.speed.catalogue import Shop, did, new_texts, said
from penchant_bench.speed.client import Client, connected
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.process import Server, service
from penchant_bench.speed.stocked import shop_of, stocked

ITEMS = 12_000
BATCHES = (1, 32, 256)
"""Events of one message."""
TEXT_BATCH = 32
FIRST = 200_000
"""Number of the first event: later than everything that the shop has seen."""


async def measure(options: Options) -> Figures:
    """Measure clicks on known items in messages of several sizes, and searches that nobody made before."""
    shop, seconds = shop_of(options.size(ITEMS, 500)), options.duration(4.0, 0.4)
    figures: Figures = {}
    events = _events(shop)
    alone = await encoder_alone(200 if options.quick else 1_500)
    async with stocked(shop) as data_dir, service(data_dir) as server, connected(server.address) as client:
        for batch in BATCHES:
            sample = event_pb2.RecordEventsRequest(events=[next(events) for _ in range(batch)])
            plain = await bare.flood(sample.ByteSize(), 40 * batch, seconds / 2)
            figures |= await _recorded(f"items, {batch} a message", server, client, events, batch, seconds, plain)
        searches = _searches(shop, 20_000)
        words = await _recorded("new words, 32 a message", server, client, searches, TEXT_BATCH, seconds, None)
    rate = words.pop("new words, 32 a message")
    limit_is = "the encoder alone, in batches"
    figures["new words, 32 a message"] = Figure(rate.value, "/s", alone, limit_is, ratio_aim=0.5, more_is_better=True)
    return figures | words


async def _recorded(
    name: str,
    server: Server,
    client: Client,
    events: Iterator[event_pb2.Event],
    batch: int,
    seconds: float,
    plain: bare.Bare | None,
) -> Figures:
    begin, used = time.perf_counter(), server.cpu_seconds()

    def due() -> Iterator[event_pb2.Event]:
        while time.perf_counter() - begin < seconds:
            # A message is either sent whole or not begun.
            for _ in range(batch):
                yield next(events)

    learnt = await client.record(due(), batch)
    took, used = time.perf_counter() - begin, server.cpu_seconds() - used
    limit = plain.per_second * batch if plain else None
    aim = 3_000.0 if batch > 1 and plain else None
    rate = Figure(learnt / took, "/s", limit, "bare gRPC echo stream" if plain else "", aim, more_is_better=True)
    return {name: rate, f"{name}, server": Figure(used / learnt * 1e6, "µs CPU")}


def _events(shop: Shop) -> Iterator[event_pb2.Event]:
    """Yield clicks of users who have a ledger, on items of their shop, for ever."""
    random = np.random.default_rng(5)
    for number in count(FIRST):
        yield did(number, int(random.integers(shop.users)), int(shop.items * random.random() ** 2), "click")


def _searches(shop: Shop, texts: int) -> Iterator[event_pb2.Event]:
    random = np.random.default_rng(6)
    for number, text in enumerate(cycle(new_texts(texts, 3)), 2 * FIRST):
        yield said(number, int(random.integers(shop.users)), text)


async def encoder_alone(texts: int) -> float:
    """Return how many texts a second the encoder reads, in batches."""
    async with open_encoder("builtin:") as encoder:
        await encoder.encode(new_texts(20, 4))
        begin = time.perf_counter()
        await encoder.encode(new_texts(texts, 5))
        return texts / (time.perf_counter() - begin)

"""How the service grows with its catalogue, 1,000 to 100,000 items: times, memory, disk, start."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from penchant.v1 import recommendation_pb2 as pb
from penchant_adapters.edge import EdgeStore, open_edge
from penchant_adapters.encoders import open_encoder
from penchant_adapters.settings import Settings
from penchant_core.model import Item
from penchant_core.vectors import Matrix

from penchant_bench.speed.catalogue import Shop, did, item_id, user_id
from penchant_bench.speed.client import Client, closed_loop, connected
from penchant_bench.speed.engine import engine_seconds
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.footprint import disk_bytes
from penchant_bench.speed.process import service
from penchant_bench.speed.startup import first_list
from penchant_bench.speed.stocked import empty

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
USERS = 200
EVENTS_PER_USER = 15
LIMIT = "the raw engine queries"


@dataclass(frozen=True, slots=True)
class Point:
    """What a catalogue of one size takes."""

    items: int
    p50: float
    """Milliseconds of ``Recommend``, one caller."""
    p99: float
    engine: float
    """Milliseconds of the engine's part."""
    memory: float
    """MiB, resident."""
    disk: float
    """MiB, allocated."""
    start: float
    """Seconds from the start of the process to the first list."""


async def measure(options: Options) -> Figures:
    """Measure catalogues of growing size; their vectors are random, which costs a search no less than real ones."""
    sizes = [size for size in SIZES if size <= options.size(SIZES[-1], 3_000)]
    points = []
    async with empty() as data_dir:
        for before, size in zip([0, *sizes], sizes, strict=False):
            points.append(await _point(data_dir, before, size, options.duration(3.0, 0.3)))
    if options.plot is not None:
        from penchant_bench.speed.plot import draw  # noqa: PLC0415 matplotlib is slow to import

        draw(points, options.plot)
    return {label: figure for point in points for label, figure in _figures(point).items()}


def _figures(point: Point) -> Figures:
    of = f"{point.items:,} items"
    return {
        f"{of}: Recommend p50": Figure(point.p50, "ms", point.engine, LIMIT),
        f"{of}: Recommend p99": Figure(point.p99, "ms"),
        f"{of}: memory": Figure(point.memory, "MiB"),
        f"{of}: disk": Figure(point.disk, "MiB"),
        f"{of}: first list after a start": Figure(point.start, "s"),
    }


async def _point(data_dir: Path, before: int, items: int, seconds: float) -> Point:
    await _grow(data_dir, before, items)
    users = [user_id(number) for number in range(USERS)]
    async with service(data_dir) as server, connected(server.address) as client:
        await _live(client, Shop(items, USERS), before)
    start = await first_list(data_dir)
    _, engine = await engine_seconds(data_dir, users, seconds / 3)
    async with service(data_dir) as server, connected(server.address) as client:
        requests = [pb.RecommendRequest(user_id=user) for user in users]
        for request in requests:
            await client.recommendations.Recommend(request)
        found, _ = await closed_loop(lambda n: client.recommendations.Recommend(requests[n % USERS]), 1, seconds)
        memory = server.memory_bytes() / 2**20
    return Point(
        items=items,
        p50=found.quantile(0.5),
        p99=found.quantile(0.99),
        engine=median(engine.seconds) * 1e3,
        memory=memory,
        disk=disk_bytes(data_dir) / 2**20,
        start=start,
    )


async def _grow(data_dir: Path, before: int, items: int) -> None:
    settings = Settings(data_dir=data_dir)
    async with open_encoder(settings.encoder) as encoder:
        with open_edge(data_dir, encoder.name, encoder.dim, settings.covisitation) as store:
            for start in range(before, items, 1_000):
                await _put(store, range(start, min(items, start + 1_000)), encoder.dim)


async def _put(store: EdgeStore, numbers: Sequence[int], dim: int) -> None:
    vectors: Matrix = np.random.default_rng((9, numbers[0])).standard_normal((len(numbers), dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = [Item(item_id=item_id(number), title=f"item {number} of a growing shop") for number in numbers]
    await store.items.put(list(zip(items, vectors, strict=True)))


async def _live(client: Client, shop: Shop, before: int) -> None:
    """Let every user act on items all over the catalogue, after what they did when it was smaller."""
    random = np.random.default_rng((10, shop.items))
    total = USERS * EVENTS_PER_USER
    numbers = range(before, before + total)
    await client.record((did(n, n % USERS, int(random.integers(shop.items))) for n in numbers), 256)

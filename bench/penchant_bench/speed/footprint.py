"""What an item and a user take of memory and of the disk."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from penchant.v1 import recommendation_pb2 as pb

from penchant_bench.speed.catalogue import Shop, user_id
from penchant_bench.speed.client import connected
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.process import Server, service
from penchant_bench.speed.stocked import empty, keep_vectors

ITEMS = 20_000
USERS_PER_ITEM = 0.5
EVENTS_PER_USER = 9
FLUSH_SECONDS = 0.2
VECTOR_BYTES = 512 * 4


@dataclass(frozen=True, slots=True)
class Size:
    """What a service takes."""

    memory: int
    """Resident bytes."""
    disk: int
    """Bytes allocated, without the encoder's file of vectors."""

    @classmethod
    async def of(cls, server: Server, data_dir: Path) -> "Size":
        """Take the size of a service after what it wrote has been flushed."""
        await asyncio.sleep(3 * FLUSH_SECONDS)
        return cls(server.memory_bytes(), sum(disk_bytes(data_dir / shard) for shard in ("users", "items")))


def disk_bytes(folder: Path) -> int:
    """Return what the files of a folder have allocated."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


async def measure(options: Options) -> Figures:
    """Measure the growth by items, then the growth by users with their events and the counts that come of them."""
    items = options.size(ITEMS, 500)
    shop = Shop(items, round(items * USERS_PER_ITEM))
    async with empty(vectors=True) as data_dir:
        async with service(data_dir, flush_interval=FLUSH_SECONDS) as server, connected(server.address) as client:
            await client.recommendations.Recommend(pb.RecommendRequest(user_id=user_id(0)))
            bare = await Size.of(server, data_dir)
            await client.import_items(shop.upserts())
            stocked = await Size.of(server, data_dir)
            await client.record(shop.events(EVENTS_PER_USER), 256)
            peopled = await Size.of(server, data_dir)
        keep_vectors(data_dir)
    written = sum(request.ByteSize() for request in shop.upserts()) / items + VECTOR_BYTES
    did = sum(event.ByteSize() for event in shop.events(EVENTS_PER_USER)) / shop.users + VECTOR_BYTES
    limit = "the message and its vector as float32"
    return {
        "memory, empty": Figure(bare.memory / 2**20, "MiB"),
        "disk, empty": Figure(bare.disk / 2**20, "MiB"),
        "memory per item": Figure((stocked.memory - bare.memory) / items, "bytes", written, limit),
        "disk per item": Figure((stocked.disk - bare.disk) / items, "bytes", written, limit),
        f"memory per user of {EVENTS_PER_USER} events": Figure(
            (peopled.memory - stocked.memory) / shop.users, "bytes", did, limit
        ),
        f"disk per user of {EVENTS_PER_USER} events": Figure(
            (peopled.disk - stocked.disk) / shop.users, "bytes", did, limit
        ),
        f"memory, {items:,} items and {shop.users:,} users": Figure(peopled.memory / 2**20, "MiB"),
        f"disk, {items:,} items and {shop.users:,} users": Figure(peopled.disk / 2**20, "MiB"),
    }

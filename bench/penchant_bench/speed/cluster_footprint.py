"""What the processes of a cluster take of memory, idle and after work, and what a user takes in the store."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from penchant.v1 import recommendation_pb2 as pb
from penchant_adapters import contract
from penchant_adapters.stored import StoredUser
from penchant_core.ledger import Ledger
from penchant_core.log import Delivered, UserState, Written, folded
from penchant_core.tuning import Tuning

from penchant_bench.speed.catalogue import Shop, user_id
from penchant_bench.speed.catching import clicks, watching
from penchant_bench.speed.client import connected
from penchant_bench.speed.cluster import Cluster, cluster, memory_bytes, note, opened
from penchant_bench.speed.figure import Figure, Figures, Options
from penchant_bench.speed.footprint import disk_bytes
from penchant_bench.speed.shelf import Shelf, shelf_of

ITEMS, USERS = 2_000, 5_000
EVENTS, LISTS = 50_000, 500
SIZES = (10_000, 100_000)
EVENTS_PER_USER = 20
PATTERNS = 500
"""Users who differ; the others did what one of them did."""
PAGE = 1_024
LIMIT = "the events as messages and the interest as float32"
__all__ = ["measure", "note"]


async def measure(options: Options) -> Figures:
    """Measure a consumer and a server before and after some work, then a store as it fills with users."""
    shelf = await shelf_of(Shop(options.size(ITEMS, 150), 300 if options.quick else USERS))
    async with cluster(quick=options.quick) as ground:
        figures = await _processes(ground, shelf, 1_000 if options.quick else EVENTS)
        sizes = (1_000, 2_000) if options.quick else SIZES
        return figures | await _users(await ground.renewed(), shelf, sizes)


async def _processes(ground: Cluster, shelf: Shelf, events: int) -> Figures:
    await shelf.put_into(ground)
    async with ground.consuming() as consumer, ground.answering() as server, connected(server.address) as client:
        places = {"consumer": consumer.pid, "server": server.pid}
        idle = {name: memory_bytes(pid) for name, pid in places.items()}
        await ground.produce(clicks(shelf.shop, events))
        async with watching(ground) as watch:
            await watch.caught_up([consumer])
        for number in range(LISTS):
            request = pb.RecommendRequest(user_id=user_id(number % shelf.shop.users))
            await client.recommendations.Recommend(request)
        worked = {name: memory_bytes(pid) for name, pid in places.items()}
    figures = {f"memory of the {name}, idle": Figure(size / 2**20, "MiB") for name, size in idle.items()}
    did = {"consumer": f"{events:,} events", "server": f"{LISTS} lists"}
    return figures | {
        f"memory of the {name}, after {did[name]}": Figure(size / 2**20, "MiB") for name, size in worked.items()
    }


async def _users(ground: Cluster, shelf: Shelf, sizes: tuple[int, ...]) -> Figures:
    """Fill a store with users; of a server that runs elsewhere nothing can be seen."""
    store = ground.store
    if store.pid is None or store.folder is None:
        return {}
    await shelf.put_into(ground)
    figures, users = {}, _written(shelf)
    message = sum(event.ByteSize() for event in clicks(shelf.shop, 1_000)) / 1_000
    written = message * EVENTS_PER_USER + shelf.dim * 4
    async with opened(ground.settings) as kept:
        disk, memory, count = disk_bytes(store.folder), memory_bytes(store.pid), 0
        for size in sizes:
            while count < size:
                page = [next(users) for _ in range(min(PAGE, size - count))]
                await kept.users.put_all(page)
                count += len(page)
            of = f"{size:,} users of {EVENTS_PER_USER} events"
            grown = {"disk": disk_bytes(store.folder) - disk, "memory of the store": memory_bytes(store.pid) - memory}
            for name, more in grown.items():
                figures[f"{name} per user, {of}"] = Figure(max(0, more) / size, "bytes", written, LIMIT)
    return figures


def _written(shelf: Shelf) -> Iterator[StoredUser]:
    """Yield users as a consumer would have written them after a batch with one event of each, for ever."""
    tuning, random = Tuning(), np.random.default_rng(51)
    events = [contract.event(e, tuning.weights, 1 << 42) for e in clicks(shelf.shop, PATTERNS * EVENTS_PER_USER)]
    patterns = []
    for start in range(0, len(events), EVENTS_PER_USER):
        told = [Delivered(start + n, event) for n, event in enumerate(events[start : start + EVENTS_PER_USER])]
        state, _ = folded(UserState(), told[:-1], tuning.weights, tuning.covisitation)
        state, _ = folded(state, told[-1:], tuning.weights, tuning.covisitation)
        interest = random.standard_normal(shelf.dim).astype(np.float32)
        patterns.append((state, interest / np.linalg.norm(interest)))
    number = 0
    while True:
        state, interest = patterns[number % PATTERNS]
        name = user_id(number)
        slots = tuple(replace(event, user_id=name) for event in state.ledger.slots)
        yield StoredUser(name, Written(replace(state, ledger=Ledger(slots)), interest, {}))
        number += 1

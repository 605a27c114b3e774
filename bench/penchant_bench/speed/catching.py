"""Consumers that catch up with a log written beforehand: how fast, at what cost, with how much memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from penchant.v1 import event_pb2
from penchant_adapters.kafka.connection import admin, started

from penchant_bench.speed.catalogue import Shop, did, said
from penchant_bench.speed.cluster import Cluster
from penchant_bench.speed.figure import Figure, Figures
from penchant_bench.speed.process import Server

SAMPLE_SECONDS = 0.1
PATIENCE = 60.0
"""Seconds without any progress after which something is taken to be broken."""
_TYPES = ("view", "click", "add_to_cart", "purchase", "like")
_SHARES = (0.6, 0.15, 0.1, 0.1, 0.05)


@dataclass(frozen=True, slots=True)
class Moment:
    """What there is to see at a moment."""

    at: float
    """Seconds of the performance counter."""
    events: int
    """Committed by the user stage."""
    consumers: float
    """Seconds of processor used so far, by all of them; and so on."""
    store: float
    broker: float
    memory: int
    """Resident bytes of all consumers."""


@dataclass(frozen=True, slots=True)
class Caught:
    """A catch-up, from the moment when all consumers had their partitions to the last commit."""

    moments: Sequence[Moment]

    @property
    def events(self) -> int:
        """Return how many were learnt."""
        return self.moments[-1].events - self.moments[0].events

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.moments[-1].at - self.moments[0].at

    @property
    def per_second(self) -> float:
        """Events."""
        return self.events / self.seconds

    def used(self, part: str) -> float:
        """Return the seconds of processor that ``consumers``, ``store`` or ``broker`` used."""
        return float(getattr(self.moments[-1], part) - getattr(self.moments[0], part))

    def costs(self, name: str) -> Figures:
        """Return what 1,000 events cost each part."""
        parts = {"consumers": "consumer", "store": "store", "broker": "broker"}
        return {
            f"{name}, {label}": Figure(self.used(part) / self.events * 1e6, "ms CPU per 1k events")
            for part, label in parts.items()
            if self.used(part)
        }


@dataclass(frozen=True, slots=True)
class Watch:
    """Sees how far the stages of a cluster have come. It is there before the consumers, to miss nothing of them."""

    cluster: Cluster
    client: AIOKafkaAdminClient
    end: int
    """Events that there will be."""

    async def caught_up(
        self, consumers: Sequence[Server], *, items: bool = True, seconds: float = float("inf")
    ) -> Caught:
        """Watch until the end of the events is committed and, with *items*, the end of what follows from them.

        It ends after some *seconds* in any case. Raises ``RuntimeError`` when nothing moves any more.
        """
        moments = [await self._moment(consumers)]
        moved = moments[0]
        while moments[-1].at - moments[0].at < seconds:
            # Pairs are told before the events that they come of are committed: their end is final by then.
            if moments[-1].events >= self.end and (not items or await self._items_done()):
                break
            await asyncio.sleep(SAMPLE_SECONDS)
            moments.append(await self._moment(consumers))
            moved = moments[-1] if moments[-1].events != moved.events else moved
            if moments[-1].at - moved.at > PATIENCE:
                log = "\n".join(line for one in consumers for line in one.log)
                raise RuntimeError(f"no event was committed for {PATIENCE:g} s; the consumers said:\n{log}")
        return Caught(moments)

    async def events(self) -> int:
        """Return how many events are learnt."""
        return sum((await self._committed("users")).values())

    async def _moment(self, consumers: Sequence[Server]) -> Moment:
        return Moment(
            time.perf_counter(),
            await self.events(),
            sum(one.cpu_seconds() for one in consumers),
            self.cluster.store.cpu_seconds(),
            self.cluster.broker.cpu_seconds(),
            sum(one.memory_bytes() for one in consumers),
        )

    async def _committed(self, stage: str) -> dict[TopicPartition, int]:
        found = await self.client.list_consumer_group_offsets(f"{self.cluster.prefix}.{stage}")
        return {place: one.offset for place, one in found.items()}

    async def _items_done(self) -> bool:
        ends = await self.cluster.ends(self.cluster.topics.items, self.cluster.topics.pairs)
        done = await self._committed("items")
        return all(done.get(place, 0) >= end for place, end in ends.items())


@asynccontextmanager
async def watching(cluster: Cluster, end: int | None = None) -> AsyncIterator[Watch]:
    """Watch a cluster inside the block: until so many events, or those written so far, are learnt."""
    if end is None:
        end = sum((await cluster.ends(cluster.topics.events)).values())
    async with started(admin(cluster.settings.kafka), cluster.settings.kafka) as client:
        yield Watch(cluster, client, end)


def clicks(shop: Shop, count: int, seed: int = 11) -> Iterator[event_pb2.Event]:
    """Yield events on items of a shop, the second most popular half as often as the first, and so on (Zipf's law)."""
    random = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, shop.items + 1)
    shares /= shares.sum()
    for start in range(0, count, 10_000):
        size = min(10_000, count - start)
        users, items = random.integers(shop.users, size=size), random.choice(shop.items, size, p=shares)
        kinds = random.choice(_TYPES, size, p=_SHARES)
        for number, (user, item, kind) in enumerate(zip(users.tolist(), items.tolist(), kinds.tolist(), strict=True)):
            yield did(start + number, user, item, kind)


def reviews(shop: Shop, texts: Sequence[str]) -> Iterator[event_pb2.Event]:
    """Yield an event of one's own words for each text."""
    random = np.random.default_rng(12)
    for number, text in enumerate(texts):
        event = said(number, int(random.integers(shop.users)), text)
        event.type = "review"
        yield event

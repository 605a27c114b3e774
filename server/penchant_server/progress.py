"""How far everything is applied, as the consumers tell every server: it wakes streams and answers who waits."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from penchant_adapters.kafka.records import Progress, StrangeRecord, progress_of
from penchant_adapters.process import now
from penchant_core.log import NOTHING
from prometheus_client import Histogram

from penchant_server.journal import Marks, not_yet
from penchant_server.live import Audience

LOOK_BACK = 20_000
"""Records of ``interests`` that a server reads when it starts, to learn how far everything is applied."""
_log = structlog.get_logger()


class Progresses:
    """How far the partitions of events and items are applied, as the consumers tell."""

    def __init__(self, audience: Audience, forget: Callable[[Iterable[str]], None], freshness: Histogram) -> None:
        self._audience = audience
        self._forget = forget
        self._freshness = freshness
        self._moved = asyncio.Condition()
        self._through: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._at: dict[int, float] = {}

    def through(self, topic: str, partition: int) -> int:
        """Return the offset up to which a partition is applied, −1 where nothing is known."""
        return self._through[topic].get(partition, NOTHING)

    def age(self, partition: int) -> float:
        """Return the seconds since events of a partition were last applied; 0 where nothing is known."""
        return time.monotonic() - self._at.get(partition, time.monotonic())

    async def heard(self, value: bytes) -> None:
        """Take in what a consumer tells: wake whom it concerns."""
        try:
            topic, progress = progress_of(value)
        except StrangeRecord as error:
            _log.warning("passed over", error=str(error))
            return
        self._forget(progress.items)
        through = self._through[topic]
        through[progress.partition] = max(progress.through, through.get(progress.partition, NOTHING))
        if topic == "events" and progress.time:
            self._at[progress.partition] = time.monotonic()
            self._freshness.observe(max(0.0, (now() - progress.time) / 1000.0))
        async with self._moved:
            self._moved.notify_all()
        self._wake(progress)

    def _wake(self, progress: Progress) -> None:
        self._audience.learnt(progress.events, progress.trace)
        self._audience.changed(progress.items)

    async def reached(self, topic: str, marks: Marks, patience: float | None) -> None:
        """Wait until offsets are applied, at most *patience* seconds. Raises ``NotYetApplied``."""

        def behind() -> int:
            return sum(max(0, mark - 1 - self.through(topic, partition)) for partition, mark in marks.items())

        if not behind():
            return
        try:
            async with asyncio.timeout(patience), self._moved:
                await self._moved.wait_for(lambda: not behind())
        except TimeoutError as error:
            raise not_yet(behind()) from error


async def follow(consumer: AIOKafkaConsumer, topic: str, progresses: Progresses, caught_up: asyncio.Event) -> None:
    """Listen for ever to what consumers tell, beginning a little before the end."""
    places = [TopicPartition(topic, partition) for partition in sorted(consumer.partitions_for_topic(topic) or {0})]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    begins = await consumer.beginning_offsets(places)
    left = {place: ends[place] for place in places if ends[place] > begins[place]}
    for place in places:
        consumer.seek(place, max(begins[place], ends[place] - LOOK_BACK))
    while True:
        if not left:
            caught_up.set()
        for place, records in (await consumer.getmany(timeout_ms=200)).items():
            for record in records:
                await progresses.heard(record.value)
            if place in left and await consumer.position(place) >= left[place]:
                del left[place]

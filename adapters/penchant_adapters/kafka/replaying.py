"""Dead letters read, and sent once more to where they came from."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from penchant_core.errors import LogMismatch, Unavailable

from penchant_adapters.kafka.connection import admin, consumer, producer, started
from penchant_adapters.kafka.deadletters import CLASS, ERRORS, MESSAGE, OFFSET, PARTITION, STAGE, send_exactly
from penchant_adapters.kafka.remembering import CHOSEN_AT_MOST, SILENCE_SECONDS, Memory, committed
from penchant_adapters.kafka.topics import Topics, partition_of
from penchant_adapters.kafka.translation import translating
from penchant_adapters.settings_groups import KafkaSettings

_CHUNK = 500

Coordinates = tuple[int, int]
"""Partition and offset in the topic of dead letters."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be read, and why."""

    partition: int
    """In the topic of dead letters."""
    offset: int
    time: int
    """When it was put aside, in milliseconds since 1970."""
    origin: Coordinates | None
    """Partition and offset that it had in its own topic."""
    stage: str
    error: str
    reason: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = field(repr=False)
    """Its own, without those about the error."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did."""

    sent: int
    """Or would have been sent, in a dry run."""
    known: int
    """Dead letters that had been sent by an earlier replay."""
    absent: int = 0
    """Chosen ones that are not there."""


async def newest(settings: KafkaSettings, topic: str, limit: int) -> list[DeadLetter]:
    """Return the newest dead letters of a topic, newest first."""
    async with _reading(settings, topic) as (reader, ends):
        starts = await reader.beginning_offsets(ends)
        ranges = {tp: (max(starts[tp], end - limit), end) for tp, end in ends.items()}
        letters = [_parsed(record) async for record in _records(settings, reader, ranges)]
    return sorted(letters, key=lambda one: (one.time, one.offset), reverse=True)[:limit]


async def one(settings: KafkaSettings, topic: str, partition: int, offset: int) -> DeadLetter | None:
    """Return the dead letter at an offset of the topic of dead letters."""
    async with _reading(settings, topic) as (reader, ends):
        place = TopicPartition(Topics.dlq(topic), partition)
        starts = await reader.beginning_offsets(ends)
        if place not in ends or not starts[place] <= offset < ends[place]:
            return None
        async for record in _records(settings, reader, {place: (offset, offset + 1)}):
            return _parsed(record) if record.offset == offset else None
    return None


async def replay(
    settings: KafkaSettings,
    topic: str,
    chosen: Collection[Coordinates] | None = None,
    *,
    again: bool = False,
    dry_run: bool = False,
) -> Replayed:
    """Send dead letters, all or the chosen ones, to their own topic, byte for byte, without the headers of the error.

    Those that are there at the start are sent, in order, each partition's for itself. What was sent is remembered in
    the group ``GROUP.dlq-replay``, and is not sent by a later replay but with *again*. A crash in between may send the
    last ones twice.
    """
    memory = await _remembered(settings, topic)
    async with AsyncExitStack() as stack:
        reader, ends = await stack.enter_async_context(_reading(settings, topic, group=f"{settings.group}.dlq-replay"))
        sender = await stack.enter_async_context(started(producer(settings), settings))
        ranges = await _ranges(reader, ends, chosen)
        job = _Replay(
            settings, topic, reader, sender, memory, set(chosen) if chosen is not None else None, again, dry_run
        )
        async for record in _records(settings, reader, ranges):
            await job.take(record)
        await job.finish()
    absent = len(job.chosen or ()) - job.met if chosen is not None else 0
    return Replayed(job.sent, job.known, absent)


@dataclass(slots=True)
class _Replay:
    """A replay on its way."""

    settings: KafkaSettings
    topic: str
    reader: AIOKafkaConsumer
    sender: AIOKafkaProducer
    memory: Mapping[TopicPartition, Memory]
    chosen: set[Coordinates] | None
    again: bool
    dry_run: bool
    sent: int = 0
    known: int = 0
    met: int = 0
    _waiting: list[tuple[TopicPartition, int, "asyncio.Future[Any]"]] = field(default_factory=list)

    async def take(self, record: Any) -> None:
        """Send a dead letter if it is wanted."""
        place = TopicPartition(record.topic, record.partition)
        memory = self.memory[place]
        if self.chosen is not None and (record.partition, record.offset) not in self.chosen:
            return
        self.met += 1
        if record.offset in memory and not self.again:
            self.known += 1
            return
        self.sent += 1
        if self.dry_run:
            return
        if self.chosen is not None and len(memory.above) >= CHOSEN_AT_MOST:
            raise LogMismatch(f"too many were replayed one by one in partition {record.partition}; replay all of them")
        self._waiting.append((place, record.offset, await self._send(_parsed(record))))
        if len(self._waiting) >= _CHUNK or self.chosen is not None:
            await self.finish()

    async def finish(self) -> None:
        """Wait until what was sent is written, and remember it."""
        for place, offset, done in self._waiting:
            with translating(self.settings, self.topic):
                await done
            self.memory[place].add(offset, all_before=self.chosen is None)
        places = {place for place, _, _ in self._waiting}
        self._waiting.clear()
        if places:
            with translating(self.settings):
                await self.reader.commit({place: self.memory[place].noted() for place in places})

    async def _send(self, letter: DeadLetter) -> "asyncio.Future[Any]":
        with translating(self.settings, self.topic):
            count = len(await self.sender.partitions_for(self.topic))
            partition = partition_of(letter.key, count) if letter.key is not None else (letter.origin or (0, 0))[0]
            return await send_exactly(self.sender, self.topic, partition, letter.key, letter.value, letter.headers)


@asynccontextmanager
async def _reading(
    settings: KafkaSettings, topic: str, group: str | None = None
) -> AsyncIterator[tuple[AIOKafkaConsumer, dict[TopicPartition, int]]]:
    """Give a consumer of a topic's dead letters, and where the partitions end now."""
    name = Topics.dlq(topic)
    client = consumer(settings, group_id=group)
    async with started(client, settings):
        with translating(settings, name):
            places = await _places(client, name)
            client.assign(places)
            ends: dict[TopicPartition, int] = await client.end_offsets(places)
        yield client, ends


async def _places(client: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    partitions = (await client._client.fetch_all_metadata()).partitions_for_topic(topic)  # noqa: SLF001 no public way asks
    if not partitions:
        raise LogMismatch(f"the topic {topic} is not there; run: penchant topics create")
    return [TopicPartition(topic, partition) for partition in sorted(partitions)]


async def _ranges(
    reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], chosen: Collection[Coordinates] | None
) -> dict[TopicPartition, tuple[int, int]]:
    """Return where to read from and to, by partition."""
    starts = await reader.beginning_offsets(list(ends))
    if chosen is None:
        return {place: (starts[place], end) for place, end in ends.items()}
    ranges = {}
    for place, end in ends.items():
        offsets = [o for p, o in chosen if p == place.partition and starts[place] <= o < end]
        if offsets:
            ranges[place] = min(offsets), max(offsets) + 1
    return ranges


async def _records(
    settings: KafkaSettings, reader: AIOKafkaConsumer, ranges: Mapping[TopicPartition, tuple[int, int]]
) -> AsyncIterator[Any]:
    """Give the records of ranges of offsets, a partition after the other."""
    clock = asyncio.get_running_loop().time
    for place, (begin, end) in sorted(ranges.items()):
        if begin >= end:
            continue
        reader.seek(place, begin)
        heard = clock()
        while await reader.position(place) < end:
            with translating(settings, place.topic):
                batches = await reader.getmany(place, timeout_ms=200)
            for record in batches.get(place, ()):
                heard = clock()
                if record.offset < end:
                    yield record
            if clock() - heard > SILENCE_SECONDS:
                raise Unavailable(f"{place.topic} says nothing at offset {await reader.position(place)} of {end}")


async def _remembered(settings: KafkaSettings, topic: str) -> dict[TopicPartition, Memory]:
    async with started(admin(settings), settings) as client:
        with translating(settings, Topics.dlq(topic)):
            described = await client.describe_topics([Topics.dlq(topic)])
            places = [TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]]
            if not places:
                raise LogMismatch(f"the topic {Topics.dlq(topic)} is not there; run: penchant topics create")
            offsets = await committed(client, f"{settings.group}.dlq-replay", places)
    return {
        place: Memory(max(0, noted.offset), {int(word) for word in noted.metadata.split()})
        for place, noted in offsets.items()
    }


def _parsed(record: Any) -> DeadLetter:
    about = {
        name: (value or b"").decode("utf-8", "replace") for name, value in record.headers if name.startswith(ERRORS)
    }
    try:
        origin = int(about[PARTITION]), int(about[OFFSET])
    except (KeyError, ValueError):
        origin = None
    return DeadLetter(
        record.partition,
        record.offset,
        record.timestamp,
        origin,
        about.get(STAGE, ""),
        about.get(CLASS, ""),
        about.get(MESSAGE, ""),
        record.key,
        record.value,
        tuple((name, value) for name, value in record.headers if not name.startswith(ERRORS)),
    )

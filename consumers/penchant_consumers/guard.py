"""Refuses to learn from another log than the store was made from: its offsets would be taken for known ones."""

import asyncio
import time
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from penchant_adapters.kafka.connection import consumer as new_consumer
from penchant_adapters.kafka.connection import started
from penchant_adapters.settings_groups import KafkaSettings
from penchant_core.errors import LogMismatch, Unavailable
from penchant_core.log import Checkpoint, Checkpoints

from penchant_consumers.batch import Batch

REMEMBER_EVERY = 1.0
"""Seconds between two notes of how far partitions are learnt."""
PATIENCE = 10.0
"""Seconds to wait for a record that should be there."""
MEND = (
    "point it at the log that the store was made from, give it a new store (qdrant.prefix), or run `penchant rebuild`, "
    "which makes the store anew from this log"
)


class Guard:
    """Knows a log again by its partitions and by the last record of each that was learnt."""

    def __init__(self, checkpoints: Checkpoints, settings: KafkaSettings) -> None:
        self.partitions = settings.partitions
        """Of every topic."""
        self._checkpoints = checkpoints
        self._settings = settings
        self._learnt: dict[str, dict[int, Checkpoint]] = {}
        self._remembered_at = 0.0

    async def check(self, consumer: AIOKafkaConsumer) -> None:
        """Look at the topics of the partitions that are assigned now. Raises ``LogMismatch``."""
        by_topic: dict[str, list[int]] = {}
        for partition in consumer.assignment():
            by_topic.setdefault(partition.topic, []).append(partition.partition)
        for topic, partitions in by_topic.items():
            self._refuse_recut(topic, len(consumer.partitions_for_topic(topic) or ()))
            known = await self._checkpoints.log(topic)
            if known is None:
                await self._checkpoints.remember(topic, self.partitions, {})
                continue
            if known.partitions != self.partitions:
                raise LogMismatch(
                    f"{topic} has {self.partitions} partitions and had {known.partitions} when the store was made: "
                    f"events of a user are spread over other partitions now; {MEND}"
                )
            points = {TopicPartition(topic, p): known.checkpoints[p] for p in partitions if p in known.checkpoints}
            await self._refuse_another(consumer, points)

    def _refuse_recut(self, topic: str, count: int) -> None:
        if not count:
            # So it is right after the start of a broker, too.
            raise Unavailable(f"the topic {topic} is not there; is it made? run: penchant topics create")
        if count != self.partitions:
            raise LogMismatch(
                f"{topic} has {count} partitions instead of {self.partitions}: partitions cannot be added to a log "
                f"that is in use; {MEND}"
            )

    async def _refuse_another(self, consumer: AIOKafkaConsumer, points: Mapping[TopicPartition, Checkpoint]) -> None:
        if not points:
            return
        ends, begins = await asyncio.gather(
            consumer.end_offsets(list(points)), consumer.beginning_offsets(list(points))
        )
        for partition, point in points.items():
            if ends[partition] <= point.offset:
                raise LogMismatch(
                    f"{partition.topic}-{partition.partition} ends at offset {ends[partition]} and was learnt up to "
                    f"{point.offset}: the topic was made anew or cut; {MEND}"
                )
        kept = {partition: point for partition, point in points.items() if begins[partition] <= point.offset}
        for partition, (offset, moment) in (await self._times(kept)).items():
            point = points[partition]
            # After compaction another record may be the next one there.
            if offset == point.offset and moment != point.time:
                raise LogMismatch(
                    f"the record {partition.topic}-{partition.partition}@{offset} is not the one that was learnt: the "
                    f"topic was made anew; {MEND}"
                )

    async def _times(self, points: Mapping[TopicPartition, Checkpoint]) -> dict[TopicPartition, tuple[int, int]]:
        """Return the offset and the time of the first record from each point on."""
        found: dict[TopicPartition, tuple[int, int]] = {}
        if not points:
            return found
        async with started(new_consumer(self._settings), self._settings) as probe:
            probe.assign(list(points))
            for partition, point in points.items():
                probe.seek(partition, point.offset)
            deadline = time.monotonic() + PATIENCE
            while missing := points.keys() - found.keys():
                if time.monotonic() > deadline:
                    break
                for partition, records in (await probe.getmany(*missing, timeout_ms=500, max_records=64)).items():
                    found[partition] = (records[0].offset, records[0].timestamp)
                    probe.pause(partition)
        return found

    async def learnt(self, batch: Batch) -> None:
        """Note how far partitions are learnt, now and then."""
        for partition, records in batch.records.items():
            last = records[-1]
            self._learnt.setdefault(partition.topic, {})[partition.partition] = Checkpoint(last.offset, last.timestamp)
        if time.monotonic() - self._remembered_at >= REMEMBER_EVERY:
            await self.remember()

    async def remember(self) -> None:
        """Write down how far partitions are learnt."""
        learnt, self._learnt = self._learnt, {}
        self._remembered_at = time.monotonic()
        for topic, points in learnt.items():
            await self._checkpoints.remember(topic, self.partitions, points)

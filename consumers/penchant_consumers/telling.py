"""What the stages tell: items what they gain, servers how far everything is applied."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from aiokafka import AIOKafkaProducer
from penchant_adapters.kafka.records import Progress, notices, pairs_values
from penchant_adapters.kafka.topics import Topics, partition_of
from penchant_adapters.telemetry import traces
from penchant_core.log import Told


class Telling:
    """Writes to the internal topics; what was told is durable when a call returns."""

    def __init__(self, producer: AIOKafkaProducer, topics: Topics, partitions: int) -> None:
        self.topics = topics
        self._producer = producer
        self._partitions = partitions
        """Of the pairs."""

    async def tell(self, topic: str, news: Sequence[Told], progress: Sequence[Progress]) -> None:
        """Tell items their *news*, in their order, and servers the *progress* of ``events`` or ``items``."""
        trace = dict(traces.injected()).get("traceparent", b"").decode()
        by_place: defaultdict[tuple[int, int], list[Told]] = defaultdict(list)
        for one in news:
            by_place[one.partition, partition_of(one.item_id.encode(), self._partitions)].append(one)
        sent = [
            await self._producer.send(self.topics.pairs, value, partition=place)
            for (_, place), part in by_place.items()
            for value in pairs_values(part)
        ]
        sent += [
            await self._producer.send(self.topics.interests, notice.value, key=notice.key)
            for one in progress
            for notice in notices(topic, replace(one, trace=trace))
        ]
        await asyncio.gather(*sent)

    async def remind(self, topic: str, partition: int, through: int) -> None:
        """Tell servers once more how far a partition is applied: one that started meanwhile may not know."""
        await self.tell(topic, [], [Progress(partition, through)])

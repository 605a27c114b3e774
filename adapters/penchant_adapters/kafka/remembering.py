"""Which dead letters were sent once more: what a consumer group commits, with a note about those sent one by one."""

import asyncio
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from penchant_core.errors import Unavailable

SILENCE_SECONDS = 20.0
"""Seconds without a word after which reading is given up."""
CHOSEN_AT_MOST = 200
"""Dead letters of a partition that can be remembered one by one; Kafka keeps 4 KiB of notes beside an offset."""


@dataclass(slots=True)
class Memory:
    """What was sent of a partition: all below an offset, and some above."""

    below: int = 0
    above: set[int] = field(default_factory=set)

    def __contains__(self, offset: int) -> bool:
        return offset < self.below or offset in self.above

    def add(self, offset: int, *, all_before: bool) -> None:
        """Remember one, or it and all before."""
        self.above.add(offset)
        if all_before:
            self.below = max(self.below, offset + 1)
        while self.below in self.above:
            self.below += 1
        self.above = {other for other in self.above if other >= self.below}

    def noted(self) -> OffsetAndMetadata:
        """Return what to commit."""
        return OffsetAndMetadata(self.below, " ".join(str(offset) for offset in sorted(self.above)))


async def committed(
    client: AIOKafkaAdminClient, group: str, places: list[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return what a group committed; a new cluster has nobody to ask for a moment."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + SILENCE_SECONDS
    while True:
        try:
            noted: dict[TopicPartition, OffsetAndMetadata] = await client.list_consumer_group_offsets(
                group, partitions=places
            )
        except KafkaError as error:
            if not error.retriable:
                raise
        else:
            # aiokafka passes over the error of a whole answer, which then is empty: that is not "nothing committed".
            if noted.keys() >= set(places):
                return noted
        if clock() > deadline:
            raise Unavailable(f"nobody says what the group {group} has committed")
        await asyncio.sleep(0.1)

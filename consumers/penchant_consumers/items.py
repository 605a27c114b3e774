"""The item stage: from descriptions to vectors, from what events add to counts."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer
from penchant_adapters.kafka.records import Progress, StrangeRecord, told_of
from penchant_adapters.telemetry import traces
from penchant_adapters.telemetry.metrics import Metrics
from penchant_core.log import ItemCounts, ItemStates, Told, counted
from penchant_core.model import Item
from penchant_core.ports import Encoder
from penchant_core.tuning import Tuning

from penchant_consumers.around import Guards, PutsAside, Tells
from penchant_consumers.batch import Batch
from penchant_consumers.beside import Beside, encoded
from penchant_consumers.memory import Epochs, Memory
from penchant_consumers.reading import Dead, ReadingItems, read
from penchant_consumers.words import unreadable

REMEMBERED_ITEMS = 50_000
"""Items whose counts are kept in memory, some 4 kB each at most."""
ENOUGH = 2_000
"""Changes of counts in a batch above which a larger one would hardly cost less each."""
TURN = 100
"""Items after which others have a turn of the event loop."""


@dataclass(slots=True)
class Shelved:
    """What a batch says of items."""

    items: dict[int, dict[str, tuple[int, Item | None]]] = field(default_factory=lambda: defaultdict(dict))
    """Partition of the items → id → the last word on it: offset and item, or nothing."""
    news: dict[int, list[Told]] = field(default_factory=lambda: defaultdict(list))
    """Partition of the pairs → what its items are told, in order."""


class ItemStage:
    """Writes items and counts."""

    name = "items"

    def __init__(
        self,
        states: ItemStates,
        encoder: Encoder,
        tuning: Tuning,
        telling: Tells,
        letters: PutsAside,
        guard: Guards,
        epochs: Epochs,
        metrics: Metrics,
        beside: Sequence[Beside] = (),
    ) -> None:
        self._topics = telling.topics
        self.topics = [telling.topics.items, telling.topics.pairs]
        self._states = states
        self._encoder = encoder
        self._beside = beside
        self._tuning = tuning
        self._telling = telling
        self._letters = letters
        self._guard = guard
        self._reading = ReadingItems(guard.partitions)
        self._memory: Memory[ItemCounts] = Memory(epochs, REMEMBERED_ITEMS)
        self._outcomes = metrics.topic(telling.topics.items)

    async def assigned(self, consumer: AIOKafkaConsumer) -> None:
        """Check that this is the log that the store was made from; remind the servers of how far it is applied."""
        await self._guard.check(consumer)
        for partition in consumer.assignment():
            committed = await consumer.committed(partition)
            if committed and partition.topic == self._topics.items:
                await self._telling.remind("items", partition.partition, committed - 1)

    async def prepare(self, batch: Batch) -> Shelved:
        """Read the records, put aside what is no item, encode descriptions."""
        shelved = Shelved()
        dead: list[Dead] = []
        for partition, records in batch.records.items():
            if partition.topic == self._topics.pairs:
                for record in records:
                    try:
                        shelved.news[partition.partition] += told_of(record.value)
                    except StrangeRecord as error:
                        dead.append(Dead(record, error))
                    await asyncio.sleep(0)
                continue
            for one in read(records, self._reading):
                if isinstance(one, Dead):
                    dead.append(one)
                else:
                    item_id, item = one.content
                    shelved.items[partition.partition][item_id] = (one.record.offset, item)
        dead += await self._put_aside(shelved, batch)
        # Before the batch's turn comes, and kept: encoded again when it is written they cost nothing.
        await encoded(self._beside, [item.content for item in _described(shelved)])
        await self._letters.write(dead, self.name)
        self._outcomes.dead.inc(len(dead))
        return shelved

    async def _put_aside(self, shelved: Shelved, batch: Batch) -> list[Dead]:
        failed = await unreadable(self._encoder, (item.content for item in _described(shelved)))
        if not failed:
            return []
        records = {
            (partition.partition, record.offset): record
            for partition, there in batch.records.items()
            if partition.topic == self._topics.items
            for record in there
        }
        dead = []
        for partition, part in shelved.items.items():
            for item_id, (offset, item) in list(part.items()):
                if item is not None and item.content in failed:
                    dead.append(Dead(records[partition, offset], failed[item.content]))
                    del part[item_id]
        return dead

    def joined(self, prepared: Shelved, later: Shelved) -> Shelved:
        """Return what two batches, one after the other, say of items."""
        for partition, items in later.items.items():
            prepared.items[partition] |= items
        for partition, news in later.news.items():
            prepared.news[partition] += news
        return prepared

    def may_rest(self, shelved: Shelved) -> bool:
        """Tell whether these were few changes of counts, which may be late."""
        return 0 < sum(map(len, shelved.news.values())) < ENOUGH

    async def apply(self, batch: Batch, shelved: Shelved) -> None:
        """Write the items, then the counts; tell of the items."""
        with traces.consumed(self.topics[0], self.name, batch.size, ()):
            for part in shelved.items.values():
                await self._put(part)
            # Partitions have no item in common: those at one offset may as well be one.
            news: defaultdict[int, list[Told]] = defaultdict(list)
            for partition, records in batch.records.items():
                if partition.topic == self._topics.pairs:
                    news[records[-1].offset] += shelved.news[partition.partition]
            await self.count(news, batch.epoch)
            await self._tell(batch, shelved)
        await self._guard.learnt(batch)

    async def _put(self, part: dict[str, tuple[int, Item | None]]) -> None:
        put = [(offset, item) for offset, item in part.values() if item is not None]
        if put:
            contents = [item.content for _, item in put]
            vectors, others = await self._encoder.encode(contents), await encoded(self._beside, contents)
            await self._states.put_items([(o, i, v) for (o, i), v in zip(put, vectors, strict=True)], others)
        gone = [(offset, item_id) for item_id, (offset, item) in part.items() if item is None]
        if gone:
            await self._states.remove_items(gone)
        self._outcomes.learnt.inc(len(part))

    async def count(self, news: Mapping[int, Sequence[Told]], epoch: int | None) -> None:
        """Add what items are told, by the offset to write it with, which must rise for each of them."""
        by_item: defaultdict[str, list[Told]] = defaultdict(list)
        offsets: dict[str, int] = {}
        for offset, some in news.items():
            for one in some:
                by_item[one.item_id].append(one)
                offsets[one.item_id] = offset
        counts = self._memory.recall(by_item, epoch)
        missing = [item_id for item_id in by_item if item_id not in counts]
        if missing:
            counts |= await self._states.item_counts(missing)
        changed: defaultdict[int, dict[str, ItemCounts]] = defaultdict(dict)
        for number, (item_id, what) in enumerate(by_item.items()):
            after = counted(counts[item_id], what, self._tuning.covisitation)
            if after is not counts[item_id]:
                changed[offsets[item_id]][item_id] = counts[item_id] = after
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
        if changed:
            await self._states.write_counts(changed)
        self._memory.keep(counts, epoch)

    async def _tell(self, batch: Batch, shelved: Shelved) -> None:
        progress = [
            Progress(
                partition=partition.partition,
                through=records[-1].offset,
                items=list(shelved.items[partition.partition]),
                time=records[-1].timestamp,
            )
            for partition, records in batch.records.items()
            if partition.topic == self._topics.items
        ]
        await self._telling.tell("items", [], progress)


def _described(shelved: Shelved) -> list[Item]:
    return [item for part in shelved.items.values() for _, item in part.values() if item is not None]

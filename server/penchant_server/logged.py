"""The journal and the shelf behind a log: events and items go to Kafka, consumers apply them and tell."""

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer
from penchant_adapters.kafka.topics import partition_of
from penchant_adapters.kafka.translation import translating
from penchant_adapters.settings_groups import KafkaSettings
from penchant_adapters.telemetry import traces
from penchant_core.errors import Overloaded, Unavailable, UnknownItem
from penchant_core.model import Event, Item
from penchant_core.pipeline import Learnt
from penchant_core.ports import Shelves

from penchant_server import replies
from penchant_server.faults import NotYetApplied
from penchant_server.journal import Marks, Recorded
from penchant_server.progress import Progresses

APPLY_PATIENCE = 30.0
"""Seconds that an upsert of items waits to be applied."""


class Sender:
    """Writes records to one topic, by key."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, settings: KafkaSettings) -> None:
        self._producer = producer
        self._topic = topic
        self._settings = settings

    def partition(self, name: str) -> int:
        """Return the partition of a user or an item."""
        return partition_of(name.encode(), self._settings.partitions)

    async def send(self, records: Sequence[tuple[str, bytes | None]]) -> Marks:
        """Write (name, value), in their order; return, once they are durable, where each partition goes on."""
        marks: dict[int, int] = {}
        with traces.produced(self._topic, len(records)), translating(self._settings, self._topic):
            headers = traces.injected()
            sending = [
                await self._producer.send(
                    self._topic, value, key=name.encode(), partition=self.partition(name), headers=headers
                )
                for name, value in records
            ]
            for written in await asyncio.gather(*sending):
                marks[written.partition] = max(written.offset + 1, marks.get(written.partition, 0))
        return marks


class LogJournal:
    """Events go to the log."""

    def __init__(self, sender: Sender, progresses: Progresses, shelves: Shelves, capacity: int) -> None:
        self._sender = sender
        self._progresses = progresses
        self._shelves = shelves
        self._capacity = capacity
        self._waiting = 0

    async def record(self, events: Sequence[Event]) -> Recorded:
        """Return once all events are in the log of every replica that is in sync; they are applied soon after."""
        if self._waiting + len(events) > self._capacity:
            raise Overloaded("too many events wait for the log (max_pending_events)")
        self._waiting += len(events)
        try:
            known = await self._shelves.known(list({event.item_id for event in events if event.item_id}))
            learnt = [Learnt(event, error=_unknown(event, known)) for event in events]
            records = [
                (one.event.user_id, replies.event(one.event).SerializeToString()) for one in learnt if one.error is None
            ]
            return Recorded(learnt, await self._sender.send(records))
        finally:
            self._waiting -= len(events)

    async def reached(self, marks: Marks, patience: float | None) -> None:
        """Wait until events are applied, at most *patience* seconds. Raises ``NotYetApplied``."""
        await self._progresses.reached("events", marks, patience)

    def marks(self, user_id: str) -> Marks:
        """Return how far the partition of a user is applied."""
        partition = self._sender.partition(user_id)
        return {partition: self._progresses.through("events", partition) + 1}

    def age(self, user_id: str) -> float:
        """Return the seconds since events of the user's partition were last applied."""
        return self._progresses.age(self._sender.partition(user_id))


def _unknown(event: Event, known: Mapping[str, object]) -> UnknownItem | None:
    return UnknownItem(event.item_id) if event.item_id and event.item_id not in known else None


class LogShelf:
    """Items go to the log, and are waited for: an upsert that was acknowledged can be recommended."""

    def __init__(self, sender: Sender, progresses: Progresses, shelves: Shelves) -> None:
        self._sender = sender
        self._progresses = progresses
        self._shelves = shelves

    async def learn_items(self, items: Sequence[Item]) -> None:
        """Put items into the catalogue. Raises ``Unavailable`` when they are kept, but not applied in time."""
        latest = {item.item_id: item for item in items}
        await self._applied([(item_id, replies.item(item).SerializeToString()) for item_id, item in latest.items()])

    async def forget_items(self, item_ids: Sequence[str]) -> list[str]:
        """Take items out of the catalogue; return those that were there."""
        there = list(await self._shelves.known(item_ids))
        await self._applied([(item_id, None) for item_id in there])
        return there

    async def _applied(self, records: Sequence[tuple[str, bytes | None]]) -> None:
        marks = await self._sender.send(records)
        try:
            await self._progresses.reached("items", marks, APPLY_PATIENCE)
        except NotYetApplied as error:
            raise Unavailable("the items are kept in the log, but no consumer has applied them yet") from error

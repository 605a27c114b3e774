"""What is fetched together, and what waits to be applied: batches that grow by themselves while there is no time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiokafka import TopicPartition

Records = Mapping[TopicPartition, Sequence[Any]]
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are applied together."""

    records: Records
    epoch: int | None
    """The assignment they belong to; none when it changed while they were fetched."""

    @property
    def size(self) -> int:
        """Records in it."""
        return sum(map(len, self.records.values()))

    @property
    def offsets(self) -> dict[TopicPartition, int]:
        """Where each partition goes on."""
        return {partition: records[-1].offset + 1 for partition, records in self.records.items()}

    def followed_by(self, later: "Batch") -> "Batch":
        """Return this and a later batch of the same epoch as one."""
        both = {partition: [*self.records.get(partition, ()), *more] for partition, more in later.records.items()}
        return Batch({**self.records, **both}, self.epoch)


class Ahead(Generic[P]):
    """Prepared batches on their way from who fetches to who applies: what waits is joined to one.

    So fetching and encoding go on while a batch is applied, and still whatever came meanwhile is the next one.
    """

    def __init__(self, most: int, joined: Callable[[P, P], P]) -> None:
        self._most = most
        self._joined = joined
        self._waiting: tuple[Batch, P] | None = None
        self._ended = False
        self._changed = asyncio.Condition()

    async def put(self, batch: Batch, prepared: P) -> None:
        """Hand over a batch, as soon as it is the next or can be joined to what waits."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._fits(batch))
            if self._waiting is None:
                self._waiting = batch, prepared
            else:
                before, ready = self._waiting
                self._waiting = before.followed_by(batch), self._joined(ready, prepared)
            self._changed.notify_all()

    async def end(self) -> None:
        """Say that there is nothing more to come."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def take(self) -> tuple[Batch, P] | None:
        """Return the next batch, none after the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting is not None or self._ended)
            taken, self._waiting = self._waiting, None
            self._changed.notify_all()
            return taken

    def _fits(self, batch: Batch) -> bool:
        if self._waiting is None:
            return True
        waiting = self._waiting[0]
        # A batch of no epoch trusts nothing that is remembered; it stays by itself.
        return batch.epoch is not None and batch.epoch == waiting.epoch and waiting.size + batch.size <= self._most

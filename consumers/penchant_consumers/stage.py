"""The life of a stage: fetch → prepare → apply → commit, the next batch prepared while one is applied.

There is no waiting for a batch to fill: whatever came while the last one was applied is the next one (see ``Ahead``).
So batches are small, and learning is quick, while there is little to do, and grow by themselves with the load.

A neighbour that fails holds the stage, which tries again with back-off: nothing is skipped, and nothing is committed
that was not applied. Partitions may be taken away at any moment; what is under way then is finished, which is harmless
(see ``penchant_core.log``), and its commit refused.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from penchant_adapters.kafka.translation import translating
from penchant_adapters.settings_groups import KafkaSettings
from penchant_adapters.telemetry.metrics import Metrics
from penchant_core.errors import EncoderFailed, OutOfSpace, Unavailable

from penchant_consumers.batch import Ahead, Batch
from penchant_consumers.memory import Epochs

POLL = 0.2
"""Seconds after which an empty fetch looks whether it is time to stop."""
BACK_OFF = (0.1, 5.0)
"""Seconds to wait after the first failure, and at most."""
REST = 2.0
"""Times what a batch took, to wait for more before the next where that may be late."""
LONGEST_REST = 0.5
"""Seconds."""
UNREST = (5, 30.0)
"""Assignments within so many seconds that a consumer with a name of its own does not get by itself."""
HELD_BY = (Unavailable, EncoderFailed, OutOfSpace)
"""Errors that the same batch may not meet again."""
_log = structlog.get_logger()

P = TypeVar("P")
T = TypeVar("T")


class Work(Protocol[P]):
    """What a stage does with its batches."""

    @property
    def name(self) -> str:
        """What metrics and logs call it."""

    @property
    def topics(self) -> Sequence[str]:
        """What it consumes."""

    async def assigned(self, consumer: AIOKafkaConsumer) -> None:
        """Look at the partitions that are ours from now on, before anything is fetched. Raises ``LogMismatch``."""

    async def prepare(self, batch: Batch) -> P:
        """Do what needs no state: read, check, encode. May be done again."""

    def joined(self, prepared: P, later: P) -> P:
        """Return what was prepared of two batches, one after the other, as of one; either may be used up for it."""

    def may_rest(self, prepared: P) -> bool:
        """Tell whether the next batch may be late after this one: small batches cost more a record."""

    async def apply(self, batch: Batch, prepared: P) -> None:
        """Learn and tell. When it returns, the batch may be committed; it may be done again."""


class StopAsked(Exception):
    """The process ends while a batch is held by a neighbour that fails; the batch will be delivered again."""


class Stage(ConsumerRebalanceListener, Generic[P]):  # type: ignore[misc]  # aiokafka is not typed
    """Runs the work of a stage on the partitions that the group gives to this process."""

    def __init__(
        self, consumer: AIOKafkaConsumer, work: Work[P], epochs: Epochs, metrics: Metrics, settings: KafkaSettings
    ) -> None:
        self._consumer = consumer
        self._work = work
        self._epochs = epochs
        self._metrics = metrics
        self._measured = metrics.stage(work.name)
        self._settings = settings
        self._ahead: Ahead[P] = Ahead(settings.max_batch, work.joined)
        self._stopping = asyncio.Event()
        self._to_commit: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[None] | None = None
        self._assigned: deque[float] = deque(maxlen=UNREST[0])
        self.held = ""
        """Why the stage cannot go on, in one line; empty while all is well."""

    async def run(self) -> None:
        """Work until ``stop``. Ends early only by an error that somebody must look at."""
        self._consumer.subscribe(list(self._work.topics), listener=self)
        async with asyncio.TaskGroup() as tasks:
            fetching = tasks.create_task(self._fetch_all())
            try:
                while (entry := await self._ahead.take()) is not None:
                    await self._apply(*entry)
            except StopAsked:
                fetching.cancel()
        await self._committed()

    async def _apply(self, batch: Batch, prepared: P) -> None:
        self._measured.batch_records.observe(batch.size)
        begun = time.monotonic()
        with self._measured.apply_seconds.time():
            await self._patiently(lambda: self._work.apply(batch, prepared))
        self._applied(batch)
        if self._work.may_rest(prepared):
            await self._stopped_within(min(REST * (time.monotonic() - begun), LONGEST_REST))

    def stop(self) -> None:
        """Finish what is under way and end."""
        self._stopping.set()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Leave to the next owner what is applied."""
        await self._committed()
        for partition in revoked:
            self._metrics.forget_lag(partition.topic, partition.partition)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Trust nothing that was remembered."""
        self._epochs.end()
        self._measured.rebalances.inc()
        _log.info("partitions assigned", stage=self._work.name, partitions=len(assigned))
        now, name = time.monotonic(), self._settings.instance
        self._assigned.append(now)
        if name and len(self._assigned) == UNREST[0] and now - self._assigned[0] < UNREST[1]:
            # The broker takes the name for one that came back, each time, and each of the two for the other's end.
            _log.warning("partitions come and go: does another consumer have this kafka.instance?", instance=name)
            self._assigned.clear()

    async def _fetch_all(self) -> None:
        looked_at = -1
        while not self._stopping.is_set():
            epoch = self._epochs.now
            with translating(self._settings):
                records = await self._consumer.getmany(
                    timeout_ms=int(POLL * 1000), max_records=self._settings.max_batch
                )
            try:
                while looked_at != self._epochs.now:
                    looked_at = self._epochs.now
                    await self._patiently(lambda: self._work.assigned(self._consumer))
                if records:
                    batch = Batch(records, epoch if epoch == self._epochs.now else None)
                    prepared = await self._patiently(lambda: self._work.prepare(batch))  # noqa: B023 awaited at once
                    await self._ahead.put(batch, prepared)
            except StopAsked:
                break
        await self._ahead.end()

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it goes well; heartbeats go on meanwhile."""
        pause = BACK_OFF[0]
        while True:
            try:
                with translating(self._settings):
                    done = await attempt()
            except HELD_BY as error:
                self.held = str(error)
                self._measured.retries.inc()
                _log.warning("held by a neighbour", stage=self._work.name, error=str(error), again_in=round(pause, 1))
            else:
                self.held = ""
                return done
            if await self._stopped_within(pause * random.uniform(0.8, 1.2)):  # noqa: S311 no secret
                raise StopAsked
            pause = min(2.0 * pause, BACK_OFF[1])

    async def _stopped_within(self, seconds: float) -> bool:
        """Wait, but no longer than until it is time to stop; tell whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    def _applied(self, batch: Batch) -> None:
        self._to_commit |= batch.offsets
        for partition, offset in batch.offsets.items():
            end = self._consumer.highwater(partition) if partition in self._consumer.assignment() else None
            if end is not None:
                self._metrics.lag(partition.topic, partition.partition).set(max(0, end - offset))
        # The next batch does not wait for it: what is delivered again because a commit was lost is passed over.
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())

    async def _committed(self) -> None:
        if self._committing is not None:
            await self._committing
        await self._commit()

    async def _commit(self) -> None:
        while self._to_commit:
            offsets, self._to_commit = self._to_commit, {}
            ours = {tp: offset for tp, offset in offsets.items() if tp in self._consumer.assignment()}
            try:
                if ours:
                    await self._consumer.commit(ours)
            except (CommitFailedError, IllegalStateError):
                _log.info("the partitions of a commit went to somebody else", stage=self._work.name)
            except KafkaError as error:
                _log.warning("a commit failed; the next one makes up for it", error=str(error))
                self._to_commit = ours | self._to_commit
                return

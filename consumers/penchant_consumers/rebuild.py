"""A store made anew from the whole log, beside the one in use, by the very stages of the consumer.

Items first, then events, from the first record of every partition, in this one process. What events add to items goes
straight to their counts instead of through the topic of pairs. Nothing is written to the log, and no group is joined:
what is interrupted has changed nothing.

At the end the consumers must be gone, since they would go on writing what they know of the old store. Then the last
records are learnt, the store is switched, and only then the groups' offsets move: a crash in between has consumers
read again what the new store knows, and pass over it.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import for_code
from penchant_adapters.encoders import opened_encoder
from penchant_adapters.kafka.connection import admin, connected_with_patience, consumer, started
from penchant_adapters.kafka.records import Progress
from penchant_adapters.kafka.topics import Topics, check, partition_of, refuse
from penchant_adapters.kafka.translation import translating
from penchant_adapters.patience import patiently
from penchant_adapters.qdrant.connection import connected
from penchant_adapters.qdrant.drafts import Draft, drafted
from penchant_adapters.qdrant.generations import Generations
from penchant_adapters.qdrant.identity import identified
from penchant_adapters.settings import Settings
from penchant_adapters.telemetry.metrics import Metrics
from penchant_adapters.trained import read_trained
from penchant_core.errors import StoreInUse
from penchant_core.log import Checkpoint, Told
from penchant_core.ports import Encoder
from penchant_core.reading import Reader

from penchant_consumers.batch import Batch
from penchant_consumers.items import ItemStage
from penchant_consumers.memory import Epochs
from penchant_consumers.reading import Dead
from penchant_consumers.stage import BACK_OFF, HELD_BY
from penchant_consumers.users import UserStage
from penchant_consumers.wholelog import Say, Watch, WholeLog

LOOK_EVERY = 0.5
"""Seconds between two looks at whether the consumers are gone."""
PATIENCE = 60.0
"""Seconds to try again while Kafka does not say who is in a group."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Choice:
    """How to rebuild."""

    wait: bool = True
    """Wait for the consumers to go, following the log; else fail where there are some."""
    keep_old: bool = False
    """Keep the generation that was in use."""
    from_what_is_left: bool = False
    """Accept a log whose first events are deleted."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made."""

    generation: int
    items: int
    """Records of items."""
    events: int
    """Records of events."""
    passed_over: int
    """Records that cannot be learnt from; they are dead letters already."""
    seconds: float


@dataclass(slots=True)
class _Counting:
    """Takes what is told to items straight to their counts."""

    topics: Topics
    items: ItemStage | None = None
    fence: int = 0
    """Counts the writes: a fence that rises, as that of the pairs' offsets does for consumers."""

    async def tell(self, topic: str, news: Sequence[Told], progress: Sequence[Progress]) -> None:
        """Count the news; servers are told by the consumers when they are back."""
        del topic, progress
        if news and self.items is not None:
            self.fence += 1
            await self.items.count({self.fence: news}, 0)

    async def remind(self, topic: str, partition: int, through: int) -> None:
        """Do nothing."""


@dataclass(slots=True)
class _PassingOver:
    """Counts records that cannot be learnt from: the consumers have put them aside already."""

    count: int = 0

    async def write(self, dead: Sequence[Dead], stage: str) -> None:
        """Count."""
        del stage
        self.count += len(dead)


@dataclass(slots=True)
class _Noting:
    """Notes how far partitions are learnt."""

    partitions: int
    points: dict[str, dict[int, Checkpoint]] = field(default_factory=dict)

    async def check(self, consumer: AIOKafkaConsumer) -> None:
        """Do nothing: there is no store yet that could be of another log."""

    async def learnt(self, batch: Batch) -> None:
        """Note."""
        for partition, records in batch.records.items():
            last = records[-1]
            self.points.setdefault(partition.topic, {})[partition.partition] = Checkpoint(last.offset, last.timestamp)


async def rebuild(settings: Settings, choice: Choice, watch: Watch, say: Say) -> Rebuilt:
    """Make the store anew and put it to use.

    Raises ``LogMismatch`` for a log that cannot be rebuilt from and ``StoreInUse`` while consumers, or another rebuild,
    are at work; then nothing has changed.
    """
    begun = time.monotonic()
    await connected_with_patience(settings.kafka)
    refuse(await check(settings.kafka))
    if not choice.wait:
        await _refuse_living(settings)
    async with AsyncExitStack() as stack:
        encoder = await stack.enter_async_context(opened_encoder(settings.encoder, settings))
        reading = await stack.enter_async_context(started(consumer(settings.kafka), settings.kafka))
        log = WholeLog(reading, settings, watch)
        await log.rewind(whole=not choice.from_what_is_left)
        draft = await stack.enter_async_context(
            drafted(
                settings.store,
                encoder.name,
                encoder.dim,
                settings.covisitation,
                settings.qdrant,
                await _store_id(settings),
                read_trained(settings),
            )
        )
        work = _Rebuild(settings, draft, encoder, log, say)
        await work.follow_until_alone(wait=choice.wait)
        await draft.publish(keep_old=choice.keep_old)
        await log.commit(say)
        items, events = await log.done(log.topics.items), await log.done(log.topics.events)
        seconds = time.monotonic() - begun
        return Rebuilt(draft.store.generation, items, events, work.passed_over.count, seconds)


async def _store_id(settings: Settings) -> str | None:
    """Return the name of the store in use: tokens stay good, since offsets mean the same."""
    async with connected(settings.store, settings.qdrant) as client:
        generations = Generations(client, settings.qdrant)
        if await generations.current() is None:
            return None
        found = await identified(generations.collection("items", None))
        return None if found is None else found.store_id


async def living(settings: Settings) -> list[str]:
    """Return the groups that have members."""
    return await patiently(lambda: _living(settings), PATIENCE, "the consumers' groups")


async def _living(settings: Settings) -> list[str]:
    found = []
    async with started(admin(settings.kafka), settings.kafka) as client:
        for stage in ("users", "items"):
            name = f"{settings.kafka.group}.{stage}"
            with translating(settings.kafka, name):
                # One at a time: aiokafka 0.14 misreads an answer about two.
                ((error, _, _, _, _, members, *_),) = (await client.describe_consumer_groups([name]))[0].groups
                if error:
                    raise for_code(error)(name)
            if members:
                found.append(name)
    return found


async def _refuse_living(settings: Settings) -> None:
    if groups := await living(settings):
        raise StoreInUse(f"there are consumers at work ({', '.join(groups)}); stop them, or leave --no-wait out")


class _Rebuild:
    """The stages, at work on a draft."""

    def __init__(self, settings: Settings, draft: Draft, encoder: Encoder, log: WholeLog, say: Say) -> None:
        self.passed_over = _PassingOver()
        self._settings = settings
        self._draft = draft
        self._log = log
        self._say = say
        self._noted = _Noting(settings.kafka.partitions)
        self._counting = _Counting(log.topics)
        store, tuning, epochs, metrics = draft.store, settings.tuning, Epochs(), Metrics()
        around = (self._counting, self.passed_over, self._noted, epochs, metrics)
        self._items = ItemStage(store.items, encoder, tuning, *around)
        self._counting.items = self._items
        self._users = UserStage(store.users, Reader(store.items, encoder, tuning), encoder, tuning, *around)

    async def follow_until_alone(self, *, wait: bool) -> None:
        """Learn all, and what comes meanwhile, until no consumer is left and nothing is missing."""
        told = False
        while True:
            await self._learn()
            if await living(self._settings):
                if not wait:
                    await _refuse_living(self._settings)
                if not told:
                    self._say(
                        "All is learnt. Stop the consumers now: learning pauses, serving goes on, events wait in the "
                        "log. The rebuild follows the log until they are gone, then switches."
                    )
                    told = True
                await asyncio.sleep(LOOK_EVERY)
                continue
            # Whoever told pairs is gone, so what they tell of is in the log of events by now.
            await self._log.look_at_pairs()
            await self._learn()
            await self._finish()
            if not await living(self._settings):
                return

    async def _finish(self) -> None:
        for topic, points in self._noted.points.items():
            await self._draft.store.checkpoints.remember(topic, self._settings.kafka.partitions, points)
        # Consumers go on with the next offset of the pairs. A sleeper of the old store who wakes is before it: refused.
        offsets = {partition: end - 1 for partition, end in self._log.pairs_ends.items()}
        await self._draft.fence(offsets, partition_of)
        self._counting.fence = max(self._counting.fence, *offsets.values())

    async def _learn(self) -> None:
        for topic, work in ((self._log.topics.items, self._items), (self._log.topics.events, self._users)):
            ends = await self._log.ends(topic)
            await self._log.show(topic, ends)
            while (batch := await self._log.next(ends)) is not None:
                await self._patiently(work, batch)
                await self._log.show(topic, ends)

    async def _patiently(self, work: ItemStage | UserStage, batch: Batch) -> None:
        pause, passed_over = BACK_OFF[0], self.passed_over.count
        while True:
            try:
                await self._apply(work, batch)
            except HELD_BY as error:
                _log.warning("held by a neighbour", error=str(error), again_in=pause)
                self.passed_over.count = passed_over
                await asyncio.sleep(pause)
                pause = min(2.0 * pause, BACK_OFF[1])
            else:
                return

    @staticmethod
    async def _apply(work: ItemStage | UserStage, batch: Batch) -> None:
        if isinstance(work, ItemStage):
            await work.apply(batch, await work.prepare(batch))
        else:
            await work.apply(batch, await work.prepare(batch))

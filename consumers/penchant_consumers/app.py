"""The consumer: everything is built here, and shut down by leaving the block.

startup → main loop → shutdown. The first signal asks: the batch under way is finished and committed, the group is left.
The second insists; nothing is lost by it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from penchant_adapters.alarm import Alarm
from penchant_adapters.encoders import CachedEncoder, opened_encoder
from penchant_adapters.kafka.connection import connected_with_patience, consumer, producer, started
from penchant_adapters.kafka.deadletters import DeadLetters, dead_letter_producer
from penchant_adapters.kafka.topics import Topics, check, refuse
from penchant_adapters.patience import patiently
from penchant_adapters.process import asked_to_stop, tune_interpreter
from penchant_adapters.qdrant.items import DESCRIBED_SECONDS
from penchant_adapters.qdrant.store import QdrantStore, open_qdrant
from penchant_adapters.settings import Settings
from penchant_adapters.settings_groups import KafkaSettings
from penchant_adapters.telemetry.metrics import Metrics
from penchant_adapters.telemetry.process import Telemetry, opened_telemetry
from penchant_adapters.telemetry.timed import timed
from penchant_adapters.trained import read_trained
from penchant_core.errors import InvalidSetting, Unavailable
from penchant_core.ports import Encoder
from penchant_core.reading import Reader
from penchant_core.trained import Trained
from threadpoolctl import threadpool_limits

from penchant_consumers.beside import Beside, Filling
from penchant_consumers.guard import Guard
from penchant_consumers.items import ItemStage
from penchant_consumers.letters import Letters
from penchant_consumers.memory import Epochs
from penchant_consumers.stage import Stage
from penchant_consumers.telling import Telling
from penchant_consumers.users import UserStage

LAST_SECONDS = 7.0
"""For what is under way when the process is asked to end; a neighbour that is gone may hold it for longer."""
MAX_POLL_MS = 3_600_000
REBALANCE_MS = 30_000
"""Milliseconds that members have to join when partitions move."""
Which = Literal["users", "items", "all"]
_log = structlog.get_logger()


@asynccontextmanager
async def built(settings: Settings, which: Which) -> AsyncIterator[list[Stage[Any]]]:
    """Give the stages, ready to run."""
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(opened_telemetry(settings.telemetry, "penchant-consume"))
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        alarm = Alarm()
        encoder = await _encoder(settings, settings.encoder, stack, alarm, telemetry.metrics)
        # Their texts are not counted: every text would count twice.
        others = [await _encoder(settings, url, stack, alarm) for url in settings.encoders_beside]
        opening = partial(_opened, settings, encoder, others, read_trained(settings), stack)
        store = await patiently(opening, settings.kafka.start_timeout, "the store")
        store.users.prime = encoder.prime
        telemetry.metrics.running(version("penchant"), encoder.name)
        _log.info("an encoder is ready", model=encoder.name, encoder=encoder.how)
        await connected_with_patience(settings.kafka)
        refuse(await check(settings.kafka))
        writer = await stack.enter_async_context(started(producer(settings.kafka, "penchant-consume"), settings.kafka))
        undertaker = await stack.enter_async_context(started(dead_letter_producer(settings.kafka), settings.kafka))
        beside = [Beside(one, Reader(store.beside[one.name], one, settings.tuning)) for one in others]
        builder = _Builder(settings, store, encoder, beside, telemetry, writer, undertaker)
        names = ("users", "items") if which == "all" else (which,)
        stages = [await builder.stage(name, stack) for name in names]
        tune_interpreter()
        telemetry.ready = lambda: next((stage.held for stage in stages if stage.held), "")
        own = Beside(encoder, Reader(store.items, encoder, settings.tuning))
        async with asyncio.TaskGroup() as tasks:
            beneath = [tasks.create_task(Filling(store, one).run()) for one in (own, *beside)]
            beneath.append(tasks.create_task(alarm.run()))
            yield stages
            for task in beneath:
                task.cancel()
        await _last_notes(builder.guards)


async def _last_notes(guards: Sequence[Guard]) -> None:
    try:
        for guard in guards:
            await guard.remember()
    except Unavailable as error:
        # They help the next one to know the log again; the notes of a second ago do so as well.
        _log.warning("the store does not take the last notes of how far the log is learnt", error=str(error))


async def _encoder(
    settings: Settings, url: str, stack: AsyncExitStack, alarm: Alarm, metrics: Metrics | None = None
) -> CachedEncoder:
    return await stack.enter_async_context(opened_encoder(url, settings, metrics, alarm))


async def _opened(
    settings: Settings, encoder: Encoder, beside: Sequence[Encoder], trained: Trained, stack: AsyncExitStack
) -> QdrantStore:
    dims = {one.name: one.dim for one in beside}
    if len({encoder.name, *dims}) <= len(beside):
        raise InvalidSetting("two of the models are the same", field="encoders_beside")
    # Interests are made of items' contents, which hardly ever change; their counts are read where they are added to.
    patient = settings.qdrant.model_copy(update={"cache_seconds": DESCRIBED_SECONDS})
    return await stack.enter_async_context(
        open_qdrant(
            settings.store, encoder.name, encoder.dim, settings.covisitation, patient, trained=trained, beside=dims
        )
    )


class _Builder:
    """Builds stages that share a store, an encoder and a producer."""

    def __init__(
        self,
        settings: Settings,
        store: QdrantStore,
        encoder: Encoder,
        beside: Sequence[Beside],
        telemetry: Telemetry,
        writer: AIOKafkaProducer,
        undertaker: AIOKafkaProducer,
    ) -> None:
        self._settings = settings
        self._store = store
        self._encoder = encoder
        self._beside = beside
        self._metrics = telemetry.metrics
        self._writer = writer
        self._undertaker = undertaker
        self.guards: list[Guard] = []

    async def stage(self, name: str, stack: AsyncExitStack) -> Stage[Any]:
        """Build a stage with a consumer, a guard and memories of its own."""
        kafka, tuning, metrics = self._settings.kafka, self._settings.tuning, self._metrics
        epochs = Epochs()
        guard = Guard(self._store.checkpoints, kafka)
        self.guards.append(guard)
        telling = Telling(self._writer, Topics.of(kafka), kafka.partitions)
        letters = Letters(DeadLetters(self._undertaker, kafka), metrics)
        member = await stack.enter_async_context(started(_member(kafka, name), kafka))
        items = timed(self._store.items, metrics)
        around = (self._encoder, tuning, telling, letters, guard, epochs, metrics, self._beside)
        work: UserStage | ItemStage
        if name == "users":
            work = UserStage(timed(self._store.users, metrics), Reader(items, self._encoder, tuning), *around)
        else:
            work = ItemStage(items, *around)
        return Stage(member, work, epochs, metrics, kafka)


def _member(settings: KafkaSettings, stage: str) -> AIOKafkaConsumer:
    return consumer(
        settings,
        client_id="penchant-consume",
        group_id=f"{settings.group}.{stage}",
        group_instance_id=settings.instance or None,
        session_timeout_ms=int(settings.session_timeout * 1000),
        heartbeat_interval_ms=int(settings.session_timeout * 200),
        # A batch may be held by a store that is gone for minutes; that is no reason to give its partitions away.
        max_poll_interval_ms=MAX_POLL_MS,
        rebalance_timeout_ms=REBALANCE_MS,
    )


async def consume(settings: Settings, which: Which = "all") -> None:
    """Consume until SIGTERM or SIGINT; a second signal ends the process at once."""
    async with asked_to_stop() as asked, built(settings, which) as stages:
        _log.info("consuming", stages=which, store=settings.store, log=settings.kafka.bootstrap)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(stage.run()) for stage in stages]
            asking = asyncio.create_task(asked.wait())
            await asyncio.wait([asking, *running], return_when=asyncio.FIRST_COMPLETED)
            asking.cancel()
            _log.info("stopping")
            for stage in stages:
                stage.stop()
            _, late = await asyncio.wait(running, timeout=LAST_SECONDS)
            for task in late:
                task.cancel()
            if late:
                _log.warning("what was under way is left, and will be delivered again", after=LAST_SECONDS)

"""The service on one machine: everything is built here, and shut down by leaving the block.

startup → main loop → shutdown. The first signal asks: streams say farewell, calls in progress end, what was learnt is
flushed. The second insists.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import structlog
from penchant_adapters.alarm import Alarm
from penchant_adapters.edge import EdgeStore, open_edge
from penchant_adapters.process import asked_to_stop, now, tune_interpreter
from penchant_adapters.settings import Settings
from penchant_adapters.telemetry.process import Telemetry, opened_telemetry, stopping
from penchant_adapters.telemetry.scrape import always
from penchant_adapters.telemetry.timed import timed_stores
from penchant_adapters.trained import read_trained
from penchant_core.model import Event
from penchant_core.pipeline import Learner
from penchant_core.spaces import Spaces
from threadpoolctl import threadpool_limits

from penchant_server import grpc_server
from penchant_server.access import opened_access
from penchant_server.answering import Answering
from penchant_server.ingest import Ingest
from penchant_server.live import Audience
from penchant_server.models import Models
from penchant_server.opening import Opener, standing
from penchant_server.operator_key import operator_key
from penchant_server.profiles import opened_profiles
from penchant_server.services.models import ModelService
from penchant_server.shadow import Shadow

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    address: str
    """Host and port it answers on."""
    store: EdgeStore
    telemetry: Telemetry


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """Run the service inside the block."""
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(opened_telemetry(settings.telemetry, "penchant-up"))
        metrics = telemetry.metrics
        access = await stack.enter_async_context(opened_access(settings.access))
        profiles = await stack.enter_async_context(opened_profiles(settings))
        # The core's products are small: a second thread of the linear algebra costs more than it gains, and on a busy
        # machine a hundred times more. The encoder chooses its own number while it works.
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        trained = read_trained(settings)
        alarm = Alarm()
        opener = Opener(settings, metrics, trained, alarm)
        opening = await opener.open()
        stack.push_async_callback(opening.aclose)
        encoder = opening.active
        store = stack.enter_context(
            open_edge(
                settings.data_dir,
                encoder.name,
                encoder.dim,
                settings.covisitation,
                settings.min_free_bytes,
                trained=trained,
                vectors=settings.item_vectors,
            )
        )
        opener.store = store
        metrics.running(version("penchant"), encoder.name)
        stores = timed_stores(store.stores, metrics)
        spaces = Spaces(standing(opener, opening))
        learner = Learner(stores, spaces, settings.tuning, now)
        await learner.recover()
        audience = Audience()

        def learnt(events: Sequence[Event]) -> None:
            audience.learnt(events)
            metrics.visible(events, now())

        answering = Answering(spaces, stores.users, settings.tuning, now)
        shadow = Shadow(spaces, answering)
        answering.hearing = shadow.hear
        models = Models(store, spaces, learner, shadow, audience, opening, opener)
        stack.push_async_callback(shadow.aclose)
        ingest = Ingest(learner, models.read_words, settings.max_pending_events, learnt)
        service = ModelService(models, shadow, operator_key(settings.data_dir))
        backend = grpc_server.Backend(
            store.store_id, ingest, learner, store.items, answering, profiles, audience, service
        )
        server, address = await grpc_server.started(settings, backend, metrics, access)
        # A crash of a worker cancels the block: better a dead service than a mute one.
        async with asyncio.TaskGroup() as tasks:
            workers = [
                tasks.create_task(alarm.run()),
                tasks.create_task(ingest.run()),
                tasks.create_task(models.run()),
                tasks.create_task(_flushing(store, settings)),
            ]
            tune_interpreter()
            _log.info(
                "serving",
                address=address,
                data_dir=str(settings.data_dir),
                model=encoder.name,
                encoder=encoder.how,
            )
            telemetry.ready = always
            try:
                yield Service(address, store, telemetry)
            finally:
                telemetry.ready = stopping
                audience.close()
                await server.stop(settings.shutdown_grace)
                for worker in workers:
                    worker.cancel()


async def _flushing(store: EdgeStore, settings: Settings) -> None:
    while True:
        await asyncio.sleep(settings.flush_interval)
        await asyncio.to_thread(store.sync)
        if store.log_bytes > settings.max_log_bytes:
            await asyncio.to_thread(store.write_back)
            store.flush()


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT; a second signal ends the process at once."""
    async with asked_to_stop() as stopping, running(settings):
        await stopping.wait()
        _log.info("stopping", grace=settings.shutdown_grace)

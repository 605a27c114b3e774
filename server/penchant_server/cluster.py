"""A server of a cluster: it only answers. Events and items go to the log; consumers bring the store up to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

import structlog
from penchant_adapters.alarm import Alarm
from penchant_adapters.encoders import CachedEncoder, opened_encoder
from penchant_adapters.encoders.absent import AbsentEncoder
from penchant_adapters.kafka.connection import connected_with_patience, consumer, producer, started
from penchant_adapters.kafka.topics import Topics, check, refuse
from penchant_adapters.patience import patiently
from penchant_adapters.process import asked_to_stop, now, tune_interpreter
from penchant_adapters.qdrant.store import QdrantStore, open_qdrant
from penchant_adapters.settings import Settings
from penchant_adapters.telemetry.process import Telemetry, opened_telemetry, stopping
from penchant_adapters.telemetry.scrape import always
from penchant_adapters.telemetry.timed import timed_library
from penchant_adapters.trained import read_trained
from penchant_core.errors import InvalidSetting
from penchant_core.pipeline import Library
from penchant_core.spaces import Space, Spaces, Standing
from penchant_core.trained import Trained
from threadpoolctl import threadpool_limits

from penchant_server import grpc_server
from penchant_server.access import opened_access
from penchant_server.answering import Answering
from penchant_server.live import Audience
from penchant_server.logged import LogJournal, LogShelf, Sender
from penchant_server.profiles import opened_profiles
from penchant_server.progress import Progresses, follow

_log = structlog.get_logger()


@asynccontextmanager
async def running(settings: Settings, *, number: int = 0, shared_port: bool = False) -> AsyncIterator[str]:
    """Run a server inside the block; give its address. *number* tells processes on one machine apart."""
    async with AsyncExitStack() as stack:
        telemetry = await stack.enter_async_context(opened_telemetry(settings.telemetry, "penchant-serve", number))
        metrics = telemetry.metrics
        access = await stack.enter_async_context(opened_access(settings.access))
        profiles = await stack.enter_async_context(opened_profiles(settings))
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        alarm = Alarm()
        encoder = await _encoder(settings, stack, telemetry, alarm)
        trained = read_trained(settings)
        opening = partial(_store, settings, encoder, trained, stack)
        store = await patiently(opening, settings.kafka.start_timeout, "the store")
        encoder = encoder or CachedEncoder(AbsentEncoder(store.model, store.dim, settings.encoder))
        store.users.prime = encoder.prime
        metrics.running(version("penchant"), store.model)
        topics = Topics.of(settings.kafka)
        await connected_with_patience(settings.kafka)
        refuse(await check(settings.kafka))
        writer = await stack.enter_async_context(started(producer(settings.kafka, "penchant-serve"), settings.kafka))
        reader = consumer(settings.kafka, client_id="penchant-serve")
        follower = await stack.enter_async_context(started(reader, settings.kafka))
        audience = Audience()
        progresses = Progresses(audience, store.items.forget, metrics.freshness)
        library = timed_library(Library(store.users, store.items, store.items), metrics)
        spaces = Spaces(Standing(Space(encoder, library.catalogue, library.retriever, trained)))
        answering = Answering(spaces, library.users, settings.tuning, now)
        backend = grpc_server.Backend(
            store.store_id,
            LogJournal(
                Sender(writer, topics.events, settings.kafka), progresses, store.items, settings.max_pending_events
            ),
            LogShelf(Sender(writer, topics.items, settings.kafka), progresses, store.items),
            store.items,
            answering,
            profiles,
            audience,
        )
        caught_up = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(alarm.run())
            following = tasks.create_task(follow(follower, topics.interests, progresses, caught_up))
            await caught_up.wait()
            server, address = await grpc_server.started(settings, backend, metrics, access, shared_port=shared_port)
            tune_interpreter()
            _log.info(
                "serving",
                address=address,
                store=settings.store,
                log=settings.kafka.bootstrap,
                model=store.model,
                encoder=encoder.how,
            )
            telemetry.ready = always
            try:
                yield address
            finally:
                telemetry.ready = stopping
                audience.close()
                await server.stop(settings.shutdown_grace)
                following.cancel()
                watching.cancel()


async def _encoder(
    settings: Settings, stack: AsyncExitStack, telemetry: Telemetry, alarm: Alarm
) -> CachedEncoder | None:
    """Open the model for the words of searches. A server can do without: users' own words have vectors in the store."""
    try:
        return await stack.enter_async_context(opened_encoder(settings.encoder, settings, telemetry.metrics, alarm))
    except InvalidSetting as error:
        if error.field != "encoder" or not isinstance(error.__cause__, ImportError):
            raise
        _log.warning("no model here: SearchItems is refused, everything else answers", error=str(error))
        return None


async def _store(
    settings: Settings, encoder: CachedEncoder | None, trained: Trained, stack: AsyncExitStack
) -> QdrantStore:
    name, dim = (encoder.name, encoder.dim) if encoder is not None else (None, None)
    return await stack.enter_async_context(
        open_qdrant(settings.store, name, dim, settings.covisitation, settings.qdrant, create=False, trained=trained)
    )


async def serve(settings: Settings, *, number: int = 0, shared_port: bool = False) -> None:
    """Run a server until SIGTERM or SIGINT; a second signal ends the process at once."""
    async with asked_to_stop() as asked, running(settings, number=number, shared_port=shared_port):
        await asked.wait()
        _log.info("stopping", grace=settings.shutdown_grace)

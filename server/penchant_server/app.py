"""The service on one machine: everything is built here, and shut down by leaving the block.

startup → main loop → shutdown. The first signal asks: streams say farewell, calls in progress end, what was learnt is
flushed. The second insists.
"""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # missing in the stubs
from grpc_reflection.v1alpha import reflection
from penchant.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
)
from penchant_adapters.edge import EdgeStore, open_edge
from penchant_adapters.encoders import CachedEncoder, VectorFile, open_encoder
from penchant_core.errors import InvalidSetting
from penchant_core.pipeline import Learner, Recommender
from penchant_core.ports import Encoder
from threadpoolctl import threadpool_limits

from penchant_server.faults import Door
from penchant_server.ingest import Ingest
from penchant_server.live import Audience
from penchant_server.services.catalog import CatalogService
from penchant_server.services.events import EventService
from penchant_server.services.recommendations import Freshness, RecommendationService, UserService
from penchant_server.settings import Settings

SERVICES = (
    event_pb2.DESCRIPTOR.services_by_name["EventService"],
    catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
    recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"],
    user_pb2.DESCRIPTOR.services_by_name["UserService"],
)
MESSAGE_BYTES = 16 << 20
_log = structlog.get_logger()


def now() -> int:
    """Return the time in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    address: str
    """Host and port it answers on."""
    store: EdgeStore


@asynccontextmanager
async def opened_encoder(settings: Settings) -> AsyncIterator[Encoder]:
    """Open the encoder behind its cache, ready to encode."""
    inner = open_encoder(settings.encoder, threads=settings.encoder_threads, device=settings.encoder_device)
    async with inner, VectorFile(settings.data_dir / "vectors.sqlite") as file:
        await inner.encode(["warm-up"])
        yield CachedEncoder(inner, file)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """Run the service inside the block."""
    async with AsyncExitStack() as stack:
        # The core's products are small: a second thread of the linear algebra costs more than it gains, and on a busy
        # machine a hundred times more. The encoder chooses its own number while it works.
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        encoder = await stack.enter_async_context(opened_encoder(settings))
        store = stack.enter_context(
            open_edge(settings.data_dir, encoder.name, encoder.dim, settings.covisitation, settings.min_free_bytes)
        )
        learner = Learner(store.stores, encoder, settings.tuning, now)
        await learner.recover()
        audience = Audience()
        ingest = Ingest(learner, encoder, settings.max_pending_events, audience.learnt)
        server, address = await _serving(settings, store, encoder, learner, ingest, audience)
        # A crash of a worker cancels the block: better a dead service than a mute one.
        async with asyncio.TaskGroup() as tasks:
            workers = [
                tasks.create_task(ingest.run()),
                tasks.create_task(_flushing(store, settings)),
            ]
            _tuned_interpreter()
            _log.info("serving", address=address, data_dir=str(settings.data_dir), model=encoder.name)
            try:
                yield Service(address, store)
            finally:
                audience.close()
                await server.stop(settings.shutdown_grace)
                for worker in workers:
                    worker.cancel()


async def _serving(
    settings: Settings, store: EdgeStore, encoder: Encoder, learner: Learner, ingest: Ingest, audience: Audience
) -> tuple[grpc.aio.Server, str]:
    recommender = Recommender(store.stores, encoder, settings.tuning, now)
    freshness = Freshness(ingest, store.store_id)
    server = grpc.aio.server(
        interceptors=[Door(settings.max_calls, settings.max_streams)],
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ],
    )
    event_pb2_grpc.add_EventServiceServicer_to_server(
        EventService(ingest, settings.tuning.weights, store.store_id, now), server
    )
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogService(learner, store.items, audience), server)
    recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(
        RecommendationService(recommender, freshness, audience, now, settings.stream_max_age, settings.push_interval),
        server,
    )
    user_pb2_grpc.add_UserServiceServicer_to_server(UserService(recommender, freshness), server)
    names = [service.full_name for service in SERVICES]
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for name in ["", *names]:
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection([*names, HEALTH, reflection.SERVICE_NAME], server)
    return server, await _bound(server, settings.listen)


async def _bound(server: grpc.aio.Server, listen: str) -> str:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidSetting(f"{listen!r} is not host:port", field="listen")
    try:
        bound = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise InvalidSetting(f"cannot listen on {listen}: is the port taken? choose another", field="listen") from error
    await server.start()
    return f"{host}:{bound}"


async def _flushing(store: EdgeStore, settings: Settings) -> None:
    while True:
        await asyncio.sleep(settings.flush_interval)
        await asyncio.to_thread(store.sync)
        if store.log_bytes > settings.max_log_bytes:
            await asyncio.to_thread(store.write_back)
            store.flush()


def _tuned_interpreter() -> None:
    """Keep the interpreter's own pauses short."""
    # Full rounds of the collector stop everything; it may pass over what lives as long as the service.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)
    # The encoder's thread asks for the interpreter some fifty times a text; at 5 ms a turn, beside a busy loop, a text
    # takes a quarter of a second.
    sys.setswitchinterval(0.0005)


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT; a second signal ends the process at once."""
    stopping = asyncio.Event()

    def asked() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, asked)
    async with running(settings):
        await stopping.wait()
        _log.info("stopping", grace=settings.shutdown_grace)

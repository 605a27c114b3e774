"""The gRPC server: the services on whatever they stand on, health checks, reflection, limits."""

from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # missing in the stubs
from grpc_reflection.v1alpha import reflection
from penchant.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
)
from penchant_adapters.process import now
from penchant_adapters.settings import Settings
from penchant_adapters.telemetry.metrics import Metrics
from penchant_core.ports import Shelves

from penchant_server.access import Access, bound
from penchant_server.answering import Answering
from penchant_server.faults import Door
from penchant_server.journal import Journal, Shelf
from penchant_server.live import Audience
from penchant_server.observed import Observer
from penchant_server.profiles import Profiles
from penchant_server.services.catalog import CatalogService
from penchant_server.services.events import EventService
from penchant_server.services.models import ModelService
from penchant_server.services.recommendations import Freshness, Pace, RecommendationService, UserService

SERVICES = (
    event_pb2.DESCRIPTOR.services_by_name["EventService"],
    catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
    recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"],
    user_pb2.DESCRIPTOR.services_by_name["UserService"],
    model_pb2.DESCRIPTOR.services_by_name["ModelService"],
)
MESSAGE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Backend:
    """What the services stand on."""

    store_id: str
    journal: Journal
    shelf: Shelf
    shelves: Shelves
    answering: Answering
    profiles: Profiles
    audience: Audience
    models: ModelService | None = None
    """None behind a log: the encoder is not changed by the server there."""


async def started(
    settings: Settings, backend: Backend, metrics: Metrics, access: Access, *, shared_port: bool = False
) -> tuple[grpc.aio.Server, str]:
    """Start a server; return it and the address it answers on. *shared_port*: other processes may listen there too."""
    freshness = Freshness(backend.journal, backend.store_id)
    server = grpc.aio.server(
        interceptors=[
            Observer(metrics, SERVICES),
            *access.interceptors,
            Door(settings.max_calls, settings.max_streams),
        ],
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.so_reuseport", int(shared_port)),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ],
    )
    event_pb2_grpc.add_EventServiceServicer_to_server(
        EventService(backend.journal, settings.tuning.weights, backend.store_id, now), server
    )
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(
        CatalogService(backend.shelf, backend.shelves, backend.audience), server
    )
    recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(
        RecommendationService(
            backend.answering,
            backend.profiles,
            freshness,
            backend.audience,
            now,
            Pace(settings.stream_max_age, settings.push_interval),
        ),
        server,
    )
    user_pb2_grpc.add_UserServiceServicer_to_server(UserService(backend.answering, backend.profiles, freshness), server)
    if backend.models is not None:
        model_pb2_grpc.add_ModelServiceServicer_to_server(backend.models, server)
    names = [one.full_name for one in SERVICES if backend.models is not None or one.name != "ModelService"]
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for name in ["", *names]:
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection([*names, HEALTH, reflection.SERVICE_NAME], server)
    return server, await bound(server, settings.listen, access)

"""The connection: channel options, credentials, the generated stubs, and foreign errors turned into ours."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from penchant.credentials import KeyedChannel, Tls, keyed_blocking, metadata
from penchant.errors import Cancelled, from_call
from penchant.retry import service_config
from penchant.v1 import catalog_pb2_grpc, event_pb2_grpc, model_pb2_grpc, recommendation_pb2_grpc, user_pb2_grpc

DEFAULT_TARGET = "127.0.0.1:50551"
DEFAULT_TIMEOUT = 5.0
"""Seconds."""
DEFAULT_RETRIES = 3

KEEPALIVE_MS = 60_000
"""A silent connection is probed after this long, so that streams notice a peer that vanished."""
KEEPALIVE_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the service is and how to reach it; raises ValueError when ``retries`` or ``api_key`` cannot be."""

    target: str
    """gRPC target, for example ``host:port``."""
    tls: bool | Tls | grpc.ChannelCredentials
    """True: TLS with the system's roots; Tls, credentials: TLS with these; False: plain text."""
    retries: int
    """How often a unary call is tried again after UNAVAILABLE, 0–4."""
    api_key: str = field(default="", repr=False)
    """Goes with every call; empty: none."""

    def __post_init__(self) -> None:
        service_config(self.retries)
        metadata(self.api_key)

    @property
    def options(self) -> list[tuple[str, str | int]]:
        """Channel options."""
        return [
            ("grpc.service_config", service_config(self.retries)),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 700),
        ]

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """TLS credentials; None for plain text."""
        if isinstance(self.tls, bool):
            return grpc.ssl_channel_credentials() if self.tls else None
        if isinstance(self.tls, Tls):
            return self.tls.credentials
        return self.tls

    def connect(self) -> grpc.aio.Channel:
        """Return a channel for the running event loop."""
        credentials = self.credentials
        if credentials is None:
            channel = grpc.aio.insecure_channel(self.target, self.options)
        else:
            channel = grpc.aio.secure_channel(self.target, credentials, self.options)
        return KeyedChannel(channel, metadata(self.api_key)) if self.api_key else channel

    def connect_blocking(self) -> grpc.Channel:
        """Return a channel for threads."""
        credentials = self.credentials
        if credentials is None:
            channel = grpc.insecure_channel(self.target, self.options)
        else:
            channel = grpc.secure_channel(self.target, credentials, self.options)
        return keyed_blocking(channel, metadata(self.api_key)) if self.api_key else channel


class AsyncStubs:
    """The generated stubs, for calls that the client does not cover; each call is awaited."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.events = event_pb2_grpc.EventServiceStub(channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.recommendations = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        self.users = user_pb2_grpc.UserServiceStub(channel)
        self.models = model_pb2_grpc.ModelServiceStub(channel)


class Stubs:
    """The generated stubs, for calls that the client does not cover; each call blocks its thread."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.events = event_pb2_grpc.EventServiceStub(channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.recommendations = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        self.users = user_pb2_grpc.UserServiceStub(channel)
        self.models = model_pb2_grpc.ModelServiceStub(channel)


async def ready(channel: grpc.aio.Channel) -> None:
    """Wait until the channel is connected, so that what was interrupted goes on at once. Raises Cancelled."""
    try:
        await channel.channel_ready()
    except grpc.aio.UsageError:
        raise Cancelled("the client was closed during the call") from None


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of a call made inside into those of :mod:`penchant.errors`."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_call(error) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Closing a channel cancels its calls without cancelling the tasks that wait for them.
        raise Cancelled("the client was closed during the call") from None

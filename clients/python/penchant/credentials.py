"""How the client says who it is: certificates, and an API key that goes with every kind of call."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeAlias

import grpc

Metadata: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS with certificates from files in PEM; the files are read when a client connects."""

    ca: str | os.PathLike[str] | None = None
    """Certificates to trust; None: the system's."""
    cert: str | os.PathLike[str] | None = field(default=None, kw_only=True)
    """Own certificate chain, for a service that asks for one; with ``key``."""
    key: str | os.PathLike[str] | None = field(default=None, kw_only=True)
    """Key of the own certificate."""

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together: give both or none")

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        """GRPC's credentials; raises OSError when a file cannot be read."""
        ca, cert, key = (
            Path(file).read_bytes() if file is not None else None for file in (self.ca, self.cert, self.key)
        )
        return grpc.ssl_channel_credentials(ca, key, cert)


def metadata(api_key: str) -> Metadata:
    """Return what goes with every call; raises ValueError for what cannot be a key, without telling it."""
    if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
        raise ValueError("api_key: must be printable ASCII without spaces; was a line break read with it?")
    return (("authorization", f"Bearer {api_key}"),) if api_key else ()


class KeyedChannel(grpc.aio.Channel):
    """A channel that sends *metadata* with every call.

    gRPC's own interceptors would do, but they put a queue and a task between a stream and its caller.
    """

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        self._channel = channel
        self._metadata = metadata

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return a call."""
        return self._keyed(self._channel.unary_unary(*args, **kwargs))

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return a call."""
        return self._keyed(self._channel.unary_stream(*args, **kwargs))

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return a call."""
        return self._keyed(self._channel.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return a call."""
        return self._keyed(self._channel.stream_stream(*args, **kwargs))

    def _keyed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, metadata: Any = None, **kwargs: Any) -> Any:
            return method(*args, metadata=(*self._metadata, *(metadata or ())), **kwargs)

        return call

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close the channel."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return the state of the connection."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait for another state."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait for a connection."""
        await self._channel.channel_ready()


class _Keyed(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[type-arg]  # the real classes take none
    grpc.UnaryStreamClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamStreamClientInterceptor,  # type: ignore[type-arg]
):
    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def _call(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=(*self._metadata, *(details.metadata or ()))), request)

    intercept_unary_unary: Any = _call
    intercept_unary_stream: Any = _call
    intercept_stream_unary: Any = _call
    intercept_stream_stream: Any = _call


def keyed_blocking(channel: grpc.Channel, metadata: Metadata) -> grpc.Channel:
    """Return a channel for threads that sends *metadata* with every call."""
    return grpc.intercept_channel(channel, _Keyed(metadata))

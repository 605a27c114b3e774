"""The connection to a Qdrant server, and its errors told apart."""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from grpc import StatusCode
from grpc.aio import AioRpcError
from penchant_core.errors import InvalidSetting, PenchantError, Unavailable
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException

from penchant_adapters.settings_groups import QdrantSettings

PORT = 6334
SCHEMES = {"qdrant": False, "qdrants": True}

# INTERNAL is what a server answers when too few copies confirmed a write, or answered in time: the same may go well.
_TRANSIENT = {
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.ABORTED,
    StatusCode.CANCELLED,
    StatusCode.INTERNAL,
}
_REFUSED = {StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED}


@asynccontextmanager
async def connected(url: str, settings: QdrantSettings) -> AsyncIterator[AsyncQdrantClient]:
    """Connect; nothing is sent yet. Raises ``InvalidSetting`` for a URL or a file that cannot be used."""
    host, port, secure = address_of(url)
    options: dict[str, Any] = {
        # A server that is back should be found soon; gRPC's own back-off grows to two minutes.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 2_000,
        "grpc.keepalive_time_ms": 30_000,
        "grpc.keepalive_timeout_ms": 10_000,
    }
    if secure and settings.ca_file is not None:
        options["root_certificates"] = _content(settings.ca_file, "qdrant.ca_file")
    # A header, since the client warns on the console of a key without TLS; where to send it is the operator's choice.
    key = _content(settings.api_key_file, "qdrant.api_key_file").decode().strip() if settings.api_key_file else ""
    client = AsyncQdrantClient(
        host=host,
        grpc_port=port,
        prefer_grpc=True,
        https=secure,
        headers={"api-key": key} if key else None,
        timeout=math.ceil(settings.timeout),
        grpc_options=options,
        pool_size=1,
        check_compatibility=False,
    )
    try:
        yield client
    finally:
        await client.close()


def address_of(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether TLS is wanted. Raises ``InvalidSetting``."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError as error:
        raise InvalidSetting(f"{url!r} is not a URL: {error}", field="store") from error
    if parts.scheme not in SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise InvalidSetting(f"{url!r} is not qdrant://HOST:PORT or, with TLS, qdrants://HOST:PORT", field="store")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host, port, SCHEMES[parts.scheme]


def _content(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidSetting(f"cannot read {path}: {error.strerror}", field=field) from error


@contextmanager
def translating(what: str) -> Iterator[None]:
    """Turn the client's errors into ours; *what* was to be done."""
    try:
        yield
    except AioRpcError as error:
        raise translated(error, what) from error
    except ResourceExhaustedResponse as error:
        raise Unavailable(f"the store has too much to do ({what})", float(error.retry_after_s)) from error
    except (ResponseHandlingException, ConnectionError, TimeoutError) as error:
        raise Unavailable(f"the store did not answer ({what}): {error}") from error
    except ValueError as error:
        # The client's in-process mode has no other error.
        raise PenchantError(f"the store failed ({what}): {error}") from error


def translated(error: AioRpcError, what: str) -> PenchantError:
    """Return our error for one of gRPC's."""
    code, details = error.code(), error.details()
    if code in _TRANSIENT:
        return Unavailable(f"the store did not answer ({what}): {code.name}, {details}")
    if code in _REFUSED:
        return InvalidSetting(f"the store refuses the key ({what}): {details}", field="qdrant.api_key_file")
    return PenchantError(f"the store failed ({what}): {code.name}, {details}")


def already_exists(error: PenchantError) -> bool:
    """Tell whether something was to be made that is there."""
    return "already exists" in str(error)

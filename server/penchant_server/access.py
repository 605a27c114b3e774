"""Who may call: the rule of where to listen, TLS, and API keys on every kind of RPC."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import structlog
from google.protobuf.message import Message
from penchant_adapters.settings_groups import AccessSettings
from penchant_core.errors import InvalidSetting

from penchant_server.certificates import Certificates
from penchant_server.faults import Unauthenticated, end
from penchant_server.keys import Keys
from penchant_server.stubs import Context, Handler
from penchant_server.wrapping import Call, Stream, wrapped

HEALTH = "/grpc.health.v1.Health/"
"""Open to everybody: whoever probes has no key. Reflection is not."""
BEARER = "bearer "
NO_KEY = "there is no API key: send it as metadata, authorization: Bearer KEY or x-api-key: KEY"
WRONG_KEY = "the API key is none of this service's: it was taken away, or belongs to another one"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Access:
    """What the settings say, opened."""

    keys: Keys | None
    certificates: Certificates | None
    mutual: bool
    """True when callers must have a certificate."""
    allow_plaintext: bool

    @property
    def interceptors(self) -> list[grpc.aio.ServerInterceptor]:  # type: ignore[type-arg]  # the real class takes none
        """What stands before the services."""
        return [Doorkeeper(self.keys)] if self.keys is not None else []


@asynccontextmanager
async def opened_access(settings: AccessSettings) -> AsyncIterator[Access]:
    """Read keys and certificates, and look at the keys again inside the block. Raises InvalidSetting."""
    keys = Keys(settings.api_keys_file) if settings.api_keys_file is not None else None
    access = Access(keys, _certificates(settings), settings.client_ca_file is not None, settings.allow_plaintext)
    watching = asyncio.create_task(keys.watch()) if keys is not None else None
    try:
        yield access
    finally:
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


def _certificates(settings: AccessSettings) -> Certificates | None:
    cert, key, client_ca = settings.cert_file, settings.key_file, settings.client_ca_file
    if cert is not None and key is not None:
        return Certificates(cert, key, client_ca)
    if cert is not None:
        raise InvalidSetting("is needed beside access.cert_file", field="access.key_file")
    if key is not None:
        raise InvalidSetting("is needed beside access.key_file", field="access.cert_file")
    if client_ca is not None:
        raise InvalidSetting("callers have certificates only with TLS; set access.cert_file", field="access.cert_file")
    return None


async def bound(server: grpc.aio.Server, listen: str, access: Access) -> str:
    """Start to listen and return the address. Raises InvalidSetting where that would be open to strangers.

    The rule. On a loopback address (127.0.0.0/8, ::1, localhost) anything goes: no TLS and no keys are needed. On any
    other address, names and wildcards included, both are needed: TLS, and a way to tell callers apart, API keys or
    client certificates. ``access.allow_plaintext`` lifts both demands there; keys that are set are asked for all the
    same, and a warning is logged.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidSetting(f"{listen!r} is not host:port", field="listen")
    if not _is_loopback(host):
        _check_protected(listen, access)
    try:
        if access.certificates is not None:
            number = server.add_secure_port(listen, access.certificates.credentials)
        else:
            number = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise InvalidSetting(f"cannot listen on {listen}: is the port taken? choose another", field="listen") from error
    await server.start()
    return f"{host}:{number}"


def _check_protected(listen: str, access: Access) -> None:
    instead = "or listen on 127.0.0.1, or set access.allow_plaintext where something else protects the connection"
    if access.certificates is None:
        if not access.allow_plaintext:
            raise InvalidSetting(
                f"{listen} is not loopback, so it needs TLS: set access.cert_file and access.key_file, {instead}",
                field="access.cert_file",
            )
        _log.warning("serving without TLS", listen=listen, keys="readable on the way" if access.keys else "none")
    elif access.keys is None and not access.mutual:
        if not access.allow_plaintext:
            raise InvalidSetting(
                f"{listen} is not loopback, so callers need keys: set access.api_keys_file, or access.client_ca_file "
                f"for certificates, {instead}",
                field="access.api_keys_file",
            )
        _log.warning("serving without keys", listen=listen)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False  # a name: what it stands for is the resolver's word, and may change


def presented(metadata: Iterable[tuple[str, Any]]) -> str:
    """Return the key that a caller sent; empty: none. ``x-api-key`` comes before ``authorization``."""
    found = ""
    for name, value in metadata:
        if name == "x-api-key":
            return str(value)
        if name == "authorization" and str(value)[: len(BEARER)].lower() == BEARER:
            found = str(value)[len(BEARER) :].strip()
    return found


class Doorkeeper(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # the real class takes none
    """Asks every caller for a key, before anything of the request is read, and streams for as long as they last."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the handler, one that holds on to the key, or one that refuses."""
        if handler_call_details.method.startswith(HEALTH):
            return await continuation(handler_call_details)
        key = presented(handler_call_details.invocation_metadata or ())
        digest = self._keys.known(key) if key else None
        if digest is None:
            return _refusing(WRONG_KEY if key else NO_KEY)
        handler = await continuation(handler_call_details)
        if handler is None or not (handler.request_streaming or handler.response_streaming):
            return handler
        return wrapped(handler, partial(self._call, digest), partial(self._stream, digest))

    def _call(self, digest: bytes, inner: Call) -> Call:
        async def call(request: Any, context: Context) -> Message:
            with self._keys.held(digest) as hold:
                try:
                    return await hold.until(lambda: inner(request, context))
                except Unauthenticated as error:
                    await end(context, error)

        return call

    def _stream(self, digest: bytes, inner: Stream) -> Stream:
        async def stream(request: Any, context: Context) -> AsyncIterator[Message]:
            answers: Any = inner(request, context)
            with self._keys.held(digest) as hold:
                async with aclosing(answers) as messages:
                    try:
                        while (message := await hold.until(lambda: anext(messages, None))) is not None:
                            yield message
                    except Unauthenticated as error:
                        await end(context, error)

        return stream


def _refusing(problem: str) -> Handler:
    async def refuse(request: Any, context: Context) -> AsyncIterator[Message]:
        del request
        await end(context, Unauthenticated(problem))
        yield Message()  # never; it makes this a stream

    # Whatever kind was called: this one begins before a message has come in.
    handler: Handler = grpc.stream_stream_rpc_method_handler(refuse)
    return handler

"""Every call counted, timed and traced: the outermost interceptor, so that it sees what the others refuse.

Names and labels are those of go-grpc-middleware, so that the dashboards and alerts of the ecosystem fit. Calls of our
own services are seen; probes of health are not.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from opentelemetry.trace import INVALID_SPAN, Span
from penchant_adapters.telemetry import traces
from penchant_adapters.telemetry.metrics import Metrics, Rpc, ServerMetrics
from prometheus_client import Counter

from penchant_server.stubs import Context, Handler
from penchant_server.wrapping import Call, Stream, wrapped

FOLLOWING = frozenset({"WatchRecommendations", "StreamRecommendations"})
"""Methods whose streams are those of recommendations."""
_ROUNDING = 0.02
"""Seconds: who gives up at the deadline is often heard a little before the server's own clock is there."""
_SPELLED = {code: "".join(word.capitalize() for word in code.name.split("_")) for code in grpc.StatusCode} | {
    grpc.StatusCode.OK: "OK",
    grpc.StatusCode.CANCELLED: "Canceled",
}
_SERVER_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class Observer(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # the real class takes none
    """Counts, times and traces the calls of *services*. Must be the first of the interceptors."""

    def __init__(self, metrics: Metrics, services: Iterable[ServiceDescriptor]) -> None:
        self._server = metrics.server
        self._rpcs = {
            f"/{service.full_name}/{method.name}": metrics.rpc(
                _kind(method.client_streaming, method.server_streaming), service.full_name, method.name
            )
            for service in services
            for method in service.methods
        }

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the handler with the counting around it."""
        handler = await continuation(handler_call_details)
        rpc = self._rpcs.get(handler_call_details.method)
        if handler is None or rpc is None:
            return handler
        seen = _Seen(rpc, self._server, handler_call_details)
        return wrapped(handler, seen.call, seen.stream)


class _Seen:
    """One call."""

    def __init__(self, rpc: Rpc, server: ServerMetrics, details: grpc.HandlerCallDetails) -> None:
        self._rpc = rpc
        self._server = server
        self._details = details
        self._follows = details.method.rpartition("/")[2] in FOLLOWING
        self._span: Span = INVALID_SPAN
        self._since = 0.0

    def call(self, inner: Call) -> Call:
        """Wrap a call with one answer."""

        async def call(request: Any, context: Context) -> Message:
            request = self._begun(request)
            try:
                answer = await inner(request, context)
            except BaseException as error:
                self._ended(_code(error, context))
                raise
            self._rpc.sent.inc()
            self._ended(context.code() or grpc.StatusCode.OK)
            return answer

        return call

    def stream(self, inner: Stream) -> Stream:
        """Wrap a call with a stream of answers."""

        async def stream(request: Any, context: Context) -> AsyncIterator[Message]:
            request = self._begun(request)
            try:
                answers: Any = inner(request, context)
                async with aclosing(answers) as messages:
                    async for message in messages:
                        self._rpc.sent.inc()
                        if self._follows:
                            self._server.pushes.inc()
                        yield message
            except BaseException as error:
                self._ended(_code(error, context))
                raise
            self._ended(context.code() or grpc.StatusCode.OK)

        return stream

    def _begun(self, request: Any) -> Any:
        self._since = time.perf_counter()
        self._rpc.started.inc()
        if self._follows:
            self._server.streams_open.inc()
        self._span = traces.served(self._details.method[1:], self._details.invocation_metadata)
        if isinstance(request, Message):
            self._rpc.received.inc()
            return request
        return _Counted(request, self._rpc.received)

    def _ended(self, code: grpc.StatusCode) -> None:
        if self._follows:
            self._server.streams_open.dec()
        self._rpc.ended(_SPELLED[code], time.perf_counter() - self._since)
        if self._span.is_recording():
            self._span.set_attribute("rpc.response.status_code", code.name)
            if code in _SERVER_FAULTS:
                traces.failed(self._span, code.name)
            self._span.end()


class _Counted:
    """A caller's stream whose messages are counted as they are read."""

    __slots__ = ("_messages", "_received")

    def __init__(self, messages: AsyncIterator[Message], received: Counter) -> None:
        self._messages = messages
        self._received = received

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        message = await anext(self._messages)
        self._received.inc()
        return message


def _kind(requests: bool, answers: bool) -> str:
    if requests:
        return "bidi_stream" if answers else "client_stream"
    return "server_stream" if answers else "unary"


def _code(error: BaseException, context: Context) -> grpc.StatusCode:
    """Return the code that a call ends with by an exception."""
    if isinstance(error, grpc.aio.AbortError):
        code: grpc.StatusCode = context.code()
        return code
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        left = context.time_remaining()
        return grpc.StatusCode.CANCELLED if left is None or left > _ROUNDING else grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.UNKNOWN

"""Errors by fault, translated once: ours into gRPC status with details, anything else into INTERNAL with a log line."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from penchant_core.errors import (
    CallerError,
    EncoderFailed,
    InvalidField,
    OperatorError,
    OutOfSpace,
    Overloaded,
    PenchantError,
    StaleRequest,
    Unavailable,
    UnknownItem,
)

from penchant_server.stubs import Context, Handler
from penchant_server.wrapping import wrapped

DOMAIN = "penchant"
_CODES: tuple[tuple[type[PenchantError], int], ...] = (
    (InvalidField, code_pb2.INVALID_ARGUMENT),
    (UnknownItem, code_pb2.NOT_FOUND),
    (StaleRequest, code_pb2.FAILED_PRECONDITION),
    (CallerError, code_pb2.INVALID_ARGUMENT),
    (Overloaded, code_pb2.RESOURCE_EXHAUSTED),
    (OutOfSpace, code_pb2.RESOURCE_EXHAUSTED),
    (OperatorError, code_pb2.FAILED_PRECONDITION),
    (EncoderFailed, code_pb2.INTERNAL),
    (Unavailable, code_pb2.UNAVAILABLE),
)
_log = structlog.get_logger()


class NotYetApplied(PenchantError):
    """The write that a freshness token asks for was not applied within the deadline."""

    reason = "NOT_YET_APPLIED"


class Unauthenticated(PenchantError):
    """The caller has no key, or one that is not good (any more)."""

    reason = "UNAUTHENTICATED"


class GoingDown(PenchantError):
    """The service ends before it got to the call."""

    reason = "GOING_DOWN"

    def __init__(self) -> None:
        super().__init__("the service goes down before this was done; send it again")


def status_of(error: PenchantError) -> status_pb2.Status:
    """Return an error's status: code, message, ``ErrorInfo`` and, where they fit, ``BadRequest`` and ``RetryInfo``."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), code_pb2.INTERNAL)
    if isinstance(error, NotYetApplied):
        code = code_pb2.DEADLINE_EXCEEDED
    elif isinstance(error, GoingDown):
        code = code_pb2.UNAVAILABLE
    elif isinstance(error, Unauthenticated):
        code = code_pb2.UNAUTHENTICATED
    field = getattr(error, "field", "")
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata={"field": field} if field else {})
    ]
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=field, description=getattr(error, "problem", str(error)), reason=error.reason
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, (Overloaded, Unavailable)):
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        wrapped = any_pb2.Any()
        wrapped.Pack(detail)
        packed.append(wrapped)
    return status_pb2.Status(code=code, message=str(error), details=packed)


async def end(context: Context, error: PenchantError) -> NoReturn:
    """End a call with an error."""
    await context.abort_with_status(  # type: ignore[attr-defined]  # missing in the stubs
        rpc_status.to_status(status_of(error))
    )
    raise AssertionError


async def _end_unexpected(context: Context, error: Exception) -> NoReturn:
    _log.error("call failed", error=repr(error), exc_info=error)
    await end(context, PenchantError("the service failed; its log has the cause"))


class Door(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # the real class takes none
    """Wraps every call: refuses early when too many are in progress, translates what is raised.

    ``maximum_concurrent_rpcs`` of gRPC would refuse health checks too, and without ``RetryInfo``.
    """

    def __init__(self, max_calls: int, max_streams: int) -> None:
        self._free_calls = max_calls
        self._free_streams = max_streams

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the handler with the wrapping around it."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith("/penchant."):
            return handler
        return wrapped(handler, self._call, self._stream)

    def _call(self, inner: Any) -> Callable[..., Awaitable[Message]]:
        async def call(request: Any, context: Context) -> Message:
            if not self._free_calls:
                await end(context, Overloaded("too many calls are in progress (max_calls)"))
            self._free_calls -= 1
            try:
                answer: Message = await inner(request, context)
            except PenchantError as error:
                await end(context, error)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 the edge answers for everything behind it
                await _end_unexpected(context, error)
            else:
                return answer
            finally:
                self._free_calls += 1

        return call

    def _stream(self, inner: Any) -> Callable[..., AsyncIterator[Message]]:
        async def stream(request: Any, context: Context) -> AsyncIterator[Message]:
            if not self._free_streams:
                await end(context, Overloaded("too many streams are open (max_streams)", retry_after=5.0))
            self._free_streams -= 1
            try:
                async with aclosing(inner(request, context)) as messages:
                    async for message in messages:
                        yield message
            except PenchantError as error:
                await end(context, error)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 the edge answers for everything behind it
                await _end_unexpected(context, error)
            finally:
                self._free_streams += 1

        return stream

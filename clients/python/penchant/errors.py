"""Errors of the client, one class for each thing a caller may want to do about it.

::

    PenchantError             code, reason, field, message, retry_after
    ├── InvalidArgument       a value is outside its limits; ``field`` names it
    ├── NotFound              the item is not in the catalogue
    ├── FailedPrecondition    the request does not fit the service's state, for example a token of other data
    ├── Unauthenticated       the credentials are missing or wrong
    ├── PermissionDenied      the credentials do not allow this
    ├── Unimplemented         the service is older than this client
    ├── Overloaded            refused before any work; try again after ``retry_after`` seconds
    ├── Unavailable           the service cannot be reached; retries are used up
    ├── DeadlineExceeded      no answer within the deadline; the call may still have had its effect
    ├── Cancelled             the call was ended from outside, for example by closing the client
    └── Internal              a fault of the service (or an answer that breaks the contract)
"""

from typing import ClassVar

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


class PenchantError(Exception):
    """Base of everything that the service answers with instead of a result."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    """The gRPC status code this class stands for."""

    def __init__(self, message: str, reason: str = "", field: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        """What happened and what to do about it, for people."""
        self.reason = reason
        """Stable name for programs, for example ``UNKNOWN_ITEM``; empty when the service gave none."""
        self.field = field
        """The request's field at fault; empty when the service named none."""
        self.retry_after = retry_after
        """Seconds to wait before trying again; None when the service gave no advice."""


class InvalidArgument(PenchantError):
    """A value is outside its limits; nothing was changed."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class NotFound(PenchantError):
    """The item is not in the catalogue."""

    code = grpc.StatusCode.NOT_FOUND


class FailedPrecondition(PenchantError):
    """The request does not fit the service's state, for example a token that belongs to other data."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Unauthenticated(PenchantError):
    """The credentials are missing or wrong."""

    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(PenchantError):
    """The credentials do not allow this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class Unimplemented(PenchantError):
    """The service does not know this call: it is older than the client."""

    code = grpc.StatusCode.UNIMPLEMENTED


class Overloaded(PenchantError):
    """Refused before any work was done; try again after ``retry_after`` seconds."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(PenchantError):
    """The service cannot be reached and the client's retries are used up."""

    code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceeded(PenchantError):
    """No answer came within the deadline; the call may still have had its effect."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class Cancelled(PenchantError):
    """The call was ended from outside, for example by closing the client."""

    code = grpc.StatusCode.CANCELLED


class Internal(PenchantError):
    """A fault of the service, or an answer that breaks the contract."""

    code = grpc.StatusCode.INTERNAL


_CLASSES: dict[grpc.StatusCode, type[PenchantError]] = {
    **{cls.code: cls for cls in PenchantError.__subclasses__()},
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.ALREADY_EXISTS: FailedPrecondition,
    grpc.StatusCode.ABORTED: FailedPrecondition,
}
WRITE_FAILED = "Internal error from Core"
"""What grpc.aio reports when a connection ends during a write: it puts this in the place of the call's status."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def from_status(status: status_pb2.Status) -> PenchantError:
    """Return the error that a ``google.rpc.Status`` describes, its known details unpacked, without raising it."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    error = _CLASSES.get(code, Internal)(status.message or code.name)
    for detail in status.details:
        info, request, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        if detail.Unpack(info):
            error.reason = info.reason
        elif detail.Unpack(request) and request.field_violations:
            error.field = request.field_violations[0].field
        elif detail.Unpack(retry):
            error.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    return error


def from_call(error: grpc.aio.AioRpcError) -> PenchantError:
    """Return the error that a failed call stands for, with the details of its trailing metadata."""
    if error.code() is grpc.StatusCode.INTERNAL and error.details() == WRITE_FAILED:
        return Unavailable("the connection ended while a message was being written")
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs forget asyncio
    except ValueError:  # the trailing status contradicts the call's: the call's own code is what retries went by
        status = None
    if status is None:
        status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
    return from_status(status)

"""Penchant's client: events in, ranked lists out, over gRPC.

:class:`Client` is for plain code, :class:`penchant.aio.Client` for asyncio; both have the same verbs.
"""

from importlib.metadata import version

from penchant import aio
from penchant.client import Client, Recorder, Stream
from penchant.credentials import Tls
from penchant.encode import ListOptions, kafka_record
from penchant.errors import (
    Cancelled,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    Overloaded,
    PenchantError,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from penchant.model import Event, Item
from penchant.results import (
    Acknowledged,
    DeleteResult,
    Evidence,
    Freshness,
    Interest,
    Interests,
    Reason,
    ReasonKind,
    Recommendation,
    Recommendations,
    Recorded,
    Refused,
    Trigger,
    Update,
    UpsertResult,
)

__version__ = version("penchant")

__all__ = [
    "Acknowledged",
    "Cancelled",
    "Client",
    "DeadlineExceeded",
    "DeleteResult",
    "Event",
    "Evidence",
    "FailedPrecondition",
    "Freshness",
    "Interest",
    "Interests",
    "Internal",
    "InvalidArgument",
    "Item",
    "ListOptions",
    "NotFound",
    "Overloaded",
    "PenchantError",
    "PermissionDenied",
    "Reason",
    "ReasonKind",
    "Recommendation",
    "Recommendations",
    "Recorded",
    "Recorder",
    "Refused",
    "Stream",
    "Tls",
    "Trigger",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Update",
    "UpsertResult",
    "__version__",
    "aio",
    "kafka_record",
]

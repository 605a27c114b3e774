"""What the fake service knows and the faults it is to play."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from penchant.v1 import catalog_pb2 as catalog
from penchant.v1 import event_pb2 as events
from penchant.v1 import recommendation_pb2 as pb

Context = grpc.aio.ServicerContext[Any, Any]


async def until(fact: Callable[[], bool]) -> None:
    """Let everybody else on the loop go on until something is so."""
    async with asyncio.timeout(30):
        while not fact():  # noqa: ASYNC110  (facts of several parties, without an event of their own)
            await asyncio.sleep(0)


@dataclass
class Knowledge:
    """What survives a restart, and the faults to play."""

    recorded: list[events.Event] = field(default_factory=list)
    items: dict[str, catalog.Item] = field(default_factory=dict)
    requests: list[Message] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    openings: list[pb.StreamStart] = field(default_factory=list)
    said: list[pb.StreamRecommendationsRequest] = field(default_factory=list)
    refusals: list[status_pb2.Status] = field(default_factory=list)
    """Statuses that the next unary calls end with, or the next streams before their first message."""
    muted: bool = False
    """Never answer."""
    tokens: bool = True
    """Give resume tokens."""
    farewells: int = 0
    """So many streams say going_away with their first update and end."""
    crash_at: int | None = None
    """Crash once, when so many events or items have arrived, before the request that brought them is answered."""
    crash: Callable[[], object] = lambda: None
    order: tuple[str, ...] = ()
    pushed: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, *order: str) -> None:
        """Change the list of everybody."""
        self.order = order
        self.pushed.set()
        self.pushed = asyncio.Event()

    async def play_faults(self, request: Message, context: Context) -> None:
        """Do what the next call is to suffer."""
        self.requests.append(request)
        self.deadlines.append(context.time_remaining())
        if self.refusals:
            await context.abort_with_status(rpc_status.to_status(self.refusals.pop(0)))  # type: ignore[attr-defined]
        if self.muted:
            await asyncio.Event().wait()

    async def maybe_crash(self, arrived: int) -> None:
        if self.crash_at is not None and arrived >= self.crash_at:
            self.crash_at = None
            self.crash()
            await asyncio.Event().wait()


def status(code: int, message: str, *details: Message) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=message, details=packed)


def unknown_item(item_id: str) -> status_pb2.Status:
    violation = error_details_pb2.BadRequest.FieldViolation(field="item_id", description="unknown")
    return status(
        code_pb2.NOT_FOUND,
        f"item_id: {item_id!r} is not in the catalogue",
        error_details_pb2.ErrorInfo(reason="UNKNOWN_ITEM", domain="penchant"),
        error_details_pb2.BadRequest(field_violations=[violation]),
    )

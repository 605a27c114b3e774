"""Where checked records go: a small port, and the service behind it over gRPC."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
from google.rpc.status_pb2 import Status
from penchant.channel import Endpoint
from penchant.credentials import Tls
from penchant.errors import DeadlineExceeded, Overloaded, Unavailable, from_call, from_status
from penchant.v1 import catalog_pb2, catalog_pb2_grpc, event_pb2, event_pb2_grpc

from penchant_cli.importing.errors import SendingStopped

Refusals = list[tuple[int, str]]
"""Position in the batch and the service's message, for every record that was refused."""

_CONNECT_SECONDS = 5.0


class Busy(Exception):
    """The batch was not, or not wholly, applied; sending it again after ``retry_after`` seconds is safe."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Sink(Protocol):
    """Takes batches of 1–1,000 records. Returns when every record is applied or refused.

    Several batches may be on their way at once. Raises Busy when the same batch should be sent again, SendingStopped
    when that is of no use.
    """

    async def send_items(self, items: Sequence[catalog_pb2.Item]) -> Refusals:
        """Add or replace items."""

    async def send_events(self, events: Sequence[event_pb2.Event]) -> Refusals:
        """Record events."""


@dataclass(slots=True)
class _Asked:
    """A batch on its way: how many records it has, what was answered so far, who waits."""

    count: int
    done: asyncio.Future[Refusals]
    answered: int = 0
    refusals: Refusals = field(default_factory=list)
    busy: Busy | None = None

    def answer(self, error: Status | None) -> None:
        if error is not None:
            refusal = from_status(error)
            if isinstance(refusal, Overloaded | Unavailable | DeadlineExceeded):
                self.busy = Busy(refusal.message, refusal.retry_after or 0.0)
            self.refusals.append((self.answered, refusal.message))
        self.answered += 1
        if self.answered == self.count and not self.done.done():
            if self.busy:
                self.done.set_exception(self.busy)
            else:
                self.done.set_result(self.refusals)


class _Conversation:
    """One bidirectional call on which batches are answered in the order in which they were written."""

    def __init__(self, call: Any, answers: Callable[[Any, int], Sequence[Status | None]]) -> None:
        self._call = call
        self._answers = answers
        self._asked: deque[_Asked] = deque()
        self._writing = asyncio.Lock()
        self._reader = asyncio.create_task(self._read())

    @property
    def ended(self) -> bool:
        return self._reader.done()

    async def ask(self, request: Any, count: int) -> Refusals:
        asked = _Asked(count, asyncio.get_running_loop().create_future())
        async with self._writing:
            if self.ended:
                raise Busy("the service ended the stream")
            self._asked.append(asked)
            try:
                await self._call.write(request)
            except (grpc.RpcError, asyncio.InvalidStateError):
                # The reader sees why, and tells everybody who waits.
                await asyncio.wait([self._reader])
        return await asked.done

    async def close(self) -> None:
        self._call.cancel()
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        reason: Exception = Busy("the service ended the stream")
        try:
            async for response in self._call:
                for error in self._answers(response, self._asked[0].count):
                    self._asked[0].answer(error)
                    if self._asked[0].answered == self._asked[0].count:
                        self._asked.popleft()
        except grpc.aio.AioRpcError as error:
            ours = from_call(error)
            if isinstance(ours, Overloaded | Unavailable):
                reason = Busy(ours.message, ours.retry_after or 0.0)
            else:
                reason = SendingStopped(f"the service ended the stream: {error.code().name}: {ours.message}")
        except asyncio.CancelledError:
            reason = SendingStopped("the connection was closed")
        except IndexError:
            reason = SendingStopped("the service answered more records than were sent")
        finally:
            for asked in self._asked:
                if not asked.done.done():
                    asked.done.set_exception(reason)


class GrpcSink:
    """The service, over one stream for items and one for events; a stream that ended is opened again when needed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._events = event_pb2_grpc.EventServiceStub(channel)
        self._conversations: dict[str, _Conversation] = {}

    async def send_items(self, items: Sequence[catalog_pb2.Item]) -> Refusals:
        """Add or replace items."""
        conversation = self._conversation("items", self._catalog.UpsertItems, _item_answers)
        return await conversation.ask(catalog_pb2.UpsertItemsRequest(items=items), len(items))

    async def send_events(self, events: Sequence[event_pb2.Event]) -> Refusals:
        """Record events."""
        conversation = self._conversation("events", self._events.RecordEvents, _event_answers)
        return await conversation.ask(event_pb2.RecordEventsRequest(events=events), len(events))

    async def close(self) -> None:
        """End the streams; what is not answered yet may or may not be applied."""
        for conversation in self._conversations.values():
            await conversation.close()

    def _conversation(
        self, name: str, method: Callable[..., Any], answers: Callable[[Any, int], Sequence[Status | None]]
    ) -> _Conversation:
        conversation = self._conversations.get(name)
        if conversation is None or conversation.ended:
            conversation = self._conversations[name] = _Conversation(method(), answers)
        return conversation


@asynccontextmanager
async def open_sink(
    target: str, tls: bool | Tls = False, api_key: str = "", *, patience: float = _CONNECT_SECONDS
) -> AsyncIterator[GrpcSink]:
    """Connect to the service at *target*. Raises SendingStopped when nobody answers within *patience* seconds."""
    channel = Endpoint(target, tls, 0, api_key).connect()
    sink = GrpcSink(channel)
    try:
        try:
            await asyncio.wait_for(channel.channel_ready(), patience)
        except TimeoutError as error:
            raise SendingStopped(
                f"no service answers at {target}; start one with 'penchant up' or name another with --target HOST:PORT"
            ) from error
        yield sink
    finally:
        await sink.close()
        await channel.close(None)


def _item_answers(response: catalog_pb2.UpsertItemsResponse, count: int) -> list[Status | None]:
    refused = {item.index: item.error for item in response.refused}
    return [refused.get(index) for index in range(count)]


def _event_answers(response: event_pb2.RecordEventsResponse, count: int) -> list[Status | None]:  # noqa: ARG001 - one signature for both
    return [ack.error if ack.HasField("error") else None for ack in response.acknowledgements]

"""Carries elements over a stream in both directions until all are answered, through as many connections as it takes.

The rules: at most ``window`` elements are on their way or answered but not yet collected; requests are filled with what
is there, and under load with what comes meanwhile; UNAVAILABLE, or a stream that the service ends early, opens the next
connection, which begins with the oldest element that was not answered (see :mod:`penchant.outbox`). It gives up when
the service was never heard after ``retries`` more attempts, or when something waits for an answer longer than
``patience``.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Self, TypeVar

import grpc

from penchant import results
from penchant.channel import AsyncStubs, ready, translated
from penchant.errors import DeadlineExceeded, Unavailable
from penchant.outbox import Answer, EventExchange, Exchange, ItemExchange, Outbox, Request, Response, Sent, Written
from penchant.retry import Backoff
from penchant.v1 import catalog_pb2, event_pb2

UPSERTS_AT_ONCE = 4
"""Full requests of items on their way at once."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is on its way at once, and how long to wait."""

    batch: int
    """Most elements in one request, 1–1,000."""
    window: int
    """Most elements on their way, at least ``batch``."""
    patience: float
    """Longest time without any answer while one is due, reconnections included, seconds."""
    retries: int
    """More attempts to reach a service that was never heard."""


class Delivery(Generic[Sent, Request, Response, Answer]):
    """One delivery; an async context manager that ends what it began."""

    def __init__(
        self,
        connect: Callable[[], grpc.aio.StreamStreamCall[Request, Response]],
        ready: Callable[[], Awaitable[None]],
        exchange: Callable[[Outbox[Sent]], Exchange[Sent, Request, Response, Answer]],
        limits: Limits,
    ) -> None:
        self._connect = connect
        self._ready = ready
        self._exchange = exchange
        self._limits = limits
        self._outbox: Outbox[Sent] = Outbox(limits.batch, limits.window)
        self._answers: list[Answer] = []
        self._closed = False  # nothing more will be put
        self._delivered = False
        self._failure: BaseException | None = None
        self._lost: Unavailable | None = None  # why there is no connection at the moment
        self._changed = asyncio.Event()
        self._watch: asyncio.Timeout | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._start(self._carry())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def feed(self, values: Iterable[Value] | AsyncIterable[Value], encode: Callable[[Value], Sent]) -> None:
        """Encode and put all values, in the background, as there is room; :meth:`receive` raises an error of theirs."""
        self._start(self._feed(values, encode))

    async def send(self, elements: Iterable[Sent]) -> list[Answer]:
        """Put elements, waiting for room, and return the answers that came in meanwhile."""
        answers: list[Answer] = []
        for element in elements:
            while not self._has_room:
                answers += await self.receive()
            self._put(element)
        return answers + self._collect()

    @property
    def unanswered(self) -> list[Sent]:
        """What was put and is not answered, oldest first."""
        return self._outbox.unanswered

    async def flush(self) -> list[Answer]:
        """Wait until all that was put is answered, and return the answers. Raises what ended the delivery."""
        await self._until(lambda: not self._outbox)
        return self._collect()

    async def finish(self) -> None:
        """Say that nothing more will be put."""
        self._closed = True
        self._wake()

    async def receive(self) -> list[Answer]:
        """Wait for answers and return them; none when everything was answered. Raises what ended the delivery."""
        await self._until(lambda: bool(self._answers) or self._delivered)
        return self._collect()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._failure = self._failure or task.exception()
        self._wake()

    @property
    def _has_room(self) -> bool:
        return len(self._outbox) + len(self._answers) < self._limits.window

    def _put(self, element: Sent) -> None:
        self._outbox.put(element)
        if len(self._outbox) == 1:
            self._expect_answer()
        self._wake()

    def _collect(self) -> list[Answer]:
        answers, self._answers = self._answers, []
        self._wake()
        return answers

    async def _feed(self, values: Iterable[Value] | AsyncIterable[Value], encode: Callable[[Value], Sent]) -> None:
        async for value in _each(values):
            await self._until(lambda: self._has_room)
            self._put(encode(value))
        await self.finish()

    async def _carry(self) -> None:
        try:
            async with asyncio.timeout(None) as self._watch:
                self._expect_answer()
                await self._converse_until_delivered()
        except TimeoutError:
            raise self._lost or DeadlineExceeded(
                f"no answer for {self._limits.patience:g} s, {len(self._outbox)} elements are not answered"
            ) from None
        self._delivered = True

    async def _converse_until_delivered(self) -> None:
        backoff = Backoff()
        while True:
            settled = self._outbox.settled
            try:
                with translated():
                    await self._converse()
                self._lost = Unavailable("the service ended the stream before it had answered everything")
            except Unavailable as error:
                self._lost = error
            if self._closed and not self._outbox:
                return
            if self._outbox.settled > settled:
                backoff.succeeded()
            if self._outbox.settled == 0 and backoff.failures >= self._limits.retries:
                raise self._lost
            await asyncio.sleep(backoff.next())

    async def _converse(self) -> None:
        if self._outbox.settled:
            await self._ready()
        exchange = self._exchange(self._outbox)
        call = self._connect()
        talking = asyncio.create_task(self._talk(call, exchange))
        try:
            async for response in call:
                self._answers += exchange.answers(response)
                self._lost = None
                self._expect_answer()
                self._wake()
        finally:
            call.cancel()
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def _talk(
        self,
        call: grpc.aio.StreamStreamCall[Request, Response],
        exchange: Exchange[Sent, Request, Response, Answer],
    ) -> None:
        # A failed write says less than the status that the reader is about to see.
        with suppress(grpc.RpcError, asyncio.InvalidStateError):
            while True:
                await self._until(lambda: self._outbox.due or (self._closed and not self._outbox.waiting))
                if not self._outbox.waiting:
                    await call.done_writing()
                    return
                await call.write(exchange.request())

    def _expect_answer(self) -> None:
        if self._watch is not None:
            due = asyncio.get_running_loop().time() + self._limits.patience
            self._watch.reschedule(due if self._outbox else None)

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _each(values: Iterable[Value] | AsyncIterable[Value]) -> AsyncIterator[Value]:
    if isinstance(values, AsyncIterable):
        async for value in values:
            yield value
    else:
        for value in values:
            yield value


def event_delivery(
    stubs: AsyncStubs, limits: Limits, written: Written
) -> Delivery[event_pb2.Event, event_pb2.RecordEventsRequest, event_pb2.RecordEventsResponse, results.Acknowledged]:
    """Return a delivery of events; *written* hears whose are recorded."""
    connected = partial(ready, stubs.channel)
    return Delivery(lambda: stubs.events.RecordEvents(None), connected, partial(EventExchange, written=written), limits)


def item_delivery(
    stubs: AsyncStubs, limits: Limits
) -> Delivery[catalog_pb2.Item, catalog_pb2.UpsertItemsRequest, catalog_pb2.UpsertItemsResponse, results.UpsertResult]:
    """Return a delivery of items."""
    return Delivery(lambda: stubs.catalog.UpsertItems(None), partial(ready, stubs.channel), ItemExchange, limits)


def summed(answers: Iterable[results.UpsertResult]) -> results.UpsertResult:
    """Return the result of several requests as one."""
    accepted, refused = 0, list[results.Refused]()
    for answer in answers:
        accepted += answer.accepted
        refused += answer.refused
    return results.UpsertResult(accepted, tuple(refused))

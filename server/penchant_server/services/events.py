"""``EventService``: what users do and say comes in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.rpc import status_pb2
from penchant.v1 import event_pb2, event_pb2_grpc
from penchant_adapters import contract
from penchant_core.errors import InvalidField, PenchantError
from penchant_core.model import Event
from penchant_core.pipeline import Learnt
from penchant_core.tuning import Weights

from penchant_server import limits
from penchant_server.faults import status_of
from penchant_server.journal import Journal, Marks, Recorded
from penchant_server.stubs import Context
from penchant_server.tokens import freshness_token, joined

AHEAD = 4
"""Requests of one stream that are read before the first is acknowledged: one being learnt, others being encoded."""


_Acknowledged: TypeAlias = tuple[list[event_pb2.Acknowledgement], Marks]
"""A request's answers and the writes that cover those that were not refused."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A request's events: the valid ones, and every event's id and error."""

    ids: list[str]
    errors: list[status_pb2.Status | None]
    events: list[Event]


class EventService(event_pb2_grpc.EventServiceServicer):
    """Records events."""

    def __init__(self, journal: Journal, weights: Weights, store_id: str, clock: Callable[[], int]) -> None:
        self._journal = journal
        self._weights = weights
        self._store_id = store_id
        self._clock = clock

    async def RecordEvent(  # noqa: N802 the name is gRPC's
        self, request: event_pb2.RecordEventRequest, context: Context
    ) -> event_pb2.RecordEventResponse:
        """Record one event."""
        del context
        event = contract.event(request.event, self._weights, self._clock())
        recorded = await self._journal.record([event])
        (learnt,) = recorded.learnt
        if learnt.error is not None:
            raise learnt.error
        return event_pb2.RecordEventResponse(
            event_id=event.event_id,
            freshness_token=freshness_token(self._store_id, recorded.marks),
            unchanged=learnt.unchanged,
        )

    async def RecordEvents(  # noqa: N802 the name is gRPC's
        self, request_iterator: AsyncIterator[event_pb2.RecordEventsRequest], context: Context
    ) -> AsyncIterator[event_pb2.RecordEventsResponse]:
        """Record a stream of events: the next requests are checked and encoded while one is learnt."""
        del context
        ahead: asyncio.Queue[asyncio.Task[_Acknowledged] | None] = asyncio.Queue()
        room = asyncio.Semaphore(AHEAD)

        async def read() -> None:
            first = 0
            try:
                async for request in request_iterator:
                    await room.acquire()
                    ahead.put_nowait(asyncio.create_task(self._acknowledged(request.events, first)))
                    first += len(request.events)
            finally:
                ahead.put_nowait(None)

        reader = asyncio.create_task(read())
        marks: Marks = {}
        try:
            while (work := await ahead.get()) is not None:
                told, more = await work
                room.release()
                marks = joined(marks, more)
                yield event_pb2.RecordEventsResponse(
                    acknowledgements=told, freshness_token=freshness_token(self._store_id, marks) if marks else ""
                )
            await reader
        finally:
            await _given_up(reader, ahead)

    async def _acknowledged(self, messages: Sequence[event_pb2.Event], first: int) -> _Acknowledged:
        limits.batch("events", len(messages))
        checked = self._checked(messages)
        recorded = Recorded([], {})
        if checked.events:
            try:
                recorded = await self._journal.record(checked.events)
            except PenchantError as error:
                recorded = Recorded([Learnt(event, error=error) for event in checked.events], {})
        answers = iter(recorded.learnt)
        acknowledgements = []
        for number, (event_id, refusal) in enumerate(zip(checked.ids, checked.errors, strict=True)):
            told = event_pb2.Acknowledgement(ordinal=first + number, event_id=event_id, error=refusal)
            if refusal is None:
                answer = next(answers)
                told.unchanged = answer.unchanged
                if answer.error is not None:
                    told.error.CopyFrom(status_of(answer.error))
            acknowledgements.append(told)
        kept = any(learnt.error is None for learnt in recorded.learnt)
        return acknowledgements, recorded.marks if kept else {}

    def _checked(self, messages: Sequence[event_pb2.Event]) -> _Checked:
        checked = _Checked([], [], [])
        now = self._clock()
        for message in messages:
            try:
                event = contract.event(message, self._weights, now)
            except InvalidField as error:
                checked.ids.append(message.event_id)
                checked.errors.append(status_of(error))
            else:
                checked.ids.append(event.event_id)
                checked.errors.append(None)
                checked.events.append(event)
        return checked


async def _given_up(reader: asyncio.Task[None], ahead: asyncio.Queue[asyncio.Task[Any] | None]) -> None:
    tasks: list[asyncio.Task[Any]] = [reader]
    while not ahead.empty():
        if (work := ahead.get_nowait()) is not None:
            tasks.append(work)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

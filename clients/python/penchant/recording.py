"""Events on one long stream: handed over one by one, acknowledged in order, and none of them forgotten."""

import asyncio
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from penchant import encode, model, results
from penchant.delivery import Delivery
from penchant.errors import PenchantError
from penchant.v1 import event_pb2

EventDelivery = Delivery[
    event_pb2.Event, event_pb2.RecordEventsRequest, event_pb2.RecordEventsResponse, results.Acknowledged
]

_log = logging.getLogger("penchant")


class Recorder:
    """A long stream of events; an asynchronous context manager that flushes what is left when it is left.

    What is not acknowledged when a connection breaks is sent again on the next one, in order; the service knows events
    by their ids, so none counts twice. :attr:`unanswered` tells what was never acknowledged after an error. Events that
    are forgotten, with the recorder or at the end of the program, are told to the log ``penchant``.
    """

    def __init__(self, open_delivery: Callable[[], EventDelivery], recorders: set["Recorder"]) -> None:
        """*recorders* has those of a client that are open."""
        self._open_delivery = open_delivery
        self._recorders = recorders
        self._forgotten: Callable[[], object] | None = None
        self._delivery: EventDelivery | None = None
        self._answers: list[results.Acknowledged] = []

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                await self.close()
        finally:
            await self.abandon()

    @property
    def unanswered(self) -> list[event_pb2.Event]:
        """Events that were put and are not acknowledged, oldest first."""
        return [] if self._delivery is None else self._delivery.unanswered

    async def put(self, *events: model.Event | event_pb2.Event) -> None:
        """Hand events over, in this order; waits while the window is full. Raises what ended the stream."""
        delivery = await self._opened()
        self._answers += await delivery.send(encode.event(event) for event in events)

    async def flush(self) -> list[results.Acknowledged]:
        """Wait until all that was put is acknowledged; return what became of everything since the last flush.

        They are kept until then: flush now and then. Raises what ended the stream, and :attr:`unanswered` is what was
        not acknowledged.
        """
        delivery = await self._opened()
        answers, self._answers = self._answers + await delivery.flush(), []
        return answers

    async def close(self) -> list[results.Acknowledged]:
        """Flush, and end the stream; closing again does nothing."""
        if self._delivery is None:
            return []
        answers = await self.flush()
        await self._delivery.finish()
        await self.abandon()
        return answers

    async def _opened(self) -> EventDelivery:
        if self._delivery is None:
            self._delivery = await self._open_delivery().__aenter__()
            self._forgotten = weakref.finalize(self, _tell, self._delivery)
            self._recorders.add(self)
        return self._delivery

    async def abandon(self) -> None:
        """End the stream as it stands; :attr:`unanswered` is what was not acknowledged."""
        self._recorders.discard(self)
        if self._delivery is not None:
            await self._delivery.__aexit__(None, None, None)
        if self._forgotten is not None:
            self._forgotten()

    async def part(self, seconds: float) -> int:
        """Flush for at most so long, and abandon; return how many events are not acknowledged. Raises nothing."""
        with suppress(PenchantError, TimeoutError):
            async with asyncio.timeout(seconds):
                await self.close()
        await self.abandon()
        return len(self.unanswered)


def _tell(delivery: EventDelivery) -> None:
    if left := len(delivery.unanswered):
        _log.warning("a recorder was left with %d events that are not acknowledged; flush or close it first", left)

"""What was handed over for a stream and is not yet answered: bounded, in order, ready to be sent again. Pure.

Theory of operation: the service answers in the order of the requests, so an answer always settles the oldest elements
in flight. When a connection breaks, everything in flight waits again, at the front; the service knows the events and
items it has already taken by their ids, so that sending them twice changes nothing. One :class:`Exchange` lives as long
as one connection and translates between the numbers of that connection and those of the whole delivery.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import Message

from penchant import results
from penchant.encode import REQUEST_BYTES
from penchant.errors import Internal, from_status
from penchant.v1 import catalog_pb2, event_pb2

MAX_BATCH = 1_000
"""Most elements that the contract allows in one request."""

Written = Callable[[str, str], None]
"""Takes a user and a freshness token."""

Sent = TypeVar("Sent", bound=Message)
Request = TypeVar("Request")
Response = TypeVar("Response")
Answer = TypeVar("Answer")


class Outbox(Generic[Sent]):
    """Elements on their way: at most ``window`` of them, sent ``batch`` or fewer at a time."""

    def __init__(self, batch: int, window: int) -> None:
        if not 1 <= batch <= MAX_BATCH:
            raise ValueError(f"batch: {batch} is not within 1–{MAX_BATCH}")
        if window < batch:
            raise ValueError(f"window: {window} is below batch, {batch}")
        self.batch = batch
        self.window = window
        self.settled = 0
        """How many elements were answered so far: the position of the oldest one that was not."""
        self._waiting: deque[Sent] = deque()
        self._in_flight: deque[Sent] = deque()
        self._requests: deque[int] = deque()  # how many elements of each request are not answered

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    @property
    def waiting(self) -> bool:
        """True when something is to be sent."""
        return bool(self._waiting)

    @property
    def due(self) -> bool:
        """True when the next request may go: a full one at once, another while few requests are unanswered.

        So a lone element does not wait, and under load requests fill up instead of becoming many of one element.
        """
        few = len(self._requests) < self.window // self.batch
        return len(self._waiting) >= self.batch or (few and self.waiting)

    def put(self, element: Sent) -> None:
        """Add an element behind all others."""
        self._waiting.append(element)

    def take(self) -> list[Sent]:
        """Return the next elements to send, none when nothing waits; they are in flight from now on."""
        taken: list[Sent] = []
        size = 0
        while self._waiting and len(taken) < self.batch:
            size += self._waiting[0].ByteSize()
            if taken and size > REQUEST_BYTES:
                break
            taken.append(self._waiting.popleft())
        self._in_flight.extend(taken)
        self._requests.append(len(taken))
        return taken

    @property
    def unanswered(self) -> list[Sent]:
        """What was put and is not answered, oldest first."""
        return [*self._in_flight, *self._waiting]

    def settle(self, count: int) -> list[Sent]:
        """Let go of the oldest elements in flight and return them; raises Internal when there are not so many."""
        if count > len(self._in_flight):
            raise Internal(f"the service answered {count} elements where {len(self._in_flight)} were sent")
        self.settled += count
        left = count
        while left and left >= self._requests[0]:
            left -= self._requests.popleft()
        if left:
            self._requests[0] -= left
        return [self._in_flight.popleft() for _ in range(count)]

    def rewind(self) -> None:
        """Let everything in flight wait again, in the same order."""
        self._waiting.extendleft(reversed(self._in_flight))
        self._in_flight.clear()
        self._requests.clear()


class Exchange(ABC, Generic[Sent, Request, Response, Answer]):
    """What is said on one connection. Making one means that the connection before is gone."""

    def __init__(self, outbox: Outbox[Sent]) -> None:
        outbox.rewind()
        self._outbox = outbox

    @abstractmethod
    def request(self) -> Request:
        """Return the next request; something must be waiting."""

    @abstractmethod
    def answers(self, response: Response) -> list[Answer]:
        """Settle what a response answers and return the answers; raises Internal when it skips an element."""


class EventExchange(
    Exchange[event_pb2.Event, event_pb2.RecordEventsRequest, event_pb2.RecordEventsResponse, results.Acknowledged]
):
    """RecordEvents: every event is acknowledged by its ordinal on the connection."""

    def __init__(self, outbox: Outbox[event_pb2.Event], written: Written) -> None:
        """*written* hears whose events are recorded, and the token that proves it."""
        super().__init__(outbox)
        self._first = outbox.settled
        self._written = written

    def request(self) -> event_pb2.RecordEventsRequest:
        """Return the next events."""
        return event_pb2.RecordEventsRequest(events=self._outbox.take())

    def answers(self, response: event_pb2.RecordEventsResponse) -> list[results.Acknowledged]:
        """Return one answer for each acknowledged event."""
        return [self._answer(one, response.freshness_token) for one in response.acknowledgements]

    def _answer(self, message: event_pb2.Acknowledgement, token: str) -> results.Acknowledged:
        ordinal = self._first + message.ordinal
        if ordinal != self._outbox.settled:
            raise Internal(f"the service acknowledged event {ordinal} where {self._outbox.settled} was due")
        (event,) = self._outbox.settle(1)
        if not message.HasField("error"):
            self._written(event.user_id, token)
        return results.Acknowledged(
            ordinal=ordinal,
            event_id=message.event_id,
            unchanged=message.unchanged,
            freshness_token=token,
            error=from_status(message.error) if message.HasField("error") else None,
        )


class ItemExchange(
    Exchange[catalog_pb2.Item, catalog_pb2.UpsertItemsRequest, catalog_pb2.UpsertItemsResponse, results.UpsertResult]
):
    """UpsertItems: every request is answered as a whole."""

    def __init__(self, outbox: Outbox[catalog_pb2.Item]) -> None:
        super().__init__(outbox)
        self._sizes: deque[int] = deque()  # of the requests in flight

    def request(self) -> catalog_pb2.UpsertItemsRequest:
        """Return the next items."""
        items = self._outbox.take()
        self._sizes.append(len(items))
        return catalog_pb2.UpsertItemsRequest(items=items)

    def answers(self, response: catalog_pb2.UpsertItemsResponse) -> list[results.UpsertResult]:
        """Return what became of the items of the oldest request."""
        if not self._sizes:
            raise Internal("the service answered more requests than were sent")
        first = self._outbox.settled
        self._outbox.settle(self._sizes.popleft())
        refused = tuple(
            results.Refused(first + one.index, one.item_id, from_status(one.error)) for one in response.refused
        )
        return [results.UpsertResult(response.accepted, refused)]

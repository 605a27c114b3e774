"""The client for asyncio. Every verb of the contract is here; :mod:`penchant.client` lends it to plain threads."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Self, TypeVar, Unpack

import grpc

from penchant import decode, encode, model, results
from penchant.channel import DEFAULT_RETRIES, DEFAULT_TARGET, DEFAULT_TIMEOUT, AsyncStubs, Endpoint, ready, translated
from penchant.credentials import Tls
from penchant.delivery import UPSERTS_AT_ONCE, Limits, event_delivery, item_delivery, summed
from penchant.encode import ListOptions, list_options
from penchant.errors import Cancelled, DeadlineExceeded
from penchant.following import Following
from penchant.mailbox import Mailbox
from penchant.recording import EventDelivery, Recorder
from penchant.streams import Stream, follow
from penchant.v1 import catalog_pb2, event_pb2, recommendation_pb2, user_pb2
from penchant.writes import Writes

__all__ = ["Client", "Recorder", "Stream"]

DELETE_BATCH = 1_000
"""Most ids that the contract allows in one request."""

Request = TypeVar("Request")
Response = TypeVar("Response")


class Client:
    """A connection to the service; an async context manager, opened by its first call.

    ``target`` is a gRPC target; ``tls`` is True for the system's roots, :class:`penchant.Tls` for certificates from
    files, or gRPC's credentials. ``api_key`` goes with every call. ``timeout`` is the deadline of every unary call and
    of a stream's first update, in seconds. ``retries``, 0–4, is how often UNAVAILABLE is tried again within that. With
    ``read_your_writes`` every read of a user waits for what this client recorded last of that user, without a token.
    All calls belong to the event loop of the first one and raise :class:`penchant.PenchantError`.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        tls: bool | Tls | grpc.ChannelCredentials = False,
        api_key: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        read_your_writes: bool = False,
    ) -> None:
        self._endpoint = Endpoint(target, tls, retries, api_key)
        self._timeout = timeout
        self._writes = Writes(remembered=read_your_writes)
        self._recorders: set[Recorder] = set()
        self._closed = False

    @cached_property
    def raw(self) -> AsyncStubs:
        """The generated stubs: ``events``, ``catalog``, ``recommendations``, ``users``."""
        if self._closed:
            raise RuntimeError("the client is closed; make a new one")
        return AsyncStubs(self._endpoint.connect())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way raise Cancelled. Closing again does nothing.

        Recorders that are open are flushed first, for at most ``timeout``. Raises DeadlineExceeded with the number of
        events that are not acknowledged then.
        """
        self._closed = True
        left = sum(await asyncio.gather(*(one.part(self._timeout) for one in self._recorders)))
        stubs = self.__dict__.pop("raw", None)
        if stubs is not None:
            await stubs.channel.close()
        if left:
            raise DeadlineExceeded(f"the client was closed with {left} events that are not acknowledged")

    async def record(
        self,
        user_id: str,
        type: str,  # noqa: A002  (the contract's word)
        *,
        item_id: str = "",
        text: str = "",
        value: float | None = None,
        occurred_at: datetime | None = None,
        event_id: str | None = None,
        surface: str = "",
        attribution_token: str = "",
    ) -> results.Recorded:
        """Record one event; when it returns, the event is durable and applied. Fields are those of :class:`Event`."""
        event = model.Event(
            user_id, type, item_id, text, value, occurred_at, event_id or "", surface, attribution_token
        )
        request = event_pb2.RecordEventRequest(event=encode.event(event))
        recorded = decode.recorded(await self._ask(self.raw.events.RecordEvent, request))
        self._writes.note(user_id, recorded.freshness_token)
        return recorded

    async def record_many(
        self,
        events: Iterable[model.Event | event_pb2.Event] | AsyncIterable[model.Event | event_pb2.Event],
        *,
        batch: int = 100,
        window: int = 1_000,
        patience: float = 60.0,
    ) -> AsyncGenerator[results.Acknowledged]:
        """Record many events over one stream and yield what became of each, in order.

        A request holds at most ``batch`` events, 1–1,000; at most ``window`` are on their way. When the service is
        unavailable, what was not acknowledged is sent again, in order; an event that had arrived then comes back as
        unchanged. Raises Unavailable or DeadlineExceeded when no acknowledgement comes for ``patience`` seconds. A
        plain iterable is read on the event loop; give an async one when reading it blocks.
        """
        async with self._deliver_events(Limits(batch, window, patience, self._endpoint.retries)) as delivery:
            delivery.feed(events, encode.event)
            while answers := await delivery.receive():
                for answer in answers:
                    yield answer

    def recorder(self, *, batch: int = 100, window: int = 1_000, patience: float = 60.0) -> Recorder:
        """Return a long stream of events to put them on one by one: use it in ``async with``.

        Requests hold at most ``batch`` events, 1–1,000: what is there, under load what comes meanwhile; at most
        ``window`` are not acknowledged. ``patience`` is as for :meth:`record_many`.
        """
        limits = Limits(batch, window, patience, self._endpoint.retries)
        return Recorder(lambda: self._deliver_events(limits), self._recorders)

    def _deliver_events(self, limits: Limits) -> EventDelivery:
        """Return what carries events, for whoever lends it to others."""
        return event_delivery(self.raw, limits, self._writes.note)

    async def upsert_items(
        self,
        items: Iterable[model.Item | catalog_pb2.Item] | AsyncIterable[model.Item | catalog_pb2.Item],
        *,
        batch: int = 100,
        patience: float = 60.0,
    ) -> results.UpsertResult:
        """Add items or replace those with the same id; refused ones are reported and stop nothing.

        A request holds at most ``batch`` items, 1–1,000. Sending resumes as in :meth:`record_many`; after an error some
        items may be in the catalogue, and sending all of them again is safe.
        """
        answers: list[results.UpsertResult] = []
        limits = Limits(batch, batch * UPSERTS_AT_ONCE, patience, self._endpoint.retries)
        async with item_delivery(self.raw, limits) as delivery:
            delivery.feed(items, encode.item)
            while some := await delivery.receive():
                answers += some
        return summed(answers)

    async def delete_items(self, item_ids: Iterable[str]) -> results.DeleteResult:
        """Remove items; users' events on them count again if an item comes back."""
        answers = [
            await self._ask(self.raw.catalog.DeleteItems, catalog_pb2.DeleteItemsRequest(item_ids=chunk))
            for chunk in _chunks(item_ids)
        ]
        return results.DeleteResult(
            sum(answer.deleted for answer in answers),
            tuple(item_id for answer in answers for item_id in answer.unknown_item_ids),
        )

    async def get_item(self, item_id: str) -> model.Item:
        """Return the item as stored; raises NotFound."""
        answer = await self._ask(self.raw.catalog.GetItem, catalog_pb2.GetItemRequest(item_id=item_id))
        return decode.item(answer.item)

    async def list_items(self) -> AsyncGenerator[model.Item]:
        """Yield every item of the catalogue, in a fixed order, asking for the next page when it is needed."""
        async for page in self.item_pages():
            for item in page:
                yield item

    async def recommend(
        self, user_id: str, *, surface: str = "", min_freshness: str = "", **options: Unpack[ListOptions]
    ) -> results.Recommendations:
        """Return one ranked list for a user; for a user without events, what is popular now.

        ``surface`` says where the list will be shown. With ``min_freshness``, a token of :meth:`record`, the reply
        waits until that write is in it. ``options`` are those of :class:`ListOptions`.
        """
        request = recommendation_pb2.RecommendRequest(
            user_id=user_id,
            options=list_options(**options),
            surface=surface,
            min_freshness=self._writes.token(user_id, min_freshness),
        )
        return decode.recommendations(await self._ask(self.raw.recommendations.Recommend, request))

    async def similar(self, item_id: str, **options: Unpack[ListOptions]) -> tuple[results.Recommendation, ...]:
        """Return items like one item, by its words and by what people went on to; raises NotFound."""
        request = recommendation_pb2.SimilarItemsRequest(item_id=item_id, options=list_options(**options))
        return decode.recommended((await self._ask(self.raw.recommendations.SimilarItems, request)).recommendations)

    async def search(self, query: str, **options: Unpack[ListOptions]) -> tuple[results.Recommendation, ...]:
        """Return items by meaning, closest first, for words in any language."""
        request = recommendation_pb2.SearchItemsRequest(query=query, options=list_options(**options))
        return decode.recommended((await self._ask(self.raw.recommendations.SearchItems, request)).recommendations)

    async def interests(self, user_id: str, *, min_freshness: str = "") -> results.Interests:
        """Return the user's interests and the events they rest on; a user never heard of has none."""
        waited = self._writes.token(user_id, min_freshness)
        request = user_pb2.GetInterestsRequest(user_id=user_id, min_freshness=waited)
        return decode.interests(await self._ask(self.raw.users.GetInterests, request))

    def watch(
        self, user_id: str, *, surface: str = "", min_freshness: str = "", **options: Unpack[ListOptions]
    ) -> AsyncGenerator[results.Update]:
        """Return an iterator over the user's list, whole, whenever it changes; it resumes by itself when it breaks.

        One who reads slowly is given the newest list and not those between.
        """
        following = _following(user_id, surface, self._writes.token(user_id, min_freshness), options)

        async def connect() -> Mailbox:
            request = recommendation_pb2.WatchRecommendationsRequest(open=following.opening())
            return Mailbox(self.raw.recommendations.WatchRecommendations(request))

        return follow(following, connect, self._ready, retries=self._endpoint.retries, patience=self._timeout)

    def stream(
        self, user_id: str, *, surface: str = "", min_freshness: str = "", **options: Unpack[ListOptions]
    ) -> Stream:
        """Return the same list as a stream that can be steered: use it in ``async with``."""
        return Stream(
            _following(user_id, surface, self._writes.token(user_id, min_freshness), options),
            lambda: self.raw.recommendations.StreamRecommendations(None),
            self._ready,
            retries=self._endpoint.retries,
            patience=self._timeout,
        )

    async def item_pages(self) -> AsyncGenerator[list[model.Item]]:
        """Yield the catalogue page by page."""
        request = catalog_pb2.ListItemsRequest()
        while True:
            answer = await self._ask(self.raw.catalog.ListItems, request)
            yield [decode.item(item) for item in answer.items]
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    async def _ready(self) -> None:
        if self._closed:
            raise Cancelled("the client was closed during the call")
        await ready(self.raw.channel)

    async def _ask(self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request) -> Response:
        with translated():
            return await method(request, timeout=self._timeout)


def _following(user_id: str, surface: str, min_freshness: str, options: ListOptions) -> Following:
    return Following(
        recommendation_pb2.StreamStart(
            user_id=user_id, options=list_options(**options), surface=surface, min_freshness=min_freshness
        )
    )


def _chunks(item_ids: Iterable[str]) -> Iterator[list[str]]:
    if isinstance(item_ids, str):
        raise TypeError(f"item_ids takes several ids; write [{item_ids!r}]")
    remaining = iter(item_ids)
    while chunk := list(islice(remaining, DELETE_BATCH)):
        yield chunk

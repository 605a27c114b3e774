"""The client for plain threads: the same verbs, lent from :mod:`penchant.aio`.

The asyncio client runs on an event loop of its own, in one daemon thread; every verb here hands it one coroutine and
waits. So streams, retries and resumption exist once; the price is a hop between threads, about a tenth of a millisecond
for a call. The caller's own iterables are read in the caller's thread, which is where database cursors want to be read.
A client may be shared by threads, but not carried over ``os.fork``: make it in the child.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from itertools import islice
from typing import Any, Self, TypeVar, Unpack

import grpc

from penchant import aio, encode, model, results
from penchant.channel import DEFAULT_RETRIES, DEFAULT_TARGET, DEFAULT_TIMEOUT, AsyncStubs, Endpoint, Stubs
from penchant.credentials import Tls
from penchant.delivery import UPSERTS_AT_ONCE, Delivery, Limits, item_delivery, summed
from penchant.encode import ListOptions
from penchant.loop import LoopThread
from penchant.outbox import Answer, Sent
from penchant.v1 import catalog_pb2, event_pb2

Value = TypeVar("Value")


class Client:
    """A connection to the service; a context manager, opened by its first call.

    ``target`` is a gRPC target; ``tls`` is True for the system's roots, :class:`penchant.Tls` for certificates from
    files, or gRPC's credentials. ``api_key`` goes with every call. ``timeout`` is the deadline of every unary call and
    of a stream's first update, in seconds. ``retries``, 0–4, is how often UNAVAILABLE is tried again within that. With
    ``read_your_writes`` every read of a user waits for what this client recorded last of that user, without a token.
    All calls raise :class:`penchant.PenchantError`.
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
        self._client = aio.Client(
            target, tls=tls, api_key=api_key, timeout=timeout, retries=retries, read_your_writes=read_your_writes
        )
        self._loop = LoopThread(self._client)
        # A client that is dropped without close(), or alive at exit, must not leave its thread in the middle of a call.
        self._dropped = weakref.finalize(self, self._loop.close)

    @cached_property
    def raw(self) -> Stubs:
        """The generated stubs for blocking calls, on a connection of their own."""
        if not self._dropped.alive:
            raise RuntimeError("the client is closed; make a new one")
        return Stubs(self._endpoint.connect_blocking())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end the thread; calls under way raise Cancelled. Closing again does nothing.

        Recorders that are open are flushed first, for at most ``timeout``. Raises DeadlineExceeded with the number of
        events that are not acknowledged then.
        """
        stubs = self.__dict__.pop("raw", None)
        if stubs is not None:
            stubs.channel.close()
        self._dropped()

    def record(
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
        return self._loop.run(
            lambda: self._client.record(
                user_id,
                type,
                item_id=item_id,
                text=text,
                value=value,
                occurred_at=occurred_at,
                event_id=event_id,
                surface=surface,
                attribution_token=attribution_token,
            )
        )

    def record_many(
        self,
        events: Iterable[model.Event | event_pb2.Event],
        *,
        batch: int = 100,
        window: int = 1_000,
        patience: float = 60.0,
    ) -> Iterator[results.Acknowledged]:
        """Record many events over one stream and yield what became of each, in order.

        ``batch`` events, 1–1,000, are gathered for a request; at most ``window`` are on their way. When the service is
        unavailable, what was not acknowledged is sent again, in order; an event that had arrived then comes back as
        unchanged. Raises Unavailable or DeadlineExceeded when no acknowledgement comes for ``patience`` seconds.
        """
        limits = Limits(batch, window, patience, self._endpoint.retries)
        made = self._client._deliver_events  # noqa: SLF001 the other half of this client
        return self._deliver(lambda _, limits: made(limits), limits, events, encode.event)

    @contextmanager
    def recorder(self, *, batch: int = 100, window: int = 1_000, patience: float = 60.0) -> Iterator["Recorder"]:
        """Return a long stream of events to put them on one by one: use it in ``with``, which flushes at its end.

        Requests hold at most ``batch`` events, 1–1,000: what is there, under load what comes meanwhile; at most
        ``window`` are not acknowledged. ``patience`` is as for :meth:`record_many`.
        """
        recorder = self._client.recorder(batch=batch, window=window, patience=patience)
        try:
            yield Recorder(recorder, self._loop)
            self._loop.run(recorder.close)
        finally:
            self._loop.finish(recorder.abandon)

    def upsert_items(
        self, items: Iterable[model.Item | catalog_pb2.Item], *, batch: int = 100, patience: float = 60.0
    ) -> results.UpsertResult:
        """Add items or replace those with the same id; refused ones are reported and stop nothing.

        A request holds at most ``batch`` items, 1–1,000. Sending resumes as in :meth:`record_many`; after an error some
        items may be in the catalogue, and sending all of them again is safe.
        """
        limits = Limits(batch, batch * UPSERTS_AT_ONCE, patience, self._endpoint.retries)
        return summed(self._deliver(item_delivery, limits, items, encode.item))

    def delete_items(self, item_ids: Iterable[str]) -> results.DeleteResult:
        """Remove items; users' events on them count again if an item comes back."""
        ids = item_ids if isinstance(item_ids, str) else list(item_ids)
        return self._loop.run(lambda: self._client.delete_items(ids))

    def get_item(self, item_id: str) -> model.Item:
        """Return the item as stored; raises NotFound."""
        return self._loop.run(lambda: self._client.get_item(item_id))

    def list_items(self) -> Iterator[model.Item]:
        """Yield every item of the catalogue, in a fixed order, asking for the next page when it is needed."""
        for page in self.item_pages():
            yield from page

    def item_pages(self) -> Iterator[list[model.Item]]:
        """Yield the catalogue page by page."""
        return self._loop.iterate(self._client.item_pages())

    def recommend(
        self, user_id: str, *, surface: str = "", min_freshness: str = "", **options: Unpack[ListOptions]
    ) -> results.Recommendations:
        """Return one ranked list for a user; for a user without events, what is popular now.

        ``surface`` says where the list will be shown. With ``min_freshness``, a token of :meth:`record`, the reply
        waits until that write is in it. ``options`` are those of :class:`ListOptions`.
        """
        return self._loop.run(
            lambda: self._client.recommend(user_id, surface=surface, min_freshness=min_freshness, **options)
        )

    def similar(self, item_id: str, **options: Unpack[ListOptions]) -> tuple[results.Recommendation, ...]:
        """Return items like one item, by its words and by what people went on to; raises NotFound."""
        return self._loop.run(lambda: self._client.similar(item_id, **options))

    def search(self, query: str, **options: Unpack[ListOptions]) -> tuple[results.Recommendation, ...]:
        """Return items by meaning, closest first, for words in any language."""
        return self._loop.run(lambda: self._client.search(query, **options))

    def interests(self, user_id: str, *, min_freshness: str = "") -> results.Interests:
        """Return the user's interests and the events they rest on; a user never heard of has none."""
        return self._loop.run(lambda: self._client.interests(user_id, min_freshness=min_freshness))

    def watch(
        self, user_id: str, *, surface: str = "", min_freshness: str = "", **options: Unpack[ListOptions]
    ) -> Iterator[results.Update]:
        """Return an iterator over the user's list, whole, whenever it changes; it resumes by itself when it breaks."""
        return self._loop.iterate(self._client.watch(user_id, surface=surface, min_freshness=min_freshness, **options))

    @contextmanager
    def stream(
        self, user_id: str, *, surface: str = "", min_freshness: str = "", **options: Unpack[ListOptions]
    ) -> Iterator["Stream"]:
        """Return the same list as a stream that can be steered: use it in ``with``."""
        stream = self._client.stream(user_id, surface=surface, min_freshness=min_freshness, **options)
        try:
            yield Stream(stream, self._loop)
        finally:
            self._loop.finish(stream.__aexit__)

    def _deliver(
        self,
        make: Callable[[AsyncStubs, Limits], Delivery[Sent, Any, Any, Answer]],
        limits: Limits,
        values: Iterable[Value],
        encode: Callable[[Value], Sent],
    ) -> Iterator[Answer]:
        async def begin() -> Delivery[Sent, Any, Any, Answer]:
            return await make(self._client.raw, limits).__aenter__()

        delivery = self._loop.run(begin)
        try:
            remaining = iter(values)
            while chunk := [encode(value) for value in islice(remaining, limits.batch)]:
                yield from self._loop.run(partial(delivery.send, chunk))
            self._loop.run(delivery.finish)
            while answers := self._loop.run(delivery.receive):
                yield from answers
        finally:
            self._loop.finish(delivery.__aexit__)


class Recorder:
    """A long stream of events."""

    def __init__(self, recorder: aio.Recorder, loop: LoopThread) -> None:
        self._recorder = recorder
        self._loop = loop

    @property
    def unanswered(self) -> list[event_pb2.Event]:
        """Events that were put and are not acknowledged, oldest first."""
        return self._recorder.unanswered

    def put(self, *events: model.Event | event_pb2.Event) -> None:
        """Hand events over, in this order; waits while the window is full. Raises what ended the stream."""
        self._loop.run(lambda: self._recorder.put(*events))

    def flush(self) -> list[results.Acknowledged]:
        """Wait until all that was put is acknowledged; return what became of everything since the last flush."""
        return self._loop.run(self._recorder.flush)


class Stream:
    """A list that the client can steer; iterate over it for the updates.

    It may be iterated by one thread while others call :meth:`shown` and :meth:`change`.
    """

    def __init__(self, stream: aio.Stream, loop: LoopThread) -> None:
        self._stream = stream
        self._loop = loop
        self._updates = loop.iterate(stream.updates)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> results.Update:
        return next(self._updates)

    def shown(self, positions: int, *, sequence: int | None = None) -> None:
        """Say that the first so many positions of an update are on the screen: they stay as they are.

        ``sequence`` is that update's, by default the last one's. Raises ValueError when it has no such positions.
        """
        self._loop.run(lambda: self._stream.shown(positions, sequence=sequence))

    def change(self, **options: Unpack[ListOptions]) -> None:
        """Say what the list should look like from now on; options left out go back to their defaults.

        Positions that were shown are released.
        """
        self._loop.run(lambda: self._stream.change(**options))

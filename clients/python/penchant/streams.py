"""Lists that follow a user: reads updates, and opens the next connection where the last one ended.

A stream that breaks before its first update is tried again as often as a unary call. After an update with a resume
token it goes on for as long as the caller listens, whenever the service is unavailable or said that it goes away.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Self, Unpack

import grpc

from penchant.encode import ListOptions, list_options
from penchant.errors import Unavailable
from penchant.following import Following
from penchant.mailbox import Mailbox
from penchant.results import Update
from penchant.retry import Backoff
from penchant.v1 import recommendation_pb2 as pb

REMEMBERED = 16
"""Updates that the service remembers of a stream, to know which one positions were shown of."""

StreamCall = grpc.aio.StreamStreamCall[pb.StreamRecommendationsRequest, pb.StreamRecommendationsResponse]


async def follow(
    following: Following,
    connect: Callable[[], Awaitable[Mailbox]],
    ready: Callable[[], Awaitable[None]],
    *,
    retries: int,
    patience: float,
) -> AsyncGenerator[Update]:
    """Yield the newest list whenever it is asked for one and has one that it did not give, none of them twice.

    It goes on over as many connections as it takes: once it may resume, as soon as the channel is ``ready``.
    ``patience`` seconds are for the first update.
    """
    backoff = Backoff()
    while True:
        if following.resumable:
            await ready()
        mailbox = await connect()
        try:
            while (message := await mailbox.take(None if following.sequence else patience)) is not None:
                update = following.accept(message)
                if update is not None:
                    if not following.going_away:
                        backoff.succeeded()
                    yield update
        except Unavailable:
            untold = following.sequence == 0 and backoff.failures < retries
            if not (following.resumable or untold):
                raise
        else:
            if not following.going_away:
                return
        finally:
            await mailbox.aclose()
        await asyncio.sleep(backoff.next())


class Stream:
    """A list that the client can steer; iterate over it for the updates, of which one who is slow gets the newest.

    An async context manager. It may be iterated by one task while others call :meth:`shown` and :meth:`change`.
    """

    def __init__(
        self,
        following: Following,
        open_call: Callable[[], StreamCall],
        ready: Callable[[], Awaitable[None]],
        *,
        retries: int,
        patience: float,
    ) -> None:
        self._following = following
        self._open_call = open_call
        self._call: StreamCall | None = None
        self._mailbox: Mailbox | None = None
        self._writing = asyncio.Lock()  # gRPC takes one message at a time
        self.updates = follow(following, self._connect, ready, retries=retries, patience=patience)
        """The updates, as the iteration over this object gives them."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._call is not None:
            self._call.cancel()
        await self.updates.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        return await anext(self.updates)

    async def shown(self, positions: int, *, sequence: int | None = None) -> None:
        """Say that the first so many positions of an update are on the screen: they stay as they are.

        ``sequence`` is that update's, by default the last one's. Raises ValueError when it has no such positions.
        """
        seen = self._following.sequence if sequence is None else sequence
        message = self._following.shown(positions, seen)
        # Of an update that the service has forgotten it would end the stream; a newer one is about to be read.
        if self._mailbox is None or self._mailbox.newest - seen < REMEMBERED:
            await self._tell(message)

    async def change(self, **options: Unpack[ListOptions]) -> None:
        """Say what the list should look like from now on; options left out go back to their defaults.

        Positions that were shown are released.
        """
        await self._tell(self._following.change(list_options(**options)))

    async def _connect(self) -> Mailbox:
        async with self._writing:
            self._call = self._open_call()
            await self._write(self._call, self._following.introduction())
            self._mailbox = Mailbox(self._call)
        return self._mailbox

    async def _tell(self, message: pb.StreamRecommendationsRequest) -> None:
        # Without a connection there is nobody to tell yet: the introduction of the next one says it.
        async with self._writing:
            if self._call is not None:
                await self._write(self._call, message)

    @staticmethod
    async def _write(call: StreamCall, *messages: pb.StreamRecommendationsRequest) -> None:
        # A failed write says less than the status that the reader is about to see.
        with suppress(grpc.RpcError, asyncio.InvalidStateError):
            for message in messages:
                await call.write(message)

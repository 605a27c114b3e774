"""Lists that follow a user: reads updates, and opens the next connection where the last one ended.

A stream that breaks before its first update is tried again as often as a unary call. After an update with a resume
token it goes on for as long as the caller listens, whenever the service is unavailable or said that it goes away.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Self, Unpack

import grpc
from grpc.aio import EOF  # type: ignore[attr-defined]  # the stubs forget it

from penchant.channel import translated
from penchant.encode import ListOptions, list_options
from penchant.errors import DeadlineExceeded, Unavailable
from penchant.following import Following
from penchant.results import Update
from penchant.retry import Backoff
from penchant.v1 import recommendation_pb2 as pb

StreamCall = grpc.aio.StreamStreamCall[pb.StreamRecommendationsRequest, pb.StreamRecommendationsResponse]


async def follow(
    following: Following, connect: Callable[[], Awaitable[Any]], *, retries: int, patience: float
) -> AsyncGenerator[Update]:
    """Yield every update once, over as many connections as it takes; ``patience`` seconds are for the first update."""
    backoff = Backoff()
    while True:
        call = await connect()
        try:
            while (response := await _read(call, None if following.sequence else patience)) is not None:
                update = following.accept(response.update)
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
            call.cancel()
        await asyncio.sleep(backoff.next())


async def _read(call: Any, patience: float | None) -> Any:
    try:
        with translated():
            async with asyncio.timeout(patience):
                response = await call.read()
    except TimeoutError:
        raise DeadlineExceeded(f"no first update within {patience:g} s") from None
    return None if response is EOF else response


class Stream:
    """A list that the client can steer; iterate over it for the updates.

    An async context manager. It may be iterated by one task while others call :meth:`shown` and :meth:`change`.
    """

    def __init__(
        self, following: Following, open_call: Callable[[], StreamCall], *, retries: int, patience: float
    ) -> None:
        self._following = following
        self._open_call = open_call
        self._call: StreamCall | None = None
        self._writing = asyncio.Lock()  # gRPC takes one message at a time
        self.updates = follow(following, self._connect, retries=retries, patience=patience)
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
        await self._tell(self._following.shown(positions, seen))

    async def change(self, **options: Unpack[ListOptions]) -> None:
        """Say what the list should look like from now on; options left out go back to their defaults.

        Positions that were shown are released.
        """
        await self._tell(self._following.change(list_options(**options)))

    async def _connect(self) -> StreamCall:
        async with self._writing:
            self._call = self._open_call()
            await self._write(self._call, self._following.introduction())
        return self._call

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

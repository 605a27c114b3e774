"""What came over one connection of a stream and is not yet read: one update, the newest."""

import asyncio
from contextlib import suppress
from typing import Any

from grpc.aio import EOF  # type: ignore[attr-defined]  # the stubs forget it

from penchant.channel import translated
from penchant.errors import DeadlineExceeded, PenchantError
from penchant.following import merged
from penchant.v1 import recommendation_pb2 as pb


class Mailbox:
    """Reads a call as updates come, and merges those that wait, so that a reader who is slow costs bounded memory."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._update: pb.RecommendationUpdate | None = None
        self._changed = asyncio.Event()
        self._ended = False
        self._reading = asyncio.create_task(self._read())
        self.newest = 0
        """Sequence number of the newest update that came; 0 before the first."""

    async def take(self, patience: float | None) -> pb.RecommendationUpdate | None:
        """Return what came since the last time, as one update, waiting for it; None at the end of the connection.

        Raises what ended it, once all is taken, and DeadlineExceeded when nothing comes for ``patience`` seconds.
        """
        try:
            async with asyncio.timeout(patience):
                while self._update is None and not self._ended:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise DeadlineExceeded(f"no first update within {patience:g} s") from None
        if self._update is None:
            await self._reading  # raises what ended it
            return None
        update, self._update = self._update, None
        return update

    async def aclose(self) -> None:
        """End the call."""
        self._call.cancel()
        self._reading.cancel()
        with suppress(asyncio.CancelledError, PenchantError):
            await self._reading

    async def _read(self) -> None:
        try:
            with translated():
                while (response := await self._call.read()) is not EOF:
                    if response.HasField("update"):  # a later service may say things that are not known here
                        self._put(response.update)
        finally:
            self._ended = True
            self._changed.set()

    def _put(self, update: pb.RecommendationUpdate) -> None:
        self._update = update if self._update is None else merged(self._update, update)
        self.newest = update.stream_sequence
        self._changed.set()

"""An event loop in a thread of its own, on which plain threads run coroutines."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent import futures
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

from penchant.errors import Cancelled

T = TypeVar("T")

ENDING = 1.0
"""Seconds that an interrupted call is given to clean up."""


class Closed(RuntimeError):
    """The loop is gone: it was closed, or this process was forked from the one that has it."""


class LoopThread:
    """Runs coroutines around one asynchronous resource, which it enters first and leaves last.

    The thread begins with the first coroutine and ends with :meth:`close`.
    """

    def __init__(self, resource: AbstractAsyncContextManager[object]) -> None:
        self._resource = resource
        self._lock = threading.Lock()
        self._closed = False
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._failure: Exception | None = None

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await what ``work`` makes, on the loop; return its result or raise its error.

        Raises Closed instead of beginning, and Cancelled when it is closed in the middle.
        """
        ended = threading.Event()
        future = self._schedule(work, ended)
        try:
            return future.result()
        except futures.CancelledError:
            raise Cancelled("the client was closed during the call") from None
        except BaseException:
            # Ctrl-C reaches only the thread that waits; what it waited for ends before anything else is asked of it.
            if future.cancel():
                ended.wait(ENDING)
            raise

    def finish(self, work: Callable[[], Awaitable[object]]) -> None:
        """Clean up on the loop; nothing is left to clean when it is closed."""
        with suppress(Closed, Cancelled):
            if threading.current_thread() is self._thread:  # the garbage collector came by
                self._schedule(work, threading.Event())
            else:
                self.run(work)

    def iterate(self, values: AsyncGenerator[T]) -> Iterator[T]:
        """Yield what an asynchronous generator yields, none of it None, and close it."""

        async def step() -> T | None:
            return await anext(values, None)

        try:
            while (value := self.run(step)) is not None:
                yield value
        finally:
            self.finish(values.aclose)

    def close(self) -> None:
        """Leave the resource, cancel everything and end the thread. Closing again does nothing.

        Raises what leaving the resource raised.
        """
        with self._lock:
            begun = self._loop is not None and not self._closed and self._pid == os.getpid()
            self._closed = True
        if not begun:
            return
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()
            if self._failure is not None:
                raise self._failure

    def _schedule(self, work: Callable[[], Awaitable[T]], ended: threading.Event) -> futures.Future[T]:
        async def whole() -> T:
            try:
                return await work()
            finally:
                ended.set()

        # Under the lock, so that close() comes either before, and this is refused, or after, and this is cancelled.
        with self._lock:
            if self._closed:
                raise Closed("the client is closed; make a new one")
            if self._pid != os.getpid():
                raise Closed("the client does not live on after os.fork(); make it in the child")
            return asyncio.run_coroutine_threadsafe(whole(), self._begun())

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            began: futures.Future[asyncio.AbstractEventLoop] = futures.Future()
            self._thread = threading.Thread(target=self._run_loop, args=(began,), name="penchant-client", daemon=True)
            self._thread.start()
            self._loop = began.result()
        return self._loop

    def _run_loop(self, began: futures.Future[asyncio.AbstractEventLoop]) -> None:
        try:
            asyncio.run(self._live(began))
        except Exception as error:  # noqa: BLE001 whoever closes it hears of it
            self._failure = error

    async def _live(self, began: futures.Future[asyncio.AbstractEventLoop]) -> None:
        async with self._resource:
            began.set_result(asyncio.get_running_loop())
            await self._stop.wait()

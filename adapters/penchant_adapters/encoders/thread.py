"""A thread that an event loop gives work to, one piece at a time; it never keeps a process from ending."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class WorkThread:
    """Threads of ``concurrent.futures`` are waited for when a process ends, for ever if a device hangs; this is not."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], Result], done: Callable[[Result | BaseException], None]) -> None:
        """Do *work* in the thread; *done* hears in the event loop what came of it, unless the loop has ended."""
        loop = asyncio.get_running_loop()

        def step() -> None:
            outcome: Any
            try:
                outcome = work()
            except BaseException as error:  # noqa: BLE001 whoever waits must hear of it
                outcome = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done, outcome)

        self._work.put(step)

    async def aclose(self) -> None:
        """End the thread once its work is done, and wait for that."""
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)

    def abandon(self) -> None:
        """Let the thread end by itself, if it ever does."""
        self._work.put(None)

    def _run(self) -> None:
        while (step := self._work.get()) is not None:
            step()
            del step  # what it holds may be large

"""What every long-lived process does alike: the clock, the interpreter's pauses, signals, the event loop."""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


def now() -> int:
    """Return the time in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def tune_interpreter() -> None:
    """Keep the interpreter's own pauses short."""
    # Full rounds of the collector stop everything; it may pass over what lives as long as the process.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)
    # The encoder's thread asks for the interpreter some fifty times a text; at 5 ms a turn, beside a busy loop, a text
    # takes a quarter of a second.
    sys.setswitchinterval(0.0005)


@asynccontextmanager
async def asked_to_stop() -> AsyncIterator[asyncio.Event]:
    """Give an event that SIGTERM or SIGINT sets inside the block; a second signal ends the process at once."""
    stopping = asyncio.Event()

    def asked() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, asked)
    try:
        yield stopping
    finally:
        for number in signals:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run *main* in the fastest event loop that there is.

    What speaks with Kafka runs in asyncio's own: in uvloop's, a write to a connection that is just closing raises an
    error that aiokafka 0.14 does not expect, and when the broker dies at the wrong moment its client stands for good.
    """
    try:
        import uvloop  # noqa: PLC0415 not on Windows
    except ModuleNotFoundError:
        asyncio.run(main)
    else:
        uvloop.run(main)

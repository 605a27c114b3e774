"""How late the event loop is: whoever blocks it delays every call, stream and heartbeat of the process."""

import asyncio

from prometheus_client import Histogram

INTERVAL = 0.1
"""Seconds from one look to the next."""


async def watch_loop(lag: Histogram, interval: float = INTERVAL) -> None:
    """Measure for ever how much too late a timer fires."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval
        await asyncio.sleep(interval)
        lag.observe(max(0.0, loop.time() - due))

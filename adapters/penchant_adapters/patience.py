"""Waiting for a neighbour that cannot be reached yet."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from penchant_core.errors import Unavailable

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds."""
T = TypeVar("T")
_log = structlog.get_logger()


async def patiently(attempt: Callable[[], Awaitable[T]], seconds: float, what: str) -> T:
    """Try until it goes well, for so many *seconds* at most, with growing pauses; then raise the last ``Unavailable``.

    Any other error is for somebody to mend and raised at once.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    pause = FIRST_PAUSE
    while True:
        try:
            found = await attempt()
        except Unavailable as error:
            if loop.time() + pause > deadline:
                raise
            _log.warning(f"waiting for {what}", again_in=round(pause, 1), error=str(error))
        else:
            if pause > FIRST_PAUSE:
                _log.info(f"no longer waiting for {what}")
            return found
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 processes that began together should part
        pause = min(2.0 * pause, LONGEST_PAUSE)

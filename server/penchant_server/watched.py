"""Files that somebody replaces while the service runs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import structlog

LOOK = 1.0
"""Seconds between two looks at files."""
_log = structlog.get_logger()

Stamp: TypeAlias = tuple[tuple[int, int, int, int], ...]
"""Device, number, time of change and size of each file."""


def stamp(*paths: Path) -> Stamp:
    """Return what is another when a file was replaced or written to; raises OSError where there is none.

    Links are followed to the file itself: Kubernetes replaces a mounted secret by moving a link above it.
    """
    found = [path.stat() for path in paths]
    return tuple((one.st_dev, one.st_ino, one.st_mtime_ns, one.st_size) for one in found)


async def looking(look: Callable[[], Awaitable[None]], what: str) -> None:
    """Look again and again, for ever. What a look raises is told, and the next one comes all the same."""
    while True:
        await asyncio.sleep(LOOK)
        try:
            await look()
        except Exception as error:  # noqa: BLE001 see below
            # Whatever it is, keys that can be taken away tomorrow are better than keys that never can.
            _log.error(f"{what} were not read again", error=repr(error), exc_info=error)

"""Files that somebody replaces while the service runs."""

from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[tuple[int, int, int, int], ...]
"""Device, number, time of change and size of each file."""


def stamp(*paths: Path) -> Stamp:
    """Return what is another when a file was replaced or written to; raises OSError where there is none.

    Links are followed to the file itself: Kubernetes replaces a mounted secret by moving a link above it.
    """
    found = [path.stat() for path in paths]
    return tuple((one.st_dev, one.st_ino, one.st_mtime_ns, one.st_size) for one in found)

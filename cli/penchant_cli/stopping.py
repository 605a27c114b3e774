"""Ctrl-C for work that can be stopped between two of its steps: the first one asks, the second one insists."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stoppable(told: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Give a function that says whether somebody asked to stop; *told* is called when they do, once.

    A second signal raises ``KeyboardInterrupt``, as ever.
    """
    asked = False

    def heard(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)
        told()

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)

"""Progress for people: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

LINE_SECONDS = 5.0
"""A plain line is printed at most this often."""


class Speed(ProgressColumn):
    """Records a second."""

    def render(self, task: Task) -> Text:
        """Return the text of the column."""
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")


@contextmanager
def progress(console: Console, what: str, total: int | None = None, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the number of records that are *done*, out of *total* where that is known."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=total is None) as bar:
            task = bar.add_task(what, total=total, completed=done)
            yield lambda now: bar.update(task, completed=now)
        return
    started = last = time.monotonic()

    def tell(now: int) -> None:
        nonlocal last
        moment = time.monotonic()
        if moment - last >= LINE_SECONDS or now == total:
            last = moment
            speed = (now - done) / max(moment - started, 1e-3)
            of = f" of {total:,}" if total is not None else ""
            console.print(f"{what}: {now:,}{of} records, {speed:,.0f}/s", highlight=False)

    yield tell

"""Progress of several things at once: bars on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from penchant_cli.importing.display import LINE_SECONDS, Speed


@contextmanager
def bars(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function to call with what is counted, how many are done, and of how many."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
        with Progress(*columns, console=console) as display:
            shown: dict[str, TaskID] = {}

            def draw(what: str, done: int, total: int) -> None:
                if what not in shown:
                    shown[what] = display.add_task(what, total=total)
                display.update(shown[what], completed=done, total=total)

            yield draw
        return
    begun: dict[str, tuple[float, int]] = {}
    told: dict[str, tuple[float, int]] = {}

    def tell(what: str, done: int, total: int) -> None:
        moment = time.monotonic()
        start, first = begun.setdefault(what, (moment, done))
        last, before = told.get(what, (start, -1))
        if (done >= total and done != before) or moment - last >= LINE_SECONDS:
            told[what] = (moment, done)
            speed = (done - first) / max(moment - start, 1e-3)
            console.print(f"{what}: {done:,} of {total:,}, {speed:,.0f}/s", highlight=False)

    yield tell

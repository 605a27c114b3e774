"""What commands that learn from a log begin with: the log, its vectors, bars that show how far it is."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from penchant_cli.own_log_options import log_files, public_log, tell

if TYPE_CHECKING:
    from penchant_core.tuning import Tuning
    from penchant_relevance.log import Log
    from penchant_relevance.plans import Plan
    from penchant_relevance.scoring import Content


def chosen_log(
    name: str,
    data: Path | None,
    most: int | None,
    items: Path | None,
    events: Path | None,
    preset: str,
    items_map: list[str] | None,
    events_map: list[str] | None,
    event_type: str,
    rating_scale: str,
    time_format: str,
    order_only: bool,
) -> tuple["Log", "Plan"]:
    """Return the public log of a name, else one's own, and how it is asked, *most* times. Raises ``InvalidSetting``."""
    from penchant_relevance.plans import Plan  # noqa: PLC0415 the command line starts without it

    if name:
        log, plan = public_log(name, data)
        return log, replace(plan, most=most)
    files = log_files(items, events, preset, items_map, events_map, event_type, rating_scale, time_format, order_only)
    return files.read(tell), Plan("last item" if files.order_only else "replay", most=most)


def encoded(console: Console, log: "Log", encoder: str) -> tuple["Content", "Tuning", str]:
    """Return the vectors of a log's words, the service's tuning, and the name of the model that read them.

    Raises ``InvalidSetting`` where nothing can be said of the log.
    """
    from penchant_adapters.settings import Settings  # noqa: PLC0415
    from penchant_relevance.encoding import encode  # noqa: PLC0415
    from penchant_relevance.log import check  # noqa: PLC0415

    tuning = Settings.read().tuning
    check(log, tuning.weights)
    with bars_on(console) as bars:
        task = bars.add_task("encoding", total=None)
        content, model = asyncio.run(
            encode(log, encoder, lambda done, total: bars.update(task, completed=done, total=total))
        )
    return content, tuning, model


def bars_on(console: Console) -> Progress:
    """Return bars that are gone when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True)

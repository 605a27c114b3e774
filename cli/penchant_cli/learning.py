"""What commands that learn from a log begin with: the log, its vectors, bars that show how far it is."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from penchant_core.errors import PenchantError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from penchant_cli.own_log_options import OwnLog, public_log, tell

if TYPE_CHECKING:
    from penchant_core.tuning import Tuning
    from penchant_relevance.halved import Verdict
    from penchant_relevance.log import Log
    from penchant_relevance.plans import Plan
    from penchant_relevance.scoring import Content


@contextmanager
def ending_in_words(stopped: str) -> Iterator[None]:
    """End the command with what went wrong, instead of a trace; on Ctrl-C, with what *stopped* says."""
    try:
        yield
    except PenchantError as error:
        tell(str(error), "red")
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        tell(stopped)
        raise typer.Exit(130) from interrupt


def chosen_log(name: str, data: Path | None, most: int | None, own: OwnLog) -> tuple["Log", "Plan"]:
    """Return the public log of a name, else one's own, and how it is asked, *most* times. Raises ``InvalidSetting``."""
    from penchant_relevance.plans import Plan  # noqa: PLC0415 the command line starts without it

    if name:
        log, plan = public_log(name, data)
        return log, replace(plan, most=most)
    files = own.files()
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


def judged_table(title: str, measure: str, rows: Sequence[tuple[str, float]], lead: Mapping[str, float]) -> Table:
    """Return what there is and what was found, by name and measure, and the lead of the last over the first."""
    table = Table(title=Text(title), title_justify="left")
    table.add_column("")
    table.add_column(measure, justify="right")
    (before, was), (after, now) = rows
    table.add_row(Text(before), f"{was:.4f}")
    table.add_row(Text(after), f"{now:.4f}", style="bold")
    table.add_row("  lead, 95 % interval", f"{lead['mean']:+.4f} ({lead['low']:+.4f} to {lead['high']:+.4f})")
    return table


def verdict_table(name: str, chosen: str, what: str, verdict: "Verdict") -> Table:
    """Return what the judging half says; *chosen* says of what, *what* the settings that were."""
    searched, judged = verdict.halves
    title = f"{name}: {chosen}chosen on {searched:,} asks of the validation window, judged on {judged:,}"
    return judged_table(
        title, verdict.measure, (("score there is", verdict.default), (what, verdict.mixed)), verdict.lead
    )


def tell_verdict(verdict: "Verdict", useless: str) -> None:
    """Say whether what was learnt is worth having; *useless* is said where it is not."""
    if not verdict.better:
        tell(useless)
    elif not verdict.clear:
        tell("The lead may be chance: its interval holds 0. A longer log would tell.")


def settings_of(log: "Log", encoder: str, tuning: "Tuning") -> dict[str, Any]:
    """Return what is written of a log, and of what reads it, beside figures."""
    sizes = {"events": len(log), "users": len(log.users), "items": len(log.items)}
    return {"data": log.name, "encoder": encoder, "tuning": asdict(tuning), "log": sizes}


def write_figures(path: Path, kind: str, settings: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    """Write figures for programs, and for the page of results."""
    from penchant_bench import figures as files  # noqa: PLC0415 the command line starts without it

    files.write(path, files.document(settings["data"], kind, settings, figures))
    tell(f"Figures: {path}")

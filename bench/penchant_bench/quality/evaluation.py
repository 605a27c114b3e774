"""One evaluation from a log to its figures, shown while it runs."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penchant_adapters.settings import Settings
from penchant_core.errors import InvalidSetting
from penchant_core.trained import UNTRAINED
from penchant_relevance import encoding, metrics
from penchant_relevance.cold_start import cold_start
from penchant_relevance.evaluation import OURS
from penchant_relevance.evaluation import Evaluation as Offline
from penchant_relevance.log import Log, check
from penchant_relevance.plans import LIVE, Plan
from penchant_relevance.several import several_interests
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from penchant_bench import figures
from penchant_bench.quality import cold_start as colds
from penchant_bench.quality import datasets, studies
from penchant_bench.quality.cells import asked, cell, covered, measures
from penchant_bench.quality.report import agreement, explained, explored, served
from penchant_bench.quality.service import ServiceMeasurement
from penchant_bench.quality.study import Asking


@dataclass(frozen=True)
class Evaluation:
    """What to measure, and beside what."""

    encoder: str
    """URL of the model that reads the items."""
    through_service: bool
    """Through a running service too, beside the exact score."""
    with_ease: bool
    with_sasrec: bool
    validation: bool
    """Ask for the targets on which settings are chosen."""
    late: bool
    """Ask also with what is learnt late."""
    with_sequence: bool = False
    """With a sequence model, trained on what comes before the asks, too."""
    with_together: bool = False
    """With learned weights between items, fitted on what comes before the asks, too."""
    cold_start: bool = False
    """Also with no more than the newest events of who asks."""
    interests: bool = False
    """Also with one interest instead of several, and with lists shared out between several."""
    explore: float = 0.0
    """With this share of places explored, too; 0: not."""
    explanations: bool = False
    """Whether explanations hold, too."""

    @property
    def more_than_offline(self) -> bool:
        """Tell whether anything is wanted that only logs can be asked."""
        trained = self.with_ease or self.with_sasrec or self.with_sequence or self.with_together
        besides = self.cold_start or self.interests or self.explanations or self.explore > 0.0
        return self.through_service or self.late or trained or besides

    def of_public(self, name: str, folder: Path | None, console: Console) -> dict[str, Any]:
        """Return what is written of a public data set. Raises ``InvalidSetting`` for one that is not there."""
        if name not in studies.STUDIES:
            if name not in datasets.NAMES:
                known = ", ".join(studies.public_sets())
                raise InvalidSetting(f"{name!r} is no data set; take one of {known}", field="name")
            return self.run(datasets.load(name, datasets.data_folder(folder)), datasets.PLANS[name], console)
        with _display(console) as display:
            progress = _Bars(display)
            asking = Asking(self.encoder, self.validation, lambda done, total: progress("encoding", done, total))
            return studies.studied(name, datasets.data_folder(folder), asking)

    def run(self, log: Log, plan: Plan, console: Console) -> dict[str, Any]:
        """Return what is written of it. Raises ``InvalidSetting`` when the log or the model is no good."""
        tuning = Settings.read().tuning
        check(log, tuning.weights)
        with _display(console) as display:
            progress = _Bars(display)
            content, model = asyncio.run(
                encoding.encode(log, self.encoder, lambda done, total: progress("encoding", done, total))
            )
            offline = Offline(
                log,
                content,
                tuning,
                plan,
                progress,
                with_ease=self.with_ease,
                validation=self.validation,
                late=self.late,
                with_sasrec=self.with_sasrec,
                with_sequence=self.with_sequence,
                encoder=model,
                with_together=self.with_together,
                explore=self.explore,
                explanations=self.explanations,
            )
            # First: it may be that nobody can be asked.
            besides = {"cold_start": cold_start(offline)} if self.cold_start else {}
            besides |= {"interests": several_interests(offline)} if self.interests else {}
            found = offline.run()
            if self.through_service:
                through = ServiceMeasurement(log, plan, tuning, self.encoder, progress, self.validation)
                rows = {OURS: UNTRAINED} | {
                    row: each for (variant, row), each in offline.trained.items() if variant == LIVE
                }
                for row, trained in rows.items():
                    found[LIVE] = {served(row): asyncio.run(through.run(trained))} | found[LIVE]
        settings = {"data": log.name, "encoder": model, "tuning": asdict(tuning), "validation": self.validation}
        settings |= {"plan": plan.kind, "seed": metrics.SEED, "resamples": metrics.RESAMPLES}
        settings["log"] = {"events": len(log), "users": len(log.users), "items": len(log.items)}
        return figures.document(log.name, "quality", settings, found) | besides


def _display(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


class _Bars:
    """One bar for every title that reports progress."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._bars: dict[str, TaskID] = {}

    def __call__(self, title: str, done: int, total: int) -> None:
        if title not in self._bars:
            self._bars[title] = self._display.add_task(title, total=total)
        self._display.update(self._bars[title], completed=done)


def table(title: str, models: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return one variant's figures by model as a table."""
    caption = " ".join(filter(None, (agreement(models), explored(models), explained(models))))
    found = _table(f"{title}: {asked(models)}, 95 % intervals", caption)
    for measure in [*measures(models), *covered(models)]:
        found.add_column(measure, justify="right")
    for name, figure in models.items():
        cells = [cell(figure[measure]) for measure in measures(models)]
        cells += [f"{figure[measure]:.0%}" for measure in covered(models)]
        found.add_row(name, *cells, style="bold" if name.startswith(OURS) else None)
    return found


def cold_table(name: str, cold: Mapping[str, Any]) -> Table:
    """Return the main measure by model and by what is known of who asks as a table."""
    head, *body = colds.rows(cold)
    first = next(iter(cold["figures"].values()))
    known = f"of whom {cold['least_known']} events and more are known"
    found = _table(f"{name}, cold start: {asked(first)} {known}, told the newest few, 95 % intervals", "", head[0])
    for column in head[1:]:
        found.add_column(column, justify="right")
    for row in body:
        found.add_row(*row)
    return found


def _table(title: str, caption: str = "", rows: str = "model") -> Table:
    # Four columns with their intervals fit on eighty characters, and a log's name is no markup.
    style: Any = {"box": SIMPLE_HEAD, "show_edge": False, "padding": (0, 0, 0, 1), "title_justify": "left"}
    found = Table(title=Text(title), caption=caption or None, caption_justify="left", **style)
    found.add_column(rows)
    return found

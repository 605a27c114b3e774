"""One evaluation from its name to its figures, shown while it runs."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penchant_adapters.settings import Settings
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from penchant_bench import figures
from penchant_bench.quality import datasets, encoding, metrics, offline
from penchant_bench.quality.report import OURS, SERVED, agreement, cell, measures
from penchant_bench.quality.service import ServiceMeasurement


@dataclass(frozen=True)
class Evaluation:
    """What to measure."""

    name: str
    """Data set."""
    folder: Path | None
    """Folder that holds the data sets; none: the usual one."""
    encoder: str
    """URL of the model that reads the items."""
    through_service: bool
    """Through a running service too, beside the exact score."""
    with_ease: bool
    validation: bool
    """Ask for the targets on which settings are chosen."""

    def run(self, console: Console) -> dict[str, Any]:
        """Return what is written of it. Raises ``InvalidSetting`` when the data or the model is not there."""
        tuning = Settings.read().tuning
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as display:
            progress = _Bars(display)
            data = datasets.load(self.name, datasets.data_folder(self.folder))
            vectors, model = asyncio.run(
                encoding.encode_items(data, self.encoder, lambda done: progress("encoding", done, len(data.items)))
            )
            found = offline.Measurement(data, vectors, tuning, progress, self.with_ease, self.validation).run()
            if self.through_service:
                served = ServiceMeasurement(data, tuning, self.encoder, progress, self.validation)
                for variant, figure in asyncio.run(served.run()).items():
                    found[variant] = {SERVED: figure} | found[variant]
        settings = {"data": self.name, "encoder": model, "tuning": asdict(tuning), "validation": self.validation}
        settings |= {"seed": metrics.SEED, "resamples": metrics.RESAMPLES}
        return figures.document(self.name, "quality", settings, found)


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
    first = next(iter(models.values()))
    shown = f"{title}: {first['asks']:,} asks of {first['users']:,} users, 95 % intervals"
    found = Table(title=shown, title_justify="left", caption=agreement(models) or None, caption_justify="left")
    found.add_column("model")
    for measure in [*measures(models), "coverage@10"]:
        found.add_column(measure, justify="right")
    for name, figure in models.items():
        cells = [cell(figure[measure]) for measure in measures(models)]
        found.add_row(name, *cells, f"{figure['coverage@10']:.0%}", style="bold" if name.startswith(OURS) else None)
    return found

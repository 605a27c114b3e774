"""One import from beginning to end: check, show, send, remember."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from penchant_cli.importing.checking import Checked, Kind, check
from penchant_cli.importing.display import progress
from penchant_cli.importing.errors import FileRefused, SendingStopped
from penchant_cli.importing.options import Options
from penchant_cli.importing.progress import Progress, ProgressFile, import_name
from penchant_cli.importing.report import Report, Tally
from penchant_cli.importing.sending import Batch, send
from penchant_cli.importing.sink import Refusals, Sink

EXIT_REFUSED = 2
"""The file must be mended."""
EXIT_STOPPED = 3
"""The service could not go on."""
EXIT_INTERRUPTED = 130
"""Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be imported, and how to go about it."""

    kind: Kind
    path: Path
    options: Options
    target: str
    """Names the service in the state file."""
    state: Path
    """Directory of the state files."""
    restart: bool = False
    dry_run: bool = False
    report: Path | None = None
    """Where the report is written as JSON."""


def run(job: Job, connect: Callable[[], AbstractAsyncContextManager[Sink]], console: Console) -> int:
    """Run *job* and return the exit code; *connect* opens the service. Everything is told on *console*."""
    try:
        return _run(job, connect, console)
    except FileRefused as error:
        _say(console, f"[red]{escape(str(error))}[/red]")
        return EXIT_REFUSED
    except SendingStopped as error:
        _say(console, f"[red]{escape(str(error))}[/red]")
        return EXIT_STOPPED
    except KeyboardInterrupt:
        _say(console, "Stopped. The same command goes on from here." if not job.dry_run else "Stopped.")
        return EXIT_INTERRUPTED


def _run(job: Job, connect: Callable[[], AbstractAsyncContextManager[Sink]], console: Console) -> int:
    saved = ProgressFile(job.state, import_name(job.path, job.kind, job.options.fingerprint(), job.target))
    before = None if job.restart or job.dry_run else saved.load()
    if before and before.finished:
        _say(
            console,
            f"{job.path.name}: all {before.total:,} {job.kind} were imported before; --restart sends them again.",
        )
        return 0
    now_ms = before.now_ms if before else int(time.time() * 1000)
    with progress(console, "checking") as tell:
        checked = check(job.path, job.kind, job.options, now_ms, tell)
    with checked:
        report = checked.report
        try:
            if refusal := report.refusal(job.options.max_bad):
                raise FileRefused(f"{refusal}. Nothing was sent.")
            if job.dry_run:
                _say(console, "Dry run: nothing was sent.")
                return 0
            if before is None or before.total != report.accepted:
                before = Progress(now_ms, report.accepted)
            else:
                _say(console, f"Going on after {before.acknowledged:,} of {before.total:,} records sent earlier.")
            asyncio.run(_Sending(job, checked, saved, before, console).run(connect))
        finally:
            report.show(console)
            if job.report:
                report.write(job.report)
    return 0


class _Sending:
    """The part of a job that talks to the service."""

    def __init__(self, job: Job, checked: Checked, saved: ProgressFile, before: Progress, console: Console) -> None:
        self._job = job
        self._checked = checked
        self._saved = saved
        self._progress = before
        self._console = console

    async def run(self, connect: Callable[[], AbstractAsyncContextManager[Sink]]) -> None:
        done, total = self._progress.acknowledged, self._progress.total
        async with connect() as sink:
            with progress(self._console, f"sending {self._job.kind}", total, done) as tell:

                def acknowledged(batch: Batch, refusals: Refusals) -> None:
                    self._acknowledged(batch, refusals)
                    tell(self._progress.acknowledged)

                try:
                    await send(self._checked, sink, done, acknowledged)
                except SendingStopped as error:
                    sent = self._progress.acknowledged
                    raise SendingStopped(f"Stopped after {sent:,} of {total:,} records; the same command goes on from "
                                         f"there. {error}") from error  # fmt: skip

    def _acknowledged(self, batch: Batch, refusals: Refusals) -> None:
        now = self._progress
        self._progress = replace(
            now, acknowledged=now.acknowledged + len(batch.messages), refused=now.refused + len(refusals)
        )
        for index, message in refusals:
            _add_refusal(self._checked.report, batch, index, message)
        if self._progress.refused > self._job.options.max_bad * self._progress.total:
            # What was refused must be sent again once the cause is mended; what was taken is known by its ids.
            self._saved.forget()
            raise FileRefused(
                f"Stopped: the service refused {self._progress.refused:,} of the {self._progress.acknowledged:,} "
                "records sent. The others are in. Mend the cause and run the same command again; nothing counts twice."
            )
        self._saved.save(self._progress)


def _add_refusal(report: Report, batch: Batch, index: int, message: str) -> None:
    record = batch.messages[index]
    # Messages that differ in the id alone are one reason.
    reason = message.replace(record.item_id, "…") if record.item_id else message
    report.refused.setdefault(reason, Tally()).add(batch.lines[index], record.item_id or record.user_id)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)

"""From a file to checked messages: every record is read, mapped, cleaned and checked before the first one is used."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from zoneinfo import ZoneInfo

from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event

from penchant_cli.importing.builders import EventBuilder, ItemBuilder, Moments
from penchant_cli.importing.columns import EVENT_GUESSES, ITEM_GUESSES, Source, resolve
from penchant_cli.importing.errors import BadRecord, FileRefused, Skip
from penchant_cli.importing.options import Options
from penchant_cli.importing.records import Problem, Record
from penchant_cli.importing.report import Report, Tally
from penchant_cli.importing.staging import Staging, Steps
from penchant_cli.importing.tables import open_table
from penchant_cli.importing.values import identifier

Kind = Literal["items", "events"]
_DAY_MS = 86_400_000
_TELL_EVERY = 1_000


@dataclass(frozen=True, slots=True)
class Checked:
    """A file's good records and what became of the others. Close it to free the disk."""

    report: Report
    staging: Staging

    def items(self, after: int = 0) -> Iterator[tuple[int, Item]]:
        """Yield line and item, leaving out the first *after* ones."""
        return ((line, Item.FromString(body)) for line, body in self.staging.bodies(after))

    def events(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield line and event, leaving out the first *after* ones."""
        return ((line, Event.FromString(body)) for line, body in self.staging.bodies(after))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.staging.close()


def check(
    path: Path, kind: Kind, options: Options, now_ms: int | None = None, tell: Callable[[int], None] = lambda _: None
) -> Checked:
    """Read the whole of *path* and return its good records with the report.

    *now_ms* (milliseconds since 1970; None: now) bounds the times and, with ``order_only``, anchors them; *tell* hears
    now and then how many records were read. Raises FileRefused when the file cannot be read or mapped at all; too many
    bad records are the caller's to judge, with ``report.refusal``.
    """
    _check_options(kind, options)
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    report = Report(file=path.name, kind=kind)
    table = open_table(path, options, report.notes)
    columns = table.columns + options.added
    sources = resolve(ITEM_GUESSES if kind == "items" else EVENT_GUESSES, options.columns, columns)
    _require(kind, sources, options, columns)
    report.format = table.format
    report.columns = {field: str(source) for field, source in sources.items()}
    used = {name for source in sources.values() for name in source.columns}
    report.unused = [name for name in columns if name not in used]
    staging = Staging(last_wins=kind == "items")
    try:
        if kind == "items":
            _fill(staging, report, table.records, options, ItemBuilder(sources, options, report.notes), tell)
        else:
            with closing(Steps()) as steps:
                moments = _daily(steps, path, options, sources["user_id"], now_ms) if options.order_only else None
                builder = EventBuilder(sources, options, report.notes, now_ms, moments)
                _fill(staging, report, table.records, options, builder, tell)
    except BaseException:
        staging.close()
        raise
    report.accepted = len(staging)
    return Checked(report, staging)


def read_items(path: Path | str, options: Options | None = None) -> Iterator[Item]:
    """Yield the items of a file, checked and unique. Raises FileRefused when too many records are bad."""
    with _accepted(Path(path), "items", options or Options()) as checked:
        yield from (item for _, item in checked.items())


def read_events(path: Path | str, options: Options | None = None) -> Iterator[Event]:
    """Yield the events of a file in its own order, checked and unique. Raises FileRefused when too many are bad."""
    with _accepted(Path(path), "events", options or Options()) as checked:
        yield from (event for _, event in checked.events())


def _accepted(path: Path, kind: Kind, options: Options) -> Checked:
    checked = check(path, kind, options)
    if refusal := checked.report.refusal(options.max_bad):
        first = next(iter(checked.report.bad.items()), None)
        checked.staging.close()
        raise FileRefused(f"{path}: {refusal}" + (f"; first: line {first[1].lines[0]}: {first[0]}" if first else ""))
    return checked


def _fill(
    staging: Staging,
    report: Report,
    records: Iterator[Record | Problem],
    options: Options,
    builder: ItemBuilder | EventBuilder,
    tell: Callable[[int], None],
) -> None:
    for record in records:
        report.read += 1
        if report.read % _TELL_EVERY == 0:
            tell(report.read)
        if isinstance(record, Problem):
            report.bad.setdefault(record.reason, Tally()).add(record.line, record.example)
            continue
        try:
            message = builder.build(options.rule(record) if options.rule else record)
        except BadRecord as bad:
            report.bad.setdefault(str(bad), Tally()).add(record.line, bad.value)
            continue
        except Skip as skip:
            report.skipped.setdefault(str(skip), Tally()).add(record.line, "")
            continue
        key = message.item_id if isinstance(message, Item) else f"{message.user_id}\x1f{message.event_id}"
        loser = staging.put(key, record.line, message.SerializeToString())
        if loser is not None:
            report.duplicates.add(loser, message.item_id)
    tell(report.read)


def _daily(steps: Steps, path: Path, options: Options, user: Source, now_ms: int) -> Moments:
    """Return the times of a file that has only order; a reading of its own counts how many records every user has."""
    # The reading that builds the events reports what is wrong; this one only counts.
    for record in open_table(path, options, Counter()).records:
        try:
            if isinstance(record, Record):
                values = (options.rule(record) if options.rule else record).values
                steps.add(identifier(user(values), "user_id"))
        except (BadRecord, Skip):
            continue
    end = options.until or datetime.fromtimestamp(now_ms / 1000, UTC).date()
    end_ms = int(datetime(end.year, end.month, end.day, tzinfo=UTC).timestamp() * 1000)

    def moments(user_id: str) -> tuple[int, str]:
        step, total = steps.take(user_id)
        # Its number, not its time, names the event: importing again with another last day changes nothing.
        return end_ms - (total - step) * _DAY_MS, f"step {step}"

    return moments


def _check_options(kind: Kind, options: Options) -> None:
    low, high = options.rating_scale
    if not low < high:
        raise FileRefused(f"--rating-scale {low:g}:{high:g}: the first number must be below the second")
    if not 0 <= options.max_bad <= 1:
        raise FileRefused(f"--max-bad: must be a share of 0–100 %, not {options.max_bad:.1%}")
    if options.delimiter and len(options.delimiter) != 1:
        raise FileRefused(f"--delimiter {options.delimiter!r}: must be one character")
    if kind == "items" and (options.type or options.order_only):
        raise FileRefused("--type and --order-only are for events")
    try:
        "".encode(options.encoding or "utf-8")
        ZoneInfo(options.timezone)
    except LookupError as error:
        raise FileRefused(f"--encoding or --timezone: {error}") from error


def _require(kind: Kind, sources: dict[str, Source], options: Options, columns: tuple[str, ...]) -> None:
    """Raise FileRefused when a field without which no record can be good has no column."""
    if kind == "items":
        needed = [("item_id",), ("title", "description")]
    else:
        needed = [("user_id",), ("item_id", "text")]
        if not options.type and "type" not in sources:
            raise FileRefused(
                f"no column for type among {', '.join(columns)}; add --map type=COLUMN or --type purchase"
            )
        if options.order_only:
            sources.pop("occurred_at", None)
        elif "occurred_at" not in sources:
            raise FileRefused(
                f"no column for occurred_at among {', '.join(columns)}; add --map occurred_at=COLUMN, or --order-only "
                "when the file has its events in order but no times"
            )
        if options.type:
            sources.pop("type", None)
    for fields in needed:
        if not any(field in sources for field in fields):
            raise FileRefused(
                f"no column for {' or '.join(fields)} among {', '.join(columns)}; add --map {fields[0]}=COLUMN"
            )

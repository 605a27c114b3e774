"""``penchant import items|events FILE``: options in, exit code out; the work is in ``importing``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from penchant import Tls
from penchant.channel import DEFAULT_TARGET
from rich.console import Console

from penchant_cli.connection import ApiKey, Ca, Cert, CertKey, Encrypted, Target, tls_of
from penchant_cli.importing.checking import Kind
from penchant_cli.importing.errors import FileRefused
from penchant_cli.importing.job import EXIT_REFUSED, Job, run
from penchant_cli.importing.options import Options
from penchant_cli.importing.presets import PRESETS, preset
from penchant_cli.importing.sink import open_sink

app = typer.Typer(
    help="Import items or events from CSV, TSV, JSON Lines, Parquet or sequence files.", no_args_is_help=True
)

_READING, _MEANING, _CHECKING, _SENDING = "Reading", "Meaning of columns", "Checking", "Sending"
_STATE = Path("~/.local/state/penchant/import")

File = Annotated[Path, typer.Argument(help="The file; .gz and single-file .zip are unpacked on the way.")]
PresetName = Annotated[str, typer.Option("--preset", help=f"Settings for a known data set: {', '.join(PRESETS)}.")]
Format = Annotated[
    str,
    typer.Option(
        "--format", help="csv, tsv, jsonl, parquet or sequence; by default by name.", rich_help_panel=_READING
    ),
]
Encoding = Annotated[
    str, typer.Option(help="By default UTF-8, other lines as gb18030 or cp1252.", rich_help_panel=_READING)
]
Delimiter = Annotated[str, typer.Option(help="By default the best of , ; tab |.", rich_help_panel=_READING)]
Header = Annotated[bool, typer.Option(help="Without one, columns are called 1, 2, 3 …", rich_help_panel=_READING)]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=COLUMN",
        help="Repeatable. COLUMN may be a+b (joined) or =words (a constant); nothing: leave the field empty.",
        rich_help_panel=_MEANING,
    ),
]
Type = Annotated[
    str, typer.Option("--type", help="Type of every event: purchase, view, rate …", rich_help_panel=_MEANING)
]
TimeFormat = Annotated[
    str, typer.Option(help="As in strptime; by default unix time, ISO 8601 and others.", rich_help_panel=_MEANING)
]
Timezone = Annotated[str, typer.Option(help="Zone of times that name none.", rich_help_panel=_MEANING)]
OrderOnly = Annotated[
    bool, typer.Option("--order-only", help="No times, only order: one event a day.", rich_help_panel=_MEANING)
]
Until = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Last day with --order-only; today by default.", rich_help_panel=_MEANING),
]
RatingScale = Annotated[str, typer.Option(metavar="MIN:MAX", help="Mapped onto 0–5.", rich_help_panel=_MEANING)]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="FOLDER",
        help="Add pictures: FOLDER/ITEM_ID.jpg (png, webp …) and those in FOLDER/ITEM_ID/, made small.",
        rich_help_panel=_MEANING,
    ),
]
Truncate = Annotated[bool, typer.Option("--truncate", help="Cut words that are too long.", rich_help_panel=_CHECKING)]
MaxBad = Annotated[
    str, typer.Option(help="With more bad records than this, nothing is sent.", rich_help_panel=_CHECKING)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, send nothing.", rich_help_panel=_CHECKING)]
ReportFile = Annotated[
    Path | None, typer.Option("--report", help="Write the report as JSON.", rich_help_panel=_CHECKING)
]
State = Annotated[Path, typer.Option(help="Where progress is kept.", rich_help_panel=_SENDING)]
Restart = Annotated[bool, typer.Option("--restart", help="Ignore earlier progress.", rich_help_panel=_SENDING)]


@app.command()
def items(
    file: File,
    preset_name: PresetName = "",
    file_format: Format = "",
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    header: Header = True,
    columns: Map = None,
    images: Images = None,
    truncate: Truncate = False,
    max_bad: MaxBad = "5%",
    dry_run: DryRun = False,
    report: ReportFile = None,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = "",
    tls: Encrypted = False,
    ca: Ca = None,
    cert: Cert = None,
    key: CertKey = None,
    state: State = _STATE,
    restart: Restart = False,
) -> None:
    """Add or replace items: item_id, and title or description; categories, price, attributes.NAME, unavailable."""
    said = Options(file_format, encoding, delimiter, header, truncate=truncate, images=images)
    with told():
        options = options_for("items", preset_name, said, columns, max_bad)
    _import(
        Job("items", file, options, target, state.expanduser(), restart, dry_run, report),
        tls_of(tls, ca, cert, key),
        api_key,
    )


@app.command()
def events(
    file: File,
    preset_name: PresetName = "",
    file_format: Format = "",
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    header: Header = True,
    columns: Map = None,
    event_type: Type = "",
    rating_scale: RatingScale = "0:5",
    time_format: TimeFormat = "",
    timezone: Timezone = "UTC",
    order_only: OrderOnly = False,
    until: Until = None,
    truncate: Truncate = False,
    max_bad: MaxBad = "5%",
    dry_run: DryRun = False,
    report: ReportFile = None,
    target: Target = DEFAULT_TARGET,
    api_key: ApiKey = "",
    tls: Encrypted = False,
    ca: Ca = None,
    cert: Cert = None,
    key: CertKey = None,
    state: State = _STATE,
    restart: Restart = False,
) -> None:
    """Record events: user_id, item_id or text, type, occurred_at; value, surface, event_id."""
    with told():
        said = Options(
            file_format,
            encoding,
            delimiter,
            header,
            type=event_type,
            rating_scale=scale_of(rating_scale),
            truncate=truncate,
            order_only=order_only,
            until=until.date() if until else None,
            time_format=time_format,
            timezone=timezone,
        )
        options = options_for("events", preset_name, said, columns, max_bad)
    _import(
        Job("events", file, options, target, state.expanduser(), restart, dry_run, report),
        tls_of(tls, ca, cert, key),
        api_key,
    )


def options_for(kind: Kind, preset_name: str, said: Options, columns: list[str] | None, max_bad: str) -> Options:
    """Return the preset's options with what was *said* on the command line put over them."""
    base = preset(preset_name).options(kind) if preset_name else Options()
    plain = Options()
    changed = {f.name: getattr(said, f.name) for f in fields(said) if getattr(said, f.name) != getattr(plain, f.name)}
    mapped = dict(base.columns) | dict(_pair(text) for text in columns or ())
    return replace(base, **changed, columns=tuple(mapped.items()), max_bad=_share(max_bad))


def _pair(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    if not equals:
        raise FileRefused(f"--map {text}: must be FIELD=COLUMN")
    return field.strip(), column.strip()


def scale_of(text: str) -> tuple[float, float]:
    """Return MIN:MAX as numbers. Raises FileRefused."""
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError as error:
        raise FileRefused(f"--rating-scale {text}: must be MIN:MAX, for example 1:10") from error


def _share(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise FileRefused(f"--max-bad {text}: must be a percentage such as 5%") from error


@contextmanager
def told() -> Iterator[None]:
    """Tell what is wrong with the options in one line."""
    try:
        yield
    except FileRefused as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_REFUSED) from error


def _import(job: Job, tls: bool | Tls, api_key: str) -> None:
    raise typer.Exit(run(job, lambda: open_sink(job.target, tls, api_key), Console()))

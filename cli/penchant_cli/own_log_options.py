"""Options that name a log of one's own, shared by the commands that measure and learn."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from penchant_core.errors import InvalidSetting
from rich.console import Console

from penchant_cli.importing.presets import PRESETS
from penchant_cli.options import with_options

if TYPE_CHECKING:
    from penchant_relevance.log import Log
    from penchant_relevance.plans import Plan

    from penchant_cli.own_log import LogFiles

_OWN = "Your own log"

ItemsFile = Annotated[Path | None, typer.Option("--items", help="File of items.", rich_help_panel=_OWN)]
EventsFile = Annotated[Path | None, typer.Option("--events", help="File of events.", rich_help_panel=_OWN)]
PresetName = Annotated[
    str, typer.Option("--preset", help=f"Settings for known files: {', '.join(PRESETS)}.", rich_help_panel=_OWN)
]
ItemsMap = Annotated[
    list[str] | None,
    typer.Option(
        "--map-items",
        metavar="FIELD=COLUMN",
        help="Repeatable; as --map of `penchant import items`.",
        rich_help_panel=_OWN,
    ),
]
EventsMap = Annotated[
    list[str] | None,
    typer.Option(
        "--map-events",
        metavar="FIELD=COLUMN",
        help="Repeatable; as --map of `penchant import events`.",
        rich_help_panel=_OWN,
    ),
]
EventType = Annotated[
    str, typer.Option("--type", help="Type of every event: purchase, view, rate …", rich_help_panel=_OWN)
]
RatingScale = Annotated[str, typer.Option(metavar="MIN:MAX", help="Mapped onto 0–5.", rich_help_panel=_OWN)]
TimeFormat = Annotated[
    str, typer.Option(help="As in strptime; by default unix time, ISO 8601 and others.", rich_help_panel=_OWN)
]
OrderOnly = Annotated[
    bool,
    typer.Option("--order-only", help="No times, only order: the last item is asked for.", rich_help_panel=_OWN),
]
Encoder = Annotated[str, typer.Option(help="Model that reads the words: builtin: or hf:NAME_OR_FOLDER.")]


@dataclass(frozen=True, slots=True)
class OwnLog:
    """What was said of a log of one's own."""

    items: Path | None
    events: Path | None
    preset: str
    items_map: list[str] | None
    events_map: list[str] | None
    event_type: str
    rating_scale: str
    time_format: str
    order_only: bool

    def files(self) -> "LogFiles":
        """Return where the log stands and how to read it. Raises ``InvalidSetting``."""
        from penchant_cli.import_command import options_for, scale_of  # noqa: PLC0415 with what they import
        from penchant_cli.importing.options import Options  # noqa: PLC0415
        from penchant_cli.own_log import LogFiles, named  # noqa: PLC0415

        if self.items is None or self.events is None:
            missing = "--items" if self.items is None else "--events"
            raise InvalidSetting(f"a log is two files: {missing} FILE is missing", field="log")
        with named("items"):
            items_options = options_for("items", self.preset, Options(), self.items_map, "5%")
        with named("events"):
            said = Options(
                type=self.event_type,
                rating_scale=scale_of(self.rating_scale),
                time_format=self.time_format,
                order_only=self.order_only,
            )
            events_options = options_for("events", self.preset, said, self.events_map, "5%")
        return LogFiles(self.items, self.events, items_options, events_options)


def _own_log(
    items: ItemsFile = None,
    events: EventsFile = None,
    preset: PresetName = "",
    items_map: ItemsMap = None,
    events_map: EventsMap = None,
    event_type: EventType = "",
    rating_scale: RatingScale = "0:5",
    time_format: TimeFormat = "",
    order_only: OrderOnly = False,
) -> AbstractContextManager[OwnLog]:
    return nullcontext(
        OwnLog(items, events, preset, items_map, events_map, event_type, rating_scale, time_format, order_only)
    )


def reading_log(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a log of one's own, and what they say, which it takes first."""
    return with_options(_own_log, command, first=True)


def public_log(name: str, folder: Path | None) -> tuple["Log", "Plan"]:
    """Return a public data set and how it is asked. Raises ``InvalidSetting``."""
    from penchant_bench.quality import datasets  # noqa: PLC0415 the command line starts without it

    return datasets.load(name, datasets.data_folder(folder)), datasets.PLANS[name]


def tell(words: str, style: str | None = None) -> None:
    """Say something beside the results."""
    # What a file holds is no markup, and a message that is cut into lines cannot be searched for.
    Console(stderr=True).print(words, style=style, markup=False, highlight=False, soft_wrap=True)


def writable(**files: Path | None) -> None:
    """Look, before the minutes that measuring takes, whether files can be written. Raises ``InvalidSetting``."""
    for option, path in files.items():
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSetting(f"{path} cannot be written: {error.strerror}", field=option) from error
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise InvalidSetting(f"{path} cannot be written; name a file in a folder of yours", field=option)


def writable_folder(out: Path | None) -> None:
    """Look whether a folder can be written, without making it: it may never be. Raises ``InvalidSetting``."""
    if out is None:
        return
    there = next(path for path in (out.resolve(), *out.resolve().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InvalidSetting(f"{out} cannot be written; name a folder of yours", field="out")

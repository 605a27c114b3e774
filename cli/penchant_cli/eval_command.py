"""``penchant eval``: how good the recommendations are, on a log of your own or public data, beside simple baselines."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from penchant_core.errors import InvalidSetting, PenchantError
from rich.console import Console

from penchant_cli.own_log_options import (
    Encoder,
    OwnLog,
    reading_log,
    tell,
    writable,
)

_PUBLIC, _HOW, _OUT = "Public data sets", "How it is measured", "Results"


class Through(StrEnum):
    """Where the lists come from."""

    OFFLINE = "offline"
    SERVICE = "service"


EXPLORED_OF_ALL = 0.1
"""Share of places that is explored beside the rest with ``--all``."""


class Protocol(StrEnum):
    """How a log is asked."""

    REPLAY = "replay"
    LAST_ITEM = "last-item"


@reading_log
def eval_command(
    own: OwnLog,
    name: Annotated[
        str,
        typer.Argument(
            help="A public data set: amazon_beauty, movielens_small, online_retail, instrument_reviews, lastfm_friends "
            "or shopping_reviews_zh.",
            show_default=False,
        ),
    ] = "",
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="replay: by time, asked before each event, which is learnt then. last-item: the last of every user.",
            rich_help_panel=_HOW,
        ),
    ] = Protocol.REPLAY,
    most: Annotated[
        int, typer.Option(min=50, help="Asks of an own log; of more, every n-th is asked.", rich_help_panel=_HOW)
    ] = 5_000,
    through: Annotated[
        Through,
        typer.Option(
            help="offline: the exact score, in memory. service: also gRPC in, gRPC out.", rich_help_panel=_HOW
        ),
    ] = Through.OFFLINE,
    encoder: Encoder = "builtin:",
    with_ease: Annotated[
        bool, typer.Option("--with-ease", help="EASE too: minutes, and memory for items².", rich_help_panel=_HOW)
    ] = False,
    with_sasrec: Annotated[
        bool,
        typer.Option(
            "--with-sasrec", help=r"SASRec too, trained: many minutes, penchant\[torch].", rich_help_panel=_HOW
        ),
    ] = False,
    with_sequence: Annotated[
        bool,
        typer.Option(
            "--with-sequence",
            help=r"The score with a sequence model too, trained: minutes, penchant\[torch].",
            rich_help_panel=_HOW,
        ),
    ] = False,
    with_together: Annotated[
        bool,
        typer.Option(
            "--with-together",
            help="The score with weights between items too, fitted: minutes, memory for items².",
            rich_help_panel=_HOW,
        ),
    ] = False,
    explore: Annotated[
        float,
        typer.Option(
            min=0.0, max=0.5, metavar="SHARE", help="Also with this share of places explored.", rich_help_panel=_HOW
        ),
    ] = 0.0,
    explanations: Annotated[
        bool,
        typer.Option(
            "--explanations",
            help="Also whether what explanations name is what costs most when left out.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    late: Annotated[
        bool,
        typer.Option("--late", help="Also with all learnt 30 s, 1 h, 1 day late, or never.", rich_help_panel=_HOW),
    ] = False,
    cold_start: Annotated[
        bool,
        typer.Option(
            "--cold-start",
            help="Also with no more than the newest 0, 1, 2, 5, 10 events of who asks.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    interests: Annotated[
        bool,
        typer.Option(
            "--interests",
            help="Also with one interest instead of several, of users made of two and of real ones.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    validation: Annotated[
        bool,
        typer.Option("--validation", help="Ask for the targets on which settings are chosen.", rich_help_panel=_HOW),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that holds the public sets; else PENCHANT_TEST_DATA, else ../shared/data.",
            rich_help_panel=_PUBLIC,
        ),
    ] = None,
    all_sets: Annotated[
        bool,
        typer.Option(
            "--all", help="All public sets, all baselines, figures to bench/results/.", rich_help_panel=_PUBLIC
        ),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="File to write the figures to.", rich_help_panel=_OUT)] = None,
    html: Annotated[Path | None, typer.Option(help="File to write a report to.", rich_help_panel=_OUT)] = None,
) -> None:
    """Measure recommendation quality, on a log of your own or on a public data set, beside simple baselines.

    penchant eval --items items.csv --events purchases.csv --type purchase --html report.html

    Settings are those of `penchant up`: PENCHANT_SCORING__…, PENCHANT_COVISITATION__…, PENCHANT_CONFIG. Files are read
    as `penchant import` reads them.
    """
    from penchant_bench.quality import studies  # noqa: PLC0415
    from penchant_bench.quality.evaluation import Evaluation  # noqa: PLC0415 the command line starts without it
    from penchant_relevance.plans import Plan  # noqa: PLC0415

    beside = (with_ease or all_sets, with_sasrec or all_sets)
    learnt = (late or all_sets, with_sequence or all_sets, with_together or all_sets)
    besides = (cold_start or all_sets, interests or all_sets)
    tried = (explore or (EXPLORED_OF_ALL if all_sets else 0.0), explanations or all_sets)
    wanted = Evaluation(encoder, through is Through.SERVICE, *beside, validation, *learnt, *besides, *tried)
    try:
        writable(json=json, html=html)
        if own.items is not None or own.events is not None:
            if name or all_sets:
                raise InvalidSetting("give a public data set or files of your own, not both", field="name")
            files = own.files()
            last = files.order_only or protocol is Protocol.LAST_ITEM
            plan = Plan("last item" if last else "replay", most=most)
            _tell(wanted.run(files.read(tell), plan, Console(stderr=True)), json, html)
        elif all_sets:
            if name or json or html:
                raise InvalidSetting("takes no name, --json or --html: figures go to bench/results/", field="all")
            for each in studies.public_sets():
                to = Path("bench/results") / f"quality-{each}.json"
                _tell(wanted.of_public(each, data, Console(stderr=True)), to, None)
        elif name:
            if name in studies.STUDIES and (html or wanted.more_than_offline):
                only = "is measured offline only: leave out --html, --through and what else may be measured besides"
                raise InvalidSetting(f"{name} {only}", field="name")
            _tell(wanted.of_public(name, data, Console(stderr=True)), json, html)
        else:
            raise InvalidSetting(
                "name a public data set, or give --items FILE and --events FILE of your own", field="name"
            )
    except PenchantError as error:
        tell(str(error), "red")
        raise typer.Exit(2) from error


def _tell(found: dict[str, Any], json: Path | None, html: Path | None) -> None:
    from penchant_bench import figures  # noqa: PLC0415
    from penchant_bench.quality.evaluation import cold_table, table  # noqa: PLC0415

    for variant, models in found["figures"].items():
        Console().print(table(f"{found['name']}, {variant}", models))
    if "cold_start" in found:
        Console().print(cold_table(found["name"], found["cold_start"]))
    for group, models in found.get("interests", {"figures": {}})["figures"].items():
        Console().print(table(f"{found['name']}, {group}", models))
    if json is not None:
        figures.write(json, found)
        tell(f"Figures: {json}")
    if html is not None:
        from penchant_relevance.report import write  # noqa: PLC0415

        write(html, found)
        tell(f"Report: {html}")

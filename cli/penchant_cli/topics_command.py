"""``penchant topics create|check``: the topics made, and compared with how they must be."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from penchant_adapters.kafka import topics
from rich.console import Console
from rich.table import Table

from penchant_cli.neighbourly import EXIT_DIFFERENT, asked

app = typer.Typer(
    help="Make Kafka's topics, or check them. Exit code 1: something differs; 2: it could not be found out.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(as_json: AsJson = False) -> None:
    """Make the topics that are missing.

    Names, partitions, copies and retention are settings (PENCHANT_KAFKA__TOPIC_PREFIX, __PARTITIONS, __REPLICATION,
    __RETENTION_DAYS; see `penchant config`). Choose the partitions well: they bound how many consumers can share the
    work, and cannot be changed later. Topics that are there are left as they are; how they differ is told.
    """
    made, differences = asked(topics.create, patient=True)
    if as_json:
        print(json.dumps({"made": made, "differences": [asdict(one) for one in differences]}))
    else:
        console = Console()
        for name in made:
            console.print(f"made {name}", highlight=False)
        _show(console, differences, "All topics are as they must be.")
    raise typer.Exit(EXIT_DIFFERENT if differences else 0)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Compare the topics with how they must be, and say what to do about each difference. Changes nothing."""
    differences = asked(topics.check)
    if as_json:
        print(json.dumps({"differences": [asdict(one) for one in differences]}))
    else:
        _show(Console(), differences, "All topics are as they must be.")
    raise typer.Exit(EXIT_DIFFERENT if differences else 0)


def _show(console: Console, differences: Sequence[topics.Difference], fine: str) -> None:
    if not differences:
        console.print(fine, style="green")
        return
    table = Table("topic", "what", "wanted", "found", "what to do", title="differences", highlight=False)
    for one in differences:
        table.add_row(one.topic, one.what, one.wanted, one.found, one.advice)
    console.print(table)

"""``penchant copy``: a store moved to another engine or place."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from penchant_core.errors import PenchantError
from rich.console import Console

from penchant_cli.bars import bars

FAILED = 2


def copy_command(
    source: Annotated[str, typer.Argument(help="Store to read: edge:///DATA_DIR or qdrant://HOST:PORT/PREFIX.")],
    target: Annotated[str, typer.Argument(help="Store to make: edge:///DATA_DIR or qdrant://HOST:PORT/PREFIX.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the store that is there; needs --yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, what is in the target may be lost.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Copy a whole store: users, items, counts and the model's name.

    Stop whoever writes first: `penchant up` on an embedded store, the consumers on Qdrant; servers may go on. The
    target comes into place whole at the end; what was interrupted can be run again.

    An embedded store knows no log. On Qdrant its copy has learnt nothing of any log yet, so the topic of events that
    consumers then read must be new, or hold only events that are not in the store: older ones would be counted again.
    Copied from Qdrant into a directory, the offsets are left behind. Copied to the same kind of store all is kept, and
    learning goes on where it stood.

    Without a prefix, a qdrant:// URL means PENCHANT_QDRANT__PREFIX; key and certificates are settings too.
    """
    from penchant_adapters.copying import copy, place_of  # noqa: PLC0415 slow to import and not always installed
    from penchant_adapters.settings import Settings  # noqa: PLC0415

    console = Console(stderr=True)
    if replace and not yes:
        console.print(f"[red]--replace deletes the store in {target}; add --yes if that is meant.[/]", highlight=False)
        raise typer.Exit(FAILED)
    try:
        settings = Settings.read()
        places = place_of(source, settings.qdrant), place_of(target, settings.qdrant)
        with bars(console) as watch:
            copied = asyncio.run(copy(*places, settings, watch, replacing=replace))
    except PenchantError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as asked:
        console.print("Interrupted: the target is as it was. Run it again to copy.", highlight=False)
        raise typer.Exit(130) from asked
    if as_json:
        print(json.dumps(asdict(copied)))
        return
    Console().print(
        f"[green]Copied[/] {copied.users:,} users with {copied.events:,} events and {copied.items:,} items "
        f"(and counts of {copied.removed_items:,} more) in {copied.seconds:,.1f} s; made with {copied.model}",
        highlight=False,
    )

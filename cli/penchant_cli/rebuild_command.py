"""``penchant rebuild``: the store made anew from the log, while serving goes on."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from penchant_core.errors import PenchantError
from rich.console import Console

from penchant_cli.bars import bars
from penchant_cli.neighbourly import leave_output_to_the_answer

FAILED = 2


def rebuild_command(
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Fail where there are consumers, instead of waiting until they are gone.")
    ] = False,
    keep_old: Annotated[bool, typer.Option("--keep-old", help="Keep the collections that were in use.")] = False,
    from_what_is_left: Annotated[
        bool, typer.Option("--from-what-is-left", help="Go on though the first events are deleted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Make the store anew from the whole log, then switch to it in one step. Servers go on answering.

    For another model, other settings of co-visitation, or a store that was lost: set what is new and run it. It reads
    all items and events into new collections and follows the log. When it says so, stop the consumers; when it has
    ended, start them again, with the new settings. With another model, restart the servers too.

    Interrupted, it has changed nothing; run it again and it begins anew.
    """
    from penchant_adapters.settings import Settings  # noqa: PLC0415 slow to import and not always installed
    from penchant_consumers.rebuild import Choice, rebuild  # noqa: PLC0415

    console = Console(stderr=True)
    leave_output_to_the_answer()

    def say(sentence: str) -> None:
        console.print(sentence, style="yellow", markup=False, highlight=False, soft_wrap=True)

    try:
        settings = Settings.read()
        choice = Choice(wait=not no_wait, keep_old=keep_old, from_what_is_left=from_what_is_left)
        with bars(console) as watch:
            made = asyncio.run(rebuild(settings, choice, watch, say))
    except PenchantError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as asked:
        console.print("Interrupted: nothing has changed. Run it again to rebuild.", highlight=False)
        raise typer.Exit(130) from asked
    if as_json:
        print(json.dumps(asdict(made)))
        return
    Console().print(
        f"[green]Rebuilt[/] from {made.items:,} records of items and {made.events:,} of events "
        f"({made.passed_over:,} passed over) in {made.seconds:,.1f} s. Start the consumers again.",
        highlight=False,
    )

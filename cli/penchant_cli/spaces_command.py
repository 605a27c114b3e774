"""``penchant spaces``: whose vectors a cluster's store has."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Annotated, Any

import typer
from penchant_core.errors import PenchantError
from rich.console import Console
from rich.table import Table

FAILED = 2

app = typer.Typer(
    help="""Show the encoders whose vectors a cluster's store has, and delete those of one.

    Consumers make and fill them: PENCHANT_ENCODERS_BESIDE='["hf:NAME"]' beside PENCHANT_ENCODER. Servers answer by the
    encoder of their setting once it is whole. Settings: PENCHANT_STORE, PENCHANT_QDRANT__PREFIX.
    """,
    no_args_is_help=True,
)


@app.command("list")
def list_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the spaces, the one that the store was made with first."""
    from penchant_adapters.qdrant.spaces import There  # noqa: PLC0415 slow to import and not always installed

    async def found() -> list[There]:
        async with _opened() as spaces:
            return list((await spaces.there()).values())

    there = _told(found())
    if as_json:
        print(json.dumps([{"model": one.model, "dimensions": one.dim, "whole": one.whole} for one in there]))
        return
    table = Table("model", "numbers", "state", box=None, pad_edge=False)
    for one in there:
        table.add_row(one.model, str(one.dim), "whole" if one.whole else "not every item has its vector")
    Console().print(table, highlight=False)


@app.command("remove")
def remove_command(model: Annotated[str, typer.Argument(help="A model, as `penchant spaces list` shows it.")]) -> None:
    """Delete the vectors of an encoder that no consumer writes any more."""

    async def removed() -> None:
        async with _opened() as spaces:
            await spaces.remove(model)

    _told(removed())
    Console().print(f"Removed {model} and its vectors.", highlight=False, soft_wrap=True)


def _opened() -> Any:
    from penchant_adapters.qdrant.store import opened_spaces  # noqa: PLC0415
    from penchant_adapters.settings import Settings  # noqa: PLC0415

    settings = Settings.read()
    return opened_spaces(settings.store, settings.qdrant)


def _told(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return asyncio.run(work)
    except PenchantError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED) from error

"""``penchant eval``: how good the recommendations are, in a table and as figures for ``bench/RESULTS.md``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from penchant_core.errors import PenchantError
from rich.console import Console


class Through(StrEnum):
    """Where the lists come from."""

    OFFLINE = "offline"
    SERVICE = "service"


def eval_command(
    name: Annotated[str, typer.Argument(help="Data set: amazon_beauty, movielens_small or online_retail.")],
    through: Annotated[
        Through, typer.Option(help="offline: the exact score, in memory. service: also gRPC in, gRPC out.")
    ] = Through.OFFLINE,
    data: Annotated[
        Path | None, typer.Option(help="Folder that holds the data sets; else PENCHANT_TEST_DATA, else ../shared/data.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="File to write the figures to.")] = None,
    encoder: Annotated[str, typer.Option(help="Model that reads the items: builtin: or hf:NAME_OR_PATH.")] = "builtin:",
    with_ease: Annotated[bool, typer.Option("--with-ease", help="EASE too: minutes, and memory for items².")] = False,
    validation: Annotated[
        bool, typer.Option("--validation", help="Ask for the targets on which settings are chosen.")
    ] = False,
) -> None:
    """Measure recommendation quality on a data set, with the settings of this installation, beside simple baselines.

    Settings are those of `penchant up`: PENCHANT_SCORING__…, PENCHANT_COVISITATION__…, PENCHANT_CONFIG.
    """
    from penchant_bench import figures  # noqa: PLC0415 the command line starts without what measurements need
    from penchant_bench.quality.evaluation import Evaluation, table  # noqa: PLC0415

    console = Console(stderr=True)
    try:
        wanted = Evaluation(name, data, encoder, through is Through.SERVICE, with_ease, validation)
        found = wanted.run(console)
    except PenchantError as error:
        console.print(f"[red]{error}[/]", highlight=False)
        raise typer.Exit(2) from error
    for variant, models in found["figures"].items():
        Console().print(table(f"{name}, {variant}", models))
    if json is not None:
        figures.write(json, found)
        console.print(f"Figures: {json}. To render bench/RESULTS.md: python -m penchant_bench.report")


if __name__ == "__main__":
    typer.run(eval_command)

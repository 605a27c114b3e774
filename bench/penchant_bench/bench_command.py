"""``penchant bench``: how fast the service is, in a table and as figures for ``bench/RESULTS.md``."""

import asyncio
import os
import time
from collections.abc import Coroutine
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from penchant_bench import figures
from penchant_bench.speed.figure import Figures, Options
from penchant_bench.speed.report import cells

ALONE = ("freshness", "recommend", "ingest", "stall", "footprint", "startup", "growth", "encoder", "encoding", "cost")
CLUSTER = ("log", "push", "catchup", "servers", "cluster_footprint")
"""These need Java and Maven, for the broker."""
NAMES = (*ALONE, "clients", *CLUSTER)


def bench_command(
    name: Annotated[str, typer.Argument(help=f"Measurement: {', '.join(NAMES)}, or all.")],
    json: Annotated[
        Path | None, typer.Option(help="File to write the figures to, or a folder for a file of each measurement.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=100, help="Items of the catalogue, instead of the usual.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, max=600.0, help="Seconds of each timed part, instead of the usual.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small and short: shows that it works, not how fast.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="SVG file for the curves of growth and catchup, or a folder for a file of each."),
    ] = None,
    hourly: Annotated[
        float, typer.Option(min=0.0, help="Price of a core for an hour, in your currency; for cost.")
    ] = 0.05,
) -> None:
    """Measure the speed of the service, a process of its own, beside what its bare parts take on this machine.

    Prepared catalogues are kept in ~/.cache/penchant/bench. Leave the machine alone meanwhile.
    """
    if name not in (*NAMES, "all"):
        raise typer.BadParameter(f"{name!r} is none of {', '.join(NAMES)}, all", param_hint="NAME")
    for chosen in NAMES if name == "all" else (name,):
        picture = _file(plot, f"{chosen}.svg", several=name == "all")
        options = Options(items, seconds, quick, picture, hourly)
        load, begin = os.getloadavg()[0], time.perf_counter()
        # Imported when used: some need what others do not, matplotlib for one.
        measurement = import_module(f"penchant_bench.speed.{chosen}")
        found = _run(measurement.measure(options))
        took = round(time.perf_counter() - begin, 1)
        Console().print(_table(chosen, found, took))
        settings = {"items": items, "seconds": seconds, "quick": quick, "load_before": round(load, 1)}
        settings |= {"took_seconds": took, "hourly": hourly}
        if hasattr(measurement, "note"):
            settings["note"] = measurement.note()
        if (path := _file(json, f"speed-{chosen}.json", several=name == "all")) is not None:
            laid_out = {label: figure.as_json() for label, figure in found.items()}
            figures.write(path, figures.document(chosen, "speed", settings, laid_out))


def _file(given: Path | None, name: str, *, several: bool) -> Path | None:
    """Return the file to write: the one that was given, or that of a name in a folder that was."""
    return given / name if given is not None and (several or given.is_dir()) else given


def _run(measurement: Coroutine[Any, Any, Figures]) -> Figures:
    # The load should cost as little as it can: it runs on the same machine as what it measures.
    try:
        import uvloop  # noqa: PLC0415 not on Windows
    except ModuleNotFoundError:
        return asyncio.run(measurement)
    return uvloop.run(measurement)


def _table(name: str, found: Figures, took: float) -> Table:
    table = Table(title=f"{name} ({took:g} s)", title_justify="left")
    table.add_column("figure")
    for column in ("value", "limit", "ratio", "aim"):
        table.add_column(column, justify="right")
    for label, figure in found.items():
        style = {True: "green", False: "red", None: None}[figure.reached]
        table.add_row(label, *cells(figure), style=style)
    return table


if __name__ == "__main__":
    typer.run(bench_command)

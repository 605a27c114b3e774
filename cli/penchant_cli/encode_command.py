"""``penchant encode FILE``: vectors of a file's texts, by the encoder of the service."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from penchant_core.errors import InvalidSetting, PenchantError
from rich.console import Console

from penchant_cli.importing.display import progress
from penchant_cli.importing.encoding import SUFFIXES, Rows, encoded
from penchant_cli.importing.options import Options

_READING = "Reading"


def encode_command(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet; .gz and single-file .zip too.")],
    out: Annotated[Path, typer.Option(help="File to write: NAME.parquet (row, id, vector) or NAME.npy (vectors).")],
    text: Annotated[str, typer.Option(help="Column of the text; a+b joins two. By default by its name.")] = "",
    named: Annotated[str, typer.Option("--id", help="Column of the id. By default by its name.")] = "",
    encoder: Annotated[
        str, typer.Option(help="Model that reads the words: builtin: or hf:NAME_OR_FOLDER.")
    ] = "builtin:",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the model; by default its own choice.")] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="csv, tsv, jsonl or parquet; by default by name.", rich_help_panel=_READING)
    ] = "",
    delimiter: Annotated[str, typer.Option(help="By default the best of , ; tab |.", rich_help_panel=_READING)] = "",
    header: Annotated[
        bool, typer.Option(help="Without one, columns are called 1, 2, 3 …", rich_help_panel=_READING)
    ] = True,
) -> None:
    """Turn the texts of a file into unit vectors, one for each row, in its order.

    penchant encode items.csv --text title+description --out vectors.parquet

    What is done is kept beside the output (NAME.parts) until all is: after a stop, the same command goes on.
    """
    console = Console(stderr=True)
    try:
        if out.suffix not in SUFFIXES:
            raise InvalidSetting(f"{out} ends in neither of {' and '.join(SUFFIXES)}", field="out")
        columns = tuple((field, column) for field, column in (("text", text), ("id", named)) if column)
        rows = Rows(file, Options(file_format, "", delimiter, header, columns))
        total, notes = rows.count()
        if not total:
            raise InvalidSetting(f"{file} has no row to encode", field="file")
        asyncio.run(_encoded(rows, total, encoder, threads, device, out, console))
        _tell(console, notes)
        console.print(f"{total:,} vectors: {out}", highlight=False, markup=False)
    except (PenchantError, OSError) as error:
        console.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as stopped:
        console.print("Stopped; the same command goes on.", highlight=False)
        raise typer.Exit(130) from stopped


async def _encoded(
    rows: Rows, total: int, encoder: str, threads: int | None, device: str, out: Path, console: Console
) -> None:
    from penchant_adapters.encoders import open_encoder  # noqa: PLC0415 seconds

    async with open_encoder(encoder, threads=threads, device=device) as opened:
        with progress(console, "encoding", total) as told:
            await encoded(rows, opened, out, told)


def _tell(console: Console, notes: Counter[str]) -> None:
    for reason, count in notes.items():
        console.print(f"{count:,} {reason}", style="yellow", highlight=False, markup=False)

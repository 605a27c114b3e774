"""``penchant compress``: smaller encoders and vectors, what each costs in relevance, and what it saves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from penchant_core.errors import InvalidSetting
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from penchant_cli.bars import bars
from penchant_cli.learning import chosen_log, ending_in_words, settings_of, write_figures
from penchant_cli.own_log_options import Encoder, OwnLog, reading_log, tell, writable, writable_folder

if TYPE_CHECKING:
    from penchant_core.tuning import Tuning
    from penchant_relevance.compressing.comparing import Tried
    from penchant_relevance.compressing.recipes import Recipe
    from penchant_relevance.log import Log
    from penchant_relevance.plans import Plan

_OUT = "Results"
_ROW = 160
"""Characters of a row that nobody's terminal bounds."""
_RECIPES = (
    "Steps joined by +: layers=N (and training to recover), dim=N (the first numbers of a vector), pca=N (those that "
    "matter most), bfloat16 or int8 weights, static (a table of tokens in place of the network), float16, turbo8 or "
    "turbo4 vectors. Repeatable; none: the usual ones."
)


@reading_log
def compress_command(
    own: OwnLog,
    name: Annotated[str, typer.Argument(help="A public data set, instead of files.", show_default=False)] = "",
    encoder: Encoder = "builtin:",
    recipe: Annotated[list[str] | None, typer.Option("--recipe", metavar="STEPS", help=_RECIPES)] = None,
    most: Annotated[
        int, typer.Option("--asks", min=50, help="Asks of a replay; of more, every n-th is asked.")
    ] = 5_000,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of training after layers were left out.")] = 3,
    seed: Annotated[int, typer.Option(help="Draws the same numbers again.")] = 20_260_101,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the model to; needs one --recipe.", rich_help_panel=_OUT)
    ] = None,
    json: Annotated[Path | None, typer.Option(help="File to write the figures to.", rich_help_panel=_OUT)] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds the public sets.")] = None,
) -> None:
    """Try smaller encoders and smaller vectors on a log, and tell what each costs and saves.

    penchant compress --items items.csv --events purchases.csv --type purchase --encoder hf:models/mine

    penchant compress … --encoder hf:models/mine --recipe layers=3+int8+turbo8 --out models/small

    The first compares; the second also writes the model, for PENCHANT_ENCODER=hf:models/small. Rows are measured by the
    asks of the validation window. A service takes another model in
    while it answers: penchant models.
    """
    console = Console(stderr=True)
    with ending_in_words("Stopped; no model was written."):
        writable(json=json)
        writable_folder(out)
        recipes = _recipes(recipe, out)
        log, plan = chosen_log(name, data, most, own)
        tuning = _tuning(log)
        with _room(out) as room:
            rows = _rows(console, log, encoder, recipes, room, epochs, seed)
            figures = _compared(log, plan, tuning, rows)
            _print(_table(log.name, encoder, figures))
            if json is not None:
                write_figures(json, "compress", settings_of(log, encoder, tuning), {"rows": figures})
            if out is not None:
                _keep(room / rows[-1].recipe.model.name, out, encoder, figures[-1])
        _tell_use(rows[-1].recipe, out)


def _recipes(said: Sequence[str] | None, out: Path | None) -> "list[Recipe] | None":
    from penchant_relevance.compressing.recipes import recipe_of  # noqa: PLC0415 the command line starts without it

    found = [recipe_of(each) for each in said or ()]
    if out is not None:
        if len(found) != 1 or not found[0].remakes:
            raise InvalidSetting("to write a model, say which: one --recipe that makes another model", "out")
        if out.exists() and any(out.iterdir()):
            raise InvalidSetting(f"{out} is there and not empty; name another folder", "out")
    return found or None


@contextmanager
def _room(out: Path | None) -> Iterator[Path]:
    """Give a folder for models that are tried, on the disk of the one that is kept."""
    beside = None if out is None else out.resolve().parent
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".compress-", dir=beside) as folder:
        yield Path(folder)


def _rows(
    console: Console, log: "Log", encoder: str, recipes: "list[Recipe] | None", room: Path, epochs: int, seed: int
) -> "list[Tried]":
    from penchant_relevance.compressing.carrying import carry_out  # noqa: PLC0415 as above

    with bars(console) as told:
        return carry_out(log, encoder, recipes, room, epochs=epochs, seed=seed, told=told)


def _tuning(log: "Log") -> "Tuning":
    """Return the service's tuning, before the minutes that trying takes. Raises ``InvalidSetting``."""
    from penchant_adapters.settings import Settings  # noqa: PLC0415 as above
    from penchant_relevance.log import check  # noqa: PLC0415 as above

    tuning = Settings.read().tuning
    check(log, tuning.weights)
    return tuning


def _compared(log: "Log", plan: "Plan", tuning: "Tuning", rows: "list[Tried]") -> list[dict[str, Any]]:
    from penchant_relevance.compressing.comparing import compared  # noqa: PLC0415 as above

    return compared(plan.asks(log, tuning.weights, validation=True), tuning, plan.measures[0], rows)


def _keep(made: Path, out: Path, encoder: str, figures: dict[str, Any]) -> None:
    from penchant_relevance.compressing.card import card  # noqa: PLC0415 as above

    for name, content in card(out.resolve().name, encoder, figures).items():
        (made / name).write_bytes(content)
    if out.exists():
        out.rmdir()
    made.rename(out)


def _table(log: str, encoder: str, rows: Sequence[dict[str, Any]]) -> Table:
    from penchant_relevance.compressing.table import cells, header, measure_of  # noqa: PLC0415 as above

    title = f"{log}: {encoder}, {rows[0]['asks']:,} asks of the validation window"
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in header(measure_of(rows[0])):
        table.add_column(name, justify="left" if name == "recipe" else "right", overflow="fold")
    for row in cells(rows):
        table.add_row(*map(Text, row))
    return table


def _print(table: Table) -> None:
    # In a file there is room for all of a row.
    (Console() if Console().is_terminal else Console(width=_ROW)).print(table)


def _tell_use(recipe: "Recipe", out: Path | None) -> None:
    kept = "" if recipe.vectors == "float32" else f"PENCHANT_ITEM_VECTORS={recipe.vectors} "
    if out is not None:
        tell(f"To use it, on a new store: {kept}PENCHANT_ENCODER=hf:{out} penchant up")
    else:
        tell("To write a model: the same with one --recipe and --out models/NAME")

"""``penchant train together``: fits weights between items on a log, and says whether they are worth having."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from penchant_core.errors import PenchantError
from rich.console import Console

from penchant_cli.learning import bars_on, chosen_log, encoded, settings_of, tell_verdict, verdict_table, write_figures
from penchant_cli.own_log_options import (
    Encoder,
    OwnLog,
    reading_log,
    tell,
    writable,
    writable_folder,
)

if TYPE_CHECKING:
    from penchant_relevance.asks import Asks
    from penchant_relevance.scoring import Content
    from penchant_relevance.together import TogetherChoice

_OUT = "Results"
USELESS = "On users they were not chosen by, the score is no better with these weights: leave them out."


@reading_log
def train_together(
    own: OwnLog,
    name: Annotated[str, typer.Argument(help="A public data set, instead of files.", show_default=False)] = "",
    encoder: Encoder = "builtin:",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to, for example models/together.", rich_help_panel=_OUT)
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Write the weights also where they gain nothing.", rich_help_panel=_OUT)
    ] = False,
    json: Annotated[Path | None, typer.Option(help="File to write the figures to.", rich_help_panel=_OUT)] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds the public sets.")] = None,
) -> None:
    """Fit linear weights between items (EASE) on a log, and write them where they make lists better.

    penchant train together --items items.csv --events purchases.csv --type purchase --out models/together

    They are fitted on what comes before the validation window; one half of the users there chooses the penalty, how
    fast what a user did fades, and how loud they are, the other half judges. Then they are fitted on the whole log.
    A service reads them from the folder that PENCHANT_TOGETHER_MODEL names, on top of what it counts.
    """
    console = Console(stderr=True)
    begun = time.monotonic()
    try:
        writable(json=json)
        writable_folder(out)
        log, plan = chosen_log(name, data, None, own)
        content, tuning, model_name = encoded(console, log, encoder)
        asks = plan.asks(log, tuning.weights, validation=True)
        choice = _chosen(console, asks, content, tuning, plan.measures[0])
        Console().print(verdict_table(log.name, "", _named(choice), choice.verdict))
        described = settings_of(log, model_name, tuning)
        figures = choice.figures() | {"seconds": round(time.monotonic() - begun, 1)}
        if json is not None:
            write_figures(json, "together", described, figures)
        tell_verdict(choice.verdict, USELESS)
        if out is not None and (choice.verdict.better or keep):
            _write(out, asks, choice, described | figures)
    except PenchantError as error:
        tell(str(error), "red")
        raise typer.Exit(2) from error


def _chosen(console: Console, asks: "Asks", content: "Content", tuning: Any, measure: Any) -> "TogetherChoice":
    from penchant_relevance.together import choose  # noqa: PLC0415 the command line starts without it

    with bars_on(console) as shown:
        task = shown.add_task("fitting", total=None)
        return choose(
            asks, content, tuning, measure, lambda done, total: shown.update(task, completed=done, total=total)
        )


def _named(choice: "TogetherChoice") -> str:
    found = choice.settings
    if not found.weight:
        return "no weights are best"
    return f"with weights: λ = {found.penalty:g}, r = {found.rank_decay:g}, δ = {found.weight:g}"


def _write(out: Path, asks: "Asks", choice: "TogetherChoice", figures: dict[str, Any]) -> None:
    import numpy as np  # noqa: PLC0415
    from penchant_adapters.together import write_together_model  # noqa: PLC0415
    from penchant_relevance.together import fitted, frozen  # noqa: PLC0415
    from penchant_relevance.together_card import beside  # noqa: PLC0415

    pairs = fitted(asks, np.arange(len(asks.log)), choice.settings.penalty)
    model = frozen(pairs, out.resolve().name, [item.item_id for item in asks.log.items], choice.settings)
    path = write_together_model(out, model, beside(model.about, pairs.nnz, figures))
    tell(f"Weights: {path}, version {model.about.version}")
    tell(f"To use them: PENCHANT_TOGETHER_MODEL={out} penchant up")

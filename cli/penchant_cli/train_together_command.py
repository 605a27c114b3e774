"""``penchant train together``: fits weights between items on a log, and says whether they are worth having."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from penchant_core.errors import PenchantError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from penchant_cli.learning import bars_on, chosen_log, encoded
from penchant_cli.own_log_options import (
    Encoder,
    EventsFile,
    EventsMap,
    EventType,
    ItemsFile,
    ItemsMap,
    OrderOnly,
    PresetName,
    RatingScale,
    TimeFormat,
    tell,
    writable,
    writable_folder,
)

if TYPE_CHECKING:
    from penchant_relevance.asks import Asks
    from penchant_relevance.scoring import Content
    from penchant_relevance.together import TogetherChoice

_OUT = "Results"


def train_together(
    name: Annotated[str, typer.Argument(help="A public data set, instead of files.", show_default=False)] = "",
    items: ItemsFile = None,
    events: EventsFile = None,
    preset: PresetName = "",
    items_map: ItemsMap = None,
    events_map: EventsMap = None,
    event_type: EventType = "",
    rating_scale: RatingScale = "0:5",
    time_format: TimeFormat = "",
    order_only: OrderOnly = False,
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
    No service reads them yet: `penchant eval --with-together` tells what they would be worth.
    """
    console = Console(stderr=True)
    begun = time.monotonic()
    try:
        writable(json=json)
        writable_folder(out)
        files = (items, events, preset, items_map, events_map, event_type, rating_scale, time_format, order_only)
        log, plan = chosen_log(name, data, None, *files)
        content, tuning, model_name = encoded(console, log, encoder)
        asks = plan.asks(log, tuning.weights, validation=True)
        choice = _chosen(console, asks, content, tuning, plan.measures[0])
        Console().print(_table(log.name, choice))
        settings = {"data": log.name, "encoder": model_name, "tuning": asdict(tuning)}
        settings["log"] = {"events": len(log), "users": len(log.users), "items": len(log.items)}
        figures = choice.figures() | {"seconds": round(time.monotonic() - begun, 1)}
        if json is not None:
            _write_figures(json, log.name, settings, figures)
        if not choice.better:
            tell("On users they were not chosen by, the score is no better with these weights: leave them out.")
        elif not choice.clear:
            tell("The lead may be chance: its interval holds 0. A longer log would tell.")
        if out is not None and (choice.better or keep):
            _write(out, asks, choice, settings | figures)
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


def _table(name: str, choice: "TogetherChoice") -> Table:
    searched, judged = choice.halves
    title = f"{name}: chosen on {searched:,} asks of the validation window, judged on {judged:,}"
    found, lead = choice.settings, choice.lead
    chosen = f"with weights: λ = {found.penalty:g}, r = {found.rank_decay:g}, δ = {found.weight:g}"
    table = Table(title=Text(title), title_justify="left")
    table.add_column("")
    table.add_column(choice.measure, justify="right")
    table.add_row("score there is", f"{choice.default:.4f}")
    table.add_row(chosen if found.weight else "no weights are best", f"{choice.mixed:.4f}", style="bold")
    table.add_row("  lead, 95 % interval", f"{lead['mean']:+.4f} ({lead['low']:+.4f} to {lead['high']:+.4f})")
    return table


def _write_figures(path: Path, name: str, settings: dict[str, Any], figures: dict[str, Any]) -> None:
    from penchant_bench import figures as files  # noqa: PLC0415

    files.write(path, files.document(name, "together", settings, figures))
    tell(f"Figures: {path}")


def _write(out: Path, asks: "Asks", choice: "TogetherChoice", figures: dict[str, Any]) -> None:
    import json  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415
    from penchant_adapters.together import write_together_model  # noqa: PLC0415
    from penchant_relevance.together import fitted, frozen  # noqa: PLC0415

    pairs = fitted(asks, np.arange(len(asks.log)), choice.settings.penalty)
    model = frozen(pairs, out.resolve().name, [item.item_id for item in asks.log.items], choice.settings)
    beside = {"figures.json": json.dumps(figures, indent=2, ensure_ascii=False).encode()}
    path = write_together_model(out, model, beside)
    tell(f"Weights: {path}, version {model.about.version}")

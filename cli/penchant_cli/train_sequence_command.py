"""``penchant train sequence``: learns what comes after what a user liked, and says whether that is worth having."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from penchant_core.errors import InvalidSetting
from rich.console import Console

from penchant_cli.learning import (
    bars_on,
    chosen_log,
    encoded,
    ending_in_words,
    settings_of,
    tell_verdict,
    verdict_table,
    write_figures,
)
from penchant_cli.own_log_options import (
    Encoder,
    OwnLog,
    reading_log,
    tell,
    writable,
    writable_folder,
)

if TYPE_CHECKING:
    from penchant_core.sequence import SequenceModel
    from penchant_relevance.asks import Asks
    from penchant_relevance.scoring import Content
    from penchant_relevance.sequence_choice import SequenceChoice

_TRAINING, _OUT = "Training", "Results"
USELESS = "On users it was not chosen by, the score is no better with the model: leave it out."


@reading_log
def train_sequence(
    own: OwnLog,
    name: Annotated[str, typer.Argument(help="A public data set, instead of files.", show_default=False)] = "",
    encoder: Encoder = "builtin:",
    width: Annotated[
        int, typer.Option(min=8, max=1024, help="Numbers of an embedding.", rich_help_panel=_TRAINING)
    ] = 128,
    blocks: Annotated[int, typer.Option(min=1, max=12, help="Blocks of the network.", rich_help_panel=_TRAINING)] = 2,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most.", rich_help_panel=_TRAINING)] = 40,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a gain that end training.", rich_help_panel=_TRAINING)
    ] = 4,
    device: Annotated[
        str, typer.Option(help="auto (CUDA, else CPU), cpu, cuda, cuda:1.", rich_help_panel=_TRAINING)
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Draws the same numbers again.", rich_help_panel=_TRAINING)] = 20_260_101,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the model to, for example models/spring.", rich_help_panel=_OUT)
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Write the model also where it gains nothing.", rich_help_panel=_OUT)
    ] = False,
    json: Annotated[Path | None, typer.Option(help="File to write the figures to.", rich_help_panel=_OUT)] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds the public sets.")] = None,
) -> None:
    """Train a small transformer on what users liked one after the other, and write it where it makes lists better.

    penchant train sequence --items items.csv --events purchases.csv --type purchase --out models/spring

    It is trained on what comes before the validation window; one half of the users there says for how long, the other
    half what it is worth beside the score. Then it is trained anew, so long, on the whole log. A service that is
    started with PENCHANT_SEQUENCE_MODEL=models/spring uses it: no item needs to be imported again.
    """
    from penchant_relevance.evaluation import needing  # noqa: PLC0415 the command line starts without it

    console = Console(stderr=True)
    begun = time.monotonic()
    with ending_in_words("Stopped; no model was written."):
        writable(json=json)
        writable_folder(out)
        with needing("a sequence model", "train"):
            from penchant_relevance.sequences import SequenceSettings  # noqa: PLC0415
        settings = SequenceSettings(width=width, blocks=blocks, epochs=epochs, patience=patience, seed=seed)
        if width % settings.heads:
            raise InvalidSetting(f"{width} does not divide by {settings.heads} heads", field="width")
        log, plan = chosen_log(name, data, None, own)
        content, tuning, model_name = encoded(console, log, encoder)
        asks = plan.asks(log, tuning.weights, validation=True)
        choice = _chosen(console, asks, content, tuning, plan.measures[0], settings, device)
        epochs_told = f"{choice.settings.epochs} of " if choice.weight else ""
        told = f"{epochs_told}{len(choice.curve)} epochs, "
        what = f"with the model, weight {choice.weight:g}"
        Console().print(verdict_table(log.name, told, what, choice.verdict))
        described, figures = settings_of(log, model_name, tuning), _figures(choice, time.monotonic() - begun)
        if json is not None:
            write_figures(json, "sequence", described, figures)
        tell_verdict(choice.verdict, USELESS)
        if out is None:
            tell("To use it: the same with --out models/NAME")
        elif choice.verdict.better or keep:
            model = _whole(console, asks, content, choice, out.resolve().name, model_name)
            _write(out, model, described | figures)


def _chosen(
    console: Console, asks: "Asks", content: "Content", tuning: Any, measure: Any, settings: Any, device: str
) -> "SequenceChoice":
    from penchant_relevance.sequence_choice import choose  # noqa: PLC0415

    with bars_on(console) as shown:
        task = shown.add_task("training", total=settings.epochs)

        def told(done: int, total: int, plain: float, best: float) -> None:
            said = f"training: without {plain:.4f}, best with {best:.4f}"
            shown.update(task, completed=done, total=total, description=said)

        return choose(asks, content, tuning, measure, told, settings, device)


def _figures(choice: "SequenceChoice", seconds: float) -> dict[str, Any]:
    from penchant_relevance.costs import peak_bytes  # noqa: PLC0415 with torch

    network = choice.network
    parameters = sum(each.numel() for each in network.parameters())
    device = network.items.weight.device.type
    costs = {"parameters": parameters, "device": device, "peak_bytes": peak_bytes(network.items.weight.device)}
    return {"seconds": round(seconds, 1), **costs, **choice.figures()}


def _whole(
    console: Console, asks: "Asks", content: "Content", choice: "SequenceChoice", name: str, encoder: str
) -> "SequenceModel":
    import numpy as np  # noqa: PLC0415
    from penchant_relevance.sequence_choice import trained  # noqa: PLC0415
    from penchant_relevance.sequences import frozen  # noqa: PLC0415

    with bars_on(console) as shown:
        task = shown.add_task("training on the whole log", total=choice.settings.epochs)
        everything = np.arange(len(asks.log))
        network = trained(asks, everything, content, choice, lambda done, _: shown.update(task, completed=done))
    ids = [item.item_id for item in asks.log.items]
    return frozen(network, name, encoder, ids, choice.weight, choice.settings.heads)


def _write(out: Path, model: "SequenceModel", figures: dict[str, Any]) -> None:
    from penchant_adapters.sequences import write_sequence_model  # noqa: PLC0415
    from penchant_relevance.sequence_card import beside  # noqa: PLC0415

    path = write_sequence_model(out, model, beside(model.about, figures))
    tell(f"Model: {path}, version {model.about.version}")
    tell(f"To use it: PENCHANT_SEQUENCE_MODEL={out} penchant up")

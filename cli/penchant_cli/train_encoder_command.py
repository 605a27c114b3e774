"""``penchant train encoder``: teaches an encoder what users like near each other, and says whether that is worth it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from penchant_cli.own_log_options import OwnLog, reading_log, tell, writable, writable_folder
from penchant_cli.stopping import stoppable

if TYPE_CHECKING:
    from penchant_core.tuning import Tuning
    from penchant_relevance.encoder.checkpoint import Checkpoints
    from penchant_relevance.encoder.choice import EncoderChoice, Judging
    from penchant_relevance.encoder.processes import Processes
    from penchant_relevance.encoder.settings import EncoderSettings
    from penchant_relevance.encoder.tower import Tower
    from penchant_relevance.encoder.training import Training
    from penchant_relevance.log import Log
    from penchant_relevance.plans import Plan
    from penchant_relevance.scoring import Content

_PAIRS, _TRAINING, _WORDS, _OUT = "What is learnt", "Training", "Words", "Results"
USELESS = "On users it was not chosen by, the score is no better with the fine-tuned encoder: keep the one there is."


@reading_log
def train_encoder(
    own: OwnLog,
    name: Annotated[str, typer.Argument(help="A public data set, instead of files.", show_default=False)] = "",
    encoder: Annotated[
        str,
        typer.Option(help="Model to begin with: hf:NAME_OR_FOLDER, such as hf:sentence-transformers/all-MiniLM-L6-v2."),
    ] = "builtin:",
    pairs: Annotated[
        int, typer.Option(min=1, help="Pairs of an epoch at most; of more, others every epoch.", rich_help_panel=_PAIRS)
    ] = 40_000,
    history: Annotated[
        int, typer.Option(min=1, max=100, help="Things liked before that are averaged.", rich_help_panel=_PAIRS)
    ] = 5,
    batch: Annotated[
        int, typer.Option(min=4, help="Texts of a batch; each is the others' negative.", rich_help_panel=_PAIRS)
    ] = 256,
    hard: Annotated[
        int, typer.Option(min=0, help="Of them, alike but never liked together.", rich_help_panel=_PAIRS)
    ] = 0,
    temperature: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="Cosines are divided by it.", rich_help_panel=_PAIRS)
    ] = 0.1,
    popularity: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Hold popular items against others less.", rich_help_panel=_PAIRS)
    ] = 1.0,
    tokens: Annotated[
        int, typer.Option(min=4, max=512, help="Of a text that training reads.", rich_help_panel=_WORDS)
    ] = 64,
    crop: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Part of the texts that are cut.", rich_help_panel=_WORDS)
    ] = 0.0,
    mask: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Part of the words that are masked.", rich_help_panel=_WORDS)
    ] = 0.0,
    reorder: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Part of the texts with words shuffled.", rich_help_panel=_WORDS)
    ] = 0.0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most.", rich_help_panel=_TRAINING)] = 5,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a gain that end training.", rich_help_panel=_TRAINING)
    ] = 2,
    lora: Annotated[
        int,
        typer.Option(
            min=0,
            max=512,
            help="Rank of adapters, trained in place of all weights; 0: none.",
            rich_help_panel=_TRAINING,
        ),
    ] = 0,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1e-8, max=1.0, help="Of learning; 1e-4, with --lora 1e-3, by default.", rich_help_panel=_TRAINING
        ),
    ] = None,
    decay: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of weights.", rich_help_panel=_TRAINING)] = 0.01,
    warmup: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Part of the steps in which it grows.", rich_help_panel=_TRAINING)
    ] = 0.1,
    schedule: Annotated[
        Literal["cosine", "linear"], typer.Option(help="How the rate falls.", rich_help_panel=_TRAINING)
    ] = "cosine",
    clip: Annotated[
        float, typer.Option(min=0.001, help="Greatest norm of gradients.", rich_help_panel=_TRAINING)
    ] = 1.0,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9, rich_help_panel=_TRAINING, help="Of the network.")] = 0.1,
    device: Annotated[
        str, typer.Option(help="auto (CUDA, else CPU), cpu, cuda, cuda:1.", rich_help_panel=_TRAINING)
    ] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, help="Draws the same numbers again.", rich_help_panel=_TRAINING)
    ] = 20_260_101,
    checkpoints: Annotated[
        Path | None,
        typer.Option(help="Folder to keep where training is; OUT.checkpoint by default.", rich_help_panel=_OUT),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where training was stopped.", rich_help_panel=_OUT)
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the encoder to, such as models/words.", rich_help_panel=_OUT)
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Write the encoder also where it gains nothing.", rich_help_panel=_OUT)
    ] = False,
    json: Annotated[Path | None, typer.Option(help="File to write the figures to.", rich_help_panel=_OUT)] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds the public sets.")] = None,
) -> None:
    """Fine-tune an encoder on what users liked near each other, and write it where it makes lists better.

    penchant train encoder --items items.csv --events purchases.csv --type purchase
    --encoder hf:sentence-transformers/all-MiniLM-L6-v2 --out models/words

    Words of what is liked next are pulled towards those of what was liked before. It is trained on what comes before
    the validation window; the score of one half of the users there, with the whole catalogue encoded anew, says after
    which epoch it is best, the other half what that is worth. A service that is started with
    PENCHANT_ENCODER=hf:models/words uses it, on a store of its own.

    Ctrl-C keeps where training is, and --resume goes on from there. On several GPUs: torchrun --nproc-per-node 2
    $(which penchant) train encoder …, or accelerate launch.
    """
    from penchant_relevance.evaluation import needing  # noqa: PLC0415 the command line starts without it

    console = Console(stderr=True)
    begun = time.monotonic()
    with ending_in_words("Stopped; no encoder was written."):
        writable(json=json)
        writable_folder(out)
        with needing("an encoder that learns", "train", "train"):
            from penchant_relevance.encoder.processes import Processes  # noqa: PLC0415
            from penchant_relevance.encoder.settings import EncoderSettings  # noqa: PLC0415
        settings = EncoderSettings(
            epochs=epochs,
            patience=patience,
            pairs=pairs,
            batch=batch,
            tokens=tokens,
            history=history,
            hard=hard,
            temperature=temperature,
            popularity=popularity,
            rate=rate or (1e-3 if lora else 1e-4),
            decay=decay,
            warmup=warmup,
            schedule=schedule,
            clip=clip,
            dropout=dropout,
            lora=lora,
            crop=crop,
            mask=mask,
            reorder=reorder,
            seed=seed,
        )
        processes = Processes(device)
        console.quiet = not processes.first
        log, plan = chosen_log(name, data, None, own)
        run = _Run(console, log, plan, encoder, settings, processes, _kept(checkpoints, out), resume, keep, out, json)
        run.whole(begun)


def _kept(checkpoints: Path | None, out: Path | None) -> Path | None:
    """Return the folder for the checkpoint."""
    if checkpoints is not None or out is None:
        return checkpoints
    return out.resolve().with_name(f"{out.resolve().name}.checkpoint")


@dataclass
class _Run:
    """One run of the command."""

    console: Console
    log: "Log"
    plan: "Plan"
    url: str
    settings: "EncoderSettings"
    processes: "Processes"
    kept: Path | None
    resume: bool
    keep: bool
    out: Path | None
    json: Path | None

    def whole(self, begun: float) -> None:
        """Train, judge, tell, write. Raises ``PenchantError``, ``KeyboardInterrupt`` and ``typer.Exit``."""
        from penchant_relevance.encoder.tower import opened_tower  # noqa: PLC0415 with torch

        if self.out is not None and self.out.resolve() == Path(self.url.partition(":")[2]).resolve():
            raise InvalidSetting(f"{self.out} is the encoder to begin with; name another folder", field="out")
        if self.settings.hard > self.settings.batch // 2:
            raise InvalidSetting(f"{self.settings.hard} is more than half of a batch", field="hard")
        tower = opened_tower(self.url, self.settings, self.processes.device)
        content, tuning, encoder = self._encoded()
        described = settings_of(self.log, encoder, tuning)
        checkpoints = self._checkpoints(described, tower)
        training, judging = self._prepared(tower, content, tuning)
        if self.resume and checkpoints is not None:
            training.resume(checkpoints)
        choice = self._chosen(training, judging, checkpoints)
        if choice is not None:
            self._tell(choice, training, described, begun)
        if checkpoints is not None and self.processes.first:
            checkpoints.remove()
        self.processes.close()

    def _encoded(self) -> tuple["Content", "Tuning", str]:
        """Return what the encoder makes of the log as it is; the first process alone asks it, the others remember."""
        if not self.processes.first:
            self.processes.wait()
        found = encoded(self.console, self.log, self.url)
        if self.processes.first:
            self.processes.wait()
        return found

    def _checkpoints(self, described: dict[str, Any], tower: "Tower") -> "Checkpoints | None":
        from penchant_relevance.encoder.checkpoint import Checkpoints, run_of  # noqa: PLC0415

        if self.kept is None:
            if self.resume:
                raise InvalidSetting("name the folder with --checkpoints or --out", field="resume")
            return None
        run = run_of(self.log, described, self.settings, self.processes.count)
        checkpoints = Checkpoints(self.kept, run)
        checkpoints.check(tower.learning(), resume=self.resume)
        return checkpoints

    def _prepared(self, tower: "Tower", content: "Content", tuning: "Tuning") -> tuple["Training", "Judging"]:
        from penchant_relevance.encoder.choice import Judging  # noqa: PLC0415
        from penchant_relevance.encoder.examples import Examples  # noqa: PLC0415
        from penchant_relevance.encoder.negatives import HardNegatives  # noqa: PLC0415
        from penchant_relevance.encoder.training import Training  # noqa: PLC0415

        asks = self.plan.asks(self.log, tuning.weights, validation=True)
        examples = Examples(asks, self.settings, tuning.scoring.rank_decay)
        words = [item.words for item in self.log.items]
        hard = HardNegatives(examples, content.items) if self.settings.hard else None
        training = Training(tower, examples, hard, words, self.processes)
        return training, Judging(asks, content, tuning, self.plan.measures[0])

    def _chosen(
        self, training: "Training", judging: "Judging", checkpoints: "Checkpoints | None"
    ) -> "EncoderChoice | None":
        from penchant_relevance.encoder.training import Stopped  # noqa: PLC0415

        with bars_on(self.console) as shown, stoppable(lambda: tell("Stopping after this step …")) as stop:
            task = shown.add_task("measuring", total=None)

            def told(what: str, done: int, total: int) -> None:
                best = f", best {max(epoch['mixed'] for epoch in training.curve):.4f}" if training.curve else ""
                loss = f", loss {training.losses[-1]:.3f}" if training.losses else ""
                shown.update(task, description=f"{what}{loss}{best}", completed=done, total=total)

            try:
                return judging.chosen(training, checkpoints, told, stop)
            except Stopped:
                training.save(checkpoints)
        if self.processes.first:
            self._tell_stopped()
        raise typer.Exit(130)

    def _tell_stopped(self) -> None:
        if self.kept is None:
            tell("Stopped; nothing is left. With --checkpoints FOLDER, or --out, it could go on.")
        else:
            tell(f"Stopped. {self.kept} holds where training is: the same with --resume goes on.")

    def _tell(self, choice: "EncoderChoice", training: "Training", described: dict[str, Any], begun: float) -> None:
        from penchant_relevance.costs import peak_bytes  # noqa: PLC0415

        epochs = f"{choice.epochs} of {len(choice.curve)} epochs, "
        Console().print(verdict_table(self.log.name, epochs, "with the fine-tuned encoder", choice.verdict))
        costs = {
            "seconds": round(time.monotonic() - begun, 1),
            "parameters": sum(weight.numel() for weight in training.tower.learning().values()),
            "device": training.tower.device.type,
            "processes": self.processes.count,
            "peak_bytes": peak_bytes(training.tower.device),
        }
        figures = costs | choice.figures()
        if self.json is not None:
            write_figures(self.json, "encoder", described, figures)
        tell_verdict(choice.verdict, USELESS)
        if self.out is None:
            tell("To use it: the same with --out models/NAME")
        elif choice.verdict.better or self.keep:
            _write(self.out, training, self.url, described | figures)


def _write(out: Path, training: "Training", url: str, figures: dict[str, Any]) -> None:
    from penchant_relevance.encoder.card import beside  # noqa: PLC0415

    training.tower.write(out, beside(out.resolve().name, url, figures))
    tell(f"Encoder: {out}")
    tell(f"To use it: PENCHANT_ENCODER=hf:{out} penchant up, on a store of its own")

"""Where training was, in one file: what it needs to go on as if it had never been stopped.

Everything drawn is a function of the seed, the epoch and the step, and so is the rate: the numbers of both are all that
is kept of random numbers and of the schedule. Only numbers are read, from safetensors (see ``modelfiles``).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from penchant_adapters.modelfiles import GREATEST_BYTES, ModelFile
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import version_of
from torch import Tensor, nn

from penchant_relevance.encoder.settings import EncoderSettings
from penchant_relevance.log import Log

FILE = "checkpoint.safetensors"
_KEPT = ModelFile(
    FILE, "penchant-encoder-checkpoint-1", "resume", "penchant train encoder", "is no checkpoint of an encoder"
)
_MOMENTS = ("exp_avg", "exp_avg_sq")
COPIES = 4
"""Of what is trained: the weights, the best ones so far, two moments of the gradients."""


@dataclass(frozen=True)
class About:
    """What a checkpoint says of itself."""

    run: str
    """What log, model and settings it belongs to, as JSON."""
    state: str
    """Numbers of the training, as JSON."""
    version: str


def run_of(log: Log, described: Mapping[str, Any], settings: EncoderSettings, processes: int) -> dict[str, Any]:
    """Return what must be the same for training to go on, as it is *described*."""
    done = {"user": log.user, "item": log.item, "time": log.time}
    said = {"data": log.name, "log": version_of(done), "encoder": described["encoder"]}
    tuning = blake2b(json.dumps(described["tuning"], sort_keys=True).encode(), digest_size=6).hexdigest()
    return {**said, "tuning": tuning, "processes": processes, **asdict(settings)}


@dataclass(frozen=True)
class Checkpoints:
    """The one checkpoint of a run, in a folder of its own."""

    folder: Path
    run: Mapping[str, Any]
    """What must be the same for training to go on."""

    @property
    def there(self) -> bool:
        """Whether there is one."""
        return (self.folder / FILE).exists()

    def check(self, learning: Mapping[str, nn.Parameter], *, resume: bool) -> None:
        """Look, before training, whether it may begin or go on. Raises ``InvalidSetting``."""
        size = COPIES * 4 * sum(weight.numel() for weight in learning.values())
        if size > GREATEST_BYTES:
            raise InvalidSetting(
                f"a checkpoint of all weights would have {size:,} bytes, at most {GREATEST_BYTES:,} are read;"
                " train fewer weights with --lora 16",
                field="lora",
            )
        if self.there and not resume:
            raise InvalidSetting(
                f"{self.folder / FILE} holds a training that was stopped; go on with --resume, or remove it",
                field="resume",
            )

    def write(
        self,
        state: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        best: Mapping[str, Tensor],
        optimizer: torch.optim.Optimizer,
        learning: Mapping[str, nn.Parameter],
    ) -> Path:
        """Write where training is; whole, or as it was. Raises ``InvalidSetting`` where it cannot."""
        arrays = {f"weights.{name}": weight for name, weight in weights.items()}
        arrays |= {f"best.{name}": weight for name, weight in best.items()}
        steps: dict[str, float] = {}
        for name, weight in learning.items():
            if kept := optimizer.state.get(weight):
                steps[name] = float(kept["step"])
                arrays |= {f"{moment}.{name}": kept[moment].detach().cpu() for moment in _MOMENTS}
        numbers = {name: array.numpy() for name, array in arrays.items()}
        about = About(json.dumps(self.run), json.dumps({**state, "steps": steps}), version_of(numbers))
        return _KEPT.write(self.folder, about, numbers, {})

    def read(
        self, optimizer: torch.optim.Optimizer, learning: Mapping[str, nn.Parameter]
    ) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
        """Return the state, the weights and the best ones; the optimizer goes on where it was.

        Raises ``InvalidSetting`` where there is none, it is damaged, or it belongs to another run.
        """
        about, arrays = _KEPT.read(self.folder, About)
        try:
            run, state = json.loads(about.run), json.loads(about.state)
            self._same(run)
            kept = {name: torch.from_numpy(array) for name, array in arrays.items()}
            weights = {name: kept[f"weights.{name}"] for name in learning}
            best = {name: kept[f"best.{name}"] for name in learning}
            for name, step in state.pop("steps").items():
                weight = learning[name]
                moments = {moment: kept[f"{moment}.{name}"].to(weight.device) for moment in _MOMENTS}
                optimizer.state[weight] = {"step": torch.tensor(step), **moments}
        except (KeyError, ValueError) as error:
            raise InvalidSetting(
                f"{self.folder / FILE} is damaged: {error}; remove it, and train anew", "resume"
            ) from error
        return state, weights, best

    def _same(self, run: Mapping[str, Any]) -> None:
        for name, now in json.loads(json.dumps(self.run)).items():
            if run.get(name) != now:
                raise InvalidSetting(
                    f"{self.folder / FILE} was made with {name} {run.get(name)}, not {now}; give that, or remove it",
                    field="resume",
                )

    def remove(self) -> None:
        """Remove what is not needed any more, and the folder where nothing else is in it."""
        with suppress(OSError):
            (self.folder / FILE).unlink()
            self.folder.rmdir()

"""Training an encoder, epoch by epoch, in one process or several; it can be stopped between any two steps."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from penchant_relevance.encoder.augment import augmented
from penchant_relevance.encoder.checkpoint import Checkpoints
from penchant_relevance.encoder.examples import Batch, Examples
from penchant_relevance.encoder.negatives import HardNegatives
from penchant_relevance.encoder.objective import pulled
from penchant_relevance.encoder.processes import Processes
from penchant_relevance.encoder.settings import EncoderSettings
from penchant_relevance.encoder.steps import Backward, optimizer_of, rate_at
from penchant_relevance.encoder.tower import Tower


class Stopped(Exception):
    """Somebody asked to stop, and training did, between two steps."""


class Training:
    """One run."""

    def __init__(
        self, tower: Tower, examples: Examples, hard: HardNegatives | None, texts: list[str], processes: Processes
    ) -> None:
        """*hard*: where a batch has hard negatives; *texts*: the words of the log's items."""
        self.settings: EncoderSettings = examples.settings
        self.tower, self.examples, self.processes = tower, examples, processes
        self._hard, self._texts = hard, texts
        self.optimizer = optimizer_of(tower, self.settings)
        self.backward = Backward(tower)
        self.epoch, self.step = 0, 0
        """Epochs that are done, and steps of the one after them."""
        self.losses: list[float] = []
        """Of the steps of that epoch."""
        self.curve: list[dict[str, float]] = []
        """What was measured after every epoch."""
        self.best, self.best_epoch = tower.weights(), 0
        """The weights that did best, and the epoch, from 1, that made them; 0: the model as it came."""
        self.pairs, self.seconds = 0, 0.0
        """Learnt from so far, and how long that took."""

    def run(self, told: Callable[[int, int], None], stop: Callable[[], bool]) -> float:
        """Train to the end of the epoch; return the mean of its loss. Raises ``Stopped`` where *stop* says so.

        *told* hears the steps of the epoch that are done, and how many there are.
        """
        batches = self._shares(self.examples.epoch(self.epoch))
        self.tower.model.train()
        for number in range(self.step, len(batches)):
            begun = time.monotonic()
            rate = rate_at((self.epoch + (number + 1) / len(batches)) / self.settings.epochs, self.settings)
            loss, stopped = self._step(batches[number], number, rate, stop)
            self.step, self.losses = number + 1, [*self.losses, loss]
            self.pairs += len(batches[number]) * self.processes.count
            self.seconds += time.monotonic() - begun
            told(self.step, len(batches))
            if stopped:
                raise Stopped
        return float(np.mean(self.losses))

    def _shares(self, batches: list[Batch]) -> list[Batch]:
        """Return the batches of this process: as many for each, the first ones again where some are missing."""
        count = self.processes.count
        missing = -len(batches) % count
        shared: list[Batch] = batches + (batches * count)[:missing]
        return shared[self.processes.number :: count]

    def _step(self, batch: Batch, number: int, rate: float, stop: Callable[[], bool]) -> tuple[float, bool]:
        """Return the loss of a step, and whether anybody wants to stop."""
        settings, seed = self.settings, (self.settings.seed, 3, self.epoch, number, self.processes.number)
        random = np.random.default_rng(seed)
        if self._hard is not None:
            batch = self._hard.added(batch, settings.hard, random)
        texts = [augmented(self._texts[item], settings, self.tower.mask, random) for item in batch.items]
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.backward(
            texts,
            lambda vectors: pulled(vectors, batch, self.examples, settings.temperature, settings.popularity),
            seed,
        )
        flags = torch.tensor([loss, float(stop())], device=self.tower.device)
        gradients = [weight.grad for weight in self.tower.learning().values() if weight.grad is not None]
        self.processes.mean([*gradients, flags])
        nn.utils.clip_grad_norm_(self.tower.learning().values(), settings.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return float(flags[0]), bool(flags[1] > 0.0)

    def end(self, measured: dict[str, float], *, best: bool) -> None:
        """Go on to the next epoch; what was *measured* after this one is kept, and its weights where it was *best*."""
        self.curve.append(measured)
        self.epoch, self.step, self.losses = self.epoch + 1, 0, []
        if best:
            self.best, self.best_epoch = self.tower.weights(), self.epoch

    def save(self, checkpoints: Checkpoints | None) -> None:
        """Write where training is. Raises ``InvalidSetting``."""
        if checkpoints is None or not self.processes.first:
            return
        names = ("epoch", "step", "losses", "curve", "best_epoch", "pairs", "seconds")
        state: dict[str, Any] = {name: getattr(self, name) for name in names}
        checkpoints.write(state, self.tower.weights(), self.best, self.optimizer, self.tower.learning())

    def resume(self, checkpoints: Checkpoints) -> None:
        """Go on where a checkpoint was written. Raises ``InvalidSetting``."""
        state, weights, self.best = checkpoints.read(self.optimizer, self.tower.learning())
        for name, value in state.items():
            setattr(self, name, value)
        self.tower.set(weights)

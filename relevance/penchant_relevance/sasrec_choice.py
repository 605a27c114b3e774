"""Which settings SASRec is trained with, and for how long: what does best on the validation targets."""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from penchant_core.errors import InvalidSetting

from penchant_relevance.asks import BLOCK, Ask, Asks
from penchant_relevance.evaluation import Progress
from penchant_relevance.log import Indices
from penchant_relevance.measure import Measure, worths
from penchant_relevance.metrics import SEED
from penchant_relevance.sasrec import SasRec, TrainingSettings, paths_of, training

GRID = (TrainingSettings(dropout=0.2), TrainingSettings(dropout=0.3))
"""What is tried."""
VALIDATION_ASKS = 3_000
"""Asks on which it is tried; of more, as many are drawn."""


@dataclass(frozen=True)
class Choice:
    """What did best on the validation targets."""

    settings: TrainingSettings
    """With the number of epochs after which it was best."""
    value: float
    """Of the measure on the validation asks."""
    model: SasRec
    before: Indices
    """Positions of the events that ``model`` was trained on."""
    device: torch.device

    def fitted(self, asks: Asks, progress: Progress) -> SasRec:
        """Return a model that is trained so on what models may see before the first of *asks*."""
        before, settings = asks.before(), self.settings
        if np.array_equal(before, self.before):
            return self.model
        epochs = training(paths_of(asks), len(asks.log.items), settings, self.device)
        for epoch in range(1, settings.epochs + 1):
            model = next(epochs)
            progress("SASRec", epoch, settings.epochs)
        return model

    def figures(self) -> dict[str, Any]:
        """Return what is written of it beside the model's figures."""
        return {"settings": asdict(self.settings), "validation": self.value, "device": self.device.type}


def choose(
    asks: Asks, measure: Measure, progress: Progress, grid: Sequence[TrainingSettings] = GRID, device: str = "auto"
) -> Choice:
    """Try the settings of *grid* on validation asks, each for as many epochs as *measure* grows by.

    Models see what is before these asks only. *device* is ``auto`` (CUDA, else CPU) or one that torch knows; raises
    ``InvalidSetting`` when it is not usable.
    """
    place, sample = device_of(device), drawn(asks)
    before, paths = asks.before(), paths_of(asks)
    choices = []
    for number, settings in enumerate(grid, 1):
        title = f"SASRec, settings {number} of {len(grid)}"
        best, value, model = 0, -1.0, None
        for epoch, trained in enumerate(training(paths, len(asks.log.items), settings, place), 1):
            now = worth(trained, sample, measure)
            progress(title, epoch, settings.epochs)
            if now > value:
                best, value, model = epoch, now, copy.deepcopy(trained)
            if epoch - best == settings.patience:
                break
        progress(title, settings.epochs, settings.epochs)
        assert model is not None
        choices.append(Choice(replace(settings, epochs=best), value, model, before, place))
    return max(choices, key=lambda choice: choice.value)


def drawn(asks: Asks) -> list[Ask]:
    """Return the asks, up to ``VALIDATION_ASKS`` of them, the same every time."""
    size = asks.size()
    chosen = set(np.random.default_rng(SEED).choice(size, min(size, VALIDATION_ASKS), replace=False).tolist())
    numbered = enumerate(step for step in asks.steps() if isinstance(step, Ask))
    return [ask for number, ask in numbered if number in chosen]


def worth(model: SasRec, asks: Sequence[Ask], measure: Measure) -> float:
    """Return the mean of *measure*; 0 without asks."""
    found: list[float] = []
    for start in range(0, len(asks), BLOCK):
        found += worths(model, asks[start : start + BLOCK], measure)
    return float(np.mean(found)) if found else 0.0


def device_of(name: str) -> torch.device:
    """Return a device. Raises ``InvalidSetting`` when it is not usable here."""
    there = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(there if name == "auto" else name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise InvalidSetting(f"{name!r} is not usable here; use auto, which gives {there}", field="device") from error
    return device

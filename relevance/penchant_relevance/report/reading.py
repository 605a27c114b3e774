"""What the document of an evaluation says: which models it holds, who is best, and whether a lead is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from penchant_relevance import parts
from penchant_relevance.evaluation import OURS
from penchant_relevance.plans import LIVE
from penchant_relevance.report.charts import Estimate, Tone

Verdict = Literal["better", "level", "worse"]

_TRAINED = "SASRec"
"""A network that is trained for long is no simple baseline."""
_POPULARITY = "popularity"
_NO_SETTINGS = frozenset({"asks", "users", "behind", "slices", "seconds", "explanations"})


@dataclass(frozen=True)
class Variant:
    """The figures of one way of asking, by model."""

    name: str
    models: Mapping[str, Mapping[str, Any]]

    @cached_property
    def ours(self) -> Mapping[str, Any]:
        """The figures of the score that ships."""
        return self.models[OURS]

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """Names of what has an interval, the main measure first."""
        return tuple(name for name, found in self.ours.items() if isinstance(found, Mapping) and "low" in found)

    @property
    def main(self) -> str:
        """The measure that the verdict is about."""
        return self.measures[0]

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """Simple models, the best one first."""
        return tuple(n for n in self.order if tone(n) in ("base", "pop") and not n.startswith(_TRAINED))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All models, the best one first."""
        return tuple(sorted(self.models, key=lambda name: -self.mean(name)))

    @property
    def trained(self) -> str | None:
        """A network trained on the log, where one was."""
        return next((name for name in self.models if name.startswith(_TRAINED)), None)

    def mean(self, model: str) -> float:
        """Return a model's mean of the main measure."""
        return float(self.models[model][self.main]["mean"])

    def lead(self, model: str, measure: str = "") -> Estimate | None:
        """Return by how much ours is above a model, paired; None where that was not measured."""
        found: Mapping[str, Estimate] = self.models[model].get("behind", {})
        return found.get(measure or self.main)

    def compared(self) -> tuple[str, ...]:
        """Return ours, the best simple baseline and popularity, each once."""
        known = [OURS, *self.baselines[:1], *([_POPULARITY] if _POPULARITY in self.models else [])]
        return tuple(dict.fromkeys(known))

    def chosen(self) -> dict[str, dict[str, Any]]:
        """Return by model the settings that were chosen for it, on the validation targets."""
        # Measures and looks have a size in their names.
        found = {
            model: {name: value for name, value in figures.items() if "@" not in name and name not in _NO_SETTINGS}
            for model, figures in self.models.items()
        }
        return {model: settings for model, settings in found.items() if settings}

    def slices(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the slices that all compared models have figures for."""
        held = [self.models[model].get("slices", {}) for model in self.compared()]
        return tuple(name for name in names if all(name in slices for slices in held))


def variants(document: Mapping[str, Any]) -> list[Variant]:
    """Return the ways of asking that hold the score that ships, the main one first."""
    found = [Variant(name, models) for name, models in document["figures"].items() if OURS in models]
    return sorted(found, key=lambda variant: variant.name != LIVE)


def tone(model: str) -> Tone:
    """Return what kind of model it is, as a colour."""
    if model.startswith(OURS):
        return "ours"
    if model in parts.NAMES:
        return "part"
    return "pop" if model == _POPULARITY else "base"


def verdict(lead: Estimate) -> Verdict:
    """Return what a paired difference says: its interval decides, not its mean."""
    return "better" if lead["low"] > 0.0 else "worse" if lead["high"] < 0.0 else "level"

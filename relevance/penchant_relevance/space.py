"""What may be tuned, between which limits, and how it is put into settings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from penchant_core.tuning import Tuning, Weights

from penchant_relevance.log import Log

NEVER = 10_000.0
"""Half-life, in days, that stands for none."""
OFF = 1e-5
"""Weight that stands for 0."""
WEIGHTS = (0.05, 3.0)
"""Size of an event type's weight."""


@dataclass(frozen=True)
class Range:
    """Limits of one number."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


SCORING: Mapping[str, Range] = {
    "recent": Range(5, 100, log=True, whole=True),
    "rank_decay": Range(0.3, 1.0),
    "half_life_days": Range(0.1, NEVER, log=True),
    "evidence": Range(1.0, 3_000.0, log=True),
    "content": Range(0.001, 1.0, log=True),
    "popularity": Range(OFF, 0.1, log=True),
    "dislike": Range(OFF, 0.5, log=True),
    "words": Range(0.0, 1.0),
}
COUNTING: Mapping[str, Range] = {
    "step_decay": Range(0.3, 1.0),
    "reverse": Range(0.0, 1.0),
    "half_life_days": Range(1.0, NEVER, log=True),
    "popularity_exponent": Range(0.0, 0.6),
}
GROUPS: Mapping[str, tuple[str, ...]] = {
    "recency": ("recent", "rank_decay", "half_life_days"),
    "words against counts": ("evidence", "content"),
    "popularity": ("popularity",),
    "disapproval": ("dislike",),
    "words of reviews": ("words",),
    "event weights": (),
    "counting": (),
}
"""Settings that are reverted together to tell what they are worth."""


@dataclass(frozen=True)
class Space:
    """The numbers that are searched for a log."""

    default: Tuning
    types: tuple[str, ...]
    """Event types whose weight is searched: all of the log's but the commonest, which the others are measured by."""
    counts: bool
    scoring: tuple[str, ...]

    @staticmethod
    def of(log: Log, default: Tuning, *, counts: bool) -> "Space":
        """Return what makes a difference on a log."""
        types, frequency = np.unique([event.type for event in log.events], return_counts=True)
        common = types[np.argmax(frequency)]
        weighed = tuple(str(each) for each in types if each != common and default.weights.by_type.get(str(each)))
        signs = log.weights(default.weights)
        left_out = set() if (signs < 0.0).any() else {"dislike"}
        left_out |= set() if log.texts else {"words"}
        return Space(default, weighed, counts, tuple(name for name in SCORING if name not in left_out))

    def parameters(self, tuning: Tuning) -> dict[str, float]:
        """Return a tuning as a point of the space."""
        found = {f"scoring.{name}": _number(getattr(tuning.scoring, name), SCORING[name]) for name in self.scoring}
        if self.counts:
            found |= {f"counting.{n}": _number(getattr(tuning.covisitation, n), r) for n, r in COUNTING.items()}
        low, high = WEIGHTS
        return found | {f"weight.{one}": min(high, max(low, abs(tuning.weights.by_type[one]))) for one in self.types}

    def tuning(self, trial: Any) -> Tuning:
        """Return the tuning of one of Optuna's trials."""
        scoring: dict[str, Any] = {name: _suggested(trial, f"scoring.{name}", SCORING[name]) for name in self.scoring}
        counting: dict[str, Any] = {}
        if self.counts:
            counting = {name: _suggested(trial, f"counting.{name}", limits) for name, limits in COUNTING.items()}
        by_type = self.default.weights.by_type
        weights = {
            one: trial.suggest_float(f"weight.{one}", *WEIGHTS, log=True) * (1.0 if by_type[one] > 0.0 else -1.0)
            for one in self.types
        }
        return Tuning(
            Weights({**by_type, **weights}),
            replace(self.default.covisitation, **counting),
            replace(self.default.scoring, **scoring),
        )

    def reverted(self, tuning: Tuning, group: str) -> Tuning:
        """Return a tuning with one group of settings as they are by default."""
        if group == "event weights":
            return replace(tuning, weights=self.default.weights)
        if group == "counting":
            return replace(tuning, covisitation=self.default.covisitation)
        plain = {name: getattr(self.default.scoring, name) for name in GROUPS[group]}
        return replace(tuning, scoring=replace(tuning.scoring, **plain))


def _number(value: float | None, limits: Range) -> float:
    number = limits.high if value is None else value
    clipped = min(limits.high, max(limits.low, number))
    return int(clipped) if limits.whole else clipped


def _suggested(trial: Any, name: str, limits: Range) -> float | int | None:
    if limits.whole:
        return int(trial.suggest_int(name, int(limits.low), int(limits.high), log=limits.log))
    value = float(trial.suggest_float(name, limits.low, limits.high, log=limits.log))
    if limits.high == NEVER and value > NEVER / 3.0:
        return None
    return 0.0 if limits.low == OFF and value < 2.0 * OFF else value

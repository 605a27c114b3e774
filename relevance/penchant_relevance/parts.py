"""Parts of the score by themselves, and with what may be on or off the other way round: what each is worth on a log."""

from dataclasses import dataclass, replace
from typing import Any

from penchant_core.tuning import REFERENCE_COVISITATION, REFERENCE_SCORING, Scoring, Tuning

from penchant_relevance.log import Log


@dataclass(frozen=True)
class Switch:
    """A part of the score that may be on or off."""

    name: str
    setting: str
    """Of ``Scoring``; 0 is off."""
    on: float
    """Its value where it is off and is put on."""

    def row(self, scoring: Scoring) -> str:
        """Return what the choice is called that *scoring* did not make."""
        return f"{'without' if getattr(scoring, self.setting) else 'with'} {self.name}"

    def switched(self, scoring: Scoring) -> Scoring:
        """Return that choice."""
        value: Any = 0.0 if getattr(scoring, self.setting) else self.on
        return replace(scoring, **{self.setting: value})


SWITCHES = (Switch("words", "words", 0.5), Switch("dislikes", "dislike", 0.005))
FIXED = "fixed mixture"
NAMES = frozenset(
    ("together only", "text only", FIXED, *(f"{way} {one.name}" for one in SWITCHES for way in ("with", "without")))
)
"""All that a part may be called."""


def parts(tuning: Tuning, log: Log | None = None) -> dict[str, Tuning]:
    """Return by name each part of a tuning alone, the tuning with each switch the other way, and the fixed mixture.

    With a *log*, only what makes a difference on it: words beside items and disapproval where it has such events.
    """
    scoring = tuning.scoring
    there = {
        "words": log is None or any(event.item_id and event.text for event in log.events),
        "dislike": log is None or bool((log.weights(tuning.weights) < 0.0).any()),
    }
    switched = {one.row(scoring): one.switched(scoring) for one in SWITCHES if there[one.setting]}
    fixed = replace(tuning.covisitation, popularity_exponent=REFERENCE_COVISITATION.popularity_exponent)
    return {
        "together only": replace(tuning, scoring=replace(scoring, content=0.0, dislike=0.0)),
        "text only": replace(tuning, scoring=replace(scoring, together=0.0, evidence=0.0, content=1.0, dislike=0.0)),
        **{name: replace(tuning, scoring=each) for name, each in switched.items()},
        FIXED: Tuning(tuning.weights, fixed, REFERENCE_SCORING),
    }

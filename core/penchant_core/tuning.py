"""Every number of the theory, named, with its unit and default. Defaults come from ``bench/RESULTS.md``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from penchant_core.errors import InvalidSetting

DAY = 86_400_000
"""Milliseconds."""

NEUTRAL_STARS = 3.0
DWELL_FULL_SECONDS = 60.0

GREATEST_WEIGHT = 10.0
"""Of an event type, by size."""

TYPE_WEIGHTS: Mapping[str, float] = {
    "view": 0.5,
    "click": 0.5,
    "dwell": 0.5,
    "search": 1.0,
    "add_to_cart": 1.0,
    "like": 1.0,
    "follow": 1.0,
    "rate": 1.0,
    "review": 1.0,
    "purchase": 1.0,
    "dislike": -1.0,
    "hide": -1.0,
}


@dataclass(frozen=True, slots=True)
class Weights:
    """What each type of event says of a user's interest, −1 to 1 and beyond for types that should outweigh others."""

    by_type: Mapping[str, float] = field(default_factory=lambda: TYPE_WEIGHTS)

    def known(self, event_type: str) -> bool:
        """Tell whether this type of event is taken in."""
        return event_type in self.by_type

    def weigh(self, event_type: str, value: float | None) -> float:
        """Return the signed weight of an event.

        ``rate`` and ``review`` scale with the stars, 3 being neutral and 1 and 5 the full weight; ``dwell`` grows
        with the seconds up to a minute.
        """
        full = self.by_type.get(event_type, 0.0)
        if value is None:
            return full
        if event_type in ("rate", "review"):
            return full * max(-1.0, min(1.0, (value - NEUTRAL_STARS) / 2.0))
        if event_type == "dwell":
            return full * min(1.0, value / DWELL_FULL_SECONDS)
        return full


def within(low: float, high: float, default: Any) -> Any:
    """Return a field of a settings' dataclass that ``check_ranges`` holds to its limits."""
    return field(default=default, metadata={"range": (low, high)})


def check_ranges(settings: Any) -> None:
    """Raise ``InvalidSetting`` where a field of a dataclass, each made by ``within``, is outside its limits."""
    for each in fields(settings):
        low, high = each.metadata["range"]
        value = getattr(settings, each.name)
        # "not (low <= value <= high)" also refuses NaN.
        if value is not None and not low <= value <= high:
            raise InvalidSetting(f"{value} is not within {low:g} and {high:g}", field=each.name)


@dataclass(frozen=True, slots=True)
class Covisitation:
    """How live co-visitation is counted. Changing one of these means counting anew."""

    reach: int = within(1, 50, 10)
    """Items of one user that a step may span."""
    step_decay: float = within(0, 1, 0.7)
    """Weight kept for each further item in between."""
    reverse: float = within(0, 1, 0.5)
    """Weight of "came before" against "came after"."""
    reverse_reach: int = within(0, 50, 3)
    """Items of one user that "came before" may span: every one of them is one more item to write an event."""
    half_life_days: float | None = within(1, 36_500, None)
    """Days after which a count weighs half; none: counts do not age."""
    width: int = within(16, 4096, 512)
    """Strongest sources kept for an item."""
    popularity_exponent: float = within(0, 1, 0.05)
    """g: a pair's count is divided by the target's visits to this power."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class Scoring:
    """The mixture of the linear score; may differ from request to request."""

    recent: int = within(1, 200, 30)
    """Newest distinct things of a user that speak."""
    rank_decay: float = within(0, 1, 0.7)
    """Weight kept for each newer moment; things of one moment are equally recent."""
    half_life_days: float | None = within(0.01, 36_500, None)
    """Days, counted back from the user's newest event, after which an event weighs half; none: rank alone decays."""
    evidence: float = within(0, 10_000, 64.0)
    """κ: pseudo-counts with which content speaks for a source that was seldom seen; 0: a fixed mixture."""
    content: float = within(0, 100, 0.03)
    """s (or α of the fixed mixture): weight of the content part."""
    together: float = within(0, 100, 1.0)
    """β: weight of the co-visitation part."""
    source_exponent: float = within(0, 1, 0.5)
    """Fixed mixture only: a source's counts are divided by its visits to this power."""
    popularity: float = within(0, 100, 0.0)
    """γ: weight of log popularity."""
    learned: float = within(0, 100, 1.0)
    """Where there is a sequence model: how loudly it speaks, by what training found; 0: not at all."""
    fitted: float = within(0, 100, 1.0)
    """Where there are weights between items, fitted on a log: how loudly they speak, by what fitting found; 0: not at
    all."""
    dislike: float = within(0, 100, 0.005)
    """ν: greatest penalty that disliked content can give, at cosine 1."""
    words: float = within(0, 1, 0.0)
    """Weight of a review's words beside its item; words without an item, and those of a search, speak in full."""
    interests: int = within(1, 8, 4)
    """Interests searched for separately."""
    apart: float = within(-1, 1, 0.35)
    """Cosine below which two things belong to different interests."""
    balance: float = within(0, 1, 0.0)
    """0: the score alone ranks; 1: every interest gets its share of the list."""
    depth: int = within(10, 1000, 50)
    """Candidates fetched for each part of the score."""
    explore: float = within(0, 0.5, 0.0)
    """Share of a list's places that goes to little-known candidates; 0: the score alone decides."""
    explore_until: float = within(0, 1_000_000, 5.0)
    """Visits below which an item is little known."""

    def __post_init__(self) -> None:
        check_ranges(self)


REFERENCE_COVISITATION = Covisitation(popularity_exponent=0.5, reverse_reach=10)
REFERENCE_SCORING = Scoring(recent=10, evidence=0.0, content=0.3, together=1.4, popularity=0.01)
"""A fixed mixture tuned to one catalogue of purchases; kept to compare with."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """All of it."""

    weights: Weights = field(default_factory=Weights)
    covisitation: Covisitation = field(default_factory=Covisitation)
    scoring: Scoring = field(default_factory=Scoring)

"""Explanation: the parts of a linear score, told apart. They add up to it."""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from penchant_core.counts import dimension
from penchant_core.interests import Interests, Known, Source
from penchant_core.model import Event
from penchant_core.tuning import Covisitation


class Kind(Enum):
    """What kind of evidence a reason is."""

    CONTENT = auto()
    TOGETHER = auto()
    POPULARITY = auto()
    DISLIKED = auto()
    LEARNED = auto()


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a score."""

    kind: Kind
    contribution: float
    event: Event | None
    """The event behind it; none for popularity, and for what a sequence model reads in all of them."""
    words: bool = False
    """Whether the event's words speak rather than its item."""


def explain(item: Known, interests: Interests, settings: Covisitation) -> list[Reason]:
    """Return the reasons of an item's score, strongest first; parts that are exactly zero are left out."""
    reasons = []
    likeness = interests.vectors @ item.vector if len(interests.vectors) else np.empty(0, np.float32)
    counted = dict(zip(item.counts.dims.tolist(), item.counts.weighted(settings).tolist(), strict=True))
    for signal, cosine in zip(interests.signals, likeness.tolist(), strict=True):
        words = signal.source is Source.TEXT
        kind = Kind.CONTENT if signal.weight > 0.0 else Kind.DISLIKED
        reasons.append(Reason(kind, signal.weight * signal.content * cosine, signal.event, words))
        if signal.together:
            pair = counted.get(dimension(signal.event.item_id), 0.0)
            reasons.append(Reason(Kind.TOGETHER, signal.weight * signal.together * pair, signal.event))
    if interests.learned is not None and item.learned is not None:
        reasons.append(Reason(Kind.LEARNED, float(interests.learned @ item.learned), None))
    reasons.append(Reason(Kind.POPULARITY, interests.popularity * float(np.log1p(item.counts.visits)), None))
    told = [reason for reason in reasons if reason.contribution]
    return sorted(told, key=lambda reason: -abs(reason.contribution))

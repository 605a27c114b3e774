"""Explanation: the parts of a linear score, told apart. They add up to it."""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from penchant_core.counts import dimension
from penchant_core.interests import Interests, Known
from penchant_core.model import Event
from penchant_core.together import TogetherModel, source
from penchant_core.tuning import Covisitation
from penchant_core.voices import Source


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


def explain(
    item: Known, interests: Interests, settings: Covisitation, together: TogetherModel | None = None
) -> list[Reason]:
    """Return the reasons of an item's score, strongest first; parts that are exactly zero are left out.

    What was counted of a source item and the weight that the model *together* has for it are one reason.
    """
    reasons = []
    pairs: dict[str, Reason] = {}
    likeness = interests.vectors @ item.vector if len(interests.vectors) else np.empty(0, np.float32)
    counted = dict(zip(item.counts.dims.tolist(), item.counts.weighted(settings).tolist(), strict=True))
    for signal, cosine in zip(interests.signals, likeness.tolist(), strict=True):
        words = signal.source is Source.TEXT
        kind = Kind.CONTENT if signal.weight > 0.0 else Kind.DISLIKED
        reasons.append(Reason(kind, signal.weight * signal.content * cosine, signal.event, words))
        if signal.together:
            pair = counted.get(dimension(signal.event.item_id), 0.0)
            pairs[signal.event.item_id] = Reason(Kind.TOGETHER, signal.weight * signal.together * pair, signal.event)
    if interests.fitted and together is not None:
        dims, values = together.of(item.item.item_id)
        weights = dict(zip(dims.tolist(), values.tolist(), strict=True))
        for share in interests.fitted:
            key = share.event.item_id
            counted_part = pairs[key].contribution if key in pairs else 0.0
            fitted_part = share.weight * weights.get(source(key), 0.0)
            pairs[key] = Reason(Kind.TOGETHER, counted_part + fitted_part, share.event)
    reasons += pairs.values()
    if interests.learned is not None and item.learned is not None:
        reasons.append(Reason(Kind.LEARNED, float(interests.learned @ item.learned), None))
    reasons.append(Reason(Kind.POPULARITY, interests.popularity * float(np.log1p(item.counts.visits)), None))
    told = [reason for reason in reasons if reason.contribution]
    return sorted(told, key=lambda reason: -abs(reason.contribution))

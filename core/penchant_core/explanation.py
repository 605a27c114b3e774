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
    reasons = _pairs(item, interests, settings, together)
    likeness = interests.vectors @ item.vector if len(interests.vectors) else np.empty(0, np.float32)
    for signal, cosine in zip(interests.signals, likeness.tolist(), strict=True):
        words = signal.source is Source.TEXT
        kind = Kind.CONTENT if signal.weight > 0.0 else Kind.DISLIKED
        reasons.append(Reason(kind, signal.weight * signal.content * cosine, signal.event, words))
    if interests.learned is not None and item.learned is not None:
        reasons.append(Reason(Kind.LEARNED, float(interests.learned @ item.learned), None))
    reasons.append(Reason(Kind.POPULARITY, interests.popularity * float(np.log1p(item.counts.visits)), None))
    told = [reason for reason in reasons if reason.contribution]
    return sorted(told, key=lambda reason: -abs(reason.contribution))


def _pairs(item: Known, interests: Interests, settings: Covisitation, together: TogetherModel | None) -> list[Reason]:
    counted = dict(zip(item.counts.dims.tolist(), item.counts.weighted(settings).tolist(), strict=True))
    parts: dict[Event, float] = {}
    for signal in interests.signals:
        if signal.together:
            pair = counted.get(dimension(signal.event.item_id), 0.0)
            parts[signal.event] = signal.weight * signal.together * pair
    if interests.fitted and together is not None:
        dims, values = together.of(item.item.item_id)
        fitted = dict(zip(dims.tolist(), values.tolist(), strict=True))
        for share in interests.fitted:
            # The newest thing said of an item speaks for it in both, so the event is the same.
            pair = fitted.get(source(share.event.item_id), 0.0)
            parts[share.event] = parts.get(share.event, 0.0) + share.weight * pair
    return [Reason(Kind.TOGETHER, part, event) for event, part in parts.items()]

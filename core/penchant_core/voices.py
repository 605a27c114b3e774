"""Voices: what the things of a ledger say for and against items, before any item or word is looked up."""

from collections.abc import Iterable
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from penchant_core.model import Event
from penchant_core.tuning import DAY, Scoring, Weights


class Source(StrEnum):
    """What of an event speaks."""

    ITEM = "item"
    TEXT = "text"


class Voice(NamedTuple):
    """What one thing of a ledger says, before its item or words are looked up."""

    event: Event
    weight: float
    """Signed and decayed, not yet brought to a sum of 1."""
    source: Source
    key: str
    """Item id or words."""


_AGE = attrgetter("occurred_at", "event_id")


def voices_of(events: Iterable[Event], scoring: Scoring, weights: Weights) -> list[Voice]:
    """Return what the newest distinct things say, newest first."""
    things: dict[tuple[str, str], list[tuple[Event, float]]] = {}
    for event in sorted(events, key=_AGE, reverse=True):
        if not (weight := weights.weigh(event.type, event.value)):
            continue
        thing = (event.item_id, event.text if not event.item_id else "")
        if thing in things:
            things[thing].append((event, weight))
        elif len(things) < scoring.recent:
            things[thing] = [(event, weight)]
    voices = []
    moments = sorted({said[0][0].occurred_at for said in things.values()}, reverse=True)
    # What is done at one moment, the lines of one order, is equally recent.
    ranks = {moment: rank for rank, moment in enumerate(moments)}
    for said in things.values():
        moment = said[0][0].occurred_at
        decay = scoring.rank_decay ** ranks[moment]
        if scoring.half_life_days is not None:
            decay *= 2.0 ** ((moment - moments[0]) / (scoring.half_life_days * DAY))
        # The newest event on a thing decides for or against; the strongest of that side speaks for them all.
        side = said if len(said) == 1 else [one for one in said if one[1] * said[0][1] > 0.0]
        event, weight = side[0] if len(side) == 1 else max(side, key=lambda one: abs(one[1]))
        if event.item_id:
            voices.append(Voice(event, weight * decay, Source.ITEM, event.item_id))
        worded = next((one for one in side if one[0].text and _share_of_words(one[0], scoring)), None)
        if worded is not None:
            share = _share_of_words(worded[0], scoring)
            voices.append(Voice(worded[0], worded[1] * decay * share, Source.TEXT, worded[0].text))
    return voices


def _share_of_words(event: Event, scoring: Scoring) -> float:
    # What is searched for is what is wanted next, whichever item came of it; what is said of an item is an opinion.
    return scoring.words if event.item_id and event.type != "search" else 1.0

"""Whether explanations can be believed: is the thing named strongest the one without which the score falls most?

An explanation tells the parts of a score as it is. Whoever reads "because of the tent" also hears "without the tent,
not this". That is another question, since without one thing the others weigh more: leave-one-out, asked of a sample.
The score is that of ``penchant_core.interests``, the parts are those of ``penchant_core.explanation``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from penchant_core.counts import Counts, dimension
from penchant_core.explanation import Reason, explain
from penchant_core.interests import Known, interests_said
from penchant_core.model import Event
from penchant_core.voices import Source, voices_of

from penchant_relevance.asks import Ask
from penchant_relevance.log import Log
from penchant_relevance.measure import best
from penchant_relevance.metrics import bootstrap
from penchant_relevance.scoring import Floats32, Mixture

SAMPLE = 500
"""Asks that are looked at, at most."""

Thing = tuple[str, str]
"""An item's id, or words without an item."""


def _thing(event: Event) -> Thing:
    return (event.item_id, "" if event.item_id else event.text)


@dataclass(frozen=True)
class Left:
    """What one explanation said and what leaving things out showed: thing by thing, in the same order."""

    user: int
    strongest: int
    """Which thing was named first of those that speak for the item."""
    told: Floats32
    """What each was said to contribute."""
    lost: Floats32
    """By how much the score falls without it."""


@dataclass
class Explaining:
    """A model that looks, now and then, whether the explanation of its first place holds."""

    mixture: Mixture
    log: Log
    every: int
    """Of so many asks one is looked at."""
    found: list[Left] = field(default_factory=list)
    _asked: int = 0

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return what the mixture returns."""
        scores = self.mixture.scores(asks)
        for row, ask in enumerate(asks):
            if (self._asked + row) % self.every == 0:
                allowed = scores[row].copy()
                allowed[ask.seen] = -np.inf
                self.found += [left for item in best(allowed, 1) if (left := self.left_out(ask, item)) is not None]
        self._asked += len(asks)
        return scores

    def left_out(self, ask: Ask, item: int) -> Left | None:
        """Return what leaving things out shows of one item; none where fewer than two things speak."""
        target = self._known(item, paired=True)
        reasons = self.reasons(ask.events, ask.now, target)
        scoring, weights = self.mixture.tuning.scoring, self.mixture.tuning.weights
        # Of what speaks, some says nothing of this item.
        told = {_thing(voice.event): 0.0 for voice in voices_of(ask.events, scoring, weights)}
        for reason in reasons:
            if reason.event is not None:
                told[_thing(reason.event)] += reason.contribution
        first = next((r.event for r in reasons if r.event is not None and r.contribution > 0.0), None)
        if first is None or len(told) < 2:  # noqa: PLR2004 of one alone there is nothing to ask
            return None
        score = sum(reason.contribution for reason in reasons)
        lost = [score - self._without(thing, ask, target) for thing in told]
        strongest = list(told).index(_thing(first))
        return Left(ask.user, strongest, np.array(list(told.values()), np.float32), np.array(lost, np.float32))

    def reasons(self, events: Sequence[Event], now: int, target: Known) -> list[Reason]:
        """Return the reasons of an item's score, as the service tells them."""
        tuning = self.mixture.tuning
        voices = voices_of(events, tuning.scoring, tuning.weights)
        index = self.mixture.content.item_index
        known = {v.key: self._known(index[v.key]) for v in voices if v.source is Source.ITEM}
        content = self.mixture.content
        texts = {v.key: content.texts[content.text_index[v.key]] for v in voices if v.source is Source.TEXT}
        return explain(target, interests_said(voices, known, texts, tuning, now), tuning.covisitation)

    def _without(self, thing: Thing, ask: Ask, target: Known) -> float:
        rest = [event for event in ask.events if _thing(event) != thing]
        return sum(reason.contribution for reason in self.reasons(rest, ask.now, target))

    def _known(self, item: int, *, paired: bool = False) -> Known:
        counts = self.mixture.counts
        out, visits = float(counts.out[item]), float(counts.visits[item])
        told = Counts(out=out, visits=visits)
        if paired:
            sources, values = counts.into(item)
            dims = np.array([dimension(self.log.items[source].item_id) for source in sources.tolist()], np.uint32)
            told = Counts(dims, values, out, visits)
        return Known(self.log.items[item], self.mixture.content.items[item], told)

    def figures(self) -> dict[str, Any]:
        """Return how often the thing named first is the one that costs most, and how much of what is told is lost."""
        if not self.found:
            return {}
        rows = [
            (left.strongest == int(np.argmax(left.lost)), left.told @ left.lost, left.told @ left.told)
            for left in self.found
        ]
        drawn = bootstrap(np.array(rows, np.float64), np.array([left.user for left in self.found]))
        things = sum(len(left.told) for left in self.found)
        return {
            "asks": len(rows),
            "things": things,
            "agreement": asdict(drawn.estimate(0)),
            "slope": asdict(drawn.ratio(1, 2)),
        }

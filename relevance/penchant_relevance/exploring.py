"""The score with a share of every list explored, as the service does it: what exploring costs, and who gains by it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from penchant_core.exploring import Exploring
from penchant_core.tuning import Tuning

from penchant_relevance.asks import Ask
from penchant_relevance.measure import best
from penchant_relevance.scoring import Floats32, Mixture, said


@dataclass(frozen=True)
class Explored:
    """A model whose first places are those of explored lists.

    Candidates are the best by content and the best by everything else. Content is searched for once, where a service
    searches for each interest.
    """

    mixture: Mixture
    share: float
    """Of the places, 0–.5."""
    size: int
    """Places of a list."""

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return scores whose order is that of explored lists, shape (asks, items)."""
        found = self.mixture.scores(asks)
        spoken, items = said(asks, self.mixture.content, self.mixture.tuning), self.mixture.content.items
        taste = self.mixture.taste(spoken, asks[0].now)
        for row, ask in enumerate(asks):
            found[row, ask.seen] = -np.inf
            if spoken.nothing[row]:
                taste[row] = items[best(found[row], self.size)].mean(axis=0)
        content = taste @ items.T
        for row, ask in enumerate(asks):
            self._explore(found[row], content[row], ask, stranger=bool(spoken.nothing[row]))
        return found

    def _explore(self, scores: Floats32, content: Floats32, ask: Ask, *, stranger: bool) -> None:
        exploring = Exploring.of(self._tuning, str(ask.user), ask.now)
        if exploring is None:
            return
        found = self._found(scores, content, stranger=stranger)
        few = found[self.mixture.counts.visits[found] < exploring.little_known.visits]
        # As the service has them: best first, by content alone where nothing is known of who asks.
        order = content if stranger else scores
        pool = [self._ids[item] for item in few[np.argsort(-order[few], kind="stable")]]
        ranking = [self._ids[item] for item in best(scores, self.size)]
        places = exploring.places(ranking, pool, (), self.size)
        top = float(scores.max(initial=-np.inf))
        for above, place in enumerate(reversed(places), start=1):
            scores[self.mixture.content.item_index[place.item_id]] = top + above

    def _found(self, scores: Floats32, content: Floats32, *, stranger: bool) -> NDArray[np.int64]:
        depth = max(self._tuning.scoring.depth, self.size)
        allowed = scores > -np.inf
        by_content = best(np.where(allowed, content, -np.inf), depth)
        by_rest = [] if stranger else best(np.where(allowed, scores - content, -np.inf), depth)
        return np.unique(np.array([*by_content, *by_rest], np.int64))

    @cached_property
    def _tuning(self) -> Tuning:
        tuning = self.mixture.tuning
        return replace(tuning, scoring=replace(tuning.scoring, explore=self.share))

    @cached_property
    def _ids(self) -> list[str]:
        return list(self.mixture.content.item_index)

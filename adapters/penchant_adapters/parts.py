"""A search in two rounds: candidates by each part of the score, then every part for all of them.

An item found by its words only has a co-visitation score too. Asking an engine to fuse the searches in one query counts
the missing part as zero and costs 10–25 % of the quality; asking again for exactly the missing parts, among the
candidates only, costs a tenth of a millisecond and makes every score exact.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from penchant_core.counts import POPULARITY, VISITS, dimension
from penchant_core.ports import Candidate, Query
from penchant_core.together import source
from penchant_core.vectors import Vector

CONTENT, COUNTS, LEARNED, FITTED = "content", "counts", "learned", "fitted"
"""Parts of the score; the first two are also the names of the vectors that they are products with."""
VISITED = "visited"
"""Visits: asked of candidates like a part of the score, and none of it."""

R = TypeVar("R")


class Part(NamedTuple):
    """A point and the parts of its score."""

    point: int
    content: float
    counts: float
    learned: float
    fitted: float
    visits: float | None = None
    """None where they were not asked for."""

    @property
    def score(self) -> float:
        """The sum of the parts."""
        return self.content + self.counts + self.learned + self.fitted

    def named(self, item_id: str) -> Candidate:
        """Return it as the core knows it, by the item's id."""
        return Candidate(item_id, self.content, self.counts, self.learned, self.fitted, self.visits)


def wanted(found: Sequence[Part], question: Query) -> Sequence[Part]:
    """Return those of all candidates that a query wants: the best, and the best of the little-known besides."""
    if question.limit is None:
        return found
    best = nlargest(question.limit, found, key=_worth)
    few = question.little_known
    if few is None:
        return best
    chosen = {part.point for part in best}
    others = [p for p in found if p.visits is not None and p.visits < few.visits and p.point not in chosen]
    return best + nlargest(few.limit, others, key=_worth)


def _worth(part: Part) -> tuple[float, int]:
    return (part.score, part.point)


@dataclass(frozen=True, slots=True)
class Ask(Generic[R]):
    """How one part of the score is asked of an engine whose requests are R."""

    best: Callable[[int], R]
    """For the best of so many points that may be listed."""
    exactly: Callable[[Collection[int]], R]
    """For these points."""


class Asks(Generic[R]):
    """What an engine is asked for one query."""

    def __init__(
        self,
        question: Query,
        dense: Callable[[Vector, str], Ask[R]],
        sparse: Callable[[Mapping[int, float], str], Ask[R]],
        names: Mapping[str, str],
    ) -> None:
        """*names*: part of the score → name of the vector that a trained model gives for it, where there is one.

        Words stand in the vector of their part's own name unless *names* has another.
        """
        self._parts: dict[str, Ask[R]] = {}
        content = names.get(CONTENT, CONTENT)
        if question.content is not None and np.any(question.content):
            self._parts[CONTENT] = dense(question.content, content)
        weights = _summed(dimension, question.sources)
        if question.popularity:
            weights[POPULARITY] = question.popularity
        if weights:
            self._parts[COUNTS] = sparse(weights, COUNTS)
        if question.learned is not None and LEARNED in names:
            self._parts[LEARNED] = dense(question.learned, names[LEARNED])
        if question.fitted and FITTED in names:
            self._parts[FITTED] = sparse(_summed(source, question.fitted), names[FITTED])
        # Where to look by content may be several directions; their sum, which scores, is no place to look then.
        self._looks = [(part, ask) for part, ask in self._parts.items() if part != CONTENT]
        if question.little_known is not None:
            self._parts[VISITED] = sparse({VISITS: 1.0}, COUNTS)
        for direction in question.directions:
            if np.any(direction):
                whole = direction is question.content
                self._looks.append(("", dense(direction, content)) if not whole else (CONTENT, self._parts[CONTENT]))
        self._found: dict[str, dict[int, float]] = {part: {} for part in self._parts}
        self._points: set[int] = set()

    def searches(self, depth: int) -> list[R]:
        """Return the searches for candidates."""
        return [ask.best(depth) for _, ask in self._looks]

    def missing(self, answers: Sequence[Mapping[int, float]]) -> list[R]:
        """Take the answers to the searches, point → score; return the requests for what they lack."""
        for (part, _), answer in zip(self._looks, answers, strict=True):
            self._points |= answer.keys()
            if part:
                self._found[part].update(answer)
        self._lacking = [part for part in self._parts if self._points - self._found[part].keys()]
        return [self._parts[part].exactly(self._points - self._found[part].keys()) for part in self._lacking]

    def parts(self, answers: Sequence[Mapping[int, float]]) -> list[Part]:
        """Take the answers to what was missing; return all candidates, in no particular order."""
        for part, answer in zip(self._lacking, answers, strict=True):
            self._found[part].update(answer)
        found = [self._found.get(part, {}) for part in (CONTENT, COUNTS, LEARNED, FITTED)]
        if VISITED in self._found:
            found.append(self._found[VISITED])
        return [Part(point, *(scores.get(point, 0.0) for scores in found)) for point in self._points]


def _summed(dimension_of: Callable[[str], int], sources: Mapping[str, float]) -> dict[int, float]:
    weights: dict[int, float] = {}
    for item_id, weight in sources.items():
        dim = dimension_of(item_id)
        weights[dim] = weights.get(dim, 0.0) + weight
    return weights

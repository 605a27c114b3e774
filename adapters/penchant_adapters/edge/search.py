"""Search in two steps: candidates by each part of the score, then every part for all of them.

An item found by its words only has a co-visitation score too. Asking the engine to fuse both searches in one query
counts that as zero and costs 10–25 % of the quality; asking again for exactly the missing parts costs a tenth of a
millisecond and makes every score exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from penchant_core.counts import POPULARITY
from penchant_core.model import Filter
from penchant_core.ports import Query as Question
from penchant_core.vectors import Vector
from qdrant_edge import (
    FieldCondition,
    HasIdCondition,
    MatchAny,
    MatchValue,
    QueryRequest,
    RangeFloat,
    ScrollRequest,
    SparseVector,
)
from qdrant_edge import Filter as Condition
from qdrant_edge import Query as Search_

from penchant_adapters.edge.shard import Shard
from penchant_adapters.lru import Recent
from penchant_adapters.points import META, point_id


class Search:
    """Searches of the items' shard."""

    def __init__(self, shard: Shard, hidden: set[int]) -> None:
        self._shard = shard
        # A must-not list of ids costs little; a payload condition on every item makes each search five times dearer.
        self._hidden = hidden
        self._names: Recent[int, str] = Recent(500_000)

    def hide(self, point: int, *, hidden: bool) -> None:
        """Leave a point out of every search from now on, or let it in again."""
        (self._hidden.add if hidden else self._hidden.discard)(point)

    def names(self, points: Sequence[int]) -> dict[int, str]:
        """Return the item ids of points."""
        found = {point: name for point in points if (name := self._names.get(point)) is not None}
        missing = [point for point in points if point not in found]
        if missing:
            for record in self._shard.retrieve(missing):
                name = str((record.payload or {})["id"])
                self._names.put(int(str(record.id)), name)
                found[int(str(record.id))] = name
        return found

    def best(self, question: Question, sources: Mapping[int, float]) -> list[tuple[int, float, float]]:
        """Return (point, content, counts) of the union of the best of each search."""
        weights = dict(sources)
        if question.popularity:
            weights[POPULARITY] = question.popularity
        condition = self._condition(question.filter)
        dense = [d for d in question.directions if np.any(d)]
        requests = [_nearest(d, question.depth, condition) for d in dense]
        if weights:
            requests.append(_counted(weights, question.depth, condition))
        if not requests:
            return []
        answers = self._shard.query(requests)
        counts = _scores(answers.pop()) if weights else {}
        content = _scores(answers[0]) if len(dense) == 1 and dense[0] is question.content else {}
        points = set(counts).union(*({int(str(p.id)) for p in answer} for answer in answers))
        self._complete(question, weights, points, content, counts)
        return [(point, content.get(point, 0.0), counts.get(point, 0.0)) for point in points]

    def _complete(
        self,
        question: Question,
        weights: Mapping[int, float],
        points: set[int],
        content: dict[int, float],
        counts: dict[int, float],
    ) -> None:
        requests, targets = [], []
        wordless = points - content.keys()
        if wordless and question.content is not None and np.any(question.content):
            requests.append(_nearest(question.content, len(wordless), _among(wordless)))
            targets.append(content)
        uncounted = points - counts.keys()
        if uncounted and weights:
            requests.append(_counted(weights, len(uncounted), _among(uncounted)))
            targets.append(counts)
        if requests:
            for target, answer in zip(targets, self._shard.query(requests), strict=True):
                target.update(_scores(answer))

    def by_counts(self, weights: Mapping[int, float], only: Filter, limit: int) -> list[int]:
        """Return the best points by their counts alone."""
        (answer,) = self._shard.query([_counted(weights, limit, self._condition(only))])
        return [int(str(point.id)) for point in answer]

    def any(self, only: Filter, limit: int, besides: Iterable[int]) -> list[int]:
        """Return allowed points in the order of their ids."""
        condition = self._condition(only, {*besides, META})
        records, _ = self._shard.scroll(
            ScrollRequest(limit=limit, filter=condition, with_payload=False, with_vector=False)
        )
        return [int(str(record.id)) for record in records]

    def _condition(self, only: Filter, besides: set[int] | None = None) -> Condition | None:
        must: list[Any] = []
        if only.categories:
            must.append(FieldCondition(key="categories", match=MatchAny(list(only.categories))))
        for key, value in only.attributes.items():
            must.append(FieldCondition(key=f"attributes.{key}", match=MatchValue(value)))
        if only.min_price is not None or only.max_price is not None:
            must.append(FieldCondition(key="price", range=RangeFloat(gte=only.min_price, lte=only.max_price)))
        barred = {point_id(item_id) for item_id in only.exclude} | (besides or set()) | self._hidden
        must_not: list[Any] = [HasIdCondition(barred)] if barred else []  # type: ignore[arg-type]  # sets are invariant
        return Condition(must=must or None, must_not=must_not or None) if must or must_not else None


def _nearest(vector: Vector, limit: int, condition: Condition | None) -> QueryRequest:
    return QueryRequest(limit=limit, query=Search_.Nearest(vector, using="content"), filter=condition)  # type: ignore[arg-type]  # the engine takes arrays


def _counted(weights: Mapping[int, float], limit: int, condition: Condition | None) -> QueryRequest:
    vector = SparseVector(indices=list(weights), values=list(weights.values()))
    return QueryRequest(limit=limit, query=Search_.Nearest(vector, using="counts"), filter=condition)


def _among(points: set[int]) -> Condition:
    return Condition(must=[HasIdCondition(points)])  # type: ignore[arg-type]  # sets are invariant


def _scores(answer: Sequence[Any]) -> dict[int, float]:
    return {point.id: point.score for point in answer}

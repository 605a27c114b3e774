"""Searches in Qdrant Edge."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

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
from penchant_adapters.parts import COUNTS, Ask, Asks, Part
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
            for record in self._shard.retrieve(missing, payload=("id",)):
                name = str((record.payload or {})["id"])
                self._names.put(int(str(record.id)), name)
                found[int(str(record.id))] = name
        return found

    def best(self, question: Question, names: Mapping[str, str]) -> list[Part]:
        """Return the points of the union of the best of each search, with every part of their scores.

        *names*: part of the score → name of the vector, of words and of what trained models give.
        """
        condition = self._condition(question.filter)
        asks = Asks(question, partial(_dense, condition), partial(_sparse, condition), names)
        missing = asks.missing(self._answers(asks.searches(question.depth)))
        return asks.parts(self._answers(missing))

    def _answers(self, requests: Sequence[QueryRequest]) -> list[dict[int, float]]:
        return [_scores(answer) for answer in self._shard.query(requests)] if requests else []

    def by_counts(self, weights: Mapping[int, float], only: Filter, limit: int) -> list[int]:
        """Return the best points by their counts alone."""
        (answer,) = self._answers([_sparse(self._condition(only), weights, COUNTS).best(limit)])
        return list(answer)

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


def _dense(condition: Condition | None, vector: Vector, using: str) -> Ask[QueryRequest]:
    return _asked(Search_.Nearest(vector, using=using), condition)  # type: ignore[arg-type]  # the engine takes arrays


def _sparse(condition: Condition | None, weights: Mapping[int, float], using: str) -> Ask[QueryRequest]:
    vector = SparseVector(indices=list(weights), values=list(weights.values()))
    return _asked(Search_.Nearest(vector, using=using), condition)


def _asked(query: Search_, condition: Condition | None) -> Ask[QueryRequest]:
    return Ask(
        best=lambda limit: QueryRequest(limit=limit, query=query, filter=condition),
        exactly=lambda points: QueryRequest(limit=len(points), query=query, filter=_among(set(points))),
    )


def _among(points: set[int]) -> Condition:
    return Condition(must=[HasIdCondition(points)])  # type: ignore[arg-type]  # sets are invariant


def _scores(answer: Sequence[Any]) -> dict[int, float]:
    return {point.id: point.score for point in answer}

"""Search in two steps: candidates by each part of the score, then every part for all of them.

Asking for both parts in one fused query counts the missing part of a candidate as zero and costs 10–25 % of the
quality; the second request asks for exactly the missing parts, among the candidates only.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from penchant_core.counts import POPULARITY
from penchant_core.model import Filter
from penchant_core.ports import Query as Question
from penchant_core.vectors import Vector
from qdrant_client import grpc

from penchant_adapters.lru import Recent
from penchant_adapters.payloads import GONE, UNAVAILABLE
from penchant_adapters.points import point_id
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.protocol import Sparse, among, has_id, matches, matches_any, query, within
from penchant_adapters.settings_groups import QdrantSettings

CONTENT, COUNTS = "content", "counts"
NAMES = 500_000
"""Names of points kept in memory; a point never changes its name."""


class Search:
    """Searches of the items' collection."""

    def __init__(self, collection: Collection, settings: QdrantSettings) -> None:
        self._collection = collection
        quantization = grpc.QuantizationSearchParams(rescore=True, oversampling=settings.oversampling)
        self._params = grpc.SearchParams(
            hnsw_ef=settings.search_ef, quantization=quantization if settings.quantization != "none" else None
        )
        self._names: Recent[int, str] = Recent(NAMES)

    async def names(self, points: Sequence[int]) -> dict[int, str]:
        """Return the item ids of points."""
        found = {point: name for point in points if (name := self._names.get(point)) is not None}
        missing = [point for point in points if point not in found]
        if missing:
            for record in await self._collection.read(missing, payload=("id",)):
                found[record.point] = str(record.payload["id"])
                self._names.put(record.point, found[record.point])
        return found

    async def best(self, question: Question, sources: Mapping[int, float]) -> list[tuple[int, float, float]]:
        """Return (point, content, counts) of the union of the best of each search."""
        weights = dict(sources)
        if question.popularity:
            weights[POPULARITY] = question.popularity
        condition = self._condition(question.filter)
        dense = [direction for direction in question.directions if np.any(direction)]
        requests = [self._nearest(direction, question.depth, condition) for direction in dense]
        if weights:
            requests.append(_counted(weights, question.depth, condition))
        if not requests:
            return []
        answers = await self._collection.query(requests)
        counts = answers.pop() if weights else {}
        content = dict(answers[0]) if len(dense) == 1 and dense[0] is question.content else {}
        points = set(counts).union(*answers)
        await self._complete(question, weights, points, content, counts)
        return [(point, content.get(point, 0.0), counts.get(point, 0.0)) for point in points]

    async def _complete(
        self,
        question: Question,
        weights: Mapping[int, float],
        points: set[int],
        content: dict[int, float],
        counts: dict[int, float],
    ) -> None:
        requests, targets = [], []
        wordless = list(points - content.keys())
        if wordless and question.content is not None and np.any(question.content):
            requests.append(_exactly(question.content, wordless))
            targets.append(content)
        uncounted = list(points - counts.keys())
        if uncounted and weights:
            requests.append(_counted(weights, len(uncounted), among(uncounted)))
            targets.append(counts)
        if requests:
            for target, answer in zip(targets, await self._collection.query(requests), strict=True):
                target.update(answer)

    async def by_counts(self, weights: Mapping[int, float], only: Filter, limit: int) -> list[int]:
        """Return the best points by their counts alone."""
        (answer,) = await self._collection.query([_counted(weights, limit, self._condition(only))])
        return list(answer)

    async def any(self, only: Filter, limit: int, besides: Iterable[int]) -> list[int]:
        """Return allowed points in the order of their ids."""
        records, _ = await self._collection.page(None, limit, self._condition(only, besides), payload=False)
        return [record.point for record in records]

    def _nearest(self, vector: Vector, limit: int, condition: grpc.Filter) -> grpc.QueryPoints:
        return query(vector, CONTENT, limit, condition, self._params)

    def _condition(self, only: Filter, besides: Iterable[int] = ()) -> grpc.Filter:
        must = [matches(attribute(key), value) for key, value in only.attributes.items()]
        if only.categories:
            must.append(matches_any("categories", only.categories))
        if only.min_price is not None or only.max_price is not None:
            must.append(within("price", gte=only.min_price, lte=only.max_price))
        hidden = [matches_any("status", (GONE, UNAVAILABLE))]
        if barred := {point_id(item_id) for item_id in only.exclude} | set(besides):
            hidden.append(has_id(barred))
        return grpc.Filter(must=must, must_not=hidden)


def attribute(key: str) -> str:
    """Return the path of an attribute in the payload; quoted where a plain key would be read as a path."""
    return f"attributes.{key}" if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'attributes."{key}"'


_EXACTLY = grpc.SearchParams(exact=True, quantization=grpc.QuantizationSearchParams(ignore=True))


def _exactly(vector: Vector, points: Sequence[int]) -> grpc.QueryPoints:
    return query(vector, CONTENT, len(points), among(points), _EXACTLY)


def _counted(weights: Mapping[int, float], limit: int, condition: grpc.Filter) -> grpc.QueryPoints:
    return query(Sparse(list(weights), list(weights.values())), COUNTS, limit, condition)

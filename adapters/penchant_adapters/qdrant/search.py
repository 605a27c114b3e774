"""Searches in Qdrant."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from penchant_core.model import Filter
from penchant_core.ports import Query as Question
from penchant_core.vectors import Vector
from qdrant_client import grpc

from penchant_adapters.lru import Recent
from penchant_adapters.parts import COUNTS, Ask, Asks, Part
from penchant_adapters.payloads import GONE, UNAVAILABLE
from penchant_adapters.points import Sparse, point_id
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.protocol import among, has_id, matches, matches_any, query, within
from penchant_adapters.settings_groups import QdrantSettings

NAMES = 500_000
"""Names of points kept in memory; a point never changes its name."""


class Search:
    """Searches of the items' collection."""

    def __init__(self, collection: Collection, settings: QdrantSettings, names: Mapping[str, str]) -> None:
        """*names*: part of the score → name of the vector that a trained model gives for it."""
        self._collection = collection
        self._vectors = names
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

    async def best(self, question: Question) -> list[Part]:
        """Return the points of the union of the best of each search, with every part of their scores."""
        condition = self._condition(question.filter)
        asks = Asks(question, partial(self._dense, condition), partial(_sparse, condition), self._vectors)
        missing = asks.missing(await self._answers(asks.searches(question.depth)))
        return asks.parts(await self._answers(missing))

    async def _answers(self, requests: Sequence[grpc.QueryPoints]) -> list[dict[int, float]]:
        return await self._collection.query(requests) if requests else []

    async def by_counts(self, weights: Mapping[int, float], only: Filter, limit: int) -> list[int]:
        """Return the best points by their counts alone."""
        (answer,) = await self._answers([_sparse(self._condition(only), weights, COUNTS).best(limit)])
        return list(answer)

    async def any(self, only: Filter, limit: int, besides: Iterable[int]) -> list[int]:
        """Return allowed points in the order of their ids."""
        records, _ = await self._collection.page(None, limit, self._condition(only, besides), payload=False)
        return [record.point for record in records]

    def _dense(self, condition: grpc.Filter, vector: Vector, using: str) -> Ask[grpc.QueryPoints]:
        return Ask(
            best=lambda limit: query(vector, using, limit, condition, self._params),
            exactly=lambda points: query(vector, using, len(points), among(points), _EXACTLY),
        )

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


def _sparse(condition: grpc.Filter, weights: Mapping[int, float], using: str) -> Ask[grpc.QueryPoints]:
    vector = Sparse(list(weights), list(weights.values()))
    return Ask(
        best=lambda limit: query(vector, using, limit, condition),
        exactly=lambda points: query(vector, using, len(points), among(points)),
    )

"""Items in Qdrant for those who read them: described, paged, searched."""

from collections.abc import Iterable, Sequence
from heapq import nlargest
from time import monotonic

from penchant_core.counts import VISITS, Counts, dimension
from penchant_core.interests import Known
from penchant_core.log import NOTHING, ItemCounts
from penchant_core.model import Filter, Item
from penchant_core.ports import Candidate, Query
from penchant_core.tuning import Covisitation
from qdrant_client import grpc

from penchant_adapters.lru import Recent
from penchant_adapters.payloads import GONE, item_of
from penchant_adapters.points import META, number_of, point_id
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.protocol import Found, Sparse, matches
from penchant_adapters.qdrant.search import CONTENT, COUNTS, Search
from penchant_adapters.settings_groups import QdrantSettings

EVIDENCE, TOLD = "evidence", "told"
CACHED_ITEMS = 20_000
"""Items kept decoded in memory, some 5 kB each."""

THERE = grpc.Filter(must_not=[matches("status", GONE)])
"""Points of items that are in the catalogue."""


class QdrantCatalogue:
    """Keeps the reading half of ``ports.Catalogue`` and the promise of ``ports.Retriever``."""

    def __init__(self, collection: Collection, covisitation: Covisitation, settings: QdrantSettings) -> None:
        self._collection = collection
        self._covisitation = covisitation
        self._seconds = settings.cache_seconds
        self._recent: Recent[str, tuple[Known, float]] = Recent(CACHED_ITEMS)
        self._search = Search(collection, settings)

    async def known(self, item_ids: Sequence[str]) -> dict[str, Known]:
        """Return those of the items that are in the catalogue, as they were ``cache_seconds`` ago or later."""
        now = monotonic()
        found: dict[str, Known] = {}
        missing: dict[int, str] = {}
        for item_id in item_ids:
            cached = self._recent.get(item_id)
            if cached is not None and now < cached[1]:
                found[item_id] = cached[0]
            else:
                missing[point_id(item_id)] = item_id
        for record in await self._collection.read(list(missing), vectors=(CONTENT, COUNTS, EVIDENCE)):
            if (known := self._known(record)) is not None:
                self._recent.put(known.item.item_id, (known, now + self._seconds))
                found[known.item.item_id] = known
        return found

    def forget(self, item_ids: Iterable[str]) -> None:
        """Read items anew the next time they are asked for."""
        for item_id in item_ids:
            self._recent.drop(item_id)

    async def page(self, after: str, limit: int) -> tuple[list[Item], str]:
        """Return items in the order of their points."""
        start = int(after) if after else META + 1
        records, following = await self._collection.page(start, limit, THERE)
        return [item_of(record.payload) for record in records], "" if following is None else str(following)

    async def candidates(self, query: Query) -> list[Candidate]:
        """Return the union of the best of each search, every score exact."""
        found = await self._search.best(query, {dimension(i): weight for i, weight in query.sources.items()})
        if query.limit is not None:
            found = nlargest(query.limit, found, key=lambda one: (one[1] + one[2], one[0]))
        names = await self._search.names([point for point, _, _ in found])
        return [Candidate(names[point], content, counts) for point, content, counts in found if point in names]

    async def popular(self, only: Filter, limit: int) -> list[str]:
        """Return the most visited items, then others in the order of their points."""
        points = await self._search.by_counts({VISITS: 1.0}, only, limit)
        if len(points) < limit:
            points += await self._search.any(only, limit - len(points), besides=points)
        names = await self._search.names(points)
        return [names[point] for point in points if point in names]

    def _known(self, record: Found) -> Known | None:
        if record.payload.get("status") == GONE or CONTENT not in record.dense:
            return None
        return Known(item_of(record.payload), record.dense[CONTENT], self._counts(record))

    def _counts(self, record: Found) -> Counts:
        counts, evidence = record.sparse.get(COUNTS, _NOTHING), record.sparse.get(EVIDENCE, _NOTHING)
        out = evidence.values[0] if evidence.values else 0.0
        return Counts.from_sparse(counts.dims, counts.values, out, self._covisitation)

    def _item_counts(self, record: Found) -> ItemCounts:
        return ItemCounts(self._counts(record), told_of(record))


_NOTHING = Sparse([], [])


def told_of(record: Found) -> dict[int, int]:
    """Return the offsets, by partition of the events, that an item's counts include."""
    vector = record.sparse.get(TOLD, _NOTHING)
    found = dict(zip(vector.dims, vector.values, strict=True))
    # The offset before the first stands as 0, the first as 1: a zero need not survive in a sparse vector.
    return {
        partition: number_of(found.get(2 * partition, 0.0), found.get(2 * partition + 1, 0.0)) + NOTHING
        for partition in sorted({dim // 2 for dim in found})
    }

"""Items in Qdrant for those who read them: described, paged, searched."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from penchant_core.counts import VISITS, Counts
from penchant_core.interests import Known
from penchant_core.log import NOTHING, ItemCounts
from penchant_core.model import Filter, Item
from penchant_core.ports import Candidate, Query
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation
from qdrant_client import grpc

from penchant_adapters.lru import Recent
from penchant_adapters.parts import CONTENT, COUNTS, wanted
from penchant_adapters.payloads import DESCRIBED, GONE, item_of
from penchant_adapters.points import META, Sparse, number_of, point_id
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.protocol import Found, matches
from penchant_adapters.qdrant.search import Search
from penchant_adapters.settings_groups import QdrantSettings
from penchant_adapters.trained import GivenToItems

EVIDENCE, TOLD = "evidence", "told"
CACHED_ITEMS = 20_000
"""Items kept decoded in memory, some 5 kB each."""
DESCRIBED_SECONDS = 60.0
"""Seconds for which an item's description and content are not read again, unless it is said to have changed."""

THERE = grpc.Filter(must_not=[matches("status", GONE)])
"""Points of items that are in the catalogue."""


@dataclass(frozen=True, slots=True)
class _Read:
    """An item and when its halves were read, on the monotonic clock."""

    known: Known
    described: float
    counted: float


class QdrantCatalogue:
    """Keeps the reading half of ``ports.Catalogue`` and the promise of ``ports.Retriever``."""

    def __init__(
        self,
        collection: Collection,
        covisitation: Covisitation,
        settings: QdrantSettings,
        trained: Trained = UNTRAINED,
        content: str = CONTENT,
    ) -> None:
        """*content*: the name of the vectors of words, of the space that it reads in."""
        self._collection = collection
        self._given = GivenToItems(trained, content)
        self._covisitation = covisitation
        self._seconds = settings.cache_seconds
        self._described_seconds = max(self._seconds, DESCRIBED_SECONDS) if self._seconds else 0.0
        self._recent: Recent[str, _Read] = Recent(CACHED_ITEMS)
        self._search = Search(collection, settings, {CONTENT: content, **self._given.names})

    async def known(self, item_ids: Sequence[str]) -> dict[str, Known]:
        """Return those of the items that are in the catalogue, as they were ``cache_seconds`` ago or later."""
        now = monotonic()
        found: dict[str, Known] = {}
        missing: list[int] = []
        uncounted: dict[int, _Read] = {}
        for item_id in item_ids:
            cached = self._recent.get(item_id)
            if cached is None or now >= cached.described + self._described_seconds:
                missing.append(point_id(item_id))
            elif now >= cached.counted + self._seconds:
                uncounted[point_id(item_id)] = cached
            else:
                found[item_id] = cached.known
        read = [
            _Read(known, now, now)
            for record in await self._collection.read(
                missing, payload=DESCRIBED, vectors=(*self._given.read, COUNTS, EVIDENCE)
            )
            if (known := self._known(record)) is not None
        ]
        # The counts move all the time; the content, ten times as much to carry, hardly ever.
        for record in await self._collection.read(list(uncounted), payload=("status",), vectors=(COUNTS, EVIDENCE)):
            old = uncounted[record.point]
            if record.payload.get("status") == GONE:
                self._recent.drop(old.known.item.item_id)
            else:
                known = replace(old.known, counts=self._counts(record))
                read.append(_Read(known, old.described, now))
        for one in read:
            self._recent.put(one.known.item.item_id, one)
            found[one.known.item.item_id] = one.known
        return found

    def _recount(self, item_id: str, counts: Counts) -> None:
        """Take counts that were just written for what the store has; a refused write is found out in time."""
        if (old := self._recent.get(item_id)) is not None:
            known = replace(old.known, counts=counts)
            self._recent.put(item_id, _Read(known, old.described, monotonic()))

    def forget(self, item_ids: Iterable[str]) -> None:
        """Read items anew the next time they are asked for."""
        for item_id in item_ids:
            self._recent.drop(item_id)

    async def page(self, after: str, limit: int) -> tuple[list[Item], str]:
        """Return items in the order of their points."""
        start = int(after) if after else META + 1
        records, following = await self._collection.page(start, limit, THERE, payload=DESCRIBED)
        return [item_of(record.payload) for record in records], "" if following is None else str(following)

    async def candidates(self, query: Query) -> list[Candidate]:
        """Return the union of the best of each search, every score exact."""
        found = await self._search.best(query)
        chosen = wanted(found, query)
        names = await self._search.names([one.point for one in chosen])
        return [one.named(names[one.point]) for one in chosen if one.point in names]

    async def popular(self, only: Filter, limit: int) -> list[str]:
        """Return the most visited items, then others in the order of their points."""
        points = await self._search.by_counts({VISITS: 1.0}, only, limit)
        if len(points) < limit:
            points += await self._search.any(only, limit - len(points), besides=points)
        names = await self._search.names(points)
        return [names[point] for point in points if point in names]

    def _known(self, record: Found) -> Known | None:
        if record.payload.get("status") == GONE or self._given.content not in record.dense:
            return None
        content, learned = record.dense[self._given.content], record.dense.get(self._given.learned)
        return Known(item_of(record.payload), content, self._counts(record), learned)

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

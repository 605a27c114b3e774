"""Items in Qdrant Edge: one point an item, its words as a dense vector, its counts as a sparse one."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from penchant_core.counts import VISITS, Counts
from penchant_core.errors import PenchantError
from penchant_core.interests import Known
from penchant_core.model import Filter, Item
from penchant_core.ports import Candidate, Query
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation
from penchant_core.vectors import Vector
from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    FieldCondition,
    MatchAny,
    MatchValue,
    PayloadSchemaType,
    Point,
    PointVectors,
    Record,
    ScrollRequest,
    UpdateOperation,
    VectorStorageDatatype,
)
from qdrant_edge import Filter as Condition

from penchant_adapters.edge.itempoints import (
    EVIDENCE,
    counts_of,
    evidence,
    known_of,
    point_of,
    sparse,
    stored_of,
    vectors_of,
)
from penchant_adapters.edge.search import Search
from penchant_adapters.edge.shard import Shard
from penchant_adapters.edge.trained import EdgeTrained
from penchant_adapters.lru import Recent
from penchant_adapters.parts import CONTENT, COUNTS, wanted
from penchant_adapters.payloads import GONE, UNAVAILABLE, item_of, item_payload
from penchant_adapters.points import META, digits, number_of, point_id
from penchant_adapters.stored import StoredItem
from penchant_adapters.vectortypes import VectorType

CACHED_ITEMS = 20_000
"""Items kept decoded in memory, some 5 kB each."""

SLICE = 64
"""Items written in one engine call: a few milliseconds."""

# The engine's stubs know but some of the names.
_DATATYPES: Mapping[VectorType, VectorStorageDatatype] = {
    kind: getattr(VectorStorageDatatype, kind.capitalize()) for kind in get_args(VectorType)
}

# The sequence stands in the counts' own vector of the meta point, so that one operation writes both.
_HIGH, _LOW = 3, 4


class EdgeItems:
    """Keeps the promises of ``Catalogue``, ``Tally`` and ``Retriever``."""

    def __init__(
        self,
        path: Path,
        dim: int,
        settings: Covisitation,
        min_free_bytes: int,
        trained: Trained = UNTRAINED,
        vectors: VectorType = "float32",
    ) -> None:
        """Open the shard; every item has what the *trained* models give afterwards. A new one keeps *vectors* so."""
        config = EdgeConfig(
            vectors={CONTENT: EdgeVectorParams(size=dim, distance=Distance.Dot, datatype=_DATATYPES[vectors])},
            sparse_vectors={COUNTS: EdgeSparseVectorParams(), EVIDENCE: EdgeSparseVectorParams()},
        )
        self._shard = Shard(path, config, min_free_bytes)
        self._settings = settings
        self._recent: Recent[str, Known] = Recent(CACHED_ITEMS)
        if not self._shard.retrieve([META]):
            self._shard.update(UpdateOperation.create_field_index("status", PayloadSchemaType.Keyword))
            self._shard.update(UpdateOperation.create_field_index("categories", PayloadSchemaType.Keyword))
            self._shard.update(UpdateOperation.create_field_index("price", PayloadSchemaType.Float))
            # Last, so that a start cut short makes the indexes again.
            self._shard.update(UpdateOperation.upsert_points([Point(id=META, vector={}, payload={})]))
        self._trained = EdgeTrained(self._shard, trained)
        self._search = Search(self._shard, self._hidden_points(), self._trained.given.names)

    async def known(self, item_ids: Sequence[str]) -> dict[str, Known]:
        """Return those of the items that are in the catalogue."""
        found = {item_id: known for item_id in item_ids if (known := self._recent.get(item_id)) is not None}
        missing = [item_id for item_id in item_ids if item_id not in found]
        for record in self._read(missing, (*self._trained.given.read, COUNTS, EVIDENCE)):
            if (known := known_of(record, self._settings, self._trained.given.learned)) is not None:
                self._recent.put(known.item.item_id, known)
                found[known.item.item_id] = known
        return found

    async def put(self, items: Sequence[tuple[Item, Vector]]) -> None:
        """Add or replace items; counts stay as they are."""
        self._trained.put()
        for start in range(0, len(items), SLICE):
            part = items[start : start + SLICE]
            described = self._trained.vectors([(item.item_id, vector) for item, vector in part])
            there = {record.id for record in self._read([item.item_id for item, _ in part], (), payload=False)}
            self._insert([item for item, _ in part if point_id(item.item_id) not in there], described)
            self._replace([item for item, _ in part if point_id(item.item_id) in there], described)
            for item, _ in part:
                self._recent.drop(item.item_id)
                self._search.hide(point_id(item.item_id), hidden=item.unavailable)
            await asyncio.sleep(0)

    def _insert(self, items: Sequence[Item], described: Mapping[str, Any]) -> None:
        if items:
            points = [
                Point(id=point_id(i.item_id), vector=described[i.item_id], payload=item_payload(i)) for i in items
            ]
            self._shard.update(UpdateOperation.upsert_points(points))

    def _replace(self, items: Sequence[Item], described: Mapping[str, Any]) -> None:
        if not items:
            return
        vectors = [PointVectors(id=point_id(item.item_id), vector=described[item.item_id]) for item in items]
        self._shard.update(UpdateOperation.update_vectors(vectors))
        for item in items:
            self._shard.update(UpdateOperation.overwrite_payload([point_id(item.item_id)], item_payload(item)))

    async def remove(self, item_ids: Sequence[str]) -> list[str]:
        """Take items out; the point stays with its counts only."""
        there = [item_id for item_id in dict.fromkeys(item_ids) if item_id in await self.known([item_id])]
        for item_id in there:
            point = point_id(item_id)
            self._shard.update(UpdateOperation.overwrite_payload([point], {"id": item_id, "status": GONE}))
            self._shard.update(UpdateOperation.delete_vectors([point], self._trained.given.described))
            self._recent.drop(item_id)
            self._search.hide(point, hidden=True)
            await asyncio.sleep(0)
        return there

    async def page(self, after: str, limit: int) -> tuple[list[Item], str]:
        """Return items in the order of their points."""
        there = Condition(must_not=[FieldCondition(key="status", match=MatchValue(GONE))])
        start = int(after) if after else META + 1
        records, following = self._shard.scroll(
            ScrollRequest(offset=start, limit=limit, filter=there, with_payload=True, with_vector=False)
        )
        return [item_of(record.payload or {}) for record in records], "" if following is None else str(following)

    async def counts(self, item_ids: Sequence[str]) -> dict[str, Counts]:
        """Return counts for every id, removed items included."""
        found = {i: known.counts for i in item_ids if (known := self._recent.get(i)) is not None}
        missing = {point_id(i): i for i in item_ids if i not in found}
        for record in self._read(list(missing.values()), (COUNTS, EVIDENCE), payload=False):
            found[missing[int(str(record.id))]] = counts_of(record, self._settings)
        return {item_id: found.get(item_id, Counts()) for item_id in item_ids}

    async def save(self, counts: Mapping[str, Counts], sequence: int) -> None:
        """Write the counts and the sequence as one logged operation."""
        changes = [PointVectors(id=META, vector={COUNTS: sparse([_HIGH, _LOW], digits(sequence))})]
        for item_id, count in counts.items():
            changes.append(PointVectors(id=point_id(item_id), vector=self._changed(item_id, count)))
        operation = UpdateOperation.update_vectors(changes)
        try:
            self._shard.update(operation)
        except PenchantError:
            if not self._place(counts):
                raise
            self._shard.update(operation)
        for item_id, count in counts.items():
            if (known := self._recent.get(item_id)) is not None:
                self._recent.put(item_id, replace(known, counts=count))

    def _changed(self, item_id: str, count: Counts) -> dict[str, Any]:
        """Return the vectors to write: most changes are to the evidence alone, a hundredth of the counts."""
        vectors = {EVIDENCE: evidence(count)}
        known = self._recent.get(item_id)
        same = known is not None and known.counts.values is count.values and known.counts.visits == count.visits
        if not same:
            vectors[COUNTS] = sparse(*count.as_sparse(self._settings))
        return vectors

    def _place(self, item_ids: Iterable[str]) -> bool:
        """Make points for items that have none, as if they had been removed; a power cut can leave such items."""
        points = {point_id(item_id): item_id for item_id in item_ids}
        absent = points.keys() - {int(str(record.id)) for record in self._shard.retrieve(list(points), payload=False)}
        if absent:
            gone = [Point(id=point, vector={}, payload={"id": points[point], "status": GONE}) for point in absent]
            self._shard.update(UpdateOperation.upsert_points(gone))
            for point in absent:
                self._search.hide(point, hidden=True)
        return bool(absent)

    async def put_all(self, items: Sequence[StoredItem]) -> None:
        """Write items whatever is there: for copying into a store that nobody else writes to."""
        self._trained.put()
        for start in range(0, len(items), SLICE):
            part = items[start : start + SLICE]
            described = self._trained.vectors([(one.item_id, one.vector) for one in part if one.vector is not None])
            points = [point_of(one, described.get(one.item_id, {}), self._settings) for one in part]
            self._shard.update(UpdateOperation.upsert_points(points))
            for one in part:
                self._recent.drop(one.item_id)
                self._search.hide(point_id(one.item_id), hidden=one.item is None or one.item.unavailable)
            await asyncio.sleep(0)

    async def all(self) -> AsyncIterator[list[StoredItem]]:
        """Yield every item, those that are gone too, in pages."""
        start: int | None = META + 1
        while start is not None:
            records, start = self._shard.scroll(
                ScrollRequest(offset=start, limit=SLICE, with_payload=True, with_vector=[CONTENT, COUNTS, EVIDENCE])
            )
            yield [stored_of(record, self._settings) for record in records]

    async def count(self) -> int:
        """Return the number of items, those that are gone too."""
        return self._shard.count() - 1

    async def sequence(self) -> int:
        """Return the sequence of the last save."""
        (meta,) = self._shard.retrieve([META], payload=False, vectors=(COUNTS,))
        vector = vectors_of(meta).get(COUNTS)
        if vector is None:
            return 0
        found = dict(zip(vector.indices, vector.values, strict=True))
        return number_of(found.get(_HIGH, 0.0), found.get(_LOW, 0.0))

    async def candidates(self, query: Query) -> list[Candidate]:
        """Return the union of the best of each search, every score exact."""
        found = self._search.best(query)
        # Names are looked up for those that are wanted only: they cost more than finding them.
        chosen = wanted(found, query)
        names = self._search.names([one.point for one in chosen])
        return [one.named(names[one.point]) for one in chosen if one.point in names]

    async def popular(self, only: Filter, limit: int) -> list[str]:
        """Return the most visited items, then others in the order of their points."""
        points = self._search.by_counts({VISITS: 1.0}, only, limit)
        if len(points) < limit:
            points += self._search.any(only, limit - len(points), besides=points)
        names = self._search.names(points)
        return [names[point] for point in points]

    def flush(self) -> None:
        """Force what was written onto the disk."""
        self._shard.flush()

    def close(self) -> None:
        """Flush and let go of the directory."""
        self._shard.close()

    def _read(self, item_ids: Sequence[str], vectors: Sequence[str], *, payload: bool = True) -> list[Record]:
        if not item_ids:
            return []
        return self._shard.retrieve([point_id(item_id) for item_id in item_ids], payload=payload, vectors=vectors)

    def _hidden_points(self) -> set[int]:
        hidden = Condition(must=[FieldCondition(key="status", match=MatchAny([GONE, UNAVAILABLE]))])
        points: set[int] = set()
        start: int | None = META + 1
        while start is not None:
            records, start = self._shard.scroll(
                ScrollRequest(offset=start, limit=1000, filter=hidden, with_payload=False, with_vector=False)
            )
            points |= {int(str(record.id)) for record in records}
        return points

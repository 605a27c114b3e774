"""Items in Qdrant Edge: one point an item, its words as a dense vector, its counts as a sparse one."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from penchant_core.counts import Counts
from penchant_core.errors import PenchantError
from penchant_core.interests import Known
from penchant_core.model import Filter, Item
from penchant_core.ports import NOWHERE, Candidate, Query
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation
from penchant_core.vectors import Vector
from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    PayloadSchemaType,
    Point,
    PointVectors,
    Record,
    ScrollRequest,
    UpdateOperation,
)

from penchant_adapters.edge.columns import Column, Columns
from penchant_adapters.edge.itempoints import EVIDENCE, counts_of, evidence, point_of, sparse, stored_of, vectors_of
from penchant_adapters.edge.search import Search
from penchant_adapters.edge.shard import Shard
from penchant_adapters.edge.shelves import EdgeShelves, RecentItems, hidden_points
from penchant_adapters.edge.trained import EdgeTrained
from penchant_adapters.parts import COUNTS
from penchant_adapters.payloads import GONE, item_of, item_payload
from penchant_adapters.points import META, digits, number_of, point_id
from penchant_adapters.stored import StoredItem

CACHED_ITEMS = 20_000
"""Items kept decoded in memory, some 5 kB each."""

SLICE = 64
"""Items written in one engine call: a few milliseconds."""

# The sequence stands in the counts' own vector of the meta point, so that one operation writes both.
_HIGH, _LOW = 3, 4


class EdgeItems:
    """Keeps the promises of ``Catalogue``, ``Tally`` and ``Retriever``, in each of its spaces."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column],
        settings: Covisitation,
        min_free_bytes: int,
        trained: Trained = UNTRAINED,
    ) -> None:
        """Open the shard; every item has what the *trained* models give afterwards.

        *columns*: the vectors of words in each space, of the one that is opened first. A new shard has this one only.
        """
        first = columns[0]
        config = EdgeConfig(
            vectors={first.name: EdgeVectorParams(size=first.dim, distance=Distance.Dot, datatype=first.datatype)},
            sparse_vectors={COUNTS: EdgeSparseVectorParams(), EVIDENCE: EdgeSparseVectorParams()},
        )
        self._shard = Shard(path, config, min_free_bytes)
        self._settings = settings
        if not self._shard.retrieve([META]):
            self._shard.update(UpdateOperation.create_field_index("status", PayloadSchemaType.Keyword))
            self._shard.update(UpdateOperation.create_field_index("categories", PayloadSchemaType.Keyword))
            self._shard.update(UpdateOperation.create_field_index("price", PayloadSchemaType.Float))
            # Last, so that a start cut short makes the indexes again.
            self._shard.update(UpdateOperation.upsert_points([Point(id=META, vector={}, payload={})]))
        self._columns = Columns(self._shard, columns)
        words = self._columns.of("" if trained.sequence is None else trained.sequence.about.encoder)
        self._trained = EdgeTrained(self._shard, trained, words.name)
        self._search = Search(self._shard, hidden_points(self._shard))
        self._recent = RecentItems(CACHED_ITEMS)
        self._opened = self.shelves("")

    def shelves(self, space: str) -> EdgeShelves:
        """Return the items as the space of an encoder shows them; empty: as the one that was opened does."""
        content = self._columns.of(space).name
        names = self._trained.names(content)
        return EdgeShelves(self._shard, self._search, self._recent, self._settings, content, names)

    async def known(self, item_ids: Sequence[str]) -> dict[str, Known]:
        """Return those of the items that are in the catalogue."""
        return await self._opened.known(item_ids)

    async def page(self, after: str, limit: int) -> tuple[list[Item], str]:
        """Return items in the order of their points."""
        return await self._opened.page(after, limit)

    async def candidates(self, query: Query) -> list[Candidate]:
        """Return the union of the best of each search, every score exact."""
        return await self._opened.candidates(query)

    async def popular(self, only: Filter, limit: int) -> list[str]:
        """Return the most visited items, then others in the order of their points."""
        return await self._opened.popular(only, limit)

    async def put(
        self,
        items: Sequence[tuple[Item, Vector]],
        space: str = "",
        others: Mapping[str, Sequence[Vector]] = NOWHERE,
    ) -> None:
        """Add or replace items; counts stay as they are."""
        self._trained.put()
        given = self._columns.given({space: [vector for _, vector in items], **others})
        for start in range(0, len(items), SLICE):
            part = [item for item, _ in items[start : start + SLICE]]
            words = {name: vectors[start : start + SLICE] for name, vectors in given.items()}
            described = self._trained.vectors([item.item_id for item in part], words)
            there = {record.id for record in self._read([item.item_id for item in part], (), payload=False)}
            self._insert([item for item in part if point_id(item.item_id) not in there], described)
            self._replace([item for item in part if point_id(item.item_id) in there], described, set(words))
            for item in part:
                self._recent.drop(item.item_id)
                self._search.hide(point_id(item.item_id), hidden=item.unavailable)
            await asyncio.sleep(0)

    def _insert(self, items: Sequence[Item], described: Mapping[str, Any]) -> None:
        if items:
            points = [
                Point(id=point_id(i.item_id), vector=described[i.item_id], payload=item_payload(i)) for i in items
            ]
            self._shard.update(UpdateOperation.upsert_points(points))

    def _replace(self, items: Sequence[Item], described: Mapping[str, Any], given: set[str]) -> None:
        if not items:
            return
        # Where no vector is given there must be none of the words before: first, or a crash would leave those.
        if outdated := self._trained.outdated(set(self._columns.names) - given):
            self._shard.update(UpdateOperation.delete_vectors([point_id(item.item_id) for item in items], outdated))
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
            self._shard.update(UpdateOperation.delete_vectors([point], self._described))
            self._recent.drop(item_id)
            self._search.hide(point, hidden=True)
            await asyncio.sleep(0)
        return there

    @property
    def _described(self) -> list[str]:
        """Names of all vectors that come and go with an item's description."""
        return [*self._columns.names, *self._trained.given.names.values()]

    async def counts(self, item_ids: Sequence[str]) -> dict[str, Counts]:
        """Return counts for every id, removed items included."""
        found = {i: counts for i in item_ids if (counts := self._recent.counts(i)) is not None}
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
            self._recent.count(item_id, count)

    def _changed(self, item_id: str, count: Counts) -> dict[str, Any]:
        """Return the vectors to write: most changes are to the evidence alone, a hundredth of the counts."""
        vectors = {EVIDENCE: evidence(count)}
        known = self._recent.counts(item_id)
        same = known is not None and known.values is count.values and known.visits == count.visits
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
            words = {one.item_id: one.vector for one in part if one.vector is not None}
            described = self._trained.vectors(list(words), {self._columns.of("").name: list(words.values())})
            points = [point_of(one, described.get(one.item_id, {}), self._settings) for one in part]
            self._shard.update(UpdateOperation.upsert_points(points))
            for one in part:
                self._recent.drop(one.item_id)
                self._search.hide(point_id(one.item_id), hidden=one.item is None or one.item.unavailable)
            await asyncio.sleep(0)

    async def all(self) -> AsyncIterator[list[StoredItem]]:
        """Yield every item, those that are gone too, in pages."""
        words = self._columns.of("").name
        start: int | None = META + 1
        while start is not None:
            records, start = self._shard.scroll(
                ScrollRequest(offset=start, limit=SLICE, with_payload=True, with_vector=[words, COUNTS, EVIDENCE])
            )
            yield [stored_of(record, self._settings, words) for record in records]

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

    def see(self, column: Column) -> None:
        """Have another space, in which all items lack a vector."""
        self._columns.add(column)
        self._recent.clear()

    def turn(self, space: str) -> None:
        """Go on as if the store had been opened with another space."""
        self._columns.turn(space)
        self._opened = self.shelves("")

    def unsee(self, space: str) -> None:
        """Delete a space; nobody may be reading in it."""
        if space in self._columns:
            self._trained.forget(self._columns.of(space).name)
        self._columns.forget(space)
        self._recent.clear()

    async def lacking(self, space: str, limit: int, after: int = 0) -> tuple[list[Item], int | None]:
        """Return items that lack a vector in a space, and where to go on; none: that was the end."""
        records, following = self._columns.lacking(space, limit, after)
        return [item_of(record.payload or {}) for record in records], following

    async def count_lacking(self, space: str) -> int:
        """Return how many items lack a vector in a space."""
        return self._columns.count_lacking(space)

    async def fill(self, space: str, rows: Sequence[tuple[Item, Vector]]) -> int:
        """Write vectors of items that still lack them and still have the same words; return how many."""
        self._trained.put()
        words = self._columns.of(space).name
        found = {
            str((one.payload or {})["id"]): one for one in self._read([item.item_id for item, _ in rows], (words,))
        }
        fitting = {
            item.item_id: vector
            for item, vector in rows
            if (record := found.get(item.item_id)) is not None
            and (record.payload or {}).get("status") != GONE
            and words not in vectors_of(record)
            and item_of(record.payload or {}).content == item.content
        }
        described = self._trained.vectors(list(fitting), {words: list(fitting.values())})
        changes = [PointVectors(id=point_id(item_id), vector=vectors) for item_id, vectors in described.items()]
        if changes:
            self._shard.update(UpdateOperation.update_vectors(changes))
        return len(changes)

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

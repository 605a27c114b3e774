"""Items in Qdrant for those who write them: the owner of a partition of the items' log, and of one of the pairs'.

An item's description and its counts come from two logs and are written by two owners, into one point. They never
touch each other's keys and vectors, and each has its own fence: ``rev``, offset of the items' log, ``at``, offset of
the pairs' log. A write with a fence that is not higher changes nothing.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from penchant_core.log import NOTHING, ItemCounts
from penchant_core.model import Item
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation
from penchant_core.vectors import Vector

from penchant_adapters.lru import Recent
from penchant_adapters.parts import CONTENT, COUNTS
from penchant_adapters.payloads import GONE, item_of, item_payload
from penchant_adapters.points import META, Sparse, Vectors, digits, point_id
from penchant_adapters.qdrant.collection import SLICE, Collection
from penchant_adapters.qdrant.items import EVIDENCE, TOLD, QdrantCatalogue, told_of
from penchant_adapters.qdrant.protocol import (
    Found,
    Operation,
    Point,
    delete_vectors,
    exactly,
    older,
    set_payload,
    update_vectors,
    upsert,
)
from penchant_adapters.qdrant.trained import miss
from penchant_adapters.settings_groups import QdrantSettings
from penchant_adapters.stored import StoredItem

COUNTED_ITEMS = 20_000
"""Items of which it is remembered what was last written, some 4 kB each."""
_EVERYTHING = (CONTENT, COUNTS, EVIDENCE, TOLD)


class _Counted(NamedTuple):
    """Counts to write, and the offset to write them with."""

    item_id: str
    offset: int
    counts: ItemCounts


_Entry = tuple[int, dict[str, Any], Vectors | None]
"""(offset, payload, vectors of the description) to write; none takes them away."""


class QdrantItems(QdrantCatalogue):
    """Keeps the promise of ``log.ItemStates``, beside those of the catalogue."""

    def __init__(
        self,
        collection: Collection,
        covisitation: Covisitation,
        settings: QdrantSettings,
        trained: Trained = UNTRAINED,
    ) -> None:
        super().__init__(collection, covisitation, settings, trained)
        self._last: Recent[str, tuple[int, ItemCounts]] = Recent(COUNTED_ITEMS)
        """Item → offset and counts that the store has, as far as this process knows."""

    async def item_counts(self, item_ids: Sequence[str]) -> dict[str, ItemCounts]:
        """Return counts for every id, empty ones where there are none, as the store has them now."""
        points = {point_id(item_id): item_id for item_id in item_ids}
        found: dict[str, ItemCounts] = {}
        for record in await self._collection.read(list(points), payload=("at",), vectors=(COUNTS, EVIDENCE, TOLD)):
            item_id = points[record.point]
            found[item_id] = self._item_counts(record)
            self._last.put(item_id, (_offset(record, "at"), found[item_id]))
        return {item_id: found.get(item_id, ItemCounts()) for item_id in item_ids}

    async def write_counts(self, parts: Mapping[int, Mapping[str, ItemCounts]]) -> None:
        """Write the counts of items, offset by offset, each unless it was written with its offset or a later one."""
        news = [
            _Counted(item_id, offset, counts)
            for offset, items in parts.items()
            for item_id, counts in items.items()
            if (self._last.get(item_id) or (NOTHING,))[0] < offset
        ]
        if not news:
            return
        await self._collection.write_all(
            self._counting(news[start : start + SLICE]) for start in range(0, len(news), SLICE)
        )
        await self._settle(news)
        for item_id, offset, counts in news:
            self._last.put(item_id, (offset, counts))
            self._recount(item_id, counts.counts)

    def _counting(self, news: Sequence[_Counted]) -> list[Operation]:
        operations: list[Operation] = []
        if absent := [one.item_id for one in news if self._last.get(one.item_id) is None]:
            places = [Point(point_id(i), {}, _gone(i)) for i in absent]
            operations.append(upsert(places, insert_only=True))
        changes: defaultdict[int, dict[int, Vectors]] = defaultdict(dict)
        for item_id, offset, counts in news:
            changes[offset][point_id(item_id)] = self._changed(item_id, counts)
        for offset, vectors in changes.items():
            # The fence goes up after what it stands for: a batch cut short is done again, not passed over.
            operations.append(update_vectors(vectors, older("at", offset)))
            operations.append(set_payload({"at": offset}, list(vectors), older("at", offset)))
        # What the store has is unknown until it has answered.
        for one in news:
            self._last.drop(one.item_id)
        return operations

    async def _settle(self, news: Sequence[_Counted]) -> None:
        """Repair what a sleeper wrote between the counts and their fence; once it is up, nobody behind it can."""
        wanted = {point_id(one.item_id): one for one in news}
        records = await self._collection.read(list(wanted), payload=("at",), vectors=(TOLD,))
        lost: defaultdict[int, dict[int, Vectors]] = defaultdict(dict)
        for record in records:
            one = wanted[record.point]
            if _offset(record, "at") == one.offset and _behind(told_of(record), one.counts.told):
                lost[one.offset][record.point] = self._laid_out(one.counts)
        await self._collection.write(
            [update_vectors(vectors, exactly("at", offset)) for offset, vectors in lost.items()]
        )

    def _changed(self, item_id: str, item: ItemCounts) -> Vectors:
        """Return the vectors to write: most changes are to the evidence alone, a hundredth of the counts."""
        vectors = self._laid_out(item)
        last = self._last.get(item_id)
        old, new = None if last is None else last[1].counts, item.counts
        if old is not None and old.values is new.values and old.visits == new.visits:
            del vectors[COUNTS]
        return vectors

    def _laid_out(self, item: ItemCounts) -> dict[str, Vector | Sparse]:
        told = {partition: digits(offset - NOTHING) for partition, offset in item.told.items()}
        return {
            COUNTS: Sparse(*item.counts.as_sparse(self._covisitation)),
            EVIDENCE: Sparse([0], [item.counts.out]),
            TOLD: Sparse(
                [2 * p + digit for p in told for digit in (0, 1)], [d for pair in told.values() for d in pair]
            ),
        }

    async def put_items(self, items: Sequence[tuple[int, Item, Vector]]) -> None:
        """Add or replace items, each unless it is there with a later offset. Counts stay as they are."""
        described = self._given.vectors([(item.item_id, vector) for _, item, vector in items])
        # Before, since this process may die after the write; after, since somebody may have begun to fill before it.
        await miss(self._collection, self._given)
        await self._write((o, _described(item), some) for (o, item, _), some in zip(items, described, strict=True))
        await miss(self._collection, self._given)

    async def remove_items(self, items: Sequence[tuple[int, str]]) -> None:
        """Take items out, each unless it is there with a later offset. Counts stay."""
        # One that is not there leaves its offset behind, lest a sleeper's older description bring it back.
        await self._write((offset, _gone(item_id), None) for offset, item_id in items)

    async def _write(self, entries: Iterable[_Entry]) -> None:
        latest: dict[int, _Entry] = {}
        for offset, payload, vectors in entries:
            point = point_id(payload["id"])
            if point not in latest or offset >= latest[point][0]:
                latest[point] = (offset, payload | {"rev": offset}, vectors)
        points = list(latest)
        for start in range(0, len(points), SLICE):
            part = {point: latest[point] for point in points[start : start + SLICE]}
            await self._written(part)
            self.forget(payload["id"] for _, payload, _ in part.values())

    async def _written(self, entries: Mapping[int, _Entry]) -> None:
        # Twice at most: a point that somebody made for counts since it was looked for is described in the second round.
        for _ in range(2):
            records = await self._collection.read(list(entries), payload=("rev",))
            found = {record.point: _offset(record, "rev") for record in records}
            absent = [point for point in entries if point not in found]
            operations: list[Operation] = []
            if absent:
                operations.append(upsert([_whole(point, *entries[point][1:]) for point in absent], insert_only=True))
            for point, rev in found.items():
                if rev < entries[point][0]:
                    operations += self._replacing(point, *entries[point])
            await self._collection.write(operations)
            if not absent:
                return

    def _replacing(self, point: int, offset: int, payload: dict[str, Any], vectors: Vectors | None) -> list[Operation]:
        fence = older("rev", offset)
        gone = vectors is None
        change = (
            delete_vectors([point], self._given.described, fence)
            if gone
            else update_vectors({point: vectors or {}}, fence)
        )
        return [change, set_payload(payload, [point], fence)]

    async def put_all(self, items: Sequence[StoredItem]) -> None:
        """Write items whatever is there: for copying into a store that nobody else writes to."""
        for start in range(0, len(items), SLICE):
            part = items[start : start + SLICE]
            described = [(one.item_id, one.vector) for one in part if one.vector is not None]
            vectors = dict(zip((item_id for item_id, _ in described), self._given.vectors(described), strict=True))
            await self._collection.write([upsert([self._stored(one, vectors.get(one.item_id, {})) for one in part])])
        for one in items:
            self._last.drop(one.item_id)
            self._recent.drop(one.item_id)

    def _stored(self, one: StoredItem, described: Vectors) -> Point:
        payload = _gone(one.item_id) if one.item is None else _described(one.item)
        # A fence of none stays absent.
        payload |= {key: offset for key, offset in (("at", one.at), ("rev", one.rev)) if offset != NOTHING}
        return Point(point_id(one.item_id), {**self._laid_out(one.counts), **described}, payload)

    async def all(self) -> AsyncIterator[list[StoredItem]]:
        """Yield every item, those that are gone too, in pages."""
        start: int | None = META + 1
        while start is not None:
            records, start = await self._collection.page(start, SLICE, None, vectors=_EVERYTHING)
            yield [self._read(record) for record in records]

    def _read(self, record: Found) -> StoredItem:
        payload, known = record.payload, self._known(record)
        return StoredItem(
            item_id=str(payload["id"]),
            item=None if known is None else item_of(payload),
            vector=None if known is None else known.vector,
            counts=self._item_counts(record),
            at=_offset(record, "at"),
            rev=_offset(record, "rev"),
        )


def _behind(told: Mapping[int, int], wanted: Mapping[int, int]) -> bool:
    return any(told.get(partition, NOTHING) < offset for partition, offset in wanted.items())


def _described(item: Item) -> dict[str, Any]:
    # Every key, so that nothing of an older description stays.
    return {"price": None, "status": ""} | item_payload(item)


def _gone(item_id: str) -> dict[str, Any]:
    return _described(Item(item_id)) | {"status": GONE}


def _whole(point: int, payload: dict[str, Any], vectors: Vectors | None) -> Point:
    return Point(point, vectors or {}, payload)


def _offset(record: Found, key: str) -> int:
    found = record.payload.get(key)
    return NOTHING if found is None else int(found)

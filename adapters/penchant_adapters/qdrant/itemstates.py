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
from penchant_core.ports import NOWHERE
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation
from penchant_core.vectors import Vector
from qdrant_client import grpc

from penchant_adapters.lru import Recent
from penchant_adapters.parts import COUNTS
from penchant_adapters.payloads import GONE, item_of, item_payload
from penchant_adapters.points import META, Sparse, Vectors, digits, point_id
from penchant_adapters.qdrant.collection import FILLED, SLICE, Collection
from penchant_adapters.qdrant.items import EVIDENCE, THERE, TOLD, QdrantCatalogue, told_of
from penchant_adapters.qdrant.protocol import (
    Found,
    Operation,
    Point,
    delete_vectors,
    exactly,
    older,
    set_payload,
    unwritten,
    update_vectors,
    upsert,
)
from penchant_adapters.qdrant.spaces import QdrantSpaces, lacking
from penchant_adapters.qdrant.trained import miss
from penchant_adapters.settings_groups import QdrantSettings
from penchant_adapters.stored import StoredItem

COUNTED_ITEMS = 20_000
"""Items of which it is remembered what was last written, some 4 kB each."""


class _Counted(NamedTuple):
    """Counts to write, and the offset to write them with."""

    item_id: str
    offset: int
    counts: ItemCounts


class _Entry(NamedTuple):
    """A description to write, or that there is none any more."""

    offset: int
    payload: dict[str, Any]
    vectors: Vectors
    gone: Sequence[str]
    """Names of vectors to take away."""


class Lacking(NamedTuple):
    """An item without a vector in a space."""

    rev: int
    """The offset that it was described with; ``NOTHING`` where it has none."""
    item: Item


class QdrantItems(QdrantCatalogue):
    """Keeps the promise of ``log.ItemStates``, beside those of the catalogue."""

    def __init__(
        self,
        collection: Collection,
        covisitation: Covisitation,
        settings: QdrantSettings,
        spaces: QdrantSpaces,
        model: str,
        trained: Trained = UNTRAINED,
        beside: Sequence[QdrantCatalogue] = (),
    ) -> None:
        """*model*: the encoder whose space it reads in and is always given; *beside*: whoever reads in others here."""
        super().__init__(collection, covisitation, settings, trained, spaces.names(model).content)
        self._spaces = spaces
        self._model = model
        self._beside = beside
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

    async def put_items(
        self, items: Sequence[tuple[int, Item, Vector]], others: Mapping[str, Sequence[Vector]] = NOWHERE
    ) -> None:
        """Add or replace items, each unless it is there with a later offset. Counts stay as they are.

        *others* are the vectors of the same items in other spaces. In a space that is not among them they have none.
        """
        described = [dict(some) for some in self._given.vectors([(item.item_id, vector) for _, item, vector in items])]
        for model, vectors in others.items():
            name = self._spaces.names(model).content
            for some, vector in zip(described, vectors, strict=True):
                some[name] = vector
        written = {self._model, *others}
        # Before, since this process may die after the write; after, since somebody may have begun to fill before it.
        await miss(self._collection, self._given)
        left_out = await self._spaces.miss(written)
        await self._write(
            _Entry(offset, _described(item), some, left_out)
            for (offset, item, _), some in zip(items, described, strict=True)
        )
        await miss(self._collection, self._given)
        if late := [name for name in await self._spaces.miss(written) if name not in left_out]:
            await self._collection.write(
                [delete_vectors([point_id(item.item_id)], late, exactly("rev", offset)) for offset, item, _ in items]
            )
            await self._spaces.miss(written)

    async def remove_items(self, items: Sequence[tuple[int, str]]) -> None:
        """Take items out, each unless it is there with a later offset. Counts stay."""
        names = {one.names.content for one in (await self._spaces.there()).values()}
        # One that is not there leaves its offset behind, lest a sleeper's older description bring it back.
        gone = sorted(names.union(self._given.described))
        await self._write(_Entry(offset, _gone(item_id), {}, gone) for offset, item_id in items)

    async def _write(self, entries: Iterable[_Entry]) -> None:
        latest: dict[int, _Entry] = {}
        for one in entries:
            point = point_id(one.payload["id"])
            if point not in latest or one.offset >= latest[point].offset:
                latest[point] = one._replace(payload=one.payload | {"rev": one.offset})
        points = list(latest)
        for start in range(0, len(points), SLICE):
            part = {point: latest[point] for point in points[start : start + SLICE]}
            await self._written(part)
            changed = [one.payload["id"] for one in part.values()]
            for catalogue in (self, *self._beside):
                catalogue.forget(changed)

    async def _written(self, entries: Mapping[int, _Entry]) -> None:
        absent = await self._written_where_there(entries, again=False)
        if absent:
            # A point that somebody made for counts since it was looked for is described in the second round.
            await self._written_where_there(absent, again=True)

    async def _written_where_there(self, entries: Mapping[int, _Entry], *, again: bool) -> dict[int, _Entry]:
        """Write entries; return those that were not there."""
        records = await self._collection.read(list(entries), payload=("rev",))
        found = {record.point: _offset(record, "rev") for record in records}
        absent = {point: one for point, one in entries.items() if point not in found}
        operations: list[Operation] = []
        if absent:
            operations.append(
                upsert([Point(point, one.vectors, one.payload) for point, one in absent.items()], insert_only=True)
            )
        for point, rev in found.items():
            one = entries[point]
            if rev < one.offset:
                fence = older("rev", one.offset)
                operations += _revectored(point, one, fence)
                operations.append(set_payload(one.payload, [point], fence))
            elif rev == one.offset and not again:
                # Delivered again: whoever wrote it may have had fewer spaces, and died before it found out.
                own = self._given.described
                others = {name: vector for name, vector in one.vectors.items() if name not in own}
                gone = [name for name in one.gone if name not in own]
                operations += _revectored(point, one._replace(vectors=others, gone=gone), exactly("rev", rev))
        await self._collection.write(operations)
        return absent

    async def lacking(self, model: str, start: int | None) -> tuple[list[Lacking], int | None]:
        """Return a page of items without a vector in a space, from a point on, and where the next page begins."""
        name = self._spaces.names(model).content
        condition = grpc.Filter(must_not=[*THERE.must_not, *lacking(name).must_not])
        records, following = await self._collection.page(META + 1 if start is None else start, FILLED, condition)
        return [Lacking(_offset(record, "rev"), item_of(record.payload)) for record in records], following

    async def fill(self, model: str, items: Sequence[tuple[Lacking, Vector]]) -> None:
        """Write vectors of items in a space, each unless it was described anew: then it has one already."""
        name = self._spaces.names(model).content
        await self._collection.write(
            [
                update_vectors(
                    {point_id(one.item.item_id): {name: vector}},
                    unwritten("rev") if one.rev == NOTHING else exactly("rev", one.rev),
                )
                for one, vector in items
            ]
        )

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
        everything = (self._given.content, COUNTS, EVIDENCE, TOLD)
        start: int | None = META + 1
        while start is not None:
            records, start = await self._collection.page(start, SLICE, None, vectors=everything)
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
    return {"price": None, "status": "", "images": None} | item_payload(item)


def _gone(item_id: str) -> dict[str, Any]:
    return _described(Item(item_id)) | {"status": GONE}


def _revectored(point: int, one: _Entry, fence: grpc.Filter) -> list[Operation]:
    operations = [update_vectors({point: one.vectors}, fence)] if one.vectors else []
    return operations + ([delete_vectors([point], one.gone, fence)] if one.gone else [])


def _offset(record: Found, key: str) -> int:
    found = record.payload.get(key)
    return NOTHING if found is None else int(found)

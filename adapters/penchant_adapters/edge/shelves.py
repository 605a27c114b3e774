"""Items of Qdrant Edge read in one space: what one encoder's vectors show of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from penchant_core.counts import VISITS, Counts
from penchant_core.interests import Known
from penchant_core.model import Filter, Item
from penchant_core.ports import Candidate, Query
from penchant_core.tuning import Covisitation
from qdrant_edge import FieldCondition, MatchAny, MatchValue, ScrollRequest
from qdrant_edge import Filter as Condition

from penchant_adapters.edge.itempoints import EVIDENCE, known_of
from penchant_adapters.edge.search import Search
from penchant_adapters.edge.shard import Shard
from penchant_adapters.lru import Recent
from penchant_adapters.parts import COUNTS, LEARNED, wanted
from penchant_adapters.payloads import DESCRIBED, GONE, UNAVAILABLE, item_of
from penchant_adapters.points import META, point_id


class RecentItems:
    """Items kept decoded in memory, as each space shows them, and with the same counts in all."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._recent: Recent[str, dict[str, Known]] = Recent(capacity)

    def get(self, item_id: str, content: str) -> Known | None:
        """Return an item as the space shows it whose vector of words is called *content*."""
        known = self._recent.get(item_id)
        return None if known is None else known.get(content)

    def put(self, known: Known, content: str) -> None:
        """Keep an item as a space shows it."""
        shown = (self._recent.get(known.item.item_id) or {}) | {content: known}
        self._recent.put(known.item.item_id, shown, weight=len(shown))

    def counts(self, item_id: str) -> Counts | None:
        """Return an item's counts, if it is here."""
        known = self._recent.get(item_id)
        return None if known is None else next(iter(known.values())).counts

    def count(self, item_id: str, counts: Counts) -> None:
        """Give an item that is here other counts."""
        if (known := self._recent.get(item_id)) is not None:
            shown = {content: replace(one, counts=counts) for content, one in known.items()}
            self._recent.put(item_id, shown, weight=len(shown))

    def drop(self, item_id: str) -> None:
        """Forget an item."""
        self._recent.drop(item_id)

    def clear(self) -> None:
        """Forget all of them."""
        self._recent = Recent(self._capacity)


class EdgeShelves:
    """Keeps the promises of ``Shelves`` and ``Retriever`` in one space."""

    def __init__(
        self,
        shard: Shard,
        search: Search,
        recent: RecentItems,
        settings: Covisitation,
        content: str,
        names: Mapping[str, str],
    ) -> None:
        """*content*: the name of the vectors of words; *names*: of those behind each part of the score."""
        self._shard = shard
        self._search = search
        self._recent = recent
        self._settings = settings
        self._content = content
        self._names = names
        self._learned = names.get(LEARNED, "")

    async def known(self, item_ids: Sequence[str]) -> dict[str, Known]:
        """Return those of the items that are in the catalogue."""
        found = {i: known for i in item_ids if (known := self._recent.get(i, self._content)) is not None}
        missing = [point_id(item_id) for item_id in item_ids if item_id not in found]
        vectors = (self._content, *filter(None, [self._learned]), COUNTS, EVIDENCE)
        for record in self._shard.retrieve(missing, payload=DESCRIBED, vectors=vectors) if missing else ():
            if (known := known_of(record, self._settings, self._learned, self._content)) is not None:
                self._recent.put(known, self._content)
                found[known.item.item_id] = known
        return found

    async def page(self, after: str, limit: int) -> tuple[list[Item], str]:
        """Return items in the order of their points."""
        there = Condition(must_not=[FieldCondition(key="status", match=MatchValue(GONE))])
        start = int(after) if after else META + 1
        records, following = self._shard.scroll(
            ScrollRequest(offset=start, limit=limit, filter=there, with_payload=list(DESCRIBED), with_vector=False)
        )
        return [item_of(record.payload or {}) for record in records], "" if following is None else str(following)

    async def candidates(self, query: Query) -> list[Candidate]:
        """Return the union of the best of each search, every score exact."""
        found = self._search.best(query, self._names)
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


def hidden_points(shard: Shard) -> set[int]:
    """Return the points of items that no list may have."""
    hidden = Condition(must=[FieldCondition(key="status", match=MatchAny([GONE, UNAVAILABLE]))])
    points: set[int] = set()
    start: int | None = META + 1
    while start is not None:
        records, start = shard.scroll(
            ScrollRequest(offset=start, limit=1000, filter=hidden, with_payload=False, with_vector=False)
        )
        points |= {int(str(record.id)) for record in records}
    return points

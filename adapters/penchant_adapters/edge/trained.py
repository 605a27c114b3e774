"""What trained models give items, in the items' shard: a named vector of the model's version, never two of a kind."""

from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any

import numpy as np
import structlog
from penchant_core.trained import Trained
from penchant_core.vectors import Vector
from qdrant_edge import Distance, FieldCondition, MatchValue, PointVectors, ScrollRequest, UpdateOperation
from qdrant_edge import Filter as Condition

from penchant_adapters.edge.itempoints import engine_vectors, vectors_of
from penchant_adapters.edge.shard import Shard
from penchant_adapters.parts import CONTENT, LEARNED
from penchant_adapters.payloads import GONE
from penchant_adapters.points import META, point_id
from penchant_adapters.trained import KINDS, Given, GivenToItems

SLICE = 256
"""Items that are given something, and written, at once."""
_log = structlog.get_logger()


class EdgeTrained:
    """Gives every item what the models have for it, and takes away what another model of the same kind had.

    What was done before is not done again; what was cut short is. Of a kind without a model what is there stays, for a
    service that has it again, until an item is put without one. The meta point has two keys for every kind: the vector
    that is there, and whether every item has what the model gives.
    """

    def __init__(self, shard: Shard, trained: Trained, content: str) -> None:
        """*content*: the name of the vectors of words that a sequence model was learnt with."""
        self._shard = shard
        self._content = content
        self.given = GivenToItems(trained)
        (meta,) = shard.retrieve([META])
        said = meta.payload or {}
        self._there = {kind: str(said.get(kind, "")) for kind in KINDS}
        self._whole = {kind: bool(said.get(_whole(kind))) for kind in KINDS}
        for each in self.given:
            if self._there[each.kind] != each.name or not self._whole[each.kind]:
                self._settle(each)

    def put(self) -> None:
        """Hear that items are put, before they are."""
        for kind in KINDS:
            if kind not in self.given.names and self._whole[kind]:
                self._mark(kind, self._there[kind], whole=False)

    def names(self, content: str) -> dict[str, str]:
        """Return part of the score → name of the vector, in the space whose vectors of words are called *content*."""
        return {CONTENT: content, **{each.kind: each.name for each in self.given if self._fits(each, {content})}}

    def _fits(self, given: Given, spaces: Container[str]) -> bool:
        """Tell whether a model gives something in one of the spaces: what it reads must be there."""
        return given.kind != LEARNED or self._content in spaces

    def vectors(self, item_ids: Sequence[str], words: Mapping[str, Sequence[Vector]]) -> dict[str, dict[str, Any]]:
        """Return the vectors of items by id, each named once, from ids and the vectors of their words by name."""
        found = {item_id: {name: rows[n] for name, rows in words.items()} for n, item_id in enumerate(item_ids)}
        for each in self.given:
            if words and self._fits(each, words):
                rows = words.get(self._content) or next(iter(words.values()))
                for item_id, one in zip(item_ids, each.of(list(zip(item_ids, rows, strict=True))), strict=True):
                    if one is not None:
                        found[item_id] |= engine_vectors({each.name: one})
        return found

    def outdated(self, spaces: Collection[str]) -> list[str]:
        """Return the names of the vectors that stand and fall with those of words in *spaces*."""
        return [*spaces, *(each.name for each in self.given if each.kind == LEARNED and self._content in spaces)]

    def forget(self, content: str) -> None:
        """Delete the embeddings that were made of these vectors of words."""
        if content == self._content and (there := self._there[LEARNED]):
            self._mark(LEARNED, there, whole=False)
            self._shard.update(UpdateOperation.delete_vector_name(there))
            self.given = self.given.without(LEARNED)

    def _settle(self, given: Given) -> None:
        there = self._there[given.kind]
        if there and there != given.name:
            self._mark(given.kind, there, whole=False)
            self._shard.update(UpdateOperation.delete_vector_name(there))
        self._mark(given.kind, given.name, whole=False)
        if given.width is None:
            self._shard.update(UpdateOperation.create_sparse_vector(given.name))
        else:
            self._shard.update(UpdateOperation.create_dense_vector(given.name, given.width, Distance.Dot))
        _log.info("filling items", model=given.label)
        items, filled = self._fill(given)
        _log.info("filled items", model=given.label, items=filled, of=items)
        if items and not filled:
            _log.warning("the model knows none of the items", model=given.label, setting=given.setting)
        self._mark(given.kind, given.name, whole=True)

    def _mark(self, kind: str, name: str, *, whole: bool) -> None:
        self._shard.update(UpdateOperation.set_payload([META], {kind: name, _whole(kind): whole}))
        self._there[kind], self._whole[kind] = name, whole

    def _fill(self, given: Given) -> tuple[int, int]:
        there = Condition(must_not=[FieldCondition(key="status", match=MatchValue(GONE))])
        start: int | None = META + 1
        items = filled = 0
        while start is not None:
            request = ScrollRequest(
                offset=start, limit=SLICE, filter=there, with_payload=["id"], with_vector=[self._content]
            )
            records, start = self._shard.scroll(request)
            found = [(str((one.payload or {})["id"]), vectors_of(one).get(self._content)) for one in records]
            # An item that lacks words, in a space that is being filled, gets its embedding with them.
            words = [
                (item_id, np.array([] if vector is None else vector, np.float32))
                for item_id, vector in found
                if vector is not None or given.kind != LEARNED
            ]
            changes = [
                PointVectors(id=point_id(item_id), vector=engine_vectors({given.name: one}))
                for (item_id, _), one in zip(words, given.of(words), strict=True)
                if one is not None
            ]
            if changes:
                self._shard.update(UpdateOperation.update_vectors(changes))
            items, filled = items + len(words), filled + len(changes)
        return items, filled


def _whole(kind: str) -> str:
    return f"{kind}_whole"

"""Embeddings of a sequence model in the items' shard: a named vector of the model's version, never two in one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog
from penchant_core.sequence import SequenceModel
from penchant_core.vectors import Vector
from qdrant_edge import Distance, FieldCondition, MatchValue, PointVectors, ScrollRequest, UpdateOperation
from qdrant_edge import Filter as Condition

from penchant_adapters.edge.itempoints import vectors_of
from penchant_adapters.edge.shard import Shard
from penchant_adapters.embeddings import vector_name
from penchant_adapters.payloads import GONE
from penchant_adapters.points import META, point_id

SLICE = 256
"""Items embedded and written at once."""
_NAME, _WHOLE = "learned", "learned_whole"
"""Keys of the meta point: the vector that embeddings stand in, and whether every item has one."""
_log = structlog.get_logger()


class Embeddings:
    """Gives every item its embedding of a model, and takes those of another model away.

    What was done before is not done again; what was cut short is. Without a model what is there stays, for a service
    that has it again, until an item is put without one.
    """

    def __init__(self, shard: Shard, model: SequenceModel | None, content: str) -> None:
        """*content*: the name of the vectors of words that the model was learnt with."""
        self._shard, self._model = shard, model
        self.content = content
        self.name = vector_name(model)
        """Of the vector; empty without a model."""
        (meta,) = shard.retrieve([META])
        mark = meta.payload or {}
        self._there, self._whole = str(mark.get(_NAME, "")), bool(mark.get(_WHOLE))
        if model is not None and not (self._there == self.name and self._whole):
            self._settle(model)

    def put(self) -> None:
        """Hear that items are put, before they are."""
        if self._model is None and self._whole:
            self._mark(self._there, whole=False)

    def of(self, item_ids: Sequence[str], words: Sequence[Vector]) -> list[dict[str, Any]]:
        """Return the embedding of each item under its name, from ids and the vectors of their words."""
        if self._model is None or not item_ids:
            return [{} for _ in item_ids]
        return [{self.name: z} for z in self._model.embed(item_ids, np.stack(words))]

    def drop(self) -> None:
        """Delete the embeddings; from now on there is no model."""
        if self._there:
            self._mark(self._there, whole=False)
            self._shard.update(UpdateOperation.delete_vector_name(self._there))
        self._model, self.name = None, ""

    def _settle(self, model: SequenceModel) -> None:
        if self._there and self._there != self.name:
            self._mark(self._there, whole=False)
            self._shard.update(UpdateOperation.delete_vector_name(self._there))
        self._mark(self.name, whole=False)
        self._shard.update(UpdateOperation.create_dense_vector(self.name, model.width, Distance.Dot))
        _log.info("embedding items", model=model.about.label)
        _log.info("embedded items", model=model.about.label, items=self._fill())
        self._mark(self.name, whole=True)

    def _mark(self, name: str, *, whole: bool) -> None:
        self._shard.update(UpdateOperation.set_payload([META], {_NAME: name, _WHOLE: whole}))
        self._there, self._whole = name, whole

    def _fill(self) -> int:
        there = Condition(must_not=[FieldCondition(key="status", match=MatchValue(GONE))])
        start: int | None = META + 1
        done = 0
        while start is not None:
            request = ScrollRequest(
                offset=start, limit=SLICE, filter=there, with_payload=True, with_vector=[self.content]
            )
            records, start = self._shard.scroll(request)
            # Where words lack a vector, in a space that is being filled, the embedding comes with it.
            found = [(str((one.payload or {})["id"]), vectors_of(one).get(self.content)) for one in records]
            words = {item_id: np.array(vector, np.float32) for item_id, vector in found if vector is not None}
            if words:
                embeddings = self.of(list(words), list(words.values()))
                changes = [
                    PointVectors(id=point_id(item_id), vector=z) for item_id, z in zip(words, embeddings, strict=True)
                ]
                self._shard.update(UpdateOperation.update_vectors(changes))
            done += len(words)
        return done

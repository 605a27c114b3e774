"""The vectors of a space in a shard: one named vector, made, deleted, and looked for where it is lacking."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from penchant_core.errors import PenchantError
from qdrant_edge import (
    Distance,
    FieldCondition,
    HasIdCondition,
    HasVectorCondition,
    MatchValue,
    Record,
    ScrollRequest,
    UpdateOperation,
    VectorStorageDatatype,
)
from qdrant_edge import Filter as Condition

from penchant_adapters.edge.shard import Shard
from penchant_adapters.payloads import GONE
from penchant_adapters.points import META
from penchant_adapters.vectortypes import VectorType


@dataclass(frozen=True, slots=True)
class Column:
    """One of them."""

    model: str
    """The encoder whose space it is."""
    name: str
    """Of the vector."""
    dim: int
    vectors: VectorType = "float32"
    """How the engine keeps its numbers."""

    @property
    def datatype(self) -> VectorStorageDatatype:
        """The same, in the engine's words."""
        # The engine's stubs know but some of the names.
        kind: VectorStorageDatatype = getattr(VectorStorageDatatype, self.vectors.capitalize())
        return kind


class Columns:
    """Those of a shard, by the encoder; the empty name stands for the one that the store was opened with."""

    def __init__(self, shard: Shard, columns: Iterable[Column]) -> None:
        self._shard = shard
        self._columns: dict[str, Column] = {}
        for column in columns:
            self._columns.setdefault("", column)
            self._columns[column.model] = column

    def __contains__(self, model: str) -> bool:
        return model in self._columns

    def of(self, model: str) -> Column:
        """Return one. Raises ``PenchantError`` where the store has no such space (any more)."""
        if model not in self._columns:
            raise PenchantError(f"the store has no space of the encoder {model!r} (any more)")
        return self._columns[model]

    @property
    def names(self) -> list[str]:
        """The names of their vectors."""
        return list(dict.fromkeys(column.name for column in self._columns.values()))

    def given(self, of: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by the name of the vector, of values by encoder; spaces that are not there are left out."""
        return {self._columns[model].name: value for model, value in of.items() if model in self._columns}

    def add(self, column: Column) -> None:
        """Have another one, empty."""
        # What a space of the same encoder may have left behind was made of words that have changed since.
        self._shard.update(UpdateOperation.delete_vector_name(column.name))
        self._shard.update(
            UpdateOperation.create_dense_vector(column.name, column.dim, Distance.Dot, datatype=column.datatype)
        )
        self._columns[column.model] = column

    def forget(self, model: str) -> None:
        """Delete one, and what its points have of it."""
        column = self._columns.pop(model, None)
        if column is not None:
            self._shard.update(UpdateOperation.delete_vector_name(column.name))

    def turn(self, model: str) -> None:
        """Let the empty name stand for another one."""
        self._columns[""] = self.of(model)

    def lacking(self, model: str, limit: int, start: int, besides: str = "") -> tuple[list[Record], int | None]:
        """Return points that lack it, with their payload, and where to go on; *besides*: that have this one."""
        request = ScrollRequest(
            offset=max(start, META + 1),
            limit=limit,
            filter=self._condition(model, besides),
            with_payload=True,
            with_vector=False,
        )
        return self._shard.scroll(request)

    def count_lacking(self, model: str, besides: str = "") -> int:
        """Return how many points lack it."""
        return self._shard.count(self._condition(model, besides))

    def _condition(self, model: str, besides: str) -> Condition:
        must: list[Any] = [HasVectorCondition(self.of(besides).name)] if besides else []
        must_not: list[Any] = [
            HasVectorCondition(self.of(model).name),
            FieldCondition(key="status", match=MatchValue(GONE)),
            HasIdCondition({META}),
        ]
        return Condition(must=must or None, must_not=must_not)

"""How an item stands in its point of Qdrant Edge."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from penchant_core.counts import Counts
from penchant_core.interests import Known
from penchant_core.log import ItemCounts
from penchant_core.tuning import Covisitation
from qdrant_edge import Point, Record, SparseVector

from penchant_adapters.parts import CONTENT, COUNTS
from penchant_adapters.payloads import GONE, item_of, item_payload
from penchant_adapters.points import Sparse, Vectors, point_id
from penchant_adapters.stored import StoredItem

EVIDENCE = "evidence"
"""A vector of its own, of one dimension, because it changes ten times as often as the counts."""
_EVIDENCE = 0


def sparse(dims: Sequence[int], values: Sequence[float]) -> SparseVector:
    """Return a sparse vector as the engine has it."""
    return SparseVector(indices=list(dims), values=list(values))


def engine_vectors(vectors: Vectors) -> dict[str, Any]:
    """Return named vectors as the engine has them."""
    return {name: sparse(one.dims, one.values) if isinstance(one, Sparse) else one for name, one in vectors.items()}


def vectors_of(record: Record) -> dict[str, Any]:
    """Return the named vectors that were read."""
    return record.vector if isinstance(record.vector, dict) else {}


def evidence(counts: Counts) -> SparseVector:
    """Return the vector of an item's evidence."""
    return sparse([_EVIDENCE], [counts.out])


def counts_of(record: Record, settings: Covisitation) -> Counts:
    """Return an item's counts."""
    vectors = vectors_of(record)
    counts, out = vectors.get(COUNTS), vectors.get(EVIDENCE)
    dims, values = (counts.indices, counts.values) if counts is not None else ([], [])
    return Counts.from_sparse(dims, values, out.values[0] if out is not None else 0.0, settings)


def known_of(record: Record, settings: Covisitation, learned: str, content: str = CONTENT) -> Known | None:
    """Return an item that is in the catalogue, and in the space that is looked at.

    *content* is the name of the vector of its words there, *learned* that of its embedding, or empty.
    """
    payload = record.payload or {}
    vectors = vectors_of(record)
    if payload.get("status") == GONE or content not in vectors:
        return None
    embedding = vectors.get(learned)
    return Known(
        item_of(payload),
        np.array(vectors[content], np.float32),
        counts_of(record, settings),
        None if embedding is None else np.array(embedding, np.float32),
    )


def stored_of(record: Record, settings: Covisitation, content: str) -> StoredItem:
    """Return an item whole, also one that is gone; *content* is the name of the vector of its words."""
    known = known_of(record, settings, "", content)
    return StoredItem(
        item_id=str((record.payload or {})["id"]),
        item=None if known is None else known.item,
        vector=None if known is None else known.vector,
        counts=ItemCounts(counts_of(record, settings)),
    )


def point_of(one: StoredItem, described: Mapping[str, Any], settings: Covisitation) -> Point:
    """Return the point of an item with the vectors of its description, also of one that is gone."""
    counts = one.counts.counts
    vectors: dict[str, Any] = {COUNTS: sparse(*counts.as_sparse(settings)), EVIDENCE: evidence(counts)}
    if one.item is None or one.vector is None:
        return Point(id=point_id(one.item_id), vector=vectors, payload={"id": one.item_id, "status": GONE})
    return Point(id=point_id(one.item_id), vector=vectors | dict(described), payload=item_payload(one.item))

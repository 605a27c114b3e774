"""Words of Qdrant's protocol, put together by hand.

The client's own models are checked field by field and then turned into these messages: for a question of a few hundred
numbers that costs ten times as much as the rest of the call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from penchant_core.vectors import Vector
from qdrant_client import grpc


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector."""

    dims: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Found:
    """A point as it was read."""

    point: int
    payload: Mapping[str, Any]
    dense: Mapping[str, Vector]
    sparse: Mapping[str, Sparse]


Vectors = Mapping[str, Vector | Sparse]


def found(point: grpc.RetrievedPoint) -> Found:
    """Return a point that was read."""
    dense: dict[str, Vector] = {}
    sparse: dict[str, Sparse] = {}
    for name, vector in point.vectors.vectors.vectors.items():
        # Older servers know one kind of field for both.
        if vector.HasField("sparse"):
            sparse[name] = Sparse(list(vector.sparse.indices), list(vector.sparse.values))
        elif vector.HasField("indices"):
            sparse[name] = Sparse(list(vector.indices.data), list(vector.data))
        else:
            dense[name] = np.array(vector.dense.data if vector.HasField("dense") else vector.data, np.float32)
    return Found(point.id.num, {key: _plain(value) for key, value in point.payload.items()}, dense, sparse)


def _plain(value: grpc.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: _plain(one) for key, one in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(one) for one in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def payload_values(payload: Mapping[str, Any]) -> dict[str, grpc.Value]:
    """Return a payload."""
    return {key: _value(one) for key, one in payload.items()}


def _value(one: Any) -> grpc.Value:
    if isinstance(one, str):
        return grpc.Value(string_value=one)
    if isinstance(one, int):
        return grpc.Value(integer_value=one)
    if isinstance(one, float):
        return grpc.Value(double_value=one)
    if isinstance(one, dict):
        return grpc.Value(struct_value=grpc.Struct(fields=payload_values(one)))
    if isinstance(one, list):
        return grpc.Value(list_value=grpc.ListValue(values=[_value(part) for part in one]))
    return grpc.Value(null_value=grpc.NULL_VALUE)


def ids(points: Iterable[int]) -> list[grpc.PointId]:
    """Return ids of points."""
    return [grpc.PointId(num=point) for point in points]


def _vectors(vectors: Vectors) -> grpc.Vectors:
    named = {name: _vector(one) for name, one in vectors.items()}
    return grpc.Vectors(vectors=grpc.NamedVectors(vectors=named))


def _vector(vector: Vector | Sparse) -> grpc.Vector:
    if isinstance(vector, Sparse):
        return grpc.Vector(sparse=grpc.SparseVector(indices=vector.dims, values=vector.values))
    return grpc.Vector(dense=grpc.DenseVector(data=vector.tolist()))


def point_struct(point: int, vectors: Vectors, payload: Mapping[str, Any]) -> grpc.PointStruct:
    """Return a whole point."""
    return grpc.PointStruct(id=grpc.PointId(num=point), vectors=_vectors(vectors), payload=payload_values(payload))


Operation = grpc.PointsUpdateOperation


def upsert(
    points: Sequence[grpc.PointStruct], *, only: grpc.Filter | None = None, insert_only: bool = False
) -> Operation:
    """Write whole points; one that is not there is inserted whatever *only* says."""
    mode = grpc.InsertOnly if insert_only else None
    return Operation(upsert=Operation.PointStructList(points=points, update_filter=only, update_mode=mode))


def update_vectors(changes: Mapping[int, Vectors], only: grpc.Filter) -> Operation:
    """Write vectors of points that are there."""
    points = [grpc.PointVectors(id=grpc.PointId(num=p), vectors=_vectors(one)) for p, one in changes.items()]
    return Operation(update_vectors=Operation.UpdateVectors(points=points, update_filter=only))


def delete_vectors(points: Sequence[int], names: Sequence[str], only: grpc.Filter) -> Operation:
    """Take vectors of points away."""
    selector = grpc.PointsSelector(filter=among(points, only))
    return Operation(
        delete_vectors=Operation.DeleteVectors(points_selector=selector, vectors=grpc.VectorsSelector(names=names))
    )


def set_payload(payload: Mapping[str, Any], points: Sequence[int], only: grpc.Filter | None = None) -> Operation:
    """Write some keys of points' payloads."""
    selector = grpc.PointsSelector(points=grpc.PointsIdsList(ids=ids(points)))
    if only is not None:
        selector = grpc.PointsSelector(filter=among(points, only))
    return Operation(set_payload=Operation.SetPayload(payload=payload_values(payload), points_selector=selector))


def among(points: Iterable[int], only: grpc.Filter | None = None) -> grpc.Filter:
    """Return the condition to be one of some points, and one condition more."""
    more = [] if only is None else [grpc.Condition(filter=only)]
    return grpc.Filter(must=[has_id(points), *more])


def has_id(points: Iterable[int]) -> grpc.Condition:
    """Return the condition to be one of some points."""
    return grpc.Condition(has_id=grpc.HasIdCondition(has_id=ids(points)))


def matches(key: str, value: str) -> grpc.Condition:
    """Return the condition that a key has a value."""
    return grpc.Condition(field=grpc.FieldCondition(key=key, match=grpc.Match(keyword=value)))


def matches_any(key: str, values: Sequence[str]) -> grpc.Condition:
    """Return the condition that a key has one of some values."""
    match = grpc.Match(keywords=grpc.RepeatedStrings(strings=values))
    return grpc.Condition(field=grpc.FieldCondition(key=key, match=match))


def within(key: str, **limits: float | None) -> grpc.Condition:
    """Return the condition that a number is within limits, named as in the protocol: lt, lte, gt, gte."""
    return grpc.Condition(field=grpc.FieldCondition(key=key, range=grpc.Range(**limits)))


def older(key: str, offset: int) -> grpc.Filter:
    """Return the condition that a point was written with a lower offset, or with none."""
    empty = grpc.Condition(is_empty=grpc.IsEmptyCondition(key=key))
    return grpc.Filter(should=[within(key, lt=float(offset)), empty])


def exactly(key: str, offset: int) -> grpc.Filter:
    """Return the condition that a point was written with an offset."""
    return grpc.Filter(must=[within(key, gte=float(offset), lte=float(offset))])


def query(
    vector: Vector | Sparse, using: str, limit: int, only: grpc.Filter, params: grpc.SearchParams | None = None
) -> grpc.QueryPoints:
    """Return a question for the nearest points: their ids and scores alone."""
    if isinstance(vector, Sparse):
        asked = grpc.VectorInput(sparse=grpc.SparseVector(indices=vector.dims, values=vector.values))
    else:
        asked = grpc.VectorInput(dense=grpc.DenseVector(data=vector.tolist()))
    return grpc.QueryPoints(
        query=grpc.Query(nearest=asked),
        using=using,
        limit=limit,
        filter=only,
        params=params,
        with_payload=grpc.WithPayloadSelector(enable=False),
        with_vectors=grpc.WithVectorsSelector(enable=False),
    )

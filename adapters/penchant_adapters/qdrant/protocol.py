"""Words of Qdrant's protocol, put together by hand.

The client's own models are checked field by field and then turned into these messages: for a question of a few hundred
numbers that costs ten times as much as the rest of the call.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from penchant_core.vectors import Vector
from qdrant_client import grpc

from penchant_adapters.points import Sparse, Vectors


@dataclass(frozen=True, slots=True)
class Found:
    """A point as it was read."""

    point: int
    payload: Mapping[str, Any]
    dense: Mapping[str, Vector]
    sparse: Mapping[str, Sparse]


@lru_cache
def _packed(size: int) -> bytes:
    """Return what stands before a packed field, the first of its message, of so many bytes: its tag and a varint."""
    head = bytearray(b"\x0a")
    while size > 0x7F:  # noqa: PLR2004 seven bits a byte
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*head, size))


def _fill_dense(message: grpc.DenseVector, vector: Vector) -> None:
    # On the wire, a packed field of floats is the array itself: taken as that, it costs a fiftieth of number by number.
    floats = vector.astype("<f4", copy=False).tobytes()
    message.MergeFromString(_packed(len(floats)) + floats)


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


def _fill_payload(fields: MutableMapping[str, grpc.Value], payload: Mapping[str, Any]) -> None:
    for key, one in payload.items():
        _fill_value(fields[key], one)


def _fill_value(value: grpc.Value, one: Any) -> None:
    if isinstance(one, str):
        value.string_value = one
    elif isinstance(one, int):
        value.integer_value = one
    elif isinstance(one, float):
        value.double_value = one
    elif isinstance(one, dict):
        value.struct_value.SetInParent()
        _fill_payload(value.struct_value.fields, one)
    elif isinstance(one, list):
        value.list_value.SetInParent()
        for part in one:
            _fill_value(value.list_value.values.add(), part)
    else:
        value.null_value = grpc.NULL_VALUE


def ids(points: Iterable[int]) -> list[grpc.PointId]:
    """Return ids of points."""
    return [grpc.PointId(num=point) for point in points]


class Point(NamedTuple):
    """A whole point."""

    point: int
    vectors: Vectors
    payload: Mapping[str, Any]


def _fill_vectors(named: MutableMapping[str, grpc.Vector], vectors: Vectors) -> None:
    for name, one in vectors.items():
        if isinstance(one, Sparse):
            named[name].sparse.indices.extend(one.dims)
            named[name].sparse.values.extend(one.values)
        else:
            _fill_dense(named[name].dense, one)


# Messages are filled where they stand: one that is made by itself is copied at each level that it is put into.
Operation = grpc.PointsUpdateOperation


def upsert(points: Iterable[Point], *, only: grpc.Filter | None = None, insert_only: bool = False) -> Operation:
    """Write whole points; one that is not there is inserted whatever *only* says."""
    mode = grpc.InsertOnly if insert_only else None
    operation = Operation(upsert=Operation.PointStructList(update_filter=only, update_mode=mode))
    for one in points:
        point = operation.upsert.points.add()
        point.id.num = one.point
        point.vectors.vectors.SetInParent()
        _fill_vectors(point.vectors.vectors.vectors, one.vectors)
        _fill_payload(point.payload, one.payload)
    return operation


def update_vectors(changes: Mapping[int, Vectors], only: grpc.Filter) -> Operation:
    """Write vectors of points that are there."""
    operation = Operation(update_vectors=Operation.UpdateVectors(update_filter=only))
    for number, vectors in changes.items():
        point = operation.update_vectors.points.add()
        point.id.num = number
        _fill_vectors(point.vectors.vectors.vectors, vectors)
    return operation


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
    operation = Operation(set_payload=Operation.SetPayload(points_selector=selector))
    _fill_payload(operation.set_payload.payload, payload)
    return operation


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


def unwritten(key: str) -> grpc.Filter:
    """Return the condition that a point was written with no offset."""
    return grpc.Filter(must=[grpc.Condition(is_empty=grpc.IsEmptyCondition(key=key))])


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
        asked = grpc.VectorInput()
        _fill_dense(asked.dense, vector)
    return grpc.QueryPoints(
        query=grpc.Query(nearest=asked),
        using=using,
        limit=limit,
        filter=only,
        params=params,
        with_payload=grpc.WithPayloadSelector(enable=False),
        with_vectors=grpc.WithVectorsSelector(enable=False),
    )

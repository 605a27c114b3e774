"""From Qdrant's protocol to its engine and back: payloads, vectors, conditions."""

from collections.abc import Mapping
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc


class Unknown(Exception):
    """A part of the protocol that this neighbour does not know."""


def known(message: Any, *names: str) -> None:
    """Refuse a message in which anything but *names* is set: silently ignored would be silently wrong."""
    for field, _ in message.ListFields():
        if field.name not in names:
            raise Unknown(f"{message.DESCRIPTOR.name}.{field.name}")


def plain(value: grpc.Value) -> Any:
    """Return a payload value as Python has it."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return payload(value.struct_value.fields)
    if kind == "list_value":
        return [plain(one) for one in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def payload(fields: Mapping[str, grpc.Value]) -> dict[str, Any]:
    """Return a payload as Python has it."""
    return {key: plain(value) for key, value in fields.items()}


def value(found: Any) -> grpc.Value:
    """Return a payload value as the protocol has it."""
    message = grpc.Value()
    match found:
        case None:
            message.null_value = grpc.NULL_VALUE
        case bool():
            message.bool_value = found
        case int():
            message.integer_value = found
        case float():
            message.double_value = found
        case str():
            message.string_value = found
        case dict():
            message.struct_value.CopyFrom(grpc.Struct(fields=values(found)))
        case _:
            message.list_value.CopyFrom(grpc.ListValue(values=[value(one) for one in found]))
    return message


def values(found: Mapping[str, Any]) -> dict[str, grpc.Value]:
    """Return a payload as the protocol has it."""
    return {key: value(one) for key, one in found.items()}


def point(point_id: grpc.PointId) -> int:
    """Return a point's id."""
    if point_id.WhichOneof("point_id_options") != "num":
        raise Unknown("PointId.uuid")
    return int(point_id.num)


def vectors(message: grpc.Vectors) -> Any:
    """Return a point's vectors for the engine."""
    if message.WhichOneof("vectors_options") == "vector":
        return vector(message.vector)
    return {name: vector(one) for name, one in message.vectors.vectors.items()}


def vector(message: grpc.Vector) -> Any:
    """Return one vector for the engine."""
    match message.WhichOneof("vector"):
        case "dense":
            return list(message.dense.data)
        case "sparse":
            return edge.SparseVector(indices=list(message.sparse.indices), values=list(message.sparse.values))
        case None if message.HasField("indices"):
            return edge.SparseVector(indices=list(message.indices.data), values=list(message.data))
        case None:
            return list(message.data)
        case other:
            raise Unknown(f"Vector.{other}")


def vectors_output(found: Any) -> grpc.VectorsOutput:
    """Return a point's vectors as the protocol has them."""
    if not isinstance(found, dict):
        return grpc.VectorsOutput(vector=_vector_output(found))
    named = {name: _vector_output(one) for name, one in found.items()}
    return grpc.VectorsOutput(vectors=grpc.NamedVectorsOutput(vectors=named))


def _vector_output(found: Any) -> grpc.VectorOutput:
    if isinstance(found, edge.SparseVector):
        return grpc.VectorOutput(sparse=grpc.SparseVector(indices=found.indices, values=found.values))
    return grpc.VectorOutput(dense=grpc.DenseVector(data=found))


def with_payload(selector: grpc.WithPayloadSelector) -> Any:
    """Return which payload is asked for."""
    kind = selector.WhichOneof("selector_options")
    if kind == "exclude":
        raise Unknown("WithPayloadSelector.exclude")
    return list(selector.include.fields) if kind == "include" else selector.enable


def with_vectors(selector: grpc.WithVectorsSelector) -> Any:
    """Return which vectors are asked for."""
    return list(selector.include.names) if selector.WhichOneof("selector_options") == "include" else selector.enable


def condition(message: grpc.Filter) -> edge.Filter:
    """Return a filter for the engine."""
    known(message, "must", "should", "must_not")
    must, should, must_not = (
        [_one(one) for one in part] or None for part in (message.must, message.should, message.must_not)
    )
    return edge.Filter(must=must, should=should, must_not=must_not)


def _one(message: grpc.Condition) -> Any:
    match message.WhichOneof("condition_one_of"):
        case "field":
            return _field(message.field)
        case "is_empty":
            return edge.IsEmptyCondition(message.is_empty.key)
        case "is_null":
            return edge.IsNullCondition(message.is_null.key)
        case "has_id":
            return edge.HasIdCondition({point(one) for one in message.has_id.has_id})
        case "has_vector":
            return edge.HasVectorCondition(message.has_vector.has_vector)
        case "filter":
            return condition(message.filter)
        case other:
            raise Unknown(f"Condition.{other}")


def _field(message: grpc.FieldCondition) -> edge.FieldCondition:
    known(message, "key", "match", "range")
    if message.HasField("range"):
        limits = {name: getattr(message.range, name) for name in _set(message.range)}
        return edge.FieldCondition(key=message.key, range=edge.RangeFloat(**limits))
    return edge.FieldCondition(key=message.key, match=_match(message.match))


def _match(message: grpc.Match) -> Any:
    match message.WhichOneof("match_value"):
        case "keyword" | "integer" | "boolean" as kind:
            return edge.MatchValue(getattr(message, kind))
        case "keywords":
            return edge.MatchAny(list(message.keywords.strings))
        case "integers":
            return edge.MatchAny(list(message.integers.integers))
        case other:
            raise Unknown(f"Match.{other}")


def _set(message: Any) -> list[str]:
    return [field.name for field, _ in message.ListFields()]

"""Updates of points, alone or in a batch, as operations of the engine."""

from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc

from penchant_bench.neighbours.qdrant_values import Unknown, condition, known, payload, point, vectors

_IGNORED = ("collection_name", "wait", "ordering", "timeout")
_MODES = {
    grpc.Upsert: edge.UpdateMode.Upsert,
    grpc.InsertOnly: edge.UpdateMode.InsertOnly,
    grpc.UpdateOnly: edge.UpdateMode.UpdateOnly,
}


def operation(kind: str, message: Any) -> edge.UpdateOperation:
    """Return the operation of a request or of an entry of a batch; *kind* is its name in a batch."""
    match kind:
        case "upsert":
            return _upsert(message)
        case "update_vectors":
            return _update_vectors(message)
        case "delete_points":
            known(message, *_IGNORED, "points")
            ids, only = _selected(message.points)
            made = edge.UpdateOperation
            return made.delete_points(ids) if only is None else made.delete_points_by_filter(only)
        case "set_payload" | "overwrite_payload" | "delete_payload" | "clear_payload":
            return _payload(kind, message)
        case "delete_vectors":
            known(message, *_IGNORED, "points_selector", "vectors")
            ids, only = _selected(message.points_selector)
            names = list(message.vectors.names)
            if only is None:
                return edge.UpdateOperation.delete_vectors(ids, names)
            return edge.UpdateOperation.delete_vectors_by_filter(only, names)
        case other:
            raise Unknown(f"PointsUpdateOperation.{other}")


def _upsert(message: Any) -> edge.UpdateOperation:
    known(message, *_IGNORED, "points", "update_filter", "update_mode")
    points = [
        edge.Point(id=point(one.id), vector=vectors(one.vectors), payload=payload(one.payload))
        for one in message.points
    ]
    only = condition(message.update_filter) if message.HasField("update_filter") else None
    return edge.UpdateOperation.upsert_points(points, only, _MODES[message.update_mode])


def _update_vectors(message: Any) -> edge.UpdateOperation:
    known(message, *_IGNORED, "points", "update_filter")
    changes = [edge.PointVectors(id=point(one.id), vector=vectors(one.vectors)) for one in message.points]
    only = condition(message.update_filter) if message.HasField("update_filter") else None
    return edge.UpdateOperation.update_vectors(changes, only)


def _payload(kind: str, message: Any) -> edge.UpdateOperation:
    known(message, *_IGNORED, "points_selector", "points", "payload", "keys")
    ids, only = _selected(message.points if kind == "clear_payload" else message.points_selector)
    suffix, target = ("", ids) if only is None else ("_by_filter", only)
    made = getattr(edge.UpdateOperation, kind + suffix)
    match kind:
        case "delete_payload":
            done: edge.UpdateOperation = made(target, list(message.keys))
        case "clear_payload":
            done = made(target)
        case _:
            done = made(target, payload(message.payload))
    return done


def _selected(selector: grpc.PointsSelector) -> tuple[list[Any], edge.Filter | None]:
    match selector.WhichOneof("points_selector_one_of"):
        case "points":
            return [point(one) for one in selector.points.ids], None
        case "filter":
            return [], condition(selector.filter)
    raise Unknown("an update of no points")

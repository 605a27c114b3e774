"""The service of Qdrant's protocol that reads and writes points, as far as Penchant speaks it."""
# ruff: noqa: N802 the names are the protocol's

import asyncio
from collections.abc import Sequence
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc

from penchant_bench.neighbours.qdrant_answers import answered, completed
from penchant_bench.neighbours.qdrant_engine import SCHEMAS, Engine
from penchant_bench.neighbours.qdrant_updates import operation
from penchant_bench.neighbours.qdrant_values import (
    Unknown,
    condition,
    known,
    point,
    values,
    vector,
    vectors_output,
    with_payload,
    with_vectors,
)

_IGNORED = ("collection_name", "wait", "ordering", "timeout", "read_consistency")
"""One engine is its own only copy, and answers when it has done its work."""


class Points(grpc.PointsServicer):
    """Reads and writes points."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _updated(self, request: Any, kind: str) -> grpc.PointsOperationResponse:
        self._engine.collection(request.collection_name).shard.update(operation(kind, request))
        return grpc.PointsOperationResponse(result=grpc.UpdateResult(status=grpc.Completed))

    @answered
    async def Upsert(self, request: grpc.UpsertPoints) -> grpc.PointsOperationResponse:
        """Write points."""
        return self._updated(request, "upsert")

    @answered
    async def Delete(self, request: grpc.DeletePoints) -> grpc.PointsOperationResponse:
        """Delete points."""
        return self._updated(request, "delete_points")

    @answered
    async def UpdateVectors(self, request: grpc.UpdatePointVectors) -> grpc.PointsOperationResponse:
        """Write vectors of points that are there."""
        return self._updated(request, "update_vectors")

    @answered
    async def DeleteVectors(self, request: grpc.DeletePointVectors) -> grpc.PointsOperationResponse:
        """Delete vectors."""
        return self._updated(request, "delete_vectors")

    @answered
    async def CreateVectorName(self, request: grpc.CreateVectorNameRequest) -> grpc.PointsOperationResponse:
        """Let points have another vector."""
        known(request, "vector_name", "dense_config", "sparse_config", *_IGNORED)
        dense = request.dense_config if request.HasField("dense_config") else None
        self._engine.collection(request.collection_name).add_vector(request.vector_name, dense)
        return grpc.PointsOperationResponse(result=grpc.UpdateResult(status=grpc.Completed))

    @answered
    async def DeleteVectorName(self, request: grpc.DeleteVectorNameRequest) -> grpc.PointsOperationResponse:
        """Take a vector away from all points."""
        shard = self._engine.collection(request.collection_name).shard
        shard.update(edge.UpdateOperation.delete_vector_name(request.vector_name))
        return grpc.PointsOperationResponse(result=grpc.UpdateResult(status=grpc.Completed))

    @answered
    async def SetPayload(self, request: grpc.SetPayloadPoints) -> grpc.PointsOperationResponse:
        """Write keys of payloads."""
        return self._updated(request, "set_payload")

    @answered
    async def OverwritePayload(self, request: grpc.SetPayloadPoints) -> grpc.PointsOperationResponse:
        """Replace payloads."""
        return self._updated(request, "overwrite_payload")

    @answered
    async def DeletePayload(self, request: grpc.DeletePayloadPoints) -> grpc.PointsOperationResponse:
        """Delete keys of payloads."""
        return self._updated(request, "delete_payload")

    @answered
    async def ClearPayload(self, request: grpc.ClearPayloadPoints) -> grpc.PointsOperationResponse:
        """Delete payloads."""
        return self._updated(request, "clear_payload")

    @answered
    async def UpdateBatch(self, request: grpc.UpdateBatchPoints) -> grpc.UpdateBatchResponse:
        """Apply operations in order; as on a server, others come in between."""
        operations = [_batched(one) for one in request.operations]
        for one in operations:
            self._engine.collection(request.collection_name).shard.update(one)
            await asyncio.sleep(0)
        done = grpc.UpdateResult(status=grpc.Completed)
        return grpc.UpdateBatchResponse(result=[done] * len(operations))

    @answered
    async def CreateFieldIndex(self, request: grpc.CreateFieldIndexCollection) -> grpc.PointsOperationResponse:
        """Make an index of a payload field."""
        known(request, *_IGNORED, "field_name", "field_type", "field_index_params")
        if request.field_type not in SCHEMAS:
            raise Unknown(f"FieldType {request.field_type}")
        schema, _ = SCHEMAS[request.field_type]
        self._engine.collection(request.collection_name).index(request.field_name, request.field_type, schema)
        return grpc.PointsOperationResponse(result=grpc.UpdateResult(status=grpc.Completed))

    @answered
    async def Get(self, request: grpc.GetPoints) -> grpc.GetResponse:
        """Return points by their ids."""
        known(request, *_IGNORED, "ids", "with_payload", "with_vectors")
        shard = self._engine.collection(request.collection_name).shard
        records = shard.retrieve(
            [point(one) for one in request.ids], with_payload(request.with_payload), with_vectors(request.with_vectors)
        )
        return grpc.GetResponse(result=[_retrieved(one) for one in records])

    @answered
    async def Scroll(self, request: grpc.ScrollPoints) -> grpc.ScrollResponse:
        """Return a page of points in the order of their ids."""
        known(request, *_IGNORED, "filter", "offset", "limit", "with_payload", "with_vectors")
        page = edge.ScrollRequest(
            offset=point(request.offset) if request.HasField("offset") else None,
            limit=request.limit if request.HasField("limit") else 10,
            filter=condition(request.filter) if request.HasField("filter") else None,
            with_payload=with_payload(request.with_payload),
            with_vector=with_vectors(request.with_vectors),
        )
        records, following = self._engine.collection(request.collection_name).shard.scroll(page)
        reply = grpc.ScrollResponse(result=[_retrieved(one) for one in records])
        if following is not None:
            reply.next_page_offset.num = int(str(following))
        return reply

    @answered
    async def Count(self, request: grpc.CountPoints) -> grpc.CountResponse:
        """Count points."""
        known(request, *_IGNORED, "filter", "exact")
        only = condition(request.filter) if request.HasField("filter") else None
        found = self._engine.collection(request.collection_name).shard.count(edge.CountRequest(filter=only, exact=True))
        return grpc.CountResponse(result=grpc.CountResult(count=found))

    @answered
    async def Query(self, request: grpc.QueryPoints) -> grpc.QueryResponse:
        """Return the nearest points."""
        (found,) = self._queried(request.collection_name, [request])
        return grpc.QueryResponse(result=[_scored(one) for one in found])

    @answered
    async def QueryBatch(self, request: grpc.QueryBatchPoints) -> grpc.QueryBatchResponse:
        """Answer several queries at once."""
        results = self._queried(request.collection_name, request.query_points)
        return grpc.QueryBatchResponse(
            result=[grpc.BatchResult(result=[_scored(one) for one in found]) for found in results]
        )

    def _queried(self, name: str, requests: Sequence[grpc.QueryPoints]) -> list[list[edge.ScoredPoint]]:
        shard = self._engine.collection(name).shard
        return shard.query_batch(edge.QueryBatchRequest([_query(one) for one in requests]))


def _batched(message: grpc.PointsUpdateOperation) -> edge.UpdateOperation:
    kind = str(message.WhichOneof("operation"))
    return operation(kind, getattr(message, kind))


def _query(message: grpc.QueryPoints) -> edge.QueryRequest:
    # Search parameters speak of an index that is never built here: every search is exact.
    known(message, *_IGNORED, "query", "using", "filter", "params", "limit", "with_payload", "with_vectors")
    nearest = message.query.nearest
    match message.query.WhichOneof("variant"), nearest.WhichOneof("variant"):
        case "nearest", "dense":
            asked: Any = list(nearest.dense.data)
        case "nearest", "sparse":
            asked = vector(grpc.Vector(sparse=nearest.sparse))
        case kind, variant:
            raise Unknown(f"Query.{kind}.{variant}" if kind == "nearest" else f"Query.{kind}")
    return edge.QueryRequest(
        limit=message.limit if message.HasField("limit") else 10,
        query=edge.Query.Nearest(asked, using=message.using or None),
        filter=condition(message.filter) if message.HasField("filter") else None,
        with_payload=with_payload(message.with_payload),
        with_vector=with_vectors(message.with_vectors),
    )


def _retrieved(record: edge.Record) -> grpc.RetrievedPoint:
    found = grpc.RetrievedPoint(id=grpc.PointId(num=int(str(record.id))), payload=values(record.payload or {}))
    if record.vector is not None:
        found.vectors.CopyFrom(vectors_output(record.vector))
    return found


def _scored(scored: edge.ScoredPoint) -> grpc.ScoredPoint:
    found = grpc.ScoredPoint(
        id=grpc.PointId(num=int(str(scored.id))),
        score=scored.score,
        version=scored.version,
        payload=values(scored.payload or {}),
    )
    if scored.vector is not None:
        found.vectors.CopyFrom(vectors_output(scored.vector))
    return found


completed(Points)

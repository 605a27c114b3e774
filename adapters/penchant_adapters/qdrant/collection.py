"""One collection, by its name or alias: bounded reads, batches of writes, our errors."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from qdrant_client import AsyncQdrantClient, grpc

from penchant_adapters.qdrant.connection import translating
from penchant_adapters.qdrant.protocol import Found, Operation, found, ids
from penchant_adapters.settings_groups import QdrantSettings

SLICE = 128
"""Points read or written in one request: a few milliseconds of the event loop."""
FILLED = 32
"""Points of a page that is filled: each of them may cost an encoder some milliseconds."""

_ORDERINGS = {"weak": grpc.Weak, "medium": grpc.Medium, "strong": grpc.Strong}
_CONSISTENCIES = {"majority": grpc.Majority, "quorum": grpc.Quorum, "all": grpc.All}


class Collection:
    """A collection of points on a server."""

    def __init__(self, client: AsyncQdrantClient, name: str, settings: QdrantSettings) -> None:
        self._client = client
        self._name = name
        self._timeout = settings.timeout
        self._ordering = grpc.WriteOrdering(type=_ORDERINGS[settings.ordering])
        self._consistency: grpc.ReadConsistency | None = None
        if settings.read_consistency:
            self._consistency = grpc.ReadConsistency(type=_CONSISTENCIES[settings.read_consistency])

    async def write(self, operations: Sequence[Operation]) -> None:
        """Apply updates in order, durably and readable by everybody.

        A failure may leave some of them done. All of ours are harmless to do again.
        """
        if operations:
            request = grpc.UpdateBatchPoints(
                collection_name=self._name, operations=operations, wait=True, ordering=self._ordering
            )
            with translating(f"writing to {self._name}"):
                await self._client.grpc_points.UpdateBatch(request, timeout=self._timeout)

    async def create_vector(self, name: str, width: int | None) -> None:
        """Let points have another vector, compared by dot product, sparse without a *width*; once is enough."""
        request = grpc.CreateVectorNameRequest(collection_name=self._name, vector_name=name, wait=True)
        if width is None:
            request.sparse_config.SetInParent()
        else:
            request.dense_config.MergeFrom(grpc.DenseVectorCreationConfig(size=width, distance=grpc.Dot))
        with translating(f"adding the vector {name} to {self._name}"):
            await self._client.grpc_points.CreateVectorName(request, timeout=self._timeout)

    async def delete_vector(self, name: str) -> None:
        """Take a vector away from all points."""
        request = grpc.DeleteVectorNameRequest(collection_name=self._name, vector_name=name, wait=True)
        with translating(f"taking the vector {name} from {self._name}"):
            await self._client.grpc_points.DeleteVectorName(request, timeout=self._timeout)

    async def write_all(self, parts: Iterable[Sequence[Operation]]) -> None:
        """Apply parts that do not depend on each other: the next one is laid out while the last is written."""
        writing: asyncio.Task[None] | None = None
        for part in parts:
            if writing is not None:
                await writing
            writing = asyncio.create_task(self.write(part))
            # It is on its way before the next part is begun.
            await asyncio.sleep(0)
        if writing is not None:
            await writing

    async def read(
        self, points: Sequence[int], *, payload: bool | Sequence[str] = True, vectors: Sequence[str] = ()
    ) -> list[Found]:
        """Return those of the points that exist, in no particular order."""
        read: list[Found] = []
        for start in range(0, len(points), SLICE):
            request = grpc.GetPoints(
                collection_name=self._name,
                ids=ids(points[start : start + SLICE]),
                with_payload=_payload(payload),
                with_vectors=_vectors(vectors),
                read_consistency=self._consistency,
            )
            with translating(f"reading from {self._name}"):
                reply = await self._client.grpc_points.Get(request, timeout=self._timeout)
            read += map(found, reply.result)
        return read

    async def page(
        self,
        start: int | None,
        limit: int,
        only: grpc.Filter | None,
        *,
        payload: bool | Sequence[str] = True,
        vectors: Sequence[str] = (),
    ) -> tuple[list[Found], int | None]:
        """Return a page of points in the order of their ids, and where the next begins."""
        request = grpc.ScrollPoints(
            collection_name=self._name,
            filter=only,
            offset=None if start is None else grpc.PointId(num=start),
            limit=limit,
            with_payload=_payload(payload),
            with_vectors=_vectors(vectors),
            read_consistency=self._consistency,
        )
        with translating(f"reading from {self._name}"):
            reply = await self._client.grpc_points.Scroll(request, timeout=self._timeout)
        following = reply.next_page_offset.num if reply.HasField("next_page_offset") else None
        return [found(point) for point in reply.result], following

    async def query(self, questions: Sequence[grpc.QueryPoints]) -> list[dict[int, float]]:
        """Answer several questions in one request: point → score, the best first."""
        for question in questions:
            question.collection_name = self._name
        request = grpc.QueryBatchPoints(
            collection_name=self._name, query_points=questions, read_consistency=self._consistency
        )
        with translating(f"searching in {self._name}"):
            reply = await self._client.grpc_points.QueryBatch(request, timeout=self._timeout)
        return [{point.id.num: point.score for point in answer.result} for answer in reply.result]


def _payload(wanted: bool | Sequence[str]) -> grpc.WithPayloadSelector:
    if isinstance(wanted, bool):
        return grpc.WithPayloadSelector(enable=wanted)
    return grpc.WithPayloadSelector(include=grpc.PayloadIncludeSelector(fields=wanted))


def _vectors(wanted: Sequence[str]) -> grpc.WithVectorsSelector:
    if not wanted:
        return grpc.WithVectorsSelector(enable=False)
    return grpc.WithVectorsSelector(include=grpc.VectorsSelector(names=wanted))


def opened_collection(client: AsyncQdrantClient, name: str, settings: QdrantSettings) -> Collection:
    """Return a collection on a server, or of the client's in-process mode."""
    try:
        _: Any = client.grpc_points
    except NotImplementedError:
        from penchant_adapters.qdrant.in_process import InProcess  # noqa: PLC0415 it knows this module

        return InProcess(client, name, settings)
    return Collection(client, name, settings)

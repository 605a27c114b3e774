"""A collection in qdrant-client's in-process mode, for trying things without a server: the same words, translated."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from penchant_core.vectors import Vector
from qdrant_client import grpc
from qdrant_client.conversions.conversion import GrpcToRest
from qdrant_client.http.models import (
    DenseVectorConfig,
    DenseVectorNameConfig,
    SparseVectorConfig,
    SparseVectorNameConfig,
    VectorNameConfig,
)
from qdrant_client.models import Distance, Record, SparseVector

from penchant_adapters.points import Sparse
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.connection import translating
from penchant_adapters.qdrant.protocol import Found, Operation


class InProcess(Collection):
    """A collection of points in this process."""

    async def create_vector(self, name: str, width: int | None) -> None:
        """Let points have another vector, compared by dot product, sparse without a *width*."""
        config: VectorNameConfig = SparseVectorNameConfig(sparse=SparseVectorConfig())
        if width is not None:
            config = DenseVectorNameConfig(dense=DenseVectorConfig(size=width, distance=Distance.DOT))
        with translating(f"adding the vector {name} to {self._name}"):
            await self._client.create_vector_name(self._name, name, config)

    async def delete_vector(self, name: str) -> None:
        """Take a vector away from all points."""
        with translating(f"taking the vector {name} from {self._name}"):
            await self._client.delete_vector_name(self._name, name)

    async def write(self, operations: Sequence[Operation]) -> None:
        """Apply updates in order."""
        with translating(f"writing to {self._name}"):
            updates: Any = [GrpcToRest.convert_points_update_operation(one) for one in operations]
            await self._client.batch_update_points(self._name, updates)

    async def read(
        self, points: Sequence[int], *, payload: bool | Sequence[str] = True, vectors: Sequence[str] = ()
    ) -> list[Found]:
        """Return those of the points that exist, in no particular order."""
        wanted = payload if isinstance(payload, bool) else list(payload)
        with translating(f"reading from {self._name}"):
            records = await self._client.retrieve(
                self._name, list(points), with_payload=wanted, with_vectors=list(vectors) or False
            )
        return [_found(record) for record in records]

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
        with translating(f"reading from {self._name}"):
            records, following = await self._client.scroll(
                self._name,
                scroll_filter=None if only is None else GrpcToRest.convert_filter(only),
                limit=limit,
                offset=start,
                with_payload=payload if isinstance(payload, bool) else list(payload),
                with_vectors=list(vectors) or False,
            )
        return [_found(record) for record in records], None if following is None else int(str(following))

    async def query(self, questions: Sequence[grpc.QueryPoints]) -> list[dict[int, float]]:
        """Answer several questions: point → score, the best first."""
        with translating(f"searching in {self._name}"):
            requests = [GrpcToRest.convert_query_points(question) for question in questions]
            answers = await self._client.query_batch_points(self._name, requests)
        return [{int(str(point.id)): point.score for point in answer.points} for answer in answers]


def _found(record: Record) -> Found:
    dense: dict[str, Vector] = {}
    sparse: dict[str, Sparse] = {}
    for name, vector in (record.vector if isinstance(record.vector, dict) else {}).items():
        if isinstance(vector, SparseVector):
            sparse[name] = Sparse(vector.indices, vector.values)
        else:
            dense[name] = np.array(vector, np.float32)
    return Found(int(str(record.id)), record.payload or {}, dense, sparse)

"""One Qdrant Edge shard: opened or made, its foreign errors told apart, its updates refused when the disk is full."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from penchant_core.errors import OutOfSpace, PenchantError
from qdrant_edge import (
    CountRequest,
    EdgeConfig,
    EdgeShard,
    Filter,
    QueryBatchRequest,
    QueryRequest,
    Record,
    ScoredPoint,
    ScrollRequest,
    UpdateOperation,
)

OPENING_BYTES = 64 << 20
"""Room on the disk without which a shard is not opened: the engine maps its log and pages, and a process that touches
a mapped page for which there is no room is killed by the system."""


class Shard:
    """A shard in a directory of its own."""

    def __init__(self, path: Path, config: EdgeConfig, min_free_bytes: int) -> None:
        self._path = path
        self._min_free = min_free_bytes
        self.dirty = False
        """Whether something was written since the last flush."""
        self._refuse_below(OPENING_BYTES, "needed to open the store; free some space")
        try:
            if not path.exists():
                _make(path, config)
            self._shard = EdgeShard.load(str(path))
        except Exception as error:
            raise translated(error) from error

    def update(self, operation: UpdateOperation) -> None:
        """Apply an update: all of it, logged before it returns, or nothing."""
        self.refuse_when_full()
        try:
            self._shard.update(operation)
        except Exception as error:
            raise translated(error) from error
        self.dirty = True

    def refuse_when_full(self) -> None:
        """Raise ``OutOfSpace`` while the disk has less room than the log needs to end a write safely."""
        self._refuse_below(
            self._min_free, "kept free (min_free_bytes); free some space: nothing was changed and reading goes on"
        )

    def _refuse_below(self, needed: int, purpose: str) -> None:
        disk = os.statvfs(self._path.parent)
        free = disk.f_bavail * disk.f_frsize
        if free < needed:
            raise OutOfSpace(f"the disk of {self._path} has {free >> 20} MiB left and {needed >> 20} MiB are {purpose}")

    def retrieve(
        self, ids: Sequence[int], *, payload: bool | Sequence[str] = True, vectors: Sequence[str] = ()
    ) -> list[Record]:
        """Return those of the points that exist, with the *payload* under these keys."""
        wanted = payload if isinstance(payload, bool) else list(payload)
        return self._shard.retrieve(list(ids), with_payload=wanted, with_vector=list(vectors) or False)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[ScoredPoint]]:
        """Answer several queries in one pass."""
        if len(requests) == 1:
            return [self._shard.query(requests[0])]
        return self._shard.query_batch(QueryBatchRequest(list(requests)))

    def scroll(self, request: ScrollRequest) -> tuple[list[Record], int | None]:
        """Return a page of points in the order of their ids, and where the next begins."""
        points, following = self._shard.scroll(request)
        return points, following if following is None else int(str(following))

    def count(self, condition: Filter | None = None) -> int:
        """Return the number of points, or of those that meet a condition."""
        return self._shard.count(CountRequest(exact=True, filter=condition))

    def flush(self) -> None:
        """Force what was written onto the disk."""
        if self.dirty:
            self._shard.flush()
            self.dirty = False

    def close(self) -> None:
        """Flush and let go of the directory."""
        self.flush()
        self._shard.close()


def _make(path: Path, config: EdgeConfig) -> None:
    # Made beside and moved into place: the engine neither opens nor replaces what a crash left half made.
    draft = path.with_name(f"{path.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    EdgeShard.create(str(draft), config).close()
    draft.rename(path)


def translated(error: Exception) -> PenchantError:
    """Return our error for the engine's, which has only one kind."""
    text = str(error)
    if "No space left" in text or "ENOSPC" in text:
        return OutOfSpace(f"the disk is full: {text}")
    return PenchantError(f"the store failed: {text}")

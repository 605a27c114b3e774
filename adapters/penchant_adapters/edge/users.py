"""Ledgers in Qdrant Edge: one point a user, the ledger in its payload, the whole interest as its vector."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from penchant_core.covisitation import Flow
from penchant_core.ledger import Ledger
from penchant_core.log import UserState, Written
from penchant_core.ports import Commit
from penchant_core.vectors import Vector
from qdrant_edge import Distance, EdgeConfig, EdgeVectorParams, Point, PointVectors, ScrollRequest, UpdateOperation

from penchant_adapters.edge.columns import Column, Columns
from penchant_adapters.edge.shard import Shard
from penchant_adapters.lru import Recent
from penchant_adapters.payloads import flow_of, flow_text, ledger_of, ledger_payload
from penchant_adapters.points import META, point_id
from penchant_adapters.stored import StoredUser

SLICE = 64
"""Users read or written in one engine call when all of them are: a few milliseconds."""
CACHED_EVENTS = 400_000
"""Events of ledgers kept decoded in memory, some 200 bytes each."""


class EdgeUsers:
    """Keeps the promise of ``penchant_core.ports.Users``."""

    def __init__(self, path: Path, columns: Sequence[Column], min_free_bytes: int) -> None:
        """*columns*: the vectors of interests in each space, of the one that is opened first."""
        first = columns[0]
        config = EdgeConfig(vectors={first.name: EdgeVectorParams(size=first.dim, distance=Distance.Dot)})
        self._shard = Shard(path, config, min_free_bytes)
        self._columns = Columns(self._shard, columns)
        self._recent: Recent[str, Ledger] = Recent(CACHED_EVENTS)

    async def ledgers(self, user_ids: Sequence[str]) -> dict[str, Ledger]:
        """Return a ledger for every id, an empty one where there is none."""
        found = {user_id: ledger for user_id in user_ids if (ledger := self._recent.get(user_id)) is not None}
        missing = {point_id(user_id): user_id for user_id in user_ids if user_id not in found}
        if missing:
            stored = {int(str(record.id)): record.payload or {} for record in self._shard.retrieve(list(missing))}
            for point, user_id in missing.items():
                ledger = ledger_of(user_id, stored.get(point, {}))
                self._remember(user_id, ledger)
                found[user_id] = ledger
        return found

    async def commit(self, commit: Commit) -> None:
        """Write the ledgers, the flow and the sequence as one logged operation."""
        given = self._columns.given({commit.space: commit.vectors, **commit.others})
        points = [
            Point(
                id=point_id(user_id),
                vector={name: vectors[user_id] for name, vectors in given.items() if user_id in vectors},
                payload=ledger_payload(user_id, ledger),
            )
            for user_id, ledger in commit.ledgers.items()
        ]
        points.append(Point(id=META, vector={}, payload={"sequence": commit.sequence, "flow": flow_text(commit.flow)}))
        self._shard.update(UpdateOperation.upsert_points(points))
        for user_id, ledger in commit.ledgers.items():
            self._remember(user_id, ledger)

    async def last(self) -> tuple[int, Flow]:
        """Return the sequence and the flow of the last commit."""
        for record in self._shard.retrieve([META]):
            payload = record.payload or {}
            return int(payload["sequence"]), flow_of(payload["flow"])
        return 0, Flow()

    async def put_all(self, users: Sequence[StoredUser]) -> None:
        """Write users whatever is there: for copying into a store that nobody else writes to."""
        for start in range(0, len(users), SLICE):
            points = [self._point(u.user_id, u.written) for u in users[start : start + SLICE]]
            self._shard.update(UpdateOperation.upsert_points(points))
            await asyncio.sleep(0)

    async def all(self) -> AsyncIterator[list[StoredUser]]:
        """Yield every user, in pages. Their words' vectors are not in this store."""
        name = self._columns.of("").name
        start: int | None = META + 1
        while start is not None:
            records, start = self._shard.scroll(
                ScrollRequest(offset=start, limit=SLICE, with_payload=True, with_vector=[name])
            )
            page = []
            for record in records:
                payload = record.payload or {}
                user_id = str(payload["id"])
                interest = record.vector.get(name) if isinstance(record.vector, dict) else None
                vector = None if interest is None else np.array(interest, np.float32)
                page.append(StoredUser(user_id, Written(UserState(ledger_of(user_id, payload)), vector, {})))
            yield page

    async def count(self) -> int:
        """Return the number of users."""
        return self._shard.count() - len(self._shard.retrieve([META]))

    def flush(self) -> None:
        """Force what was written onto the disk."""
        self._shard.flush()

    def close(self) -> None:
        """Flush and let go of the directory."""
        self._shard.close()

    def see(self, column: Column) -> None:
        """Have another space, in which all users lack a vector."""
        self._columns.add(column)

    def turn(self, space: str) -> None:
        """Go on as if the store had been opened with another space."""
        self._columns.turn(space)

    def unsee(self, space: str) -> None:
        """Delete a space."""
        self._columns.forget(space)

    async def lacking(self, space: str, besides: str, limit: int, after: int = 0) -> tuple[list[str], int | None]:
        """Return users that lack a vector in a space and have one in the space *besides*, and where to go on."""
        records, following = self._columns.lacking(space, limit, after, besides)
        return [str((record.payload or {})["id"]) for record in records], following

    async def count_lacking(self, space: str, besides: str) -> int:
        """Return how many users lack a vector in a space and have one in the space *besides*."""
        return self._columns.count_lacking(space, besides)

    async def fill(self, space: str, ledgers: Mapping[str, Ledger], vectors: Mapping[str, Vector]) -> int:
        """Write vectors that were made of *ledgers* to those users whose ledger is still the same; return how many."""
        now = await self.ledgers(list(vectors))
        changes = [
            PointVectors(id=point_id(user_id), vector={self._columns.of(space).name: vector})  # type: ignore[dict-item]  # the engine takes arrays
            for user_id, vector in vectors.items()
            if now[user_id] == ledgers[user_id]
        ]
        if changes:
            self._shard.update(UpdateOperation.update_vectors(changes))
        return len(changes)

    def _point(self, user_id: str, user: Written) -> Point:
        vector = {} if user.interest is None else {self._columns.of("").name: user.interest}
        return Point(id=point_id(user_id), vector=vector, payload=ledger_payload(user_id, user.state.ledger))  # type: ignore[arg-type]  # the engine takes arrays

    def _remember(self, user_id: str, ledger: Ledger) -> None:
        self._recent.put(user_id, ledger, weight=1 + len(ledger.slots))

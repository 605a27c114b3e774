"""Ledgers in Qdrant Edge: one point a user, the ledger in its payload, the whole interest as its vector."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from penchant_core.covisitation import Flow
from penchant_core.ledger import Ledger
from penchant_core.model import Event
from penchant_core.ports import Commit
from qdrant_edge import Distance, EdgeConfig, EdgeVectorParams, Point, UpdateOperation

from penchant_adapters.edge.shard import META, Shard, point_id
from penchant_adapters.lru import Recent

CACHED_EVENTS = 400_000
"""Events of ledgers kept decoded in memory, some 200 bytes each."""


class EdgeUsers:
    """Keeps the promise of ``penchant_core.ports.Users``."""

    def __init__(self, path: Path, dim: int, min_free_bytes: int) -> None:
        config = EdgeConfig(vectors={"interest": EdgeVectorParams(size=dim, distance=Distance.Dot)})
        self._shard = Shard(path, config, min_free_bytes)
        self._recent: Recent[str, Ledger] = Recent(CACHED_EVENTS)

    async def ledgers(self, user_ids: Sequence[str]) -> dict[str, Ledger]:
        """Return a ledger for every id, an empty one where there is none."""
        found = {user_id: ledger for user_id in user_ids if (ledger := self._recent.get(user_id)) is not None}
        missing = {point_id(user_id): user_id for user_id in user_ids if user_id not in found}
        if missing:
            stored = {int(str(record.id)): record.payload or {} for record in self._shard.retrieve(list(missing))}
            for point, user_id in missing.items():
                ledger = _decoded(user_id, stored.get(point, {}))
                self._remember(user_id, ledger)
                found[user_id] = ledger
        return found

    async def commit(self, commit: Commit) -> None:
        """Write the ledgers, the flow and the sequence as one logged operation."""
        points = [
            Point(
                id=point_id(user_id),
                vector={"interest": commit.vectors[user_id]} if user_id in commit.vectors else {},  # type: ignore[dict-item]  # the engine takes arrays
                payload=_encoded(user_id, ledger),
            )
            for user_id, ledger in commit.ledgers.items()
        ]
        points.append(Point(id=META, vector={}, payload={"sequence": commit.sequence, "flow": _flow_text(commit.flow)}))
        self._shard.update(UpdateOperation.upsert_points(points))
        for user_id, ledger in commit.ledgers.items():
            self._remember(user_id, ledger)

    async def last(self) -> tuple[int, Flow]:
        """Return the sequence and the flow of the last commit."""
        for record in self._shard.retrieve([META]):
            payload = record.payload or {}
            return int(payload["sequence"]), _flow(payload["flow"])
        return 0, Flow()

    def flush(self) -> None:
        """Force what was written onto the disk."""
        self._shard.flush()

    def close(self) -> None:
        """Flush and let go of the directory."""
        self._shard.close()

    def _remember(self, user_id: str, ledger: Ledger) -> None:
        self._recent.put(user_id, ledger, weight=1 + len(ledger.slots))


def _encoded(user_id: str, ledger: Ledger) -> dict[str, Any]:
    rows = [
        [e.event_id, e.type, e.occurred_at, e.item_id, e.text, e.value, e.surface, e.attribution, e.user_id]
        if e.user_id != user_id
        else [e.event_id, e.type, e.occurred_at, e.item_id, e.text, e.value, e.surface, e.attribution]
        for e in ledger.slots
    ]
    payload: dict[str, Any] = {"id": user_id, "ledger": orjson.dumps(rows).decode()}
    if ledger.forgotten:
        payload["forgotten"] = orjson.dumps(dict(ledger.forgotten)).decode()
    return payload


def _decoded(user_id: str, payload: Mapping[str, Any]) -> Ledger:
    if not payload:
        return Ledger()
    slots = tuple(
        Event(
            event_id=row[0],
            user_id=row[8] if len(row) > 8 else user_id,  # noqa: PLR2004 the ninth is there when it differs
            type=row[1],
            occurred_at=row[2],
            item_id=row[3],
            text=row[4],
            value=row[5],
            surface=row[6],
            attribution=row[7],
        )
        for row in orjson.loads(payload["ledger"])
    )
    return Ledger(slots, orjson.loads(payload.get("forgotten", "{}")))


def _flow_text(flow: Flow) -> str:
    pairs = [[source, target, weight] for (source, target), weight in flow.pairs.items()]
    return orjson.dumps([pairs, dict(flow.visits)]).decode()


def _flow(text: str) -> Flow:
    pairs, visits = orjson.loads(text)
    return Flow({(source, target): weight for source, target, weight in pairs}, visits)

"""Users in Qdrant: one point a user, written only by whoever is further in the log."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from penchant_core.ledger import Ledger
from penchant_core.log import Gain, UserState, Written
from penchant_core.vectors import Vector
from qdrant_client import grpc

from penchant_adapters.payloads import flow_of_rows, flow_rows, ledger_of, ledger_payload
from penchant_adapters.points import META, Vectors, point_id
from penchant_adapters.qdrant.collection import SLICE, Collection
from penchant_adapters.qdrant.protocol import Point, upsert, within
from penchant_adapters.stored import StoredUser

INTEREST = "interest"

Prime = Callable[[Mapping[str, bytes]], None]
"""Is told text → vector, as little-endian float16 bytes, of texts that users said."""


class QdrantUsers:
    """Keeps the promise of ``log.UserStates``, and ``ledgers`` of ``ports.Users``."""

    def __init__(self, collection: Collection, prime: Prime | None = None) -> None:
        self._collection = collection
        self.prime = prime
        """Set by whoever builds the process: a model behind a cache may be opened after the store."""

    async def ledgers(self, user_ids: Sequence[str]) -> dict[str, Ledger]:
        """Return a ledger for every id, an empty one where there is none, as the store has it now."""
        found = await self._payloads(user_ids)
        return {user_id: ledger_of(user_id, found.get(user_id, {})) for user_id in user_ids}

    async def states(self, user_ids: Sequence[str]) -> dict[str, UserState]:
        """Return a state for every id, an empty one where there is none, as the store has it now."""
        states: dict[str, UserState] = {}
        for start in range(0, len(user_ids), SLICE):
            part = user_ids[start : start + SLICE]
            found = await self._payloads(part)
            states |= {u: _state(u, found[u]) if u in found else UserState() for u in part}
        return states

    async def write(self, users: Mapping[str, Written]) -> None:
        """Write users, each unless the store has it as far or further already."""
        entries = list(users.items())
        # A condition is one for all points of an operation, hence an operation for every user.
        await self._collection.write_all(
            [
                upsert([_point(user_id, user)], only=_before(user.state.through))
                for user_id, user in entries[start : start + SLICE]
            ]
            for start in range(0, len(entries), SLICE)
        )

    async def put_all(self, users: Sequence[StoredUser]) -> None:
        """Write users whatever is there: for copying into a store that nobody else writes to."""
        for start in range(0, len(users), SLICE):
            part = users[start : start + SLICE]
            await self._collection.write([upsert([_point(one.user_id, one.written) for one in part])])

    async def all(self) -> AsyncIterator[list[StoredUser]]:
        """Yield every user, in pages."""
        start: int | None = META + 1
        while start is not None:
            records, start = await self._collection.page(start, SLICE, None, vectors=(INTEREST,))
            page = []
            for record in records:
                payload, user_id = record.payload, str(record.payload["id"])
                words = {text: np.frombuffer(half, "<f2").astype(np.float32) for text, half in _words(payload).items()}
                written = Written(_state(user_id, payload), record.dense.get(INTEREST), words)
                page.append(StoredUser(user_id, written))
            yield page

    async def _payloads(self, user_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        points = {point_id(user_id): user_id for user_id in user_ids}
        found: dict[str, Mapping[str, Any]] = {}
        for record in await self._collection.read(list(points)):
            found[points[record.point]] = record.payload
            if self.prime is not None and (words := _words(record.payload)):
                self.prime(words)
        return found


def _before(through: int) -> grpc.Filter:
    return grpc.Filter(must=[within("through", lt=float(through))])


def _point(user_id: str, user: Written) -> Point:
    pending = [[gain.offset, *flow_rows(gain.flow)] for gain in user.state.pending]
    payload = ledger_payload(user_id, user.state.ledger) | {
        "through": user.state.through,
        "pending": orjson.dumps(pending).decode(),
        # Text, since a payload of many small values costs ten times as much to carry.
        "words": orjson.dumps({text: _half(vector) for text, vector in user.words.items()}).decode(),
    }
    vectors: Vectors = {} if user.interest is None else {INTEREST: user.interest}
    return Point(point_id(user_id), vectors, payload)


def _half(vector: Vector) -> str:
    return b64encode(vector.astype("<f2").tobytes()).decode()


def _words(payload: Mapping[str, Any]) -> dict[str, bytes]:
    return {text: b64decode(half) for text, half in orjson.loads(payload.get("words", "{}")).items()}


def _state(user_id: str, payload: Mapping[str, Any]) -> UserState:
    pending = (Gain(offset, flow_of_rows(rows)) for offset, *rows in orjson.loads(payload["pending"]))
    return UserState(ledger_of(user_id, payload), int(payload["through"]), tuple(pending))

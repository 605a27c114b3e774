"""Users in Qdrant: one point a user, written only by whoever is further in the log."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from penchant_core.ledger import Ledger
from penchant_core.log import Gain, UserState, Written
from penchant_core.reading import Whole
from penchant_core.vectors import Vector
from qdrant_client import grpc

from penchant_adapters.payloads import flow_of_rows, flow_rows, ledger_of, ledger_payload
from penchant_adapters.points import META, Sparse, Vectors, point_id
from penchant_adapters.qdrant.collection import FILLED, SLICE, Collection
from penchant_adapters.qdrant.protocol import Operation, Point, exactly, set_payload, update_vectors, upsert, within
from penchant_adapters.qdrant.spaces import QdrantSpaces, lacking
from penchant_adapters.spaces import Names
from penchant_adapters.stored import StoredUser

Prime = Callable[[Mapping[str, bytes]], None]
"""Is told text → vector, as little-endian float16 bytes, of texts that users said."""


class QdrantUsers:
    """Keeps the promise of ``log.UserStates``, and ``ledgers`` of ``ports.Users``."""

    def __init__(self, collection: Collection, spaces: QdrantSpaces, model: str, prime: Prime | None = None) -> None:
        """*model*: the encoder whose space it reads in and is always given."""
        self._collection = collection
        self._spaces = spaces
        self._names = spaces.names(model)
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
                upsert([self._point(user_id, user)], only=_before(user.state.through))
                for user_id, user in entries[start : start + SLICE]
            ]
            for start in range(0, len(entries), SLICE)
        )

    async def put_all(self, users: Sequence[StoredUser]) -> None:
        """Write users whatever is there: for copying into a store that nobody else writes to."""
        for start in range(0, len(users), SLICE):
            part = users[start : start + SLICE]
            await self._collection.write([upsert([self._point(one.user_id, one.written) for one in part])])

    async def all(self) -> AsyncIterator[list[StoredUser]]:
        """Yield every user, in pages."""
        start: int | None = META + 1
        while start is not None:
            records, start = await self._collection.page(start, SLICE, None, vectors=(self._names.interest,))
            page = []
            for record in records:
                payload, user_id = record.payload, str(record.payload["id"])
                words = {
                    text: np.frombuffer(half, "<f2").astype(np.float32) for text, half in self._words(payload).items()
                }
                written = Written(_state(user_id, payload), record.dense.get(self._names.interest), words)
                page.append(StoredUser(user_id, written))
            yield page

    async def _payloads(self, user_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        points = {point_id(user_id): user_id for user_id in user_ids}
        found: dict[str, Mapping[str, Any]] = {}
        for record in await self._collection.read(list(points)):
            found[points[record.point]] = record.payload
            if self.prime is not None and (words := self._words(record.payload)):
                self.prime(words)
        return found

    async def lacking(self, model: str, besides: str, start: int | None) -> tuple[dict[str, UserState], int | None]:
        """Return a page of users without an interest in a space, and where the next begins.

        *besides* names a space that they have one in; empty: any that are known.
        """
        there = self._spaces.names(besides).interest if besides else ""
        condition = lacking(self._spaces.names(model).interest, there)
        records, following = await self._collection.page(META + 1 if start is None else start, FILLED, condition)
        found = {str(record.payload["id"]): record.payload for record in records}
        return {user_id: _state(user_id, payload) for user_id, payload in found.items()}, following

    async def fill(self, model: str, users: Mapping[str, tuple[UserState, Whole]]) -> int:
        """Write users' interests in a space, each unless the user is further by now; return how many there were."""
        operations: list[Operation] = []
        for user_id, (state, whole) in users.items():
            if whole.interest is None:
                continue
            point, fence = point_id(user_id), exactly("through", state.through)
            vectors, payload = _shown(whole, self._spaces.names(model))
            operations += [set_payload(payload, [point], fence), update_vectors({point: vectors}, fence)]
        await self._collection.write(operations)
        return len(operations) // 2

    def _point(self, user_id: str, user: Written) -> Point:
        pending = [[gain.offset, *flow_rows(gain.flow)] for gain in user.state.pending]
        payload = ledger_payload(user_id, user.state.ledger) | {
            "through": user.state.through,
            "pending": orjson.dumps(pending).decode(),
        }
        vectors: dict[str, Vector | Sparse] = {}
        wholes = {self._names: Whole(user.interest, user.words)}
        wholes |= {self._spaces.names(model): whole for model, whole in user.others.items()}
        for names, whole in wholes.items():
            some, words = _shown(whole, names)
            vectors |= some
            payload |= words
        return Point(point_id(user_id), vectors, payload)

    def _words(self, payload: Mapping[str, Any]) -> dict[str, bytes]:
        return {text: b64decode(half) for text, half in orjson.loads(payload.get(self._names.words, "{}")).items()}


def _shown(whole: Whole, names: Names) -> tuple[Vectors, dict[str, str]]:
    """Return a user's vectors and payload in a space."""
    # Text, since a payload of many small values costs ten times as much to carry.
    words = orjson.dumps({text: _half(vector) for text, vector in whole.words.items()}).decode()
    return {} if whole.interest is None else {names.interest: whole.interest}, {names.words: words}


def _before(through: int) -> grpc.Filter:
    return grpc.Filter(must=[within("through", lt=float(through))])


def _half(vector: Vector) -> str:
    return b64encode(vector.astype("<f2").tobytes()).decode()


def _state(user_id: str, payload: Mapping[str, Any]) -> UserState:
    pending = (Gain(offset, flow_of_rows(rows)) for offset, *rows in orjson.loads(payload["pending"]))
    return UserState(ledger_of(user_id, payload), int(payload["through"]), tuple(pending))

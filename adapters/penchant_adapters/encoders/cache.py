"""Remembers vectors: in memory for the hot ones, in a file across restarts, each text encoded once however many ask.

Both levels keep the same half-precision bytes and one function decodes them, so a text has bit-identical vectors
before and after a restart, and recommendations do not change by it. Rounding costs a cosine of less than 1e-6.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from penchant_core.model import Content
from penchant_core.vectors import Matrix, Vector

from penchant_adapters.encoders.layout import Prompts
from penchant_adapters.encoders.mixed import Part, parts_of, whole
from penchant_adapters.encoders.vectorfile import VectorFile
from penchant_adapters.lru import Recent

MEMORY_BYTES = 64 << 20
"""Default size of the level in memory: some 50,000 vectors of 512 dimensions."""
_ENTRY_OVERHEAD = 250  # bytes that Python spends on one entry beside the vector
_ROUNDING = 0.01  # far above what half precision does to a length
_SLICE = 1_024  # texts looked at in one go: bounds how long the event loop stands still

Rows: TypeAlias = dict[bytes, bytes]
"""Key of a text → its vector's bytes."""


@dataclass(slots=True)
class CacheCounts:
    """Where texts were found since the start; a text counts once per call."""

    memory_hits: int = 0
    file_hits: int = 0
    joined: int = 0
    """Another caller was already waiting for the same text."""
    misses: int = 0
    """Texts that the model had to encode."""


class _How(NamedTuple):
    said: bool
    urgent: bool


class PartEncoder(Protocol):
    """An encoder of texts and, where its model sees, of pictures' files."""

    @property
    def name(self) -> str:
        """Identity of the model."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def prompts(self) -> Prompts:
        """What it puts before texts."""

    @property
    def sees(self) -> bool:
        """Whether it takes pictures."""

    async def encode(self, parts: Sequence[Part], /, *, said: bool = False, urgent: bool = False) -> Matrix:
        """Return one row per part, in order: float32, shape (len(parts), dim), unit length."""


@dataclass(eq=False, slots=True)
class _Flight:
    """The encoding of texts that were not in memory, shared by all who wait for one of them."""

    keys: Sequence[bytes]
    task: asyncio.Task[Rows]
    urgent: bool
    waiting: int = 0


class CachedEncoder:
    """An encoder that asks *inner* only for texts it has not seen, given a *store* even before the last restart.

    It closes neither; whoever opened them does. When the last caller that waits for texts leaves, their encoding is
    given up. *capacity_bytes* bounds the level in memory.
    """

    def __init__(self, inner: PartEncoder, store: VectorFile | None = None, capacity_bytes: int = MEMORY_BYTES) -> None:
        self._inner = inner
        self._prompts = inner.prompts
        self._store = store
        self._recent: Recent[bytes, bytes] = Recent(capacity_bytes)
        self._flights: dict[bytes, _Flight] = {}
        self._salt = blake2b(inner.name.encode(), digest_size=32).digest()
        self.counts = CacheCounts()
        self.how = ""
        """On what the model runs, in words for a log."""

    @property
    def name(self) -> str:
        """Identity of the model; the cache does not change it."""
        return self._inner.name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._inner.dim

    def peek(self, text: str, *, said: bool = False) -> Vector | None:
        """Return the text's vector if it is in memory, at once and without waiting."""
        row = self._recent.get(self._key(text, said))
        if row is None:
            return None
        self.counts.memory_hits += 1
        vector: Vector = _decode([row], self.dim)[0]
        return vector

    def prime(self, rows: Mapping[str, bytes]) -> None:
        """Take over vectors of what users said, made by another process with this model: text → half-precision bytes.

        They are found like those of this process, to the last bit.
        """
        keyed = {self._key(text, said=True): row for text, row in rows.items()}
        for key, row in _usable(keyed, self.dim).items():
            self._recent.put(key, row, weight=len(row) + _ENTRY_OVERHEAD)

    async def encode(self, contents: Sequence[Content], *, said: bool = False, urgent: bool = False) -> Matrix:
        """Return one row per content, in order: float32, shape (len(contents), dim), unit length.

        An *urgent* caller does not wait for texts that others have asked for without haste, but asks for them itself.
        Raises ``EncoderFailed`` and ``Overloaded`` as the inner encoder does; a failing file is only a slower answer.
        """
        parts, sizes = parts_of(contents, sees=self._inner.sees)
        rows = np.empty((len(parts), self.dim), np.float32)
        for start in range(0, len(parts), _SLICE):
            some = parts[start : start + _SLICE]
            rows[start : start + len(some)] = await self._encode_slice(some, _How(said, urgent))
            if start + _SLICE < len(parts):
                await asyncio.sleep(0)  # others run even when every text is in memory
        return whole(rows, sizes)

    async def _encode_slice(self, parts: Sequence[Part], how: _How) -> Matrix:
        keys = [self._key(part, how.said) for part in parts]
        rows: Rows = {}
        missing: dict[bytes, Part] = {}
        for key, part in zip(keys, parts, strict=True):
            if (row := self._recent.get(key)) is not None:
                rows[key] = row
            else:
                missing[key] = part
        self.counts.memory_hits += len(rows)
        if missing:
            rows |= await self._wait(self._flights_of(missing, how))
        return _decode([rows[key] for key in keys], self.dim)

    def _key(self, part: Part, said: bool) -> bytes:
        if isinstance(part, bytes):
            return blake2b(part, digest_size=16, key=self._salt, person=b"picture").digest()
        read = self._prompts.of(said) + part
        return blake2b(read.encode(errors="surrogatepass"), digest_size=16, key=self._salt).digest()

    def _flights_of(self, missing: Mapping[bytes, Part], how: _How) -> list[_Flight]:
        """Join the flights that are under way for these texts and start one for the rest."""
        under_way = {key: self._flights[key] for key in missing if key in self._flights}
        joined = {key: flight for key, flight in under_way.items() if flight.urgent or not how.urgent}
        rest = {key: text for key, text in missing.items() if key not in joined}
        self.counts.joined += len(joined)
        flights = list(dict.fromkeys(joined.values()))
        if rest:
            task = asyncio.get_running_loop().create_task(self._fill(rest, how))
            flight = _Flight(list(rest), task, how.urgent)
            flight.task.add_done_callback(lambda _: self._land(flight))
            self._flights |= dict.fromkeys(rest, flight)
            flights.append(flight)
        return flights

    async def _wait(self, flights: Sequence[_Flight]) -> Rows:
        for flight in flights:
            flight.waiting += 1
        rows: Rows = {}
        try:
            for flight in flights:
                rows |= await asyncio.shield(flight.task)  # a caller that leaves must not take the others' texts along
        finally:
            for flight in flights:
                flight.waiting -= 1
                if not flight.waiting and not flight.task.done():
                    self._land(flight)
                    flight.task.cancel()
        return rows

    def _land(self, flight: _Flight) -> None:
        for key in flight.keys:
            if self._flights.get(key) is flight:
                del self._flights[key]
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # seen: when every caller has left, nobody else looks

    async def _fill(self, texts: Mapping[bytes, Part], how: _How) -> Rows:
        """Find the texts in the file or encode them, and keep what was found or made."""
        rows = _usable(await self._store.get(list(texts)), self.dim) if self._store is not None else {}
        self.counts.file_hits += len(rows)
        fresh = [key for key in texts if key not in rows]
        self.counts.misses += len(fresh)
        if fresh:
            vectors = await self._inner.encode([texts[key] for key in fresh], said=how.said, urgent=how.urgent)
            made = {key: vector.tobytes() for key, vector in zip(fresh, vectors.astype("<f2"), strict=True)}
            if self._store is not None:
                await self._store.put(made)
            rows |= made
        for key, row in rows.items():
            self._recent.put(key, row, weight=len(row) + _ENTRY_OVERHEAD)
        return rows


def _decode(rows: Sequence[bytes], dim: int) -> Matrix:
    """Return unit vectors; each row depends on its own bytes only, to the last bit."""
    matrix: Matrix = np.frombuffer(b"".join(rows), "<f2").reshape(-1, dim).astype(np.float32)
    matrix /= np.sqrt(np.einsum("ij,ij->i", matrix, matrix))[:, np.newaxis]
    return matrix


def _usable(rows: Rows, dim: int) -> Rows:
    """Drop rows that another program or a bad disk changed: wrong size, or nowhere near unit length."""
    sized = {key: row for key, row in rows.items() if len(row) == 2 * dim}
    if not sized:
        return {}
    matrix = np.frombuffer(b"".join(sized.values()), "<f2").reshape(-1, dim).astype(np.float32)
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(matrix, axis=1)
    return {key: row for (key, row), length in zip(sized.items(), lengths, strict=True) if abs(length - 1) < _ROUNDING}

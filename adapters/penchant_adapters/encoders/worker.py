"""The shared half of every encoder: one thread, one model, batches that form while the model is busy.

A request that finds the model idle starts at once. Requests that arrive meanwhile wait in a queue; a slice is taken
from its front and a request with texts left goes to its back, so a bulk of thousands delays a single search by at most
one slice, and many single searches share one.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import numpy as np
from penchant_core.errors import EncoderFailed
from penchant_core.vectors import Matrix

from penchant_adapters.encoders.batches import cut

MAX_CHARACTERS = 1_000
"""Characters of a text that reach the model; what an item is about stands at its beginning."""


class TextModel(Protocol):
    """A model that blocks its thread while it turns texts into vectors."""

    @property
    def name(self) -> str:
        """Identity of the model and its weights."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def slice_texts(self) -> int:
        """Most texts of one call of ``encode``."""

    @property
    def slice_bytes(self) -> int:
        """Most UTF-8 bytes of one call of ``encode``; a text that is longer comes alone."""

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, in order; the rows need not be of unit length."""


@dataclass(eq=False)
class _Request:
    texts: list[str]
    sizes: list[int]
    pieces: deque[range]
    rows: Matrix
    answer: asyncio.Future[Matrix]
    missing: int


class _Share(NamedTuple):
    """The piece of one request that takes part in a slice."""

    request: _Request
    piece: range


@dataclass(eq=False)
class WorkerEncoder:
    """An encoder that runs *model* in a thread of its own. Use it from one event loop; close it with ``aclose``.

    Every caller is answered: with vectors, with ``EncoderFailed``, or not at all because it left; what it had not yet
    given to the model is then dropped.
    """

    model: TextModel
    _waiting: deque[_Request] = field(default_factory=deque, init=False)
    _busy: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")

    @property
    def name(self) -> str:
        """Identity of the model and its weights; vectors of different names must not be compared."""
        return self.model.name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.model.dim

    async def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, in order: float32, shape (len(texts), dim), unit length.

        Only the first ``MAX_CHARACTERS`` characters of a text count. Raises ``EncoderFailed`` when the model fails,
        gives a vector that is not finite, or is closed.
        """
        if self._closed:
            raise EncoderFailed(f"the encoder {self.name} is closed; open it again")
        if not texts:
            return np.empty((0, self.dim), np.float32)
        request = self._request(texts)
        self._waiting.append(request)
        self._start_slice()
        return await request.answer

    async def aclose(self) -> None:
        """Refuse new texts, fail those that the model has not seen, wait for the slice it is at, end the thread."""
        self._closed = True
        self._refuse_waiting()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _refuse_waiting(self) -> None:
        while self._waiting:
            _fail(
                self._waiting.popleft(), EncoderFailed(f"the encoder {self.name} was closed before it got to this text")
            )

    def _request(self, texts: Sequence[str]) -> _Request:
        raw = [text[:MAX_CHARACTERS].encode(errors="replace") for text in texts]  # no model takes lone surrogates
        sizes = [len(r) for r in raw]
        return _Request(
            texts=[r.decode() for r in raw],
            sizes=sizes,
            pieces=deque(cut(sizes, self.model.slice_texts, self.model.slice_bytes)),
            rows=np.empty((len(raw), self.dim), np.float32),
            answer=asyncio.get_running_loop().create_future(),
            missing=len(raw),
        )

    def _start_slice(self) -> None:
        if self._busy or not (shares := self._next_slice()):
            return
        texts = [share.request.texts[position] for share in shares for position in share.piece]
        self._busy = True
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._encode_slice, texts)
        work.add_done_callback(lambda done: self._end_slice(shares, done))

    def _next_slice(self) -> list[_Share]:
        """Take the next piece of each request in turn, as long as they fit."""
        shares: list[_Share] = []
        texts, size = self.model.slice_texts, self.model.slice_bytes
        while self._waiting:
            request = self._waiting[0]
            if request.answer.done():  # the caller left, or was told of a failure
                self._waiting.popleft()
                continue
            piece = request.pieces[0]
            texts -= len(piece)
            size -= sum(request.sizes[piece.start : piece.stop])
            if shares and (texts < 0 or size < 0):
                break
            shares.append(_Share(request, request.pieces.popleft()))
            self._waiting.popleft()
        return shares

    def _encode_slice(self, texts: list[str]) -> Matrix:
        """Run in the worker's thread. A row that is not finite throughout, or all zero, comes back as all NaN."""
        rows = np.asarray(self.model.encode(texts), dtype=np.float32)
        if rows.shape != (len(texts), self.dim):
            raise EncoderFailed(f"the encoder {self.name} gave shape {rows.shape}, not {(len(texts), self.dim)}")
        with np.errstate(all="ignore"):
            scaled: Matrix = rows / np.abs(rows).max(axis=1, keepdims=True)  # squares of large values would overflow
            unit: Matrix = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
        return unit

    def _end_slice(self, shares: list[_Share], done: asyncio.Future[Matrix]) -> None:
        self._busy = False
        error = asyncio.CancelledError("the event loop is closing") if done.cancelled() else done.exception()
        start = 0
        for share in shares:
            if error is not None:
                failure = EncoderFailed(f"the encoder {self.name} failed: {error or type(error).__name__}")
                failure.__cause__ = error
                _fail(share.request, failure)
            else:
                _deliver(share, done.result()[start : start + len(share.piece)])
            start += len(share.piece)
            if share.request.pieces:  # to the back, behind those who came during this slice
                self._waiting.append(share.request)
        if self._closed:
            self._refuse_waiting()
        self._start_slice()


def _deliver(share: _Share, rows: Matrix) -> None:
    request, piece = share
    if (bad := np.flatnonzero(np.isnan(rows[:, 0]))).size:
        position = piece[int(bad[0])]
        _fail(request, EncoderFailed(f"text {position} of the call: the model gave no finite vector for it"))
        return
    request.rows[piece.start : piece.stop] = rows
    request.missing -= len(piece)
    if not request.missing and not request.answer.done():
        request.answer.set_result(request.rows)


def _fail(request: _Request, error: EncoderFailed) -> None:
    if not request.answer.done():
        request.answer.set_exception(error)

"""The cache in front of an encoder: each text encoded once, the same bits before and after a restart."""

import asyncio
import gc
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from penchant_adapters.encoders import CachedEncoder, VectorFile
from penchant_adapters.encoders.layout import Prompts
from penchant_core.errors import EncoderFailed, InvalidSetting
from penchant_core.vectors import Matrix

TEXTS = [f"text {n}" for n in range(1_500)]


class RandomEncoder:
    """A direction for every text, drawn from its hash; answers once ``gate`` is open; "fail…" fails."""

    dim = 64
    prompts = Prompts()
    sees = False

    def __init__(self, name: str = "random@1") -> None:
        self.name = name
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[str] = []
        self.urgent: list[bool] = []
        self.entered: asyncio.Queue[None] = asyncio.Queue()
        self.cancelled = asyncio.Event()

    async def encode(self, texts: Sequence[Any], *, said: bool = False, urgent: bool = False) -> Matrix:
        assert not said
        self.asked.extend(texts)
        self.urgent.append(urgent)
        self.entered.put_nowait(None)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if any(text.startswith("fail") for text in texts):
            raise EncoderFailed("text 0: no vector")
        rows = np.stack([self.vector(text) for text in texts])
        return rows.astype(np.float32)

    def vector(self, text: str) -> Matrix:
        seed = int.from_bytes(hashlib.sha256((self.name + text).encode(errors="surrogatepass")).digest()[:8])
        row = np.random.default_rng(seed).normal(size=self.dim)
        return (row / np.linalg.norm(row)).astype(np.float32)


@asynccontextmanager
async def cached(
    path: Path, inner: RandomEncoder, capacity: int = 1 << 20, max_rows: int = 10_000
) -> AsyncIterator[CachedEncoder]:
    async with VectorFile(path / "vectors.sqlite", max_rows) as store:
        yield CachedEncoder(inner, store, capacity)


async def test_vectors_are_those_of_the_inner_encoder_within_rounding(tmp_path: Path) -> None:
    inner = RandomEncoder()
    async with cached(tmp_path, inner) as encoder:
        rows = await encoder.encode(TEXTS)
        assert (encoder.name, encoder.dim) == ("random@1", 64)
    expected = np.stack([inner.vector(text) for text in TEXTS])
    assert rows.dtype == np.float32
    assert np.einsum("ij,ij->i", rows, expected).min() > 0.99999
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


async def test_a_text_has_the_same_bits_from_model_memory_file_and_peek(tmp_path: Path) -> None:
    async with cached(tmp_path, RandomEncoder()) as encoder:
        from_model = await encoder.encode(TEXTS)
        from_memory = await encoder.encode(TEXTS[7:20])
        peeked = encoder.peek(TEXTS[7])
    silent = RandomEncoder()
    async with cached(tmp_path, silent) as encoder:
        assert encoder.peek(TEXTS[7]) is None
        alone = await encoder.encode([TEXTS[7]])
        from_file = await encoder.encode(TEXTS)
        assert encoder.counts.misses == 0
    assert silent.asked == []
    assert peeked is not None
    assert from_file.tobytes() == from_model.tobytes()
    assert from_memory.tobytes() == from_model[7:20].tobytes()
    assert peeked.tobytes() == alone.tobytes() == from_model[7].tobytes()


async def test_another_models_vectors_are_never_given(tmp_path: Path) -> None:
    async with cached(tmp_path, RandomEncoder("random@1")) as encoder:
        await encoder.encode(["shoes"])
    other = RandomEncoder("random@2")
    async with cached(tmp_path, other) as encoder:
        row = (await encoder.encode(["shoes"]))[0]
    assert row @ other.vector("shoes") > 0.9999


async def test_duplicates_and_simultaneous_callers_cost_one_encoding(tmp_path: Path) -> None:
    inner = RandomEncoder()
    inner.gate.clear()
    async with cached(tmp_path, inner) as encoder:
        tasks = [asyncio.create_task(encoder.encode(["a", "b", "a"])) for _ in range(20)]
        tasks.append(asyncio.create_task(encoder.encode(["b", "c"])))
        await asyncio.sleep(0)
        inner.gate.set()
        answers = await asyncio.gather(*tasks)
    assert sorted(inner.asked) == ["a", "b", "c"]
    for rows in answers[:-1]:
        assert rows.tobytes() == answers[0].tobytes()
        assert rows[0].tobytes() == rows[2].tobytes()
    assert answers[-1][0].tobytes() == answers[0][1].tobytes()
    assert (encoder.counts.misses, encoder.counts.joined) == (3, 39)


async def test_a_caller_that_leaves_does_not_take_shared_texts_along(tmp_path: Path) -> None:
    inner = RandomEncoder()
    inner.gate.clear()
    async with cached(tmp_path, inner) as encoder:
        leaving = asyncio.create_task(encoder.encode(["a"]))
        staying = asyncio.create_task(encoder.encode(["a", "b"]))
        await inner.entered.get()
        await inner.entered.get()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        inner.gate.set()
        assert len(await staying) == 2
    assert sorted(inner.asked) == ["a", "b"]


async def test_the_encoding_is_given_up_when_the_last_caller_leaves(tmp_path: Path) -> None:
    inner = RandomEncoder()
    inner.gate.clear()
    async with cached(tmp_path, inner) as encoder:
        callers = [asyncio.create_task(encoder.encode(["a"])) for _ in range(3)]
        await inner.entered.get()
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await inner.cancelled.wait()
        inner.gate.set()
        assert len(await encoder.encode(["a"])) == 1  # a later caller begins anew
    assert inner.asked == ["a", "a"]


async def test_a_caller_that_comes_as_the_last_one_leaves_is_answered(tmp_path: Path) -> None:
    inner = RandomEncoder()
    inner.gate.clear()
    async with cached(tmp_path, inner) as encoder:
        leaving = asyncio.create_task(encoder.encode(["a"]))
        await inner.entered.get()
        leaving.cancel()
        coming = asyncio.create_task(encoder.encode(["a"]))
        inner.gate.set()
        assert len(await coming) == 1
    assert leaving.cancelled()


async def test_two_failures_at_once_leave_no_error_unseen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inner = RandomEncoder()
    inner.gate.clear()
    async with cached(tmp_path, inner) as encoder:
        callers = [asyncio.create_task(encoder.encode(texts)) for texts in (["fail"], ["fail", "fail too"])]
        await inner.entered.get()
        await inner.entered.get()
        inner.gate.set()
        assert all(isinstance(e, EncoderFailed) for e in await asyncio.gather(*callers, return_exceptions=True))
        del callers, encoder
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_an_urgent_caller_does_not_wait_for_a_bulk_but_joins_another_urgent_one(tmp_path: Path) -> None:
    inner = RandomEncoder()
    inner.gate.clear()
    async with cached(tmp_path, inner) as encoder:
        bulk = asyncio.create_task(encoder.encode(["a", "b"]))
        await inner.entered.get()
        urgent = [asyncio.create_task(encoder.encode(["a"], urgent=True)) for _ in range(2)]
        await inner.entered.get()
        late = asyncio.create_task(encoder.encode(["a"]))  # the urgent one is ahead
        await asyncio.sleep(0)
        inner.gate.set()
        rows = await asyncio.gather(*urgent, late, bulk)
    assert inner.asked == ["a", "b", "a"]
    assert inner.urgent == [False, True]
    assert len({row[0].tobytes() for row in rows}) == 1


async def test_a_failure_answers_every_waiter_and_is_not_remembered(tmp_path: Path) -> None:
    inner = RandomEncoder()
    inner.gate.clear()
    async with cached(tmp_path, inner) as encoder:
        callers = [asyncio.create_task(encoder.encode(["fail"])) for _ in range(3)]
        await asyncio.sleep(0)
        inner.gate.set()
        for answer in await asyncio.gather(*callers, return_exceptions=True):
            assert isinstance(answer, EncoderFailed)
        with pytest.raises(EncoderFailed):
            await encoder.encode(["fail"])
    assert inner.asked == ["fail", "fail"]


async def test_memory_is_bounded_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    entry = 64 * 2 + 250
    async with cached(tmp_path, RandomEncoder(), capacity=3 * entry) as encoder:
        await encoder.encode(["a", "b", "c"])
        assert encoder.peek("a") is not None
        await encoder.encode(["d"])
        assert [text for text in "abcd" if encoder.peek(text) is not None] == ["a", "c", "d"]


async def test_the_file_forgets_the_oldest_above_its_bound(tmp_path: Path) -> None:
    async with cached(tmp_path, RandomEncoder(), max_rows=100) as encoder:
        for start in range(0, 250, 50):
            await encoder.encode(TEXTS[start : start + 50])
    again = RandomEncoder()
    async with cached(tmp_path, again, max_rows=100) as encoder:
        await encoder.encode(TEXTS[150:250])
        assert again.asked == []
        await encoder.encode(TEXTS[:150])
        assert len(again.asked) == 150


@pytest.mark.parametrize("damage", ["not a database", "torn pages"])
async def test_a_corrupt_file_is_moved_aside_and_begun_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with cached(tmp_path, RandomEncoder()) as encoder:
        await encoder.encode(TEXTS)
    path = tmp_path / "vectors.sqlite"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(0 if damage == "not a database" else 8192)
        file.write(b"\xa5" * (size - file.tell()))
    inner = RandomEncoder()
    async with cached(tmp_path, inner) as encoder:
        await encoder.encode(TEXTS)
        await encoder.encode(["more"])
    assert "corrupt" in caplog.text
    assert (tmp_path / "vectors.sqlite.corrupt").stat().st_size == size
    silent = RandomEncoder()
    async with cached(tmp_path, silent) as encoder:
        await encoder.encode(TEXTS[1_100:])
    assert silent.asked == []


@pytest.mark.parametrize("row", [b"", b"\x00" * 128, b"\xff" * 128, b"\x00" * 127])
async def test_a_changed_row_is_encoded_again(tmp_path: Path, row: bytes) -> None:
    async with cached(tmp_path, RandomEncoder()) as encoder:
        expected = await encoder.encode(["a", "b"])
    with sqlite3.connect(tmp_path / "vectors.sqlite") as connection:
        connection.execute("UPDATE vectors SET vector = ? WHERE id = 1", (row,))
    connection.close()
    inner = RandomEncoder()
    async with cached(tmp_path, inner) as encoder:
        assert (await encoder.encode(["a", "b"])).tobytes() == expected.tobytes()
    assert inner.asked == ["a"]


async def test_a_file_that_cannot_be_written_is_only_a_slower_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inner = RandomEncoder()
    async with cached(tmp_path, inner) as encoder:
        with sqlite3.connect(tmp_path / "vectors.sqlite") as connection:
            connection.execute("DROP TABLE vectors")
        connection.close()
        assert len(await encoder.encode(["a", "b"])) == 2
        assert len(await encoder.encode(["c"])) == 1
        assert encoder.peek("a") is not None
    assert caplog.text.count("going on without it") == 1


async def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InvalidSetting, match="choose a folder"):
        VectorFile(tmp_path / "file" / "vectors.sqlite")


async def test_no_texts_and_strange_texts_are_fine(tmp_path: Path) -> None:
    async with cached(tmp_path, RandomEncoder()) as encoder:
        assert (await encoder.encode([])).shape == (0, 64)
        assert (await encoder.encode(["\x00", "", "\ud800", "👟"])).shape == (4, 64)

"""The worker's promises when the model is slow, fails or gives rubbish, and the pure rules of cutting batches."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant_adapters.encoders import WorkerEncoder
from penchant_adapters.encoders.batches import cut, in_halves, padded_batches
from penchant_adapters.encoders.layout import Dense, Layout, read_layout, written_layout
from penchant_core.errors import EncoderFailed, InvalidSetting
from penchant_core.vectors import Matrix


class NumberModel:
    """Reads numbers and gives vectors (number, 1); waits for ``gate``; "fail" raises, "nan" gives NaN."""

    name = "numbers@1"
    dim = 2
    slice_texts = 4
    slice_bytes = 64

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.slices: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> Matrix:
        self.slices.append(list(texts))
        self.entered.set()
        assert self.gate.wait(10)
        if "fail" in texts:
            raise MemoryError("no room")
        return np.array([[float(text), 1] for text in texts], np.float32)


def numbers(rows: Matrix) -> list[int]:
    return [round(float(x / y)) for x, y in rows]


async def busy(model: NumberModel, encoder: WorkerEncoder, texts: Sequence[str]) -> asyncio.Task[Matrix]:
    """Let the model begin with these texts and hold it there."""
    task = asyncio.create_task(encoder.encode(texts))
    await asyncio.to_thread(model.entered.wait, 10)
    return task


async def test_requests_that_arrive_while_the_model_is_busy_share_a_slice() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        first = await busy(model, encoder, ["1"])
        others = [asyncio.create_task(encoder.encode([str(n)])) for n in range(2, 7)]
        await asyncio.sleep(0)
        model.gate.set()
        assert [numbers(rows) for rows in await asyncio.gather(first, *others)] == [[n] for n in range(1, 7)]
    assert model.slices == [["1"], ["2", "3", "4", "5"], ["6"]]


async def test_a_single_text_waits_for_one_slice_of_a_bulk_only() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        bulk = await busy(model, encoder, [str(n) for n in range(40)])
        single = asyncio.create_task(encoder.encode(["99"]))
        await asyncio.sleep(0)
        model.gate.set()
        assert numbers(await single) == [99]
        assert numbers(await bulk) == list(range(40))
    assert "99" in model.slices[1]


async def test_a_failing_model_answers_everyone_in_the_slice_and_goes_on() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        first = await busy(model, encoder, ["1"])
        others = [asyncio.create_task(encoder.encode([text])) for text in ("2", "fail", "3", "4", "5")]
        await asyncio.sleep(0)
        model.gate.set()
        assert numbers(await first) == [1]
        for task in others[:4]:
            with pytest.raises(EncoderFailed, match=r"numbers@1 failed: no room") as caught:
                await task
            assert isinstance(caught.value.__cause__, MemoryError)
        assert numbers(await others[4]) == [5]


async def test_a_vector_that_is_not_finite_fails_its_caller_alone_and_names_the_text() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        first = await busy(model, encoder, ["1"])
        bad = asyncio.create_task(encoder.encode(["1", "2", "3", "4", "5", "nan", "7"]))
        good = asyncio.create_task(encoder.encode(["8"]))
        await asyncio.sleep(0)
        model.gate.set()
        with pytest.raises(EncoderFailed, match="text 5 of the call"):
            await bad
        assert numbers(await good) == [8]
        assert numbers(await first) == [1]


async def test_large_values_still_become_unit_vectors() -> None:
    model = NumberModel()
    model.gate.set()
    async with WorkerEncoder(model) as encoder:
        np.testing.assert_allclose(await encoder.encode(["1e30"]), [[1, 0]], atol=1e-6)


async def test_a_caller_that_leaves_takes_its_texts_along() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        first = await busy(model, encoder, ["1"])
        leaving = asyncio.create_task(encoder.encode([str(n) for n in range(50)]))
        staying = asyncio.create_task(encoder.encode(["2"]))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        model.gate.set()
        assert numbers(await first) == [1]
        assert numbers(await staying) == [2]
    assert model.slices == [["1"], ["2"]]


async def test_closing_answers_those_who_wait() -> None:
    model = NumberModel()
    encoder = WorkerEncoder(model)
    running = await busy(model, encoder, ["1"])
    bulk_after = asyncio.create_task(encoder.encode(["2"]))
    await asyncio.sleep(0)
    closing = asyncio.create_task(encoder.aclose())
    with pytest.raises(EncoderFailed, match="closed before"):
        await bulk_after
    model.gate.set()
    await closing
    assert numbers(await running) == [1]


async def test_closing_answers_a_bulk_that_is_half_done() -> None:
    model = NumberModel()
    encoder = WorkerEncoder(model)
    bulk = await busy(model, encoder, [str(n) for n in range(40)])
    closing = asyncio.create_task(encoder.aclose())
    await asyncio.sleep(0)
    model.gate.set()
    await closing
    with pytest.raises(EncoderFailed, match="closed before"):
        await bulk
    assert len(model.slices) == 1


@given(sizes=st.lists(st.integers(0, 50)), texts=st.integers(1, 8), size=st.integers(1, 60))
def test_cut_loses_nothing_and_keeps_both_limits(sizes: list[int], texts: int, size: int) -> None:
    runs = list(cut(sizes, texts, size))
    assert [i for run in runs for i in run] == list(range(len(sizes)))
    for run in runs:
        assert len(run) <= texts
        assert len(run) == 1 or sum(sizes[i] for i in run) <= size


@given(lengths=st.lists(st.integers(1, 50)), most=st.integers(1, 200))
def test_padded_batches_lose_nothing_and_keep_the_bound(lengths: list[int], most: int) -> None:
    batches = list(padded_batches(lengths, most))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= most


@given(texts=st.integers(1, 40), room=st.integers(1, 40))
def test_out_of_memory_halves_the_batch_until_it_fits(texts: int, room: int) -> None:
    def encode(part: Sequence[int]) -> Matrix:
        if len(part) > room:
            raise MemoryError
        return np.array([[i] for i in part], np.float32)

    assert in_halves(range(texts), encode, MemoryError)[:, 0].tolist() == list(range(texts))


def test_one_text_that_does_not_fit_is_an_error() -> None:
    def encode(part: Sequence[int]) -> Matrix:
        raise MemoryError

    with pytest.raises(MemoryError):
        in_halves([0, 1], encode, MemoryError)


_TRANSFORMER = {"type": "sentence_transformers.models.Transformer", "path": ""}
_POOLING = {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}
_NORMALIZE = {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}
_STATIC = {"type": "sentence_transformers.models.StaticEmbedding", "path": "0_Table"}
_DENSE = {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}


def pooled(*parts: dict[str, str], **config: object) -> dict[str, object]:
    return {"modules.json": [_TRANSFORMER, _POOLING, *parts], "1_Pooling/config.json": config}


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({}, Layout()),
        (pooled(_NORMALIZE, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False), Layout(pooling="cls")),
        (pooled(pooling_mode_mean_sqrt_len_tokens=True), Layout(pooling="mean")),
        (pooled(pooling_mode="max"), Layout(pooling="max")),
        (pooled(pooling_mode="lasttoken"), Layout(pooling="lasttoken")),
        ({"sentence_bert_config.json": {"max_seq_length": 128, "do_lower_case": True}}, Layout("", "mean", 128, True)),
        ({"sentence_bert_config.json": {"max_seq_length": 8192}}, Layout(max_tokens=512)),
        ({"modules.json": [_STATIC, _NORMALIZE]}, Layout("0_Table", static=True)),
        ({"config.json": {"model_type": "model2vec"}}, Layout(static=True)),
        (pooled(_DENSE, pooling_mode="mean"), Layout(dense=(Dense("2_Dense", tanh=True),))),
        (
            pooled(_DENSE, pooling_mode="mean") | {"2_Dense/config.json": {"activation_function": "torch.nn.Identity"}},
            Layout(dense=(Dense("2_Dense", tanh=False),)),
        ),
    ],
)
def test_the_layout_of_sentence_transformers_is_respected(files: dict[str, object], layout: Layout) -> None:
    assert read_layout(files.get) == layout


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "lasttoken"])
def test_a_layout_that_is_written_is_read_back(pooling: str) -> None:
    layout = Layout(pooling=pooling, max_tokens=64, lowercase=True, dense=(Dense("2_Dense", tanh=False),))
    files = written_layout(layout, 8) | {"2_Dense/config.json": {"activation_function": "torch.nn.Identity"}}
    assert read_layout(files.get) == layout


@pytest.mark.parametrize(
    "files",
    [
        pooled(_DENSE, pooling_mode_mean_tokens=True)
        | {"2_Dense/config.json": {"activation_function": "torch.nn.ReLU"}},
        pooled(_DENSE, pooling_mode_mean_tokens=True) | {"2_Dense/config.json": {"use_residual": True}},
        pooled(_NORMALIZE, _DENSE, pooling_mode_mean_tokens=True),
        pooled({"type": "sentence_transformers.models.LSTM", "path": "2_LSTM"}, pooling_mode_mean_tokens=True),
        pooled(pooling_mode_weightedmean_tokens=True),
        pooled(pooling_mode_cls_token=True, pooling_mode_max_tokens=True),
        pooled(pooling_mode="guess"),
    ],
)
def test_parts_that_would_change_the_vectors_are_refused(files: dict[str, object]) -> None:
    with pytest.raises(InvalidSetting):
        read_layout(files.get)

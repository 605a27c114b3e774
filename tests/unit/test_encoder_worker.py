"""The runtime's promises when the model is slow, fails, hangs or gives rubbish."""

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from penchant_adapters.encoders import WorkerEncoder
from penchant_adapters.encoders.layout import NO_PROMPTS
from penchant_adapters.encoders.schedule import Bounds, Room, window
from penchant_adapters.encoders.thread import WorkThread
from penchant_adapters.encoders.worker import MAX_CHARACTERS, Timings
from penchant_core.errors import EncoderFailed, Overloaded
from penchant_core.vectors import Matrix

PATIENCE = 10.0


class Full(Exception):
    """The device has no room."""


class NumberModel:
    """Reads numbers and gives vectors (number, 1); waits for ``gate``; "fail" raises, "nan" gives NaN."""

    name = "numbers@1"
    dim = 2
    room = Room(4, 64)
    prompts = NO_PROMPTS
    padded, sees = False, False
    exhausted = Full
    reader: "WordReader | None" = None

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.slices: list[list[str]] = []
        self.broken = False
        self.fits = 1_000

    def vectors(self, given: Sequence[str]) -> Matrix:
        self.slices.append([str(text) for text in given])
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        if self.broken or "fail" in given:
            raise MemoryError("no room")
        if len(given) > self.fits:
            raise Full
        return np.array([[float(str(text)), 1] for text in given], np.float32)


@dataclass(frozen=True)
class Word:
    """What a reader makes of a text."""

    text: str

    @property
    def length(self) -> int:
        return len(self.text)

    def __str__(self) -> str:
        return self.text


class WordReader:
    """Reads texts, two at a time, once ``gate`` is open; "unreadable" raises."""

    room = Room(2, 1_000)

    def __init__(self) -> None:
        self.read_ones: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.reached = threading.Semaphore(0)

    def read(self, texts: Sequence[str]) -> list[Word]:
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        self.read_ones += texts
        for _ in texts:
            self.reached.release()
        if "unreadable" in texts:
            raise ValueError("what is this")
        return [Word(text) for text in texts]


class ReadingModel(NumberModel):
    """The same, with a reader."""

    def __init__(self) -> None:
        super().__init__()
        self.reader: WordReader = WordReader()


def numbers(rows: Matrix) -> list[int]:
    return [round(float(x / y)) for x, y in rows]


async def busy(model: NumberModel, encoder: WorkerEncoder, texts: Sequence[str]) -> asyncio.Task[Matrix]:
    """Let the model begin with these texts and hold it there."""
    task = asyncio.create_task(encoder.encode(texts))
    await asyncio.to_thread(model.entered.wait, PATIENCE)
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


async def test_a_text_that_the_model_fails_at_takes_no_other_along() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        first = await busy(model, encoder, ["1"])
        others = [asyncio.create_task(encoder.encode([text])) for text in ("0002", "fail", "0003", "0004", "0005")]
        await asyncio.sleep(0)
        model.gate.set()
        assert numbers(await first) == [1]
        answers = await asyncio.gather(*others, return_exceptions=True)
    failure = answers.pop(1)
    assert isinstance(failure, EncoderFailed)
    assert str(failure) == "the encoder numbers@1 failed: no room"
    assert isinstance(failure.__cause__, MemoryError)
    assert [numbers(rows) for rows in answers if not isinstance(rows, BaseException)] == [[2], [3], [4], [5]]
    # Together, what it can do, each alone; what came later was never with them.
    assert model.slices == [
        ["1"],
        ["0002", "fail", "0003", "0004"],
        ["1"],
        ["0002"],
        ["fail"],
        ["0003"],
        ["0004"],
        ["0005"],
    ]


async def test_a_call_that_has_such_a_text_is_told_once_and_its_other_texts_are_dropped() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        first = await busy(model, encoder, ["1"])
        bad = asyncio.create_task(encoder.encode(["2", "fail", *(str(n) for n in range(100))]))
        good = asyncio.create_task(encoder.encode(["3"]))
        await asyncio.sleep(0)
        model.gate.set()
        with pytest.raises(EncoderFailed, match="no room"):
            await bad
        assert [numbers(rows) for rows in (await first, await good)] == [[1], [3]]
        assert encoder.waiting == 0


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


async def test_a_model_that_gives_other_rows_than_it_should_fails_its_callers() -> None:
    class Narrow(NumberModel):
        dim = 3

    model = Narrow()
    model.gate.set()
    async with WorkerEncoder(model) as encoder:
        with pytest.raises(EncoderFailed, match=r"gave shape \(2, 2\), not \(2, 3\)"):
            await encoder.encode(["1", "2"])


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


def encoder_threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name in {"encoder-0", "tokenizer"}}


async def test_closing_ends_its_threads_and_later_calls_are_told() -> None:
    others = encoder_threads()  # left by tests that abandon an encoder
    model = ReadingModel()
    model.gate.set()
    async with WorkerEncoder(model) as encoder:
        assert numbers(await encoder.encode(["1"])) == [1]
        its = encoder_threads() - others
        assert {one.name for one in its} == {"encoder-0", "tokenizer"}
    assert not any(one.is_alive() for one in its)
    with pytest.raises(EncoderFailed, match="is closed; open it again"):
        await encoder.encode(["2"])


async def test_an_encoder_that_is_lost_and_then_closed_says_that_it_is_lost() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        await opened_gate(model, encoder)
        model.broken = True
        with pytest.raises(EncoderFailed):
            await encoder.encode(["1"])
    with pytest.raises(EncoderFailed, match="is lost"):
        await encoder.encode(["2"])


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


async def opened_gate(model: NumberModel, encoder: WorkerEncoder) -> None:
    """Let the model work, and let it have done so once."""
    model.gate.set()
    await encoder.encode(["0"])


async def test_urgent_texts_are_taken_before_a_bulk_that_was_there_first() -> None:
    model = NumberModel()
    async with WorkerEncoder(model) as encoder:
        first = await busy(model, encoder, ["1"])
        bulk = asyncio.create_task(encoder.encode([str(n) for n in range(20)]))
        await asyncio.sleep(0)
        search = asyncio.create_task(encoder.encode(["99"], urgent=True))
        await asyncio.sleep(0)
        model.gate.set()
        await asyncio.gather(first, bulk, search)
    assert model.slices[1] == ["99"]


async def test_too_many_waiting_texts_are_refused_before_any_work_and_one_long_call_is_not() -> None:
    model = NumberModel()
    async with WorkerEncoder(model, bounds=Bounds(urgent=2, bulk=10)) as encoder:
        first = await busy(model, encoder, ["1"])
        bulk = asyncio.create_task(encoder.encode([str(n) for n in range(20)]))
        await asyncio.sleep(0)
        assert encoder.waiting == 20
        with pytest.raises(Overloaded, match="20 bulk texts wait for the encoder and 10 may"):
            await encoder.encode(["1"])
        urgent = [asyncio.create_task(encoder.encode([str(n)], urgent=True)) for n in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="2 urgent texts"):
            await encoder.encode(["3"], urgent=True)
        model.gate.set()
        await asyncio.gather(first, bulk, *urgent)
        assert numbers(await encoder.encode(["3"])) == [3]
        assert encoder.waiting == 0


async def test_thousands_who_leave_leave_nothing_behind() -> None:
    model = NumberModel()
    async with WorkerEncoder(model, bounds=Bounds(bulk=100_000)) as encoder:
        first = await busy(model, encoder, ["1"])
        leaving = [asyncio.create_task(encoder.encode([str(n), "2"])) for n in range(5_000)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        assert encoder.waiting == 0
        model.gate.set()
        await first
        assert numbers(await encoder.encode(["7"])) == [7]
    assert model.slices == [["1"], ["7"]]


async def test_a_batch_that_is_too_large_is_tried_smaller_and_so_are_later_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = NumberModel()
    model.gate.set()
    model.fits = 2
    async with WorkerEncoder(model) as encoder:
        assert numbers(await encoder.encode([f"{n:02}" for n in range(20)])) == list(range(20))
    sizes = [len(one) for one in model.slices]
    assert sizes == [4] + [2] * 10
    assert "with 4 texts at once; batches of 4 at most" in caplog.text


async def test_one_text_that_does_not_fit_fails_alone() -> None:
    model = NumberModel()
    model.gate.set()
    model.fits = 0
    async with WorkerEncoder(model) as encoder:
        with pytest.raises(EncoderFailed, match="numbers@1 failed: Full"):
            await encoder.encode(["1", "2"])
        model.fits = 1
        assert numbers(await encoder.encode(["3"])) == [3]


async def test_a_text_that_the_model_fails_at_does_not_make_it_useless() -> None:
    heard: list[EncoderFailed] = []
    model = NumberModel()
    async with WorkerEncoder(model, lost=heard.append) as encoder:
        model.gate.set()
        with pytest.raises(EncoderFailed):
            await encoder.encode(["fail"])  # nothing is known that it can do
        await opened_gate(model, encoder)
        with pytest.raises(EncoderFailed):
            await encoder.encode(["fail"])
        assert numbers(await encoder.encode(["3"])) == [3]
    assert heard == []


async def test_a_model_that_fails_at_what_it_could_do_is_lost_and_everybody_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[EncoderFailed] = []
    model = NumberModel()
    async with WorkerEncoder(model, lost=heard.append) as encoder:
        await opened_gate(model, encoder)
        model.gate.clear()
        model.entered.clear()
        running = await busy(model, encoder, ["1"])
        waiting = asyncio.create_task(encoder.encode([str(n) for n in range(20)]))
        await asyncio.sleep(0)
        model.broken = True
        model.gate.set()
        with pytest.raises(EncoderFailed, match="no room"):
            await running
        with pytest.raises(EncoderFailed, match="is lost"):
            await waiting
        with pytest.raises(EncoderFailed, match="is lost"):
            await encoder.encode(["2"])
        assert encoder.waiting == 0
    assert [str(error) for error in heard] == [
        "the encoder numbers@1 is lost, and fails at what it could do before: no room"
    ]
    assert "is lost" in caplog.text


async def test_a_device_that_hangs_keeps_nobody_waiting_and_does_not_keep_the_encoder_from_closing() -> None:
    heard: list[EncoderFailed] = []
    others = encoder_threads()
    model = NumberModel()
    encoder = WorkerEncoder(model, stuck_seconds=0.05, lost=heard.append)
    running = await busy(model, encoder, ["1"])
    (thread,) = encoder_threads() - others
    waiting = asyncio.create_task(encoder.encode(["2"]))
    with pytest.raises(EncoderFailed, match=r"1 texts for 0\.05 s"):
        await running
    with pytest.raises(EncoderFailed, match="will not end"):
        await waiting
    await asyncio.wait_for(encoder.aclose(), PATIENCE)
    assert len(heard) == 1
    model.gate.set()
    await asyncio.to_thread(thread.join, PATIENCE)
    assert not thread.is_alive()


async def test_many_quick_batches_are_not_taken_for_one_that_hangs() -> None:
    heard: list[EncoderFailed] = []
    model = NumberModel()
    model.gate.set()
    async with WorkerEncoder(model, stuck_seconds=0.2, lost=heard.append) as encoder:
        begun = time.monotonic()
        while time.monotonic() - begun < 0.4:
            assert numbers(await encoder.encode(["1"])) == [1]
    assert heard == []


async def test_the_first_of_two_reasons_is_the_one_that_is_told() -> None:
    heard: list[EncoderFailed] = []
    models = [NumberModel(), NumberModel()]
    encoder = WorkerEncoder(*models, stuck_seconds=0.05, lost=heard.append)
    tasks = [asyncio.create_task(encoder.encode([str(n)])) for n in range(2)]
    for task in tasks:
        with pytest.raises(EncoderFailed):
            await task
    await asyncio.sleep(0)
    assert len(heard) == 1
    await encoder.aclose()
    for model in models:
        model.gate.set()


def test_work_that_outlives_its_event_loop_ends_in_silence() -> None:
    begun, gate = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert gate.wait(PATIENCE)

    async def given() -> WorkThread:
        thread = WorkThread("outliving")
        thread.submit(work, lambda _: None)
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        return thread

    thread = asyncio.run(given())
    gate.set()
    asyncio.run(thread.aclose())


async def test_several_devices_work_at_once() -> None:
    models = [NumberModel(), NumberModel()]
    async with WorkerEncoder(*models) as encoder:
        task = asyncio.create_task(encoder.encode([str(n) for n in range(8)]))
        for model in models:
            assert await asyncio.to_thread(model.entered.wait, PATIENCE)  # both are at it, neither has ended
            model.gate.set()
        assert numbers(await task) == list(range(8))
    assert [len(model.slices) for model in models] == [1, 1]


async def test_texts_are_read_while_the_device_is_busy_but_not_too_many() -> None:
    model = ReadingModel()
    async with WorkerEncoder(model) as encoder:
        first = await busy(model, encoder, ["1"])
        bulk = asyncio.create_task(encoder.encode([str(n) for n in range(2_000)]))
        ahead = 1 + window(model.room).texts
        for _ in range(ahead):
            assert await asyncio.to_thread(model.reader.reached.acquire, True, PATIENCE)
        await asyncio.sleep(0)
        assert len(model.reader.read_ones) == ahead
        search = asyncio.create_task(encoder.encode(["99"], urgent=True))  # is read though the bulk has enough
        assert await asyncio.to_thread(model.reader.reached.acquire, True, PATIENCE)
        assert model.reader.read_ones[-1] == "99"
        model.gate.set()
        assert numbers(await search) == [99]
        assert numbers(await bulk) == list(range(2_000))
        assert numbers(await first) == [1]
    assert model.slices[1] == ["99"]


async def test_a_text_that_cannot_be_read_takes_no_other_along() -> None:
    model = ReadingModel()
    model.gate.set()
    async with WorkerEncoder(model) as encoder:
        model.reader.gate.clear()
        first = asyncio.create_task(encoder.encode(["1"]))
        assert await asyncio.to_thread(model.reader.entered.wait, PATIENCE)
        good = asyncio.create_task(encoder.encode(["4"]))
        bad = asyncio.create_task(encoder.encode(["unreadable", "2", "3"]))
        await asyncio.sleep(0)
        model.reader.gate.set()
        with pytest.raises(EncoderFailed, match="what is this"):
            await bad
        assert numbers(await first) == [1]
        assert encoder.waiting == 0
        assert numbers(await good) == [4]
        assert numbers(await encoder.encode(["5"])) == [5]
        assert model.reader.read_ones[1:5] == ["4", "unreadable", "4", "unreadable"]


async def reading(model: ReadingModel, encoder: WorkerEncoder, text: str) -> asyncio.Task[Matrix]:
    """Let the reader begin with a text and hold it there."""
    model.reader.gate.clear()
    model.reader.entered.clear()
    task = asyncio.create_task(encoder.encode([text]))
    assert await asyncio.to_thread(model.reader.entered.wait, PATIENCE)
    return task


async def test_a_lone_text_that_cannot_be_read_is_told() -> None:
    async with WorkerEncoder(ReadingModel()) as encoder:
        with pytest.raises(EncoderFailed, match="what is this"):
            await asyncio.wait_for(encoder.encode(["unreadable"]), PATIENCE)


async def test_closing_answers_a_lone_text_that_is_being_read() -> None:
    model = ReadingModel()
    encoder = WorkerEncoder(model)
    task = await reading(model, encoder, "1")
    closing = asyncio.create_task(encoder.aclose())
    await asyncio.sleep(0)
    model.reader.gate.set()
    with pytest.raises(EncoderFailed, match="closed"):
        await asyncio.wait_for(task, PATIENCE)
    await closing


async def test_closing_answers_a_batch_that_was_too_large() -> None:
    model = NumberModel()
    model.fits = 1
    encoder = WorkerEncoder(model)
    task = await busy(model, encoder, ["1", "2"])
    closing = asyncio.create_task(encoder.aclose())
    await asyncio.sleep(0)
    model.gate.set()
    with pytest.raises(EncoderFailed, match="closed"):
        await asyncio.wait_for(task, PATIENCE)
    await closing


async def test_who_leaves_before_or_while_a_text_is_read_takes_it_along() -> None:
    model = ReadingModel()
    async with WorkerEncoder(model) as encoder:
        task = await reading(model, encoder, "1")
        waiting = [asyncio.create_task(encoder.encode([str(n)])) for n in range(2, 100)]
        await asyncio.sleep(0)
        assert encoder.waiting == 98
        for one in (task, *waiting):
            one.cancel()
        await asyncio.gather(task, *waiting, return_exceptions=True)
        assert encoder.waiting == 0
        model.gate.set()
        model.reader.gate.set()
        assert numbers(await encoder.encode(["100"])) == [100]
    assert model.slices == [["100"]]
    assert model.reader.read_ones == ["1", "100"]


async def test_closing_answers_those_whose_texts_are_being_read() -> None:
    model = ReadingModel()
    model.reader.gate.clear()
    encoder = WorkerEncoder(model)
    task = asyncio.create_task(encoder.encode(["1", "2", "3"]))
    assert await asyncio.to_thread(model.reader.entered.wait, PATIENCE)
    closing = asyncio.create_task(encoder.aclose())
    await asyncio.sleep(0)
    model.reader.gate.set()
    with pytest.raises(EncoderFailed, match="closed before"):
        await task
    await closing
    assert model.slices == []


@pytest.mark.parametrize("kind", [NumberModel, ReadingModel])
async def test_what_an_answer_took_travels_with_it(kind: Callable[[], NumberModel]) -> None:
    heard: list[Timings] = []
    model = kind()
    model.gate.set()
    async with WorkerEncoder(model) as encoder:
        encoder.heard = heard.append
        rows, timings = await encoder.encode_timed(["1", "2"])
        assert numbers(rows) == [1, 2]
    assert timings.total == pytest.approx(sum(timings))
    assert timings.waiting > 0
    assert timings.computing > 0
    assert (timings.reading > 0) == (kind is ReadingModel)
    assert heard == [timings]


async def test_only_the_beginning_of_a_text_is_read_and_that_is_counted() -> None:
    model = ReadingModel()
    model.gate.set()
    cut: list[None] = []
    async with WorkerEncoder(model) as encoder:
        encoder.truncated = lambda: cut.append(None)
        await encoder.encode(["0" * 5_000 + "1", "2", "0" * MAX_CHARACTERS])
    assert model.reader.read_ones == ["0" * MAX_CHARACTERS, "2", "0" * MAX_CHARACTERS]
    assert len(cut) == 1


async def test_a_lone_text_that_the_model_fails_at_is_asked_for_once_and_others_one_by_one_which_the_log_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = NumberModel()
    model.gate.set()
    async with WorkerEncoder(model) as encoder:
        assert numbers(await encoder.encode(["1"])) == [1]
        with pytest.raises(EncoderFailed, match="no room"):
            await encoder.encode(["fail"])
        assert [one for one in model.slices if "fail" in one] == [["fail"]]
        assert "one by one" not in caplog.text
        with pytest.raises(EncoderFailed, match="no room"):
            await encoder.encode(["1", "fail"])
    assert "the model fails at 2 texts at once, and is asked one by one: no room" in caplog.text


async def test_a_thread_keeps_nothing_of_what_it_has_done() -> None:
    class Batch:
        """Something large."""

    batch = Batch()
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    kept = weakref.ref(batch, lambda _: loop.call_soon_threadsafe(gone.set))
    thread = WorkThread("one that rests")
    done = asyncio.Event()
    thread.submit(partial(id, batch), lambda _: done.set())
    del batch
    await done.wait()
    await asyncio.wait_for(gone.wait(), PATIENCE)
    assert kept() is None
    await thread.aclose()

"""Where events wait: a lone one is learnt at once, a batch forms while another is learnt, everybody is answered."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest
from penchant_core.errors import EncoderFailed, OutOfSpace, Overloaded, UnknownItem
from penchant_core.model import Event
from penchant_core.pipeline import Learner, Learnt
from penchant_core.vectors import Matrix
from penchant_server.faults import GoingDown, NotYetApplied
from penchant_server.ingest import BATCH, Ingest


class SlowLearner:
    """Learns for as long as the gate is shut; unknown items are refused, the rest is counted."""

    def __init__(self) -> None:
        self.sequence = 0
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: BaseException | None = None

    @property
    def seen(self) -> list[str]:
        return [event_id for batch in self.batches for event_id in batch]

    async def learn(self, events: Sequence[Event]) -> list[Learnt]:
        self.batches.append([event.event_id for event in events])
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        self.sequence += 1
        return [Learnt(e, error=UnknownItem(e.item_id) if e.item_id == "unknown" else None) for e in events]


class Words:
    """Encodes; the word "poison" fails, the word "slow" waits for its gate."""

    name, dim = "words", 1

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def encode(self, texts: Sequence[Any], **_: bool) -> Matrix:
        if "poison" in texts:
            raise EncoderFailed("no vector")
        if "slow" in texts:
            await self.gate.wait()
        return np.zeros((len(texts), 1), np.float32)


class House:
    def __init__(self, capacity: int) -> None:
        self.learner, self.words = SlowLearner(), Words()
        self.announced: list[str] = []
        self.ingest = Ingest(cast("Learner", self.learner), self.words.encode, capacity, self._hear)
        self.running: asyncio.Task[None]

    def _hear(self, events: Sequence[Event]) -> None:
        self.announced += [event.event_id for event in events]

    def record(self, events: Sequence[Event]) -> asyncio.Task[Sequence[Learnt]]:
        async def learnt() -> Sequence[Learnt]:
            return (await self.ingest.record(events)).learnt

        return asyncio.create_task(learnt())


@asynccontextmanager
async def house(capacity: int = 1000) -> AsyncIterator[House]:
    built = House(capacity)
    built.running = asyncio.create_task(built.ingest.run())
    try:
        yield built
    finally:
        built.running.cancel()
        await asyncio.gather(built.running, return_exceptions=True)


def events(*ids: int | str, **more: Any) -> list[Event]:
    return [Event(f"{n}", "u", "like", 1, **{"item_id": "i", **more}) for n in ids]


async def until(fact: Any) -> None:
    """Let others run until something is so."""
    async with asyncio.timeout(5):
        while not fact():  # noqa: ASYNC110 any fact, not only those with an event of their own
            await asyncio.sleep(0)


async def test_a_lone_event_is_learnt_at_once_and_alone() -> None:
    async with house() as h:
        assert await h.record(events(1)) == [Learnt(events(1)[0])]
        assert await h.record(events(2)) == [Learnt(events(2)[0])]
        assert h.learner.batches == [["1"], ["2"]]
        assert h.announced == ["1", "2"]


async def test_a_batch_forms_while_another_is_learnt_and_is_bounded() -> None:
    async with house() as h:
        h.learner.gate.clear()
        calls = [h.record(events(0))]
        await until(lambda: h.learner.batches)
        calls += [h.record(events(n)) for n in range(1, BATCH + 9)]
        await until(lambda: h.ingest._queue and len(h.ingest._queue) == BATCH + 8)
        assert h.learner.batches == [["0"]]
        h.learner.gate.set()
        await asyncio.gather(*calls)
        assert [len(batch) for batch in h.learner.batches] == [1, BATCH, 8]
        assert h.announced == [f"{n}" for n in range(BATCH + 9)]


async def test_answers_stand_in_the_order_of_the_events_over_several_batches() -> None:
    async with house() as h:
        delivery = events(*range(3 * BATCH + 1))
        delivery[7] = Event("7", "u", "like", 1, "unknown")
        answers = await h.record(delivery)
        assert [answer.event for answer in answers] == delivery
        assert [n for n, answer in enumerate(answers) if answer.error] == [7]
        assert "7" not in h.announced


async def test_more_than_the_capacity_is_refused_before_any_work_and_room_comes_back() -> None:
    async with house(capacity=3) as h:
        h.learner.gate.clear()
        first = h.record(events(1, 2))
        await until(lambda: h.learner.batches)
        with pytest.raises(Overloaded, match="max_pending_events"):
            await h.record(events(3, 4))
        second = h.record(events(5))
        with pytest.raises(Overloaded):
            await asyncio.gather(h.record(events(6)))
        h.learner.gate.set()
        await asyncio.gather(first, second)
        assert len(await h.record(events(7, 8, 9))) == 3
        assert h.learner.seen == ["1", "2", "5", "7", "8", "9"]


async def test_callers_that_leave_neither_break_the_others_nor_make_room_before_their_events_are_learnt() -> None:
    async with house(capacity=4) as h:
        h.learner.gate.clear()
        calls = [h.record(events(0))]
        await until(lambda: h.learner.batches)
        calls += [h.record(events(n)) for n in (1, 2)]
        await until(lambda: len(h.ingest._queue) == 2)
        for leaving in calls[:2]:
            leaving.cancel()
        await asyncio.gather(*calls[:2], return_exceptions=True)
        with pytest.raises(Overloaded):
            await h.record(events(7, 8))
        h.learner.gate.set()
        assert await calls[2] == [Learnt(events(2)[0])]
        assert h.learner.seen == ["0", "1", "2"]
        assert len(await h.record(events(3, 4, 5, 6))) == 4


async def test_a_caller_that_leaves_while_its_words_are_encoded_frees_its_place() -> None:
    async with house(capacity=1) as h:
        leaving = h.record(events(1, text="slow"))
        await until(lambda: h.ingest._waiting == 1)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert len(await h.record(events(2))) == 1
        assert h.learner.batches == [["2"]]


async def test_events_without_words_do_not_wait_for_those_with() -> None:
    async with house() as h:
        worded = h.record(events(1, text="slow"))
        await until(lambda: h.ingest._waiting == 1)
        await h.record(events(2))
        assert not worded.done()
        h.words.gate.set()
        await worded
        assert h.learner.batches == [["2"], ["1"]]


async def test_words_without_vectors_are_refused_and_free_their_place() -> None:
    async with house(capacity=1) as h:
        with pytest.raises(EncoderFailed):
            await h.record(events(1, text="poison"))
        assert len(await h.record(events(2))) == 1
        assert h.learner.batches == [["2"]]


async def test_a_failing_store_answers_every_waiter_with_its_error_and_learning_goes_on() -> None:
    async with house() as h:
        h.learner.fails = OutOfSpace("full")
        answers = await asyncio.gather(*(h.record(events(n, n + 100)) for n in range(BATCH)))
        assert all(isinstance(one.error, OutOfSpace) for answer in answers for one in answer)
        assert h.announced == []
        assert h.ingest.marks("u") == {0: 0}
        h.learner.fails = None
        assert (await h.record(events(1)))[0].error is None


async def test_an_error_that_nobody_foresaw_ends_the_worker_and_answers_everybody() -> None:
    async with house() as h:
        h.learner.gate.clear()
        h.learner.fails = ZeroDivisionError("bug")
        calls = [h.record(events(n)) for n in range(BATCH + 5)]
        encoding = h.record(events(999, text="slow"))
        await until(lambda: h.learner.batches and len(h.ingest._queue) >= 5)
        h.learner.gate.set()
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(answer, GoingDown)
        with pytest.raises(ZeroDivisionError):
            await h.running
        h.words.gate.set()
        with pytest.raises(GoingDown):
            await asyncio.wait_for(encoding, 5)
        with pytest.raises(GoingDown):
            await asyncio.wait_for(h.record(events(1000)), 5)


async def test_a_worker_that_is_stopped_answers_everybody() -> None:
    async with house() as h:
        h.learner.gate.clear()
        calls = [h.record(events(n)) for n in range(3)]
        await until(lambda: h.learner.batches)
        h.running.cancel()
        assert all(isinstance(a, GoingDown) for a in await asyncio.gather(*calls, return_exceptions=True))


async def test_whoever_waits_for_a_commit_is_woken_by_it() -> None:
    async with house() as h:
        waiting = asyncio.create_task(h.ingest.reached({0: 2}, None))
        await h.record(events(1))
        assert not waiting.done()
        await h.record(events(2))
        await asyncio.wait_for(waiting, 5)
        await h.ingest.reached({0: 2}, 0.0)


async def test_patience_has_an_end_and_says_how_far_behind() -> None:
    async with house() as h:
        await h.record(events(1))
        with pytest.raises(NotYetApplied, match="min_freshness: 4 writes behind"):
            await h.ingest.reached({0: 5}, 0.01)


async def test_the_age_starts_anew_with_every_commit() -> None:
    async with house() as h:
        begun = time.monotonic() - h.ingest.age("u")
        await h.record(events(1))
        assert time.monotonic() - h.ingest.age("u") > begun

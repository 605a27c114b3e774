"""Parts of the consumer that need no broker: memory between batches, words that no model reads, internal records."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant_adapters.kafka import records
from penchant_adapters.kafka.records import Progress, StrangeRecord, notices, pairs_values, progress_of, told_of
from penchant_consumers.memory import Epochs, Memory
from penchant_consumers.words import unreadable
from penchant_core.counts import Change
from penchant_core.errors import EncoderFailed
from penchant_core.log import NOTHING, Told
from penchant_core.model import Event
from penchant_core.vectors import Matrix

ids = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
weights = st.floats(-1e6, 1e6)
news = st.lists(
    st.builds(
        Told,
        st.just(3),
        st.integers(0, 2**62),
        ids,
        st.builds(
            Change,
            st.dictionaries(st.integers(16, 2**32 - 1), weights, max_size=5),
            st.tuples(weights, weights).map(list),
        ),
    ),
    max_size=40,
)


@given(news)
def test_what_items_are_told_is_read_back_in_its_order(told: list[Told]) -> None:
    assert [one for value in pairs_values(told) for one in told_of(value)] == told


def test_long_news_come_in_several_records_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORD_BYTES", 2_000)
    told = [Told(0, n, f"item-{n}", Change({n + 16: 1.0}, [1.0, 0.5])) for n in range(500)]
    values = pairs_values(told)
    assert len(values) > 5
    assert max(map(len, values)) < 2_200
    assert [one for value in values for one in told_of(value)] == told


@given(st.lists(st.tuples(ids, ids, ids, ids, st.text(max_size=50)), max_size=20), st.integers(0, 2**62))
def test_progress_is_read_back(users: list[tuple[str, str, str, str, str]], through: int) -> None:
    events = [Event(e, user, kind, 0, item, text) for user, e, kind, item, text in users]
    progress = Progress(5, through, events, time=7, trace="00-ab-cd-01")
    read = [progress_of(notice.value) for notice in notices("events", progress)]
    assert {topic for topic, _ in read} == {"events"}
    assert [event for _, part in read for event in part.events] == events
    assert [part.through for _, part in read] == [NOTHING] * (len(read) - 1) + [through]


def test_progress_that_needs_several_records_says_how_far_only_in_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORD_BYTES", 500)
    found = notices("items", Progress(1, 99, items=[f"item-{n}" for n in range(300)]))
    assert len(found) > 3
    assert {notice.key for notice in found} == {b"items:1"}
    assert [progress_of(notice.value)[1].through for notice in found] == [NOTHING] * (len(found) - 1) + [99]


@given(st.binary(max_size=50) | st.sampled_from([b"[]", b"1", b'{"v":2}', b'{"v":1}', b'{"v":1,"p":0,"t":[[1]]}']))
def test_a_strange_record_is_refused_and_never_half_read(value: bytes) -> None:
    for read in (told_of, progress_of):
        with pytest.raises(StrangeRecord):
            read(value)


def test_what_was_remembered_ends_with_the_assignment() -> None:
    epochs = Epochs()
    memory: Memory[str] = Memory(epochs, 10)
    memory.keep({"u": "state"}, epochs.now)
    assert memory.recall(["u", "v"], epochs.now) == {"u": "state"}
    old = epochs.now
    epochs.end()
    assert memory.recall(["u"], epochs.now) == {}
    memory.keep({"u": "late"}, old)
    assert memory.recall(["u"], epochs.now) == {}


def test_a_batch_of_uncertain_assignment_neither_recalls_nor_is_remembered() -> None:
    epochs = Epochs()
    memory: Memory[str] = Memory(epochs, 10)
    memory.keep({"u": "state"}, None)
    assert memory.recall(["u"], epochs.now) == {}
    memory.keep({"u": "state"}, epochs.now)
    assert memory.recall(["u"], None) == {}


class Reading:
    """Reads what does not hold a bad word, while it works at all."""

    name, dim = "reading", 1

    def __init__(self, *, works: bool = True) -> None:
        self.works = works

    async def encode(self, texts: Sequence[Any], **_: bool) -> Matrix:
        if not self.works or any("bad" in text for text in texts):
            raise EncoderFailed("no vector")
        return np.ones((len(texts), 1), np.float32)


def test_the_words_that_no_model_reads_are_told_from_those_it_does() -> None:
    found = asyncio.run(unreadable(Reading(), ["good", "bad", "fine", "bad", "too bad"]))
    assert set(found) == {"bad", "too bad"}
    assert asyncio.run(unreadable(Reading(), ["bad"])).keys() == {"bad"}
    assert asyncio.run(unreadable(Reading(), [])) == {}


@pytest.mark.parametrize("texts", [["good"], ["good", "fine"], ["bad"]])
def test_a_model_that_reads_nothing_is_not_the_words_fault(texts: list[str]) -> None:
    with pytest.raises(EncoderFailed):
        asyncio.run(unreadable(Reading(works=False), texts))

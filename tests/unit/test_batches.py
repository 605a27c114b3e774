"""What waits between fetching and applying: joined, in order, within bounds; nothing lost, nothing mixed."""

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from penchant_consumers.batch import Ahead, Batch

MOST = 8
batches = st.lists(
    st.builds(
        Batch,
        st.dictionaries(
            st.builds(TopicPartition, st.just("t"), st.integers(0, 2)), st.just([0]) | st.just([0, 0, 0]), min_size=1
        ),
        st.sampled_from([None, 1, 1, 1, 2]),
    ),
    max_size=20,
)


def numbered(drawn: list[Batch]) -> list[Batch]:
    """Give the records their offsets."""
    ends: dict[TopicPartition, int] = {}
    found = []
    for batch in drawn:
        records: dict[TopicPartition, list[Any]] = {}
        for partition, some in batch.records.items():
            start = ends.get(partition, 0)
            ends[partition] = start + len(some)
            records[partition] = [SimpleNamespace(offset=start + n) for n in range(len(some))]
        found.append(Batch(records, batch.epoch))
    return found


def offsets(batch: Batch) -> list[tuple[int, int]]:
    return [(partition.partition, record.offset) for partition, some in batch.records.items() for record in some]


async def passed(given: list[Batch], turns: list[int]) -> list[tuple[Batch, list[tuple[int, int]]]]:
    """Put batches, and take what is there after so many turns of the loop each time."""
    ahead: Ahead[list[tuple[int, int]]] = Ahead(MOST, lambda one, other: one + other)

    async def put() -> None:
        for batch in given:
            await ahead.put(batch, offsets(batch))
        await ahead.end()

    putting, taken, rounds = asyncio.create_task(put()), [], iter(turns)
    while True:
        for _ in range(next(rounds, 0)):
            await asyncio.sleep(0)
        if (one := await ahead.take()) is None:
            break
        taken.append(one)
    await putting
    return taken


@given(batches, st.lists(st.integers(0, 30), max_size=20))
def test_every_record_is_taken_once_in_order_and_with_what_was_prepared_of_it(
    drawn: list[Batch], turns: list[int]
) -> None:
    given = numbered(drawn)
    taken = asyncio.run(passed(given, turns))
    for place in range(3):
        came = [record for batch in given for record in offsets(batch) if record[0] == place]
        assert [record for batch, _ in taken for record in offsets(batch) if record[0] == place] == came
        assert [record for _, prepared in taken for record in prepared if record[0] == place] == came


@given(batches, st.lists(st.integers(0, 30), max_size=20))
def test_batches_of_several_assignments_or_of_an_uncertain_one_are_not_joined(
    drawn: list[Batch], turns: list[int]
) -> None:
    given = numbered(drawn)
    epochs = {record: batch.epoch for batch in given for record in offsets(batch)}
    largest = max((batch.size for batch in given), default=0)
    uncertain = [offsets(batch) for batch in given if batch.epoch is None]
    taken = asyncio.run(passed(given, turns))
    for batch, _ in taken:
        assert {epochs[record] for record in offsets(batch)} == {batch.epoch}
        assert batch.size <= max(MOST, largest)
    assert [offsets(batch) for batch, _ in taken if batch.epoch is None] == uncertain


def test_whatever_came_while_one_was_applied_is_the_next_as_far_as_it_is_not_too_much() -> None:
    given = numbered([Batch({TopicPartition("t", 0): [0]}, 1)] * (MOST + 3))
    assert [batch.size for batch, _ in asyncio.run(passed(given, [50, 50]))] == [MOST, 3]

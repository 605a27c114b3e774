"""Which texts are taken next: fairness, priority, lengths and bounds, without a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant_adapters.encoders.schedule import BULK_SHARE, WINDOW, Job, Lane, Room, Schedule, refuse_more
from penchant_core.errors import Overloaded


def jobs(owner: str, lengths: list[int], lane: Lane = Lane.BULK) -> list[Job]:
    return [Job(f"{owner}{n}", length, owner, n, lane) for n, length in enumerate(lengths)]


def entered(schedule: Schedule, owner: str, lengths: list[int], lane: Lane = Lane.BULK) -> list[Job]:
    made = jobs(owner, lengths, lane)
    schedule.enter(made)
    return made


def told(batch: list[Job]) -> list[str]:
    return sorted(job.given for job in batch)


@given(lengths=st.lists(st.integers(1, 50)), texts=st.integers(1, 8), length=st.integers(1, 60), padded=st.booleans())
def test_everything_is_taken_once_within_the_room(lengths: list[int], texts: int, length: int, *, padded: bool) -> None:
    schedule = Schedule(Room(texts, length), padded=padded)
    made = entered(schedule, "a", lengths)
    taken: list[Job] = []
    while batch := schedule.take():
        assert len(batch) <= texts
        sizes = [job.length for job in batch]
        assert len(batch) == 1 or (max(sizes) * len(sizes) if padded else sum(sizes)) <= length
        assert not any(job.waits for job in batch)
        taken += batch
    assert sorted(job.position for job in taken) == [job.position for job in made]
    assert schedule.waiting(Lane.BULK) == 0


@given(
    calls=st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=30), min_size=1, max_size=5), padded=st.booleans()
)
def test_whoever_waits_longest_is_in_every_batch(calls: list[list[int]], *, padded: bool) -> None:
    schedule = Schedule(Room(4, 60), padded=padded)
    waiting = [job for n, lengths in enumerate(calls) for job in entered(schedule, str(n), lengths)]
    while batch := schedule.take():
        first = min(waiting, key=lambda job: job.turn)
        assert first in batch
        waiting = [job for job in waiting if job not in batch]
    assert not waiting


def test_a_call_of_one_text_does_not_wait_for_a_call_of_thousands() -> None:
    schedule = Schedule(Room(4, 100), padded=False)
    entered(schedule, "bulk", [1] * 4_000)
    schedule.take()
    entered(schedule, "one", [1])
    assert "one0" in told(schedule.take())


def test_calls_of_one_text_that_keep_coming_do_not_keep_a_longer_one_waiting() -> None:
    schedule = Schedule(Room(1, 100), padded=False)
    entered(schedule, "long", [1] * 60)
    taken = []
    for number in range(100):
        entered(schedule, f"new{number}", [1])
        taken.append(schedule.take()[0].given[:3])
    assert taken.count("lon") >= 10  # though they are more than can be served


def test_calls_share_by_the_lengths_of_their_texts() -> None:
    schedule = Schedule(Room(1, 100), padded=False)
    entered(schedule, "long", [30] * 20)
    entered(schedule, "short", [10] * 60)
    taken = [schedule.take()[0].given[:4] for _ in range(40)]
    assert taken.count("shor") == pytest.approx(3 * taken.count("long"), abs=3)


def test_texts_of_one_length_go_together_where_a_batch_is_padded() -> None:
    schedule = Schedule(Room(4, 80), padded=True)
    entered(schedule, "a", [5, 20, 5, 20, 5, 20, 5, 20])
    assert [sorted(job.length for job in schedule.take()) for _ in range(2)] == [[5] * 4, [20] * 4]


def test_urgent_texts_go_first_and_alone() -> None:
    schedule = Schedule(Room(4, 100), padded=True)
    entered(schedule, "bulk", [5] * 8)
    entered(schedule, "search", [5], Lane.URGENT)
    assert told(schedule.take()) == ["search0"]
    assert len(schedule.take()) == 4


def test_the_bulk_keeps_its_share_while_urgent_texts_never_end() -> None:
    schedule = Schedule(Room(4, 100), padded=True)
    seconds = {Lane.URGENT: 0.0, Lane.BULK: 0.0}
    entered(schedule, "bulk", [5] * 4_000)
    for number in range(1_000):
        entered(schedule, f"search{number}", [5], Lane.URGENT)
        batch = schedule.take()
        took = 0.01 if batch[0].lane is Lane.URGENT else 0.05
        schedule.spent(batch[0].lane, took)
        seconds[batch[0].lane] += took
    assert seconds[Lane.BULK] / sum(seconds.values()) == pytest.approx(BULK_SHARE, abs=0.02)


def test_a_bulk_that_comes_late_has_no_claim_to_what_was_before() -> None:
    schedule = Schedule(Room(4, 100), padded=True)
    for _ in range(100):
        entered(schedule, "search", [5], Lane.URGENT)
        schedule.spent(schedule.take()[0].lane, 1.0)
    entered(schedule, "bulk", [5])
    entered(schedule, "search", [5], Lane.URGENT)
    assert told(schedule.take()) == ["search0"]


def test_a_bulk_that_was_served_owes_nothing() -> None:
    schedule = Schedule(Room(4, 100), padded=True)
    entered(schedule, "bulk", [5] * 100)
    schedule.spent(schedule.take()[0].lane, 10.0)
    for _ in range(5):
        entered(schedule, "search", [5], Lane.URGENT)
        batch = schedule.take()
        assert batch[0].lane is Lane.URGENT
        schedule.spent(Lane.URGENT, 1.0)


def test_only_the_lanes_that_may_be_read_are_taken_from() -> None:
    schedule = Schedule(Room(4, 100), padded=False)
    entered(schedule, "bulk", [5])
    assert schedule.take([Lane.URGENT]) == []
    assert schedule.take([]) == []
    entered(schedule, "search", [5], Lane.URGENT)
    assert told(schedule.take([Lane.BULK])) == ["bulk0"]


SMALL, LARGE = Room(8, 100), Room(500, 10_000)


@pytest.mark.parametrize(
    ("room", "lengths"),
    [
        (SMALL, [64] * 128),
        (SMALL, [1] * 1_024),
        (SMALL, [8_192]),
        (LARGE, [40] * 250 * WINDOW),
        (LARGE, [1] * 500 * WINDOW),
        (LARGE, [10_000 * WINDOW]),
    ],
)
def test_it_is_ahead_when_more_would_not_help(room: Room, lengths: list[int]) -> None:
    schedule = Schedule(room, padded=True)
    entered(schedule, "bulk", lengths[:-1])
    assert not schedule.ahead(Lane.BULK)
    entered(schedule, "bulk", lengths[-1:])
    assert schedule.ahead(Lane.BULK)
    assert not schedule.ahead(Lane.URGENT)


def test_a_debt_to_a_bulk_that_is_gone_is_forgotten() -> None:
    schedule = Schedule(Room(4, 100), padded=False)
    gone = entered(schedule, "gone", [5])
    schedule.spent(Lane.URGENT, 1.0)
    schedule.leave(gone[0])
    schedule.spent(Lane.URGENT, 1.0)
    entered(schedule, "bulk", [5])
    entered(schedule, "search", [5], Lane.URGENT)
    assert told(schedule.take()) == ["search0"]


def test_what_is_far_behind_is_not_looked_at() -> None:
    schedule = Schedule(SMALL, padded=True)
    entered(schedule, "bulk", [10] + [64] * 150 + [10])
    assert told(schedule.take()) == ["bulk0"]


def test_it_is_ahead_no_more_when_some_were_taken_or_left() -> None:
    schedule = Schedule(SMALL, padded=True)
    made = entered(schedule, "bulk", [64] * 129)
    assert schedule.ahead(Lane.BULK)
    schedule.leave(made[5])
    assert schedule.ahead(Lane.BULK)
    schedule.take()
    assert not schedule.ahead(Lane.BULK)


@given(
    lengths=st.lists(st.integers(1, 50), min_size=40, max_size=120), staying=st.sets(st.integers(0, 39), max_size=12)
)
def test_those_who_stay_keep_their_order_when_many_leave(lengths: list[int], staying: set[int]) -> None:
    schedule = Schedule(Room(1, 100), padded=False)
    made = [entered(schedule, f"call{n}", [length])[0] for n, length in enumerate(lengths)]
    for number, job in enumerate(made):
        if number not in staying:
            schedule.leave(job)
    stay = sorted((made[number] for number in staying), key=lambda job: job.turn)
    assert [schedule.take() for _ in stay] == [[job] for job in stay]


def test_those_who_left_are_not_taken_and_take_no_room() -> None:
    schedule = Schedule(Room(4, 100), padded=True)
    made = [entered(schedule, f"call{n}", [5] * 10) for n in range(1_000)]
    for call in made[1:]:
        for job in call:
            job.gone = True
            schedule.leave(job)
            schedule.leave(job)  # once is enough
    assert schedule.waiting(Lane.BULK) == 10
    assert sum(len(line.heap) for line in schedule._lines) < 50
    assert sum(len(schedule.take()) for _ in range(3)) == 10
    assert schedule.take() == []


def test_a_job_that_waits_elsewhere_is_left_alone() -> None:
    here, there = Schedule(SMALL, padded=True), Schedule(SMALL, padded=True)
    made = entered(here, "a", [5, 5])
    there.leave(made[0])
    assert (here.waiting(Lane.BULK), there.waiting(Lane.BULK)) == (2, 0)
    here.leave(made[0])
    assert (here.waiting(Lane.BULK), there.waiting(Lane.BULK)) == (1, 0)
    assert told(here.take()) == ["a1"]


def test_a_job_whose_caller_left_meanwhile_is_not_put_back() -> None:
    schedule = Schedule(Room(4, 100), padded=True)
    entered(schedule, "a", [5, 5])
    batch = schedule.take()
    batch[0].gone = True
    schedule.put(batch)
    assert told(schedule.take()) == ["a1"]


def test_a_batch_that_was_too_much_comes_again_in_halves_and_all_later_ones_are_smaller() -> None:
    schedule = Schedule(Room(8, 1_000), padded=True)
    entered(schedule, "a", [10] * 16)
    assert schedule.shrink(schedule.take())
    assert schedule.room == Room(8, 40)
    first = schedule.take()
    assert told(first) == ["a0", "a1", "a2", "a3"]
    assert schedule.shrink(first)
    assert schedule.shrink(schedule.take())
    assert schedule.room == Room(8, 10)
    assert not schedule.shrink(schedule.take())


def test_all_can_be_taken_out() -> None:
    schedule = Schedule(Room(4, 100), padded=True)
    made = [*entered(schedule, "a", [5] * 9), *entered(schedule, "b", [5], Lane.URGENT)]
    assert sorted(told(schedule.clear())) == sorted(job.given for job in made)
    assert schedule.take() == schedule.clear() == []


def test_a_full_lane_refuses_and_says_when_it_has_moved_on() -> None:
    refuse_more(Lane.URGENT, 9, 10, 5.0)
    with pytest.raises(Overloaded, match=r"10 urgent texts wait for the encoder and 10 may; try again in 1 s") as full:
        refuse_more(Lane.URGENT, 10, 10, 5.0)
    assert full.value.retry_after == 1.0
    for waiting, rate, seconds in ((10, 0.0, 1.0), (10, 1e6, 0.1), (10_000, 1.0, 60.0)):
        with pytest.raises(Overloaded) as full:
            refuse_more(Lane.BULK, waiting, 10, rate)
        assert full.value.retry_after == seconds

"""Many events and items over one stream: order, refusals, limits, and a service that restarts in the middle."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant import Event, Item, aio, errors
from penchant.encode import REQUEST_BYTES
from penchant.outbox import Outbox
from penchant.v1 import event_pb2

from tests.unit.fake_knowledge import until
from tests.unit.fake_service import FakeService, fake_service


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        yield running


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[aio.Client]:
    async with aio.Client(service.target) as connected:
        yield connected


def views(count: int) -> list[Event]:
    return [Event("u", "view", item_id=f"i{number}", event_id=f"e{number}") for number in range(count)]


async def test_every_event_is_acknowledged_once_and_in_order(client: aio.Client, service: FakeService) -> None:
    acknowledged = [one async for one in client.record_many(views(1_234), batch=50, window=200)]
    assert [one.ordinal for one in acknowledged] == list(range(1_234))
    assert [one.event_id for one in acknowledged] == [event.event_id for event in service.knowledge.recorded]
    assert not any(one.error or one.unchanged for one in acknowledged)


async def test_a_restart_in_mid_stream_loses_nothing_and_counts_nothing_twice(
    client: aio.Client, service: FakeService
) -> None:
    service.knowledge.crash_at = 700
    acknowledged = [one async for one in client.record_many(views(2_000), batch=50, window=300)]
    assert [one.ordinal for one in acknowledged] == list(range(2_000))
    assert [event.event_id for event in service.knowledge.recorded] == [f"e{number}" for number in range(2_000)]
    resent = [one.ordinal for one in acknowledged if one.unchanged]
    assert resent == list(range(resent[0], resent[-1] + 1))
    assert 700 <= resent[-1] + 1 < 750  # what the crash kept from being acknowledged


async def test_a_refused_event_does_not_end_the_stream(client: aio.Client) -> None:
    events = [Event("u", "view", item_id=item_id) for item_id in ("a", "unknown", "b")]
    first, second, third = [one async for one in client.record_many(events)]
    assert first.error is None
    assert isinstance(second.error, errors.NotFound)
    assert second.error.reason == "UNKNOWN_ITEM"
    assert third.error is None


async def test_an_event_of_a_slow_source_is_sent_at_once(client: aio.Client) -> None:
    acknowledged = asyncio.Event()

    async def source() -> AsyncIterator[Event]:
        yield views(1)[0]
        await acknowledged.wait()

    async with aclosing(client.record_many(source(), batch=100)) as answers:
        assert (await anext(answers)).ordinal == 0
        acknowledged.set()
        assert [one async for one in answers] == []


async def test_no_more_than_the_window_is_read_ahead(client: aio.Client, service: FakeService) -> None:
    service.knowledge.muted = True
    read = 0

    def source() -> Iterator[Event]:
        nonlocal read
        for event in views(1_000):
            read += 1
            yield event

    with pytest.raises(errors.DeadlineExceeded, match=r"no answer for 0\.2 s"):
        async for _ in client.record_many(source(), batch=10, window=40, patience=0.2):
            pass
    assert read == 41


async def test_a_slow_reader_holds_the_source_back(client: aio.Client, service: FakeService) -> None:
    async with aclosing(client.record_many(views(1_000), batch=10, window=40)) as answers:
        await anext(answers)
        await until(lambda: len(service.knowledge.recorded) >= 40)
        for _ in range(50):  # time enough for a source that nobody holds back
            await client.recommend("u")
        assert len(service.knowledge.recorded) <= 80
        assert len([one async for one in answers]) == 999


async def test_an_error_of_the_source_reaches_the_caller(client: aio.Client) -> None:
    def source() -> Iterator[Event]:
        yield from views(3)
        raise LookupError("the source broke")

    with pytest.raises(LookupError, match="the source broke"):
        async for _ in client.record_many(source()):
            pass


async def test_a_service_that_never_comes_is_given_up_after_the_retries() -> None:
    async with aio.Client("127.0.0.1:1", retries=1) as client:
        with pytest.raises(errors.Unavailable):
            await client.upsert_items([Item("i", "x")])


async def test_a_service_that_stays_away_is_given_up_when_patience_ends(
    client: aio.Client, service: FakeService
) -> None:
    async with aclosing(client.record_many(views(500), batch=10, window=20, patience=0.3)) as answers:
        await anext(answers)
        await service.stop()
        with pytest.raises(errors.Unavailable):
            async for _ in answers:
                pass
        await service.start()


async def test_nothing_to_record_is_nothing_to_wait_for(client: aio.Client) -> None:
    assert [one async for one in client.record_many([])] == []
    assert (await client.upsert_items([])).accepted == 0


async def test_leaving_early_leaves_nothing_running(client: aio.Client, service: FakeService) -> None:
    service.knowledge.muted = True
    before = asyncio.all_tasks()
    async with aclosing(client.record_many(views(500), batch=10)) as answers:
        waiting = asyncio.ensure_future(anext(answers))
        await until(lambda: bool(service.knowledge.requests))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await service.stop()
    left = {task for task in asyncio.all_tasks() - before if "Delivery" in repr(task.get_coro())}
    assert left == set()
    await service.start()


@pytest.mark.parametrize(("batch", "window"), [(0, 10), (1_001, 2_000), (100, 99)])
async def test_limits_are_checked(client: aio.Client, batch: int, window: int) -> None:
    with pytest.raises(ValueError, match=r"is not within 1–1000|is below batch"):
        async for _ in client.record_many(views(1), batch=batch, window=window):
            pass


async def test_refused_items_are_named_by_their_position_among_all(client: aio.Client, service: FakeService) -> None:
    items = [Item(f"i{number}", "" if number % 100 == 7 else "x") for number in range(450)]
    service.knowledge.crash_at = 250
    result = await client.upsert_items(items, batch=60)
    assert result.accepted == 445
    assert [(one.index, one.item_id) for one in result.refused] == [(n, f"i{n}") for n in (7, 107, 207, 307, 407)]
    assert isinstance(result.refused[0].error, errors.InvalidArgument)
    assert len(service.knowledge.items) == 445
    assert service.knowledge.crash_at is None


def test_a_request_stays_below_what_servers_accept() -> None:
    outbox: Outbox[event_pb2.Event] = Outbox(batch=1_000, window=1_000)
    for number in range(300):
        outbox.put(event_pb2.Event(event_id=str(number), text="x" * 8_000))
    sizes = []
    while taken := outbox.take():
        sizes.append(sum(event.ByteSize() for event in taken))
    assert len(sizes) > 1
    assert max(sizes) <= REQUEST_BYTES


@given(st.lists(st.sampled_from(["put", "take", "settle", "rewind"]), max_size=60))
def test_what_is_not_settled_is_sent_again_in_order(steps: list[str]) -> None:
    outbox: Outbox[event_pb2.Event] = Outbox(batch=3, window=100)
    put, settled = 0, 0
    in_flight: list[int] = []
    for step in steps:
        if step == "put":
            outbox.put(event_pb2.Event(event_id=str(put)))
            put += 1
        elif step == "take":
            taken = [int(event.event_id) for event in outbox.take()]
            first = settled + len(in_flight)
            assert taken == list(range(first, min(first + 3, put)))
            in_flight += taken
        elif step == "settle" and in_flight:
            outbox.settle(1)
            settled = in_flight.pop(0) + 1
        elif step == "rewind":
            outbox.rewind()
            in_flight = []
        assert len(outbox) == put - settled
        assert outbox.settled == settled


def test_an_answer_to_nothing_is_the_services_fault() -> None:
    outbox: Outbox[event_pb2.Event] = Outbox(batch=1, window=1)
    with pytest.raises(errors.Internal, match="answered 1 elements where 0 were sent"):
        outbox.settle(1)

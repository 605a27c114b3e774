"""Streams of recommendations over connections that break."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
import pytest
from google.rpc import code_pb2
from penchant import Update, aio, errors

from tests.unit.fake_knowledge import status, until
from tests.unit.fake_service import FakeService, fake_service


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        running.knowledge.push("i1", "i2", "i3")
        yield running


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[aio.Client]:
    async with aio.Client(service.target) as connected:
        yield connected


def ids(update: Update) -> tuple[str, ...]:
    return tuple(one.item_id for one in update.recommendations)


async def test_a_watch_neither_repeats_nor_loses_an_update_while_the_service_restarts(
    client: aio.Client, service: FakeService
) -> None:
    lists = [tuple(f"i{(number + step * step) % 7}" for step in range(3)) for number in range(12)]
    seen = []
    async with aclosing(client.watch("u")) as updates:
        for number, order in enumerate(lists):
            service.knowledge.push(*dict.fromkeys(order))
            seen.append(await anext(updates))
            if number % 3 == 1:
                await service.restart()
            if number % 3 == 2:  # the list moves while nobody is connected
                await service.stop()
                service.knowledge.push("between", str(number))
                await service.start()
                seen.append(await anext(updates))
    expected: list[tuple[str, ...]] = []
    for number, order in enumerate(lists):
        expected.append(tuple(dict.fromkeys(order)))
        if number % 3 == 2:
            expected.append(("between", str(number)))
    assert [ids(update) for update in seen] == expected
    assert [update.sequence for update in seen] == list(range(1, len(expected) + 1))
    assert len(service.knowledge.openings) > 4
    assert service.knowledge.openings[0].resume_token == ""
    assert all(opening.resume_token for opening in service.knowledge.openings[1:])


async def test_a_farewell_is_followed_by_the_next_connection(client: aio.Client, service: FakeService) -> None:
    service.knowledge.farewells = 2
    async with aclosing(client.watch("u", min_freshness="f1")) as updates:
        assert ids(await anext(updates)) == ("i1", "i2", "i3")
        service.knowledge.push("i3")
        assert ids(await anext(updates)) == ("i3",)
        service.knowledge.push("i3", "i4")
        assert (await anext(updates)).sequence == 3
    tokens = [bool(opening.resume_token) for opening in service.knowledge.openings]
    assert tokens == [False, True, True]
    assert [opening.min_freshness for opening in service.knowledge.openings] == ["f1", "", ""]


async def test_without_a_token_a_stream_that_breaks_after_its_first_update_is_over(
    client: aio.Client, service: FakeService
) -> None:
    service.knowledge.tokens = False
    async with aclosing(client.watch("u")) as updates:
        await anext(updates)
        await service.restart()
        with pytest.raises(errors.Unavailable):
            await anext(updates)
    assert len(service.knowledge.openings) == 1


async def test_before_the_first_update_attempts_are_bounded(service: FakeService) -> None:
    service.knowledge.refusals = [status(code_pb2.UNAVAILABLE, "starting")] * 9
    async with aio.Client(service.target, retries=2) as client:
        with pytest.raises(errors.Unavailable, match="starting"):
            await anext(client.watch("u"))
    assert len(service.knowledge.openings) == 3


async def test_a_refused_stream_is_not_tried_again(client: aio.Client, service: FakeService) -> None:
    service.knowledge.refusals = [status(code_pb2.RESOURCE_EXHAUSTED, "too many streams")]
    with pytest.raises(errors.Overloaded):
        await anext(client.watch("u"))
    assert len(service.knowledge.openings) == 1


async def test_the_first_update_has_a_deadline_and_later_ones_have_none(service: FakeService) -> None:
    service.knowledge.muted = True
    async with aio.Client(service.target, timeout=0.1) as client:
        with pytest.raises(errors.DeadlineExceeded, match=r"no first update within 0\.1 s"):
            await anext(client.watch("u"))
        service.knowledge.muted = False
        async with aclosing(client.watch("u")) as updates:
            await anext(updates)
            later = asyncio.ensure_future(anext(updates))
            done, _ = await asyncio.wait([later], timeout=0.3)
            assert not done
            service.knowledge.push("i9")
            assert ids(await later) == ("i9",)


async def test_shown_positions_stay_also_when_the_connection_is_lost_before_the_next_update(
    client: aio.Client, service: FakeService
) -> None:
    async with client.stream("u") as stream:
        assert ids(await anext(stream)) == ("i1", "i2", "i3")
        await stream.shown(2)
        await until(lambda: bool(service.knowledge.said))
        await service.restart()
        following = asyncio.ensure_future(anext(stream))
        await until(lambda: len(service.knowledge.openings) >= 2)
        service.knowledge.push("i9", "i2", "i1")
        assert ids(await following) == ("i1", "i2", "i9")
        await stream.shown(0)
        await until(lambda: len(service.knowledge.said) >= 2)
        service.knowledge.push("i3", "i9")
        assert ids(await anext(stream)) == ("i3", "i9")
    assert [one.shown.positions for one in service.knowledge.said] == [2, 0]
    assert [opening.shown_positions for opening in service.knowledge.openings] == [0, 2]


async def test_who_reads_slowly_is_given_the_newest_list_and_may_speak_of_an_old_one(
    client: aio.Client, service: FakeService
) -> None:
    async with client.stream("u") as stream:
        first = await anext(stream)
        for number in range(20):
            service.knowledge.push("i1", f"i{number + 10}")
            await until(lambda: stream._mailbox is not None and stream._mailbox.newest == number + 2)  # noqa: B023
        await stream.shown(1, sequence=first.sequence)  # the service knows sixteen updates and would end the stream
        assert (ids(await anext(stream)), stream._following.sequence) == (("i1", "i29"), 21)
        service.knowledge.push("i3")
        assert (await anext(stream)).sequence == 22
    assert service.knowledge.said == []


async def test_what_came_before_a_connection_broke_is_read_before_the_next_one(
    client: aio.Client, service: FakeService
) -> None:
    async with client.stream("u") as stream:
        await anext(stream)
        service.knowledge.push("i9", "i1")
        await until(lambda: stream._mailbox is not None and stream._mailbox.newest == 2)
        await service.stop()
        assert ids(await anext(stream)) == ("i9", "i1")
        await service.start()
        service.knowledge.push("i2")
        assert ids(await anext(stream)) == ("i2",)
    assert json.loads(service.knowledge.openings[-1].resume_token)[0] == 2


async def test_a_change_outlives_the_connection(client: aio.Client, service: FakeService) -> None:
    async with client.stream("u", page_size=3) as stream:
        assert (await anext(stream)).profile == ""
        await stream.change(page_size=1, categories=["shoes"], profile="bold")
        await until(lambda: bool(service.knowledge.said))
        await service.restart()
        service.knowledge.push("i2")
        update = await anext(stream)
        assert (ids(update), update.profile, update.model) == (("i2",), "bold@1", "encoder@1")
    sizes = [opening.options.page_size for opening in service.knowledge.openings]
    assert sizes == [3, 1]
    assert service.knowledge.openings[1].options.filter.categories == ["shoes"]


async def test_leaving_a_stream_ends_the_call(client: aio.Client, service: FakeService) -> None:
    async with client.stream("u") as stream:
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await stream.change(page_size=2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_that_goes_on_waits_for_the_connection_and_asks_once(
    client: aio.Client, service: FakeService
) -> None:
    async with aclosing(client.watch("u")) as updates:
        await anext(updates)
        await service.stop()
        following = asyncio.ensure_future(anext(updates))
        await until(lambda: client.raw.channel.get_state() == grpc.ChannelConnectivity.TRANSIENT_FAILURE)
        service.knowledge.push("i9")
        await service.start()
        assert ids(await following) == ("i9",)
    assert len(service.knowledge.openings) == 2


async def test_closing_a_client_ends_a_stream_that_waits_for_a_connection(service: FakeService) -> None:
    client = aio.Client(service.target)
    updates = client.watch("u")
    await anext(updates)
    await service.stop()
    following = asyncio.ensure_future(anext(updates))
    await client.raw.channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(errors.Cancelled):
        await following
    await service.start()

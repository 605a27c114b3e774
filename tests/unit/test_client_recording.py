"""A long stream of events that are put on it one by one, and reads that wait for one's own writes."""

import asyncio
import sys
from collections.abc import AsyncIterator

import penchant
import pytest
from penchant import Event, aio, errors
from penchant.v1 import event_pb2
from penchant.writes import MOST, Writes

from tests.unit.fake_knowledge import until
from tests.unit.fake_service import FakeService, fake_service


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        yield running


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[aio.Client]:
    async with aio.Client(service.target, read_your_writes=True) as connected:
        yield connected


def view(number: int, user: str = "u") -> Event:
    return Event(user, "view", item_id=f"i{number}", event_id=f"e{number}")


async def test_what_is_put_is_on_its_way_at_once_and_acknowledged_by_a_flush(
    client: aio.Client, service: FakeService
) -> None:
    async with client.recorder() as recorder:
        await recorder.put(view(0))
        await until(lambda: len(service.knowledge.recorded) == 1)
        await recorder.put(view(1), Event("u", "view", item_id="unknown", event_id="bad"), view(2))
        answers = await recorder.flush()
        assert [(one.ordinal, one.event_id, one.error is None) for one in answers] == [
            (0, "e0", True),
            (1, "e1", True),
            (2, "bad", False),
            (3, "e2", True),
        ]
        assert await recorder.flush() == []
        await recorder.put(view(3))
        assert [one.event_id for one in await recorder.close()] == ["e3"]
        assert await recorder.close() == []
    assert [event.event_id for event in service.knowledge.recorded] == ["e0", "e1", "e2", "e3"]


async def test_leaving_it_flushes_and_a_restart_loses_and_doubles_nothing(
    client: aio.Client, service: FakeService
) -> None:
    service.knowledge.crash_at = 300
    async with client.recorder(batch=20, window=100) as recorder:
        for number in range(700):
            await recorder.put(view(number))
    assert [event.event_id for event in service.knowledge.recorded] == [f"e{number}" for number in range(700)]
    assert recorder.unanswered == []


async def test_what_was_never_acknowledged_is_told(client: aio.Client, service: FakeService) -> None:
    service.knowledge.muted = True
    with pytest.raises(errors.DeadlineExceeded):
        async with client.recorder(patience=0.2) as recorder:
            await recorder.put(view(0), view(1))
    left = recorder.unanswered
    assert all(isinstance(event, event_pb2.Event) for event in left)
    assert [event.event_id for event in left] == ["e0", "e1"]


async def test_an_error_of_its_user_does_not_wait_for_acknowledgements(
    client: aio.Client, service: FakeService
) -> None:
    service.knowledge.muted = True
    recorder = client.recorder()

    async def failing() -> None:
        async with recorder:
            await recorder.put(view(0))
            raise LookupError

    with pytest.raises(LookupError):
        await failing()
    assert len(recorder.unanswered) == 1


async def test_closing_a_client_flushes_its_recorders(service: FakeService) -> None:
    client = aio.Client(service.target)
    recorders = [client.recorder(), client.recorder(batch=10, window=20), client.recorder()]
    for number, recorder in enumerate(recorders[:2]):
        await recorder.put(*(view(100 * number + each) for each in range(15)))
    await client.close()
    assert len(service.knowledge.recorded) == 30
    assert [recorder.unanswered for recorder in recorders] == [[], [], []]


async def test_closing_a_client_tells_how_many_events_are_not_acknowledged(
    service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.knowledge.muted = True
    client = aio.Client(service.target, timeout=0.2)
    recorders = [client.recorder(), client.recorder()]
    await recorders[0].put(view(0), view(1))
    await recorders[1].put(view(2))
    with pytest.raises(errors.DeadlineExceeded, match="closed with 3 events that are not acknowledged"):
        await client.close()
    assert [[one.event_id for one in recorder.unanswered] for recorder in recorders] == [["e0", "e1"], ["e2"]]
    await client.close()
    told = [record.getMessage() for record in caplog.records if record.name == "penchant"]
    assert sorted(told) == [
        f"a recorder was left with {count} events that are not acknowledged; flush or close it first"
        for count in (1, 2)
    ]


FORGETFUL = """
import asyncio, sys
from penchant import Client, Event, aio

async def main():
    recorder = aio.Client(sys.argv[1]).recorder()
    await recorder.put(Event("u", "view", item_id="i"))

if sys.argv[2] == "aio":
    asyncio.run(main())
else:
    client = Client(sys.argv[1], timeout=float(sys.argv[3]))
    recording = client.recorder()
    recording.__enter__().put(Event("u", "view", item_id="i"))
"""


async def left(service: FakeService, *arguments: str) -> str:
    """Run a program that forgets its events; return what it says."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORGETFUL, service.target, *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, said = await program.communicate()
    assert program.returncode == 0
    return said.decode()


async def test_a_program_that_ends_with_events_tells_so(service: FakeService) -> None:
    service.knowledge.muted = True
    assert "left with 1 events that are not acknowledged" in await left(service, "aio")
    assert "closed with 1 events that are not acknowledged" in await left(service, "plain", "0.2")


async def test_a_plain_program_that_ends_without_closing_sends_its_events(service: FakeService) -> None:
    assert "Error" not in await left(service, "plain", "5")
    assert len(service.knowledge.recorded) == 1


async def test_plain_threads_have_it_too(service: FakeService) -> None:
    def plain() -> None:
        with penchant.Client(service.target, read_your_writes=True) as client:
            with client.recorder(batch=10) as recorder:
                for number in range(35):
                    recorder.put(view(number))
                assert len(recorder.flush()) == 35
                recorder.put(view(35))
            assert recorder.unanswered == []
            client.recommend("u")

    await asyncio.to_thread(plain)
    assert len(service.knowledge.recorded) == 36
    assert service.knowledge.requests[-1].min_freshness == "f36"  # type: ignore[attr-defined]


async def test_reads_wait_for_the_last_write_of_their_user(client: aio.Client, service: FakeService) -> None:
    written = await client.record("ana", "view", item_id="i0")
    async with client.recorder() as recorder:
        await recorder.put(view(1, "bo"), Event("li", "view", item_id="unknown"))
    await client.recommend("ana")
    await client.recommend("bo")
    await client.recommend("li")
    await client.recommend("ana", min_freshness="given")
    await client.interests("bo")
    asked = [request.min_freshness for request in service.knowledge.requests[-5:]]  # type: ignore[attr-defined]
    assert asked[0] == written.freshness_token
    assert asked[1] == asked[4] != ""
    assert asked[2:4] == ["", "given"]
    async with client.stream("bo") as stream:
        await anext(stream)
    assert service.knowledge.openings[-1].min_freshness == asked[1]


async def test_without_being_asked_no_write_is_remembered(service: FakeService) -> None:
    async with aio.Client(service.target) as client:
        await client.record("ana", "view", item_id="i0")
        await client.recommend("ana")
    assert service.knowledge.requests[-1].min_freshness == ""  # type: ignore[attr-defined]


def test_of_many_users_the_oldest_are_forgotten() -> None:
    writes = Writes(remembered=True)
    for number in range(MOST):
        writes.note(f"u{number}", f"t{number}")
    writes.note("u0", "again")
    writes.note("new", "t")
    assert [writes.token(user, "") for user in ("u0", "u1", "u2", "new", "stranger")] == ["again", "", "t2", "t", ""]


async def test_events_that_come_one_by_one_share_requests_while_answers_are_due(
    client: aio.Client, service: FakeService
) -> None:
    async with client.recorder(batch=10, window=20) as recorder:
        for number in range(200):
            await recorder.put(view(number))
            await asyncio.sleep(0)  # whoever sends is given its turn
        await recorder.flush()
    requests = [len(one.events) for one in service.knowledge.requests if isinstance(one, event_pb2.RecordEventsRequest)]
    assert sum(requests) == 200
    assert len(requests) < 60

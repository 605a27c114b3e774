"""The client for plain threads, called from threads beside the service's event loop."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import penchant
import pytest
from penchant import Event, Item, errors
from penchant.v1 import event_pb2

from tests.unit.fake_knowledge import until
from tests.unit.fake_service import FakeService, fake_service

README = Path(__file__).parents[2] / "clients/python/README.md"


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        running.knowledge.push("i1", "i2", "i3")
        yield running


def client_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "penchant-client"]


async def test_every_verb_works_from_plain_code(service: FakeService) -> None:
    def plain() -> None:
        with penchant.Client(service.target) as client:
            items = [Item(f"i{number}", "x") for number in range(1, 251)]
            assert client.upsert_items([*items, Item("bad")]).refused[0].index == 250
            assert list(client.list_items()) == items
            assert client.get_item("i7") == items[6]
            assert client.delete_items(item.item_id for item in items[3:]).deleted == 247
            recorded = client.record("u", "view", item_id="i1", event_id="e")
            listed = client.recommend("u", min_freshness=recorded.freshness_token, include_items=True)
            assert [one.item and one.item.item_id for one in listed] == ["i1", "i2", "i3"]
            assert client.similar("i1", page_size=1) == client.search("x", page_size=1)
            assert client.interests("u").event_count == 1
            request = event_pb2.RecordEventRequest(event=event_pb2.Event(event_id="e", user_id="u"))
            assert client.raw.events.RecordEvent(request).unchanged
            with pytest.raises(errors.NotFound):
                client.get_item("nobody")

    await asyncio.to_thread(plain)
    assert client_threads() == []


async def test_streams_resume_under_plain_code(service: FakeService) -> None:
    loop = asyncio.get_running_loop()

    def push(*order: str) -> None:
        loop.call_soon_threadsafe(service.knowledge.push, *order)

    def plain() -> None:
        with penchant.Client(service.target) as client:
            updates = client.watch("u")
            with client.stream("u") as stream:
                assert next(updates).sequence == next(stream).sequence == 1
                stream.shown(1)
                stream.change(page_size=5)
                asyncio.run_coroutine_threadsafe(service.restart(), loop).result()
                push("i4")
                for seen in (next(updates), next(stream)):
                    assert [one.item_id for one in seen.recommendations] == ["i4"]
                    assert seen.sequence == 2
            # The watch is still open: closing the client ends it.
        with pytest.raises(RuntimeError, match="closed"):
            next(updates)

    await asyncio.to_thread(plain)
    assert client_threads() == []


async def test_many_events_survive_a_restart_and_the_source_is_read_in_the_callers_thread(service: FakeService) -> None:
    service.knowledge.crash_at = 700

    def plain() -> None:
        here = threading.current_thread()

        def source() -> Iterator[Event]:
            for number in range(2_000):
                assert threading.current_thread() is here
                yield Event("u", "view", item_id="i", event_id=f"e{number}")

        with penchant.Client(service.target) as client:
            answers = list(client.record_many(source(), batch=50, window=300))
        assert [one.ordinal for one in answers] == list(range(2_000))

    await asyncio.to_thread(plain)
    assert service.knowledge.crash_at is None
    assert [event.event_id for event in service.knowledge.recorded] == [f"e{number}" for number in range(2_000)]


async def test_threads_share_a_client(service: FakeService) -> None:
    with penchant.Client(service.target) as client:
        results = await asyncio.gather(
            *(asyncio.to_thread(client.record, f"u{n}", "view", item_id="i") for n in range(40))
        )
        assert len({one.event_id for one in results}) == 40
        assert len(client_threads()) == 1
        await asyncio.to_thread(client.close)


async def test_closing_ends_a_call_that_another_thread_waits_for(service: FakeService) -> None:
    service.knowledge.muted = True
    client = penchant.Client(service.target)
    waiting = asyncio.create_task(asyncio.to_thread(client.recommend, "u"))
    await until(lambda: bool(service.knowledge.requests))
    await asyncio.to_thread(client.close)
    with pytest.raises(errors.Cancelled, match="the client was closed"):
        await waiting
    with pytest.raises(RuntimeError, match="the client is closed; make a new one"):
        client.recommend("u")
    client.close()


async def test_a_dropped_client_ends_its_thread(service: FakeService) -> None:
    def plain() -> None:
        penchant.Client(service.target).recommend("u")

    await asyncio.to_thread(plain)
    assert client_threads() == []


def test_a_client_that_is_never_used_starts_nothing() -> None:
    with penchant.Client():
        assert client_threads() == []


PROGRAM = """
import sys, threading, penchant
client = penchant.Client(sys.argv[1])
for number in range(3):
    client.record("u", "view", item_id="i")
updates = client.watch("u")
print(next(updates).sequence, flush=True)
if sys.argv[2] == "close":
    client.close()
    print([t.name for t in threading.enumerate() if t.name == "penchant-client"], flush=True)
elif sys.argv[2] == "raise":
    raise SystemExit(3)
"""


@pytest.mark.parametrize(
    ("ending", "code", "output"), [("close", 0, "1\n[]\n"), ("leave", 0, "1\n"), ("raise", 3, "1\n")]
)
async def test_a_program_ends_quietly_however_it_ends(
    service: FakeService, ending: str, code: int, output: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, service.target, ending),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, said.decode(), complained.decode()) == (code, output, "")


FORKING = """
import os, sys, penchant
client = penchant.Client(sys.argv[1])
client.record("u", "view", item_id="i")
child = os.fork()
if not child:
    try:
        client.record("u", "view", item_id="i")
    except RuntimeError as error:
        os.write(1, str(error).encode())
    os._exit(0)
os.waitpid(child, 0)
client.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
async def test_a_client_carried_over_a_fork_says_so(service: FakeService) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FORKING, service.target),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert said == b"the client does not live on after os.fork(); make it in the child"


INTERRUPTED = """
import sys, penchant
with penchant.Client(sys.argv[1], timeout=60.0) as client:
    updates = client.watch("u")
    try:
        next(updates)
    except KeyboardInterrupt:
        print(len(client.recommend("u")), flush=True)
"""


async def test_ctrl_c_ends_a_blocking_call_and_the_client_goes_on(service: FakeService) -> None:
    service.knowledge.muted = True
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-c", INTERRUPTED, service.target),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await until(lambda: bool(service.knowledge.openings))  # the program waits for the answer by now
    service.knowledge.muted = False
    process.send_signal(signal.SIGINT)
    said, complained = await asyncio.wait_for(process.communicate(), 30)
    assert (said, complained) == (b"3\n", b"")


async def test_the_readme_runs_as_it_stands(service: FakeService) -> None:
    blocks = [part.split("```")[0] for part in README.read_text().split("```python\n")[1:]]
    assert len(blocks) >= 3
    program = "\n".join(blocks).replace("127.0.0.1:50551", service.target)
    await asyncio.to_thread(exec, program, {})
    assert {event.type for event in service.knowledge.recorded} >= {"view", "purchase", "search"}

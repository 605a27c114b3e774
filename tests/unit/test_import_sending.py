"""Checked records reach the service once, whatever ends the import in between."""

import asyncio
import io
import json
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event
from penchant_cli.importing import Options, SendingStopped, check
from penchant_cli.importing.job import Job, run
from penchant_cli.importing.sending import BATCH_BYTES, BATCH_RECORDS, IN_FLIGHT, batches, send
from penchant_cli.importing.sink import Busy, Refusals, Sink
from rich.console import Console

EVENTS = 5_200


class Shop:
    """A sink that keeps what it is sent and can be made to fail at the nth batch."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.events: list[Event] = []
        self.calls = 0
        self.fail_at = 0
        self.fail: Callable[[], None] = lambda: None
        self.refuse: Callable[[str], bool] = lambda _: False

    async def send_items(self, items: Sequence[Item]) -> Refusals:
        self._call()
        self.items |= {item.item_id: item for item in items}
        return []

    async def send_events(self, events: Sequence[Event]) -> Refusals:
        self._call()
        refused = [(i, f"item {e.item_id} is unknown") for i, e in enumerate(events) if self.refuse(e.item_id)]
        gone = {index for index, _ in refused}
        self.events += [event for index, event in enumerate(events) if index not in gone]
        return refused

    def _call(self) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            self.fail()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Sink]:
        yield self


def stop() -> None:
    raise SendingStopped("the disk is full")


def crash() -> None:
    raise RuntimeError("crash")


def never() -> AbstractAsyncContextManager[Sink]:
    raise AssertionError("the service must not be asked")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    path = tmp_path / "events.csv"
    rows = (f"u{i % 7},i{i},view,{1_600_000_000 + i}\n" for i in range(EVENTS))
    path.write_text("user,item,type,time\n" + "".join(rows))
    return Job("events", path, Options(), "shop:1", tmp_path / "state", report=tmp_path / "report.json")


def told(job: Job, connect: Callable[[], AbstractAsyncContextManager[Sink]]) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=200)
    code = run(job, connect, console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_everything_arrives_once_and_in_order_and_a_second_run_has_nothing_to_do(job: Job) -> None:
    shop = Shop()
    code, _ = told(job, shop.open)
    assert code == 0
    assert [e.item_id for e in shop.events] == [f"i{i}" for i in range(EVENTS)]
    code, text = told(job, never)
    assert (code, "all 5,200 events were imported before; --restart sends them again" in text) == (0, True)
    code, _ = told(replace(job, restart=True), shop.open)
    assert len(shop.events) == 2 * EVENTS
    assert len({e.event_id for e in shop.events}) == EVENTS


@pytest.mark.parametrize("fail_at", [1, 2, 6, 11])
def test_after_a_crash_the_same_command_sends_only_what_was_not_acknowledged(job: Job, fail_at: int) -> None:
    shop = Shop()
    shop.fail_at, shop.fail = fail_at, crash
    with pytest.raises(RuntimeError, match="crash"):
        told(job, shop.open)
    arrived = len(shop.events)
    shop.fail_at = 0
    code, text = told(job, shop.open)
    assert code == 0
    assert {e.item_id for e in shop.events} == {f"i{i}" for i in range(EVENTS)}
    twice = len(shop.events) - EVENTS
    assert twice <= (IN_FLIGHT - 1) * BATCH_RECORDS
    acknowledged = (fail_at - 1) * BATCH_RECORDS
    assert (f"Going on after {acknowledged:,} of 5,200 records" in text) == (acknowledged > 0)
    assert arrived >= acknowledged


def test_a_service_that_stops_is_told_in_one_line_with_exit_code_3(job: Job) -> None:
    shop = Shop()
    shop.fail_at, shop.fail = 4, stop
    code, text = told(job, shop.open)
    assert code == 3
    assert "Stopped after 1,500 of 5,200 records; the same command goes on from there. the disk is full" in text


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(job: Job) -> None:
    shop = Shop()
    shop.fail_at, shop.fail = 5, lambda: signal.raise_signal(signal.SIGINT)
    code, text = told(job, shop.open)
    assert (code, "The same command goes on from here" in text) == (130, True)
    shop.fail_at = 0
    assert told(job, shop.open)[0] == 0
    assert len({e.event_id for e in shop.events}) == EVENTS


def test_a_dry_run_checks_and_sends_nothing(job: Job) -> None:
    code, text = told(replace(job, dry_run=True), never)
    assert (code, "Dry run: nothing was sent" in text) == (0, True)
    assert not job.state.exists()
    assert job.report is not None
    assert json.loads(job.report.read_text())["accepted"] == EVENTS


def test_of_a_bad_file_nothing_is_sent(job: Job) -> None:
    lines = job.path.read_text().splitlines()
    job.path.write_text("\n".join(line if i % 10 else ",,," for i, line in enumerate(lines, 5)))
    code, text = told(job, never)
    assert code == 2
    assert "520 of 5,200 records are bad (10.0%, more than --max-bad 5.0%). Nothing was sent." in text
    assert job.report is not None
    assert json.loads(job.report.read_text())["bad"]["user_id: is empty"]["count"] == 520


def test_a_few_refusals_are_reported_by_reason(job: Job) -> None:
    shop = Shop()
    shop.refuse = lambda item_id: item_id in ("i3", "i700")
    code, _ = told(job, shop.open)
    assert code == 0
    assert len(shop.events) == EVENTS - 2
    assert job.report is not None
    assert json.loads(job.report.read_text())["refused_by_service"] == {
        "item … is unknown": {"count": 2, "lines": [5, 702], "example": "i3"}
    }


def test_many_refusals_stop_the_import_and_the_same_command_then_begins_anew(job: Job) -> None:
    shop = Shop()
    shop.refuse = lambda _: True
    code, text = told(job, shop.open)
    assert (code, "the service refused 500 of the 500 records sent" in text) == (2, True)
    shop.refuse = lambda _: False
    assert told(job, shop.open)[0] == 0
    assert len(shop.events) == EVENTS


def test_progress_belongs_to_one_content_one_mapping_and_one_service(job: Job) -> None:
    assert told(job, Shop().open)[0] == 0
    for other in (
        replace(job, target="shop:2"),
        replace(job, options=Options(type="purchase")),
    ):
        shop = Shop()
        told(other, shop.open)
        assert len(shop.events) == EVENTS
    job.path.write_text(job.path.read_text() + "u,new,view,1600000000\n")
    shop = Shop()
    told(job, shop.open)
    assert len(shop.events) == EVENTS + 1


def test_progress_that_cannot_be_read_is_refused_until_a_restart(job: Job) -> None:
    told(job, Shop().open)
    (file,) = job.state.iterdir()
    file.write_text("{")
    code, text = told(job, never)
    assert (code, "--restart begins the import anew" in text) == (2, True)
    assert told(replace(job, restart=True), Shop().open)[0] == 0


async def test_a_busy_service_is_asked_again_and_in_the_end_given_up(job: Job) -> None:
    class BusyShop(Shop):
        def __init__(self, times: int) -> None:
            super().__init__()
            self.times = times

        async def send_events(self, events: Sequence[Event]) -> Refusals:
            if self.times:
                self.times -= 1
                raise Busy("full")
            return await super().send_events(events)

    with check(job.path, "events", Options()) as checked:
        shop = BusyShop(2)
        await send(checked, shop, 5_000, lambda *_: None, waits=(0, 0))
        assert len(shop.events) == 200
        with pytest.raises(SendingStopped, match="the service stayed unavailable: full"):
            await send(checked, BusyShop(3), 5_000, lambda *_: None, waits=(0, 0))


async def test_so_many_batches_are_on_their_way_and_no_more(job: Job) -> None:
    class SlowShop(Shop):
        now = most = 0
        full = asyncio.Event()

        async def send_events(self, events: Sequence[Event]) -> Refusals:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now == IN_FLIGHT or self.calls == 10:
                self.full.set()
            await self.full.wait()
            await asyncio.sleep(0)
            self.now -= 1
            return await super().send_events(events)

    shop = SlowShop()
    with check(job.path, "events", Options()) as checked:
        await send(checked, shop, 0, lambda *_: None)
    assert shop.most == IN_FLIGHT
    assert len(shop.events) == EVENTS


def test_batches_are_bounded_in_records_and_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item,title,description\n" + "".join(f"{i},t,{'x' * 16_000}\n" for i in range(300)))
    with check(path, "items", Options()) as checked:
        found = list(batches(checked, 0))
    assert [sum(m.ByteSize() for m in batch.messages) <= BATCH_BYTES for batch in found] == [True] * len(found)
    assert sum(len(batch.messages) for batch in found) == 300
    assert len(found) == 5

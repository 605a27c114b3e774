"""The command and the gRPC sink, against a service on a real socket that can be restarted."""

import asyncio
import json
from pathlib import Path

import pytest
from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event
from penchant_cli.import_command import app
from penchant_cli.importing import Options, SendingStopped, check
from penchant_cli.importing.sending import send
from penchant_cli.importing.sink import open_sink
from typer.testing import CliRunner

from tests.unit.fake_service import fake_service

EVENTS = 2_600


@pytest.fixture
def events_file(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    rows = (f"u{i % 7},i{i},view,{1_600_000_000 + i}\n" for i in range(EVENTS))
    path.write_text("user,item,type,time\n" + "".join(rows))
    return path


async def test_over_grpc_items_and_events_arrive_through_a_restart_of_the_service(
    events_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "items.csv").write_text("item,title\n" + "".join(f"i{i},Item {i}\n" for i in range(1_200)))
    async with fake_service() as service, open_sink(service.target) as sink:
        service.knowledge.crash_at = 700
        with check(tmp_path / "items.csv", "items", Options()) as checked:
            await send(checked, sink, 0, lambda *_: None)
        assert len(service.knowledge.items) == 1_200
        service.knowledge.crash_at = 1_700
        with check(events_file, "events", Options()) as checked:
            await send(checked, sink, 0, lambda *_: None)
        assert {e.event_id for e in service.knowledge.recorded} == {e.event_id for _, e in events_of(events_file)}
        assert service.knowledge.crash_at is None


def events_of(events_file: Path) -> list[tuple[int, Event]]:
    with check(events_file, "events", Options()) as checked:
        return list(checked.events())


async def test_over_grpc_refusals_carry_their_place_in_the_batch() -> None:
    async with fake_service() as service, open_sink(service.target) as sink:
        refused = await sink.send_items([Item(item_id="a", title="t"), Item(item_id="b"), Item(item_id="c", title="t")])
        assert refused == [(1, "item.title: title or description is required")]
        wrong = [
            Event(event_id=str(i), user_id="u", type="view", item_id=i) for i in ("x", "unknown1", "y", "unknown2")
        ]
        assert [index for index, _ in await sink.send_events(wrong)] == [1, 3]


async def test_a_service_that_nobody_runs_is_named() -> None:
    async with fake_service() as service:
        target = service.target
    with pytest.raises(SendingStopped, match=f"no service answers at {target}; start one"):
        async with open_sink(target, patience=0.2):
            pass


async def test_the_command_imports_over_grpc(events_file: Path, tmp_path: Path) -> None:
    async with fake_service() as service:
        arguments = ["events", str(events_file), "--target", service.target, "--state", str(tmp_path / "state")]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert result.exit_code == 0, result.output
        assert len(service.knowledge.recorded) == EVENTS
        assert "2,600 of 2,600 records" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-bad", "few"], "--max-bad few: must be a percentage"),
        (["--max-bad", "200%"], "--max-bad: must be a share"),
        (["--map", "user_id"], "--map user_id: must be FIELD=COLUMN"),
        (["--rating-scale", "5"], "--rating-scale 5: must be MIN:MAX"),
        (["--preset", "netflix"], "--preset netflix: is unknown"),
        (["--format", "xml"], "format 'xml' is unknown"),
    ],
)
def test_wrong_options_end_with_one_line_and_exit_code_2(events_file: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(
        app, ["events", str(events_file), "--dry-run", "--state", str(events_file.parent / "state"), *arguments]
    )
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_options_of_the_command_go_over_those_of_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,stars10,timestamp\n1,2,10,964982703\n")
    arguments = ["events", str(path), "--preset", "movielens_small", "--map", "value=stars10", "--rating-scale", "0:10"]
    result = CliRunner().invoke(app, [*arguments, "--dry-run", "--report", str(tmp_path / "r.json")])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "r.json").read_text())["columns"]["value"] == "stars10"

"""Dead letters on a real broker: kept byte for byte, looked at, sent once more."""

import asyncio
import json
import time
from typing import Any

import pytest
from aiokafka import TopicPartition
from penchant.v1 import event_pb2
from penchant_adapters.kafka import replaying
from penchant_adapters.kafka.connection import consumer, producer, started
from penchant_adapters.kafka.deadletters import DeadLetters, Rate, dead_letter_producer, send_exactly
from penchant_adapters.kafka.replaying import Replayed, newest, one, replay
from penchant_adapters.kafka.topics import Topics, create, partition_of
from penchant_adapters.settings_groups import KafkaSettings
from penchant_bench.neighbours.kafka import Broker
from penchant_cli.app import app
from penchant_core.errors import InvalidField, LogMismatch
from typer.testing import CliRunner

from tests.kafka import settings_for

Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
STRANGE: list[Sent] = [
    (b"u1", b"\x00\xff\xfe not protobuf", [("traceparent", b"00-ab"), ("x", b"1"), ("x", b"2"), ("none", None)]),
    (None, b"no key", []),
    (b"no value", None, [("", b""), ("é", bytes(range(256)))]),
    (None, None, [("only", b"headers")]),
    (b"", b"", []),
]


@pytest.fixture
async def settings(broker: Broker, prefix: str) -> KafkaSettings:
    made = settings_for(broker, prefix)
    await create(made)
    return made


async def written(settings: KafkaSettings, records: list[Sent], partition: int = 1) -> None:
    async with started(producer(settings), settings) as sender:
        for key, value, headers in records:
            await (await send_exactly(sender, Topics.of(settings).events, partition, key, value, headers))


async def read(settings: KafkaSettings, topic: str) -> list[Any]:
    """All records of a topic, partition by partition."""
    records = []
    async with started(consumer(settings), settings) as reader:
        places = [TopicPartition(topic, partition) for partition in range(settings.partitions)]
        reader.assign(places)
        for place, end in sorted((await reader.end_offsets(places)).items()):
            while await reader.position(place) < end:
                records += (await reader.getmany(place, timeout_ms=200)).get(place, [])
    return records


async def put_aside(settings: KafkaSettings, records: list[Any]) -> None:
    async with started(dead_letter_producer(settings), settings) as sender:
        letters = DeadLetters(sender, settings)
        for record in records:
            await letters.write(record, InvalidField("event.type", "is required"))


def exact(record: Any) -> Sent:
    return record.key, record.value, list(record.headers)


async def test_a_dead_letter_is_the_record_byte_for_byte_with_connects_headers(settings: KafkaSettings) -> None:
    topic = Topics.of(settings).events
    await written(settings, STRANGE)
    await put_aside(settings, await read(settings, topic))
    letters = await read(settings, Topics.dlq(topic))
    about = [
        ("__connect.errors.topic", topic.encode()),
        ("__connect.errors.partition", b"1"),
        ("__connect.errors.offset", b"?"),
        ("__connect.errors.connector.name", settings.group.encode()),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.exception.class.name", b"penchant_core.errors.InvalidField"),
        ("__connect.errors.exception.message", b"event.type: is required"),
    ]
    for number, (letter, (key, value, headers)) in enumerate(zip(letters, STRANGE, strict=True)):
        about[2] = ("__connect.errors.offset", str(number).encode())
        assert exact(letter) == (key, value, headers + about)
        assert letter.partition == 1


async def test_the_largest_record_fits_among_the_dead_letters(broker: Broker, prefix: str) -> None:
    settings = settings_for(broker, prefix, max_message_bytes=4_096)
    await create(settings)
    topic = Topics.of(settings).events
    async with started(producer(settings, compression_type=None), settings) as sender:
        await sender.send_and_wait(topic, bytes(4_000), b"k", partition=0)
    (record,) = await read(settings, topic)
    async with started(dead_letter_producer(settings), settings) as sender:
        await DeadLetters(sender, settings).write(record, ValueError("é" * 100_000))
    (letter,) = await read(settings, Topics.dlq(topic))
    assert letter.value == bytes(4_000)
    assert dict(letter.headers)["__connect.errors.exception.message"] == "é".encode() * 2_048


async def test_a_missing_topic_of_dead_letters_says_which_command_mends_it(broker: Broker, prefix: str) -> None:
    with pytest.raises(LogMismatch, match="penchant topics create"):
        await newest(settings_for(broker, prefix), f"{prefix}.events", 5)
    with pytest.raises(LogMismatch, match="penchant topics create"):
        await replay(settings_for(broker, prefix), f"{prefix}.events")


async def test_more_dead_letters_than_the_rate_wait() -> None:
    now, waited = 100.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        waited.append(seconds)
        now += seconds

    rate = Rate(2.0, lambda: now, sleep)
    for _ in range(6):
        await rate.passed()
    assert waited == pytest.approx([0.5, 0.5, 0.5, 0.5])
    now += 1.0
    await rate.passed()
    await rate.passed()
    assert len(waited) == 4
    now += 1_000.0
    for _ in range(3):
        await rate.passed()
    assert waited[4:] == pytest.approx([0.5])


async def test_those_who_wait_together_are_let_through_one_by_one() -> None:
    waited = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    rate = Rate(0.5, lambda: 0.0, sleep)
    for _ in range(3):
        await rate.passed()
    assert waited == pytest.approx([2.0, 4.0])


async def test_the_newest_are_listed_and_one_is_shown(settings: KafkaSettings) -> None:
    topic = Topics.of(settings).events
    await written(settings, STRANGE)
    await written(settings, [(b"z", b"last", [])], partition=2)
    *records, last = await read(settings, topic)
    await put_aside(settings, records)
    # Letters know their age to the millisecond.
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 <= now:
        pass
    await put_aside(settings, [last])
    listed = await newest(settings, topic, 3)
    assert [(letter.partition, letter.offset) for letter in listed] == [(2, 0), (1, 4), (1, 3)]
    assert (listed[1].origin, listed[1].stage, listed[1].reason) == (
        (1, 4),
        "VALUE_CONVERTER",
        "event.type: is required",
    )
    shown = await one(settings, topic, 1, 0)
    assert shown is not None
    assert (shown.key, shown.value, list(shown.headers)) == STRANGE[0]
    assert "not protobuf" not in repr(shown)
    assert await one(settings, topic, 1, 5) is None
    assert await one(settings, topic, 9, 0) is None


async def test_a_replay_sends_all_once_and_later_only_what_is_new(settings: KafkaSettings) -> None:
    topic = Topics.of(settings).events
    await written(settings, STRANGE)
    originals = await read(settings, topic)
    await put_aside(settings, originals)
    assert await replay(settings, topic, dry_run=True) == Replayed(5, 0)
    assert len(await read(settings, topic)) == 5
    assert await replay(settings, topic) == Replayed(5, 0)
    assert await replay(settings, topic) == Replayed(0, 5)
    after = await read(settings, topic)
    assert len(after) == 10
    for key, value, headers in STRANGE:
        partition = 1 if key is None else partition_of(key, settings.partitions)
        assert sum(r.partition == partition and exact(r) == (key, value, headers) for r in after) == 1 + (
            partition == 1
        )
    await put_aside(settings, originals[:1])
    assert await replay(settings, topic) == Replayed(1, 5)
    assert await replay(settings, topic, again=True) == Replayed(6, 0)


async def test_chosen_ones_are_replayed_and_remembered_one_by_one(settings: KafkaSettings) -> None:
    topic = Topics.of(settings).events
    await written(settings, STRANGE)
    await put_aside(settings, await read(settings, topic))
    assert await replay(settings, topic, [(1, 3), (1, 1), (1, 77), (0, 0)]) == Replayed(2, 0, absent=2)
    assert await replay(settings, topic, [(1, 3)]) == Replayed(0, 1)
    assert await replay(settings, topic, [(1, 3)], again=True) == Replayed(1, 0)
    assert await replay(settings, topic) == Replayed(3, 2)
    assert await replay(settings, topic) == Replayed(0, 5)


async def test_a_replay_does_not_send_what_came_after_its_start(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topics.of(settings).events
    await written(settings, STRANGE[:2])
    records = await read(settings, topic)
    await put_aside(settings, records)
    ranges = replaying._ranges

    async def ranges_and_then_more(*given: Any) -> Any:
        found = await ranges(*given)
        await put_aside(settings, records)
        return found

    monkeypatch.setattr(replaying, "_ranges", ranges_and_then_more)
    assert await replay(settings, topic) == Replayed(2, 0)
    monkeypatch.undo()
    assert await replay(settings, topic) == Replayed(2, 2)


async def prepared(broker: Broker, prefix: str) -> None:
    settings = settings_for(broker, prefix)
    await create(settings)
    event = event_pb2.Event(user_id="secret-user", type="unheard-of").SerializeToString()
    await written(settings, [(b"secret-user", event, [("h", b"\xff")])])
    await put_aside(settings, await read(settings, Topics.of(settings).events))


def test_the_commands_list_show_and_replay(broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BOOTSTRAP": broker.bootstrap, "TOPIC_PREFIX": prefix, "GROUP": prefix}.items():
        monkeypatch.setenv(f"PENCHANT_KAFKA__{name}", value)
    asyncio.run(prepared(broker, prefix))

    def run(*words: str, **more: Any) -> Any:
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["dlq", *words], **more)

    table = run("list")
    assert (table.exit_code, "event.type: is required" in table.stdout, "secret" in table.stdout) == (0, True, False)
    (listed,) = json.loads(run("list", "--json").stdout)
    assert listed["origin"] == {"partition": 1, "offset": 0}
    assert "No dead letters" in run("list", "--topic", "items").stdout
    shown = json.loads(run("show", "--partition", "1", "--offset", "0").stdout)
    assert shown["key"]["text"] == "secret-user"
    assert shown["message"] == {"user_id": "secret-user", "type": "unheard-of"}
    assert shown["headers"] == [["h", {"hex": "ff"}]]
    assert run("show", "--partition", "1", "--offset", "7").exit_code == 2
    assert run("replay", "--partition", "1").exit_code == 2
    assert "1 would be sent" in run("replay", "--dry-run").stdout
    assert run("replay", input="n\n").exit_code == 1
    assert "1 sent, 0 had been" in run("replay", input="y\n").stdout
    assert "0 sent, 1 had been" in run("replay", "--yes").stdout
    assert run("replay", "--yes", "--partition", "1", "--offset", "9").exit_code == 1

"""Topics on a real broker."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic
from penchant_adapters.kafka import topics
from penchant_adapters.kafka.connection import admin, producer, started
from penchant_adapters.kafka.topics import Topics, TopicSpec, check, create, partition_of, refuse, wanted
from penchant_adapters.settings_groups import KafkaSettings
from penchant_bench.neighbours.kafka import Broker
from penchant_cli.app import app
from penchant_core.errors import InvalidSetting, LogMismatch
from typer.testing import CliRunner

from tests.kafka import settings_for

# From Kafka's own UtilsTest.testMurmur2: text → what Java's Utils.murmur2 gives.
JAVAS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


async def make(settings: KafkaSettings, *specs: TopicSpec) -> None:
    """Make topics as somebody else might have made them."""
    new = [NewTopic(one.name, one.partitions, 1, topic_configs=dict(one.configs)) for one in specs]
    async with started(admin(settings), settings) as client:
        await client.create_topics(new)


def found(differences: list[topics.Difference]) -> set[tuple[str, str, str]]:
    return {(one.topic.split(".", 1)[1], one.what, one.found) for one in differences}


async def test_topics_are_made_as_they_must_be_and_a_second_time_nothing_is_made(broker: Broker, prefix: str) -> None:
    settings = settings_for(broker, prefix, retention_days=2.0)
    names = {f"{prefix}.{name}" for name in ("events", "items", "pairs", "interests", "events.dlq", "items.dlq")}
    assert {one.topic for one in await check(settings)} == names
    made, differences = await create(settings)
    assert (set(made), differences) == (names, [])
    assert await create(settings) == ([], [])
    assert await check(settings) == []
    async with started(admin(settings), settings) as client:
        there = await topics._described(client, sorted(names))
    assert {
        spec.name: spec.configs.items() <= there[spec.name].configs.items() for spec in wanted(settings)
    } == dict.fromkeys(names, True)
    assert there[f"{prefix}.events"].configs["retention.ms"] == str(2 * 86_400_000)
    assert there[f"{prefix}.interests"].partitions == 1


async def test_what_differs_is_told_with_what_to_do_and_left_as_it_is(broker: Broker, prefix: str) -> None:
    settings = settings_for(broker, prefix)
    events, items, pairs, *_ = wanted(settings)
    await make(
        settings,
        replace(events, configs={**events.configs, "message.timestamp.type": "CreateTime", "max.message.bytes": "999"}),
        replace(items, configs={**items.configs, "cleanup.policy": "delete"}),
        replace(pairs, partitions=4),
    )
    made, differences = await create(settings)
    assert len(made) == 3
    assert found(differences) == {
        ("events", "message.timestamp.type", "CreateTime"),
        ("events", "max.message.bytes", "999"),
        ("items", "cleanup.policy", "delete"),
        ("pairs", "partitions", "4"),
    }
    assert await check(settings) == differences
    advice = {one.what: one.advice for one in differences}
    assert "--add-config cleanup.policy=compact" in advice["cleanup.policy"]
    assert "anew" in advice["partitions"]
    with pytest.raises(LogMismatch, match=r"pairs: partitions 4, wanted 3"):
        refuse(differences)


async def test_partitions_that_all_topics_agree_on_are_a_matter_of_the_setting(broker: Broker, prefix: str) -> None:
    await create(settings_for(broker, prefix))
    differences = await check(settings_for(broker, prefix, partitions=5))
    assert found(differences) == {
        (n, "partitions", "3") for n in ("events", "items", "pairs", "events.dlq", "items.dlq")
    }
    assert all(one.advice.startswith("set PENCHANT_KAFKA__PARTITIONS=3") for one in differences)


async def test_missing_copies_are_told(broker: Broker, prefix: str) -> None:
    await create(settings_for(broker, prefix))
    differences = await check(settings_for(broker, prefix, replication=3))
    assert {one.what for one in differences} == {"replication", "min.insync.replicas"}
    refuse(differences)
    with pytest.raises(InvalidSetting, match=r"kafka\.replication"):
        await create(settings_for(broker, f"{prefix}x", replication=3))


@pytest.mark.parametrize("partitions", [1, 3, 12, 500])
def test_keys_go_where_javas_producers_put_them(partitions: int) -> None:
    assert {key: partition_of(key, partitions) for key in JAVAS} == {
        key: (number & 0x7FFFFFFF) % partitions for key, number in JAVAS.items()
    }


async def test_keys_go_where_the_producer_puts_them(broker: Broker, prefix: str) -> None:
    settings = settings_for(broker, prefix, partitions=7)
    await create(settings)
    async with started(producer(settings), settings) as sender:
        for key in (b"", b"u1", "用户".encode(), bytes(range(256)), *JAVAS):
            written = await sender.send_and_wait(Topics.of(settings).events, b"x", key)
            assert written.partition == partition_of(key, 7)


def test_the_commands_make_and_check_topics(broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BOOTSTRAP": broker.bootstrap, "TOPIC_PREFIX": prefix, "PARTITIONS": "2"}.items():
        monkeypatch.setenv(f"PENCHANT_KAFKA__{name}", value)
    run = CliRunner().invoke
    missing = run(app, ["topics", "check"])
    assert missing.exit_code == 1
    assert "missing" in missing.stdout
    made = run(app, ["topics", "create", "--json"])
    assert (made.exit_code, len(json.loads(made.stdout)["made"])) == (0, 6)
    assert run(app, ["topics", "check"]).exit_code == 0
    monkeypatch.setenv("PENCHANT_KAFKA__PARTITIONS", "4")
    differs = run(app, ["topics", "check", "--json"])
    assert differs.exit_code == 1
    assert {one["found"] for one in json.loads(differs.stdout)["differences"]} == {"2"}


def test_the_commands_say_why_they_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENCHANT_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    failed = CliRunner().invoke(app, ["topics", "check"])
    assert (failed.exit_code, failed.stdout) == (2, "")
    assert "127.0.0.1:1" in failed.stderr

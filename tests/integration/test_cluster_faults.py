"""Bad input and failing neighbours of a consumer: a clear word, nothing lost, and it goes on by itself."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event
from penchant_adapters.kafka.topics import create, partition_of
from penchant_bench.neighbours.kafka import Broker
from penchant_bench.neighbours.qdrant import QdrantProcess

from tests.cluster import Cluster, assert_is_the_fold
from tests.integration.test_cluster_crashes import SEED, Load
from tests.kafka import here

POISON = {
    "not protobuf": (b"u1", b"\xff\xff\xff", []),
    "no value": (b"u1", None, []),
    "no key": (None, Event(user_id="u1", type="view", item_id="i").SerializeToString(), []),
    "another key": (b"u2", Event(user_id="u1", type="view", item_id="i").SerializeToString(), []),
    "an unknown type": (b"u1", Event(user_id="u1", type="sneeze", item_id="i").SerializeToString(), []),
    "no item and no words": (b"u1", Event(user_id="u1", type="view").SerializeToString(), [("a", b"1"), ("a", b"2")]),
    "an unknown schema": (b"u1", b"{}", [("ce_specversion", b"1.0"), ("ce_type", b"somebody.else")]),
}


async def test_poison_goes_to_the_dead_letters_byte_by_byte_and_the_rest_is_learnt(cluster: Cluster) -> None:
    consumer = cluster.consume()
    good = Load(SEED).events(20)
    await cluster.produce(good[:10])
    async with cluster.producing() as producer:
        for key, value, headers in POISON.values():
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
            await (await producer.send_batch(batch, f"{cluster.prefix}.events", partition=_place(key)))
    await cluster.produce(good[10:])
    await cluster.caught_up()
    expected = await assert_is_the_fold(cluster)
    assert expected.ledgers.keys() == {event.user_id for event in good}
    letters = [record for records in (await cluster.log("events.dlq")).values() for record in records]
    assert len(letters) == len(POISON)
    for letter in letters:
        own = [(name, value) for name, value in letter.headers if not name.startswith("__connect.errors.")]
        assert (letter.key, letter.value, own) in [(k, v, h) for k, v, h in POISON.values()]
        told = dict(letter.headers)
        assert told["__connect.errors.topic"] == f"{cluster.prefix}.events".encode()
        assert int(told["__connect.errors.partition"]) == letter.partition
        assert told["__connect.errors.exception.message"]
    assert "u1" not in consumer.text


def _place(key: bytes | None) -> int:
    return partition_of(key, 4) if key is not None else 0


async def test_an_event_in_the_wrong_partition_is_a_dead_letter_that_says_how_to_mend_it(cluster: Cluster) -> None:
    cluster.consume()
    event = Event(event_id="e", user_id="u1", type="view", item_id="i")
    wrong = (_place(b"u1") + 1) % 4
    async with cluster.producing() as producer:
        topic = f"{cluster.prefix}.events"
        await producer.send_and_wait(topic, event.SerializeToString(), key=b"u1", partition=wrong)
    await cluster.caught_up()
    (letter,) = [record for records in (await cluster.log("events.dlq")).values() for record in records]
    assert b"murmur2" in dict(letter.headers)["__connect.errors.exception.message"]
    async with cluster.opened() as store:
        assert not (await store.users.ledgers(["u1"]))["u1"].slots


async def test_items_come_and_go_and_the_last_word_counts(cluster: Cluster) -> None:
    cluster.consume()
    topic = f"{cluster.prefix}.items"
    async with cluster.producing() as producer:
        for number in range(3):
            for name in ("a", "b", "c"):
                item = Item(item_id=name, title=f"{name} the {number}th", price=number)
                await producer.send(topic, item.SerializeToString(), key=name.encode())
        await producer.send(topic, None, key=b"b")
        await producer.send(topic, Item(item_id="nothing to say").SerializeToString(), key=b"nothing to say")
        await producer.flush()
    await cluster.caught_up()
    async with cluster.opened() as store:
        known = await store.items.known(["a", "b", "c", "nothing to say"])
    assert {name: one.item.title for name, one in known.items()} == {"a": "a the 2th", "c": "c the 2th"}
    assert sum(len(records) for records in (await cluster.log("items.dlq")).values()) == 1


async def test_a_store_that_is_gone_for_a_while_holds_the_consumer_and_loses_nothing(cluster: Cluster) -> None:
    load = Load(SEED + 5)
    consumer = cluster.consume()
    await cluster.produce(load.events(50))
    await cluster.caught_up()
    cluster.qdrant.kill()
    try:
        await cluster.produce(load.events(100))
        await asyncio.to_thread(consumer.said, "held by a neighbour(.|\n)*held by a neighbour")
    finally:
        await asyncio.to_thread(cluster.qdrant.start)
    await cluster.produce(load.events(20))
    await cluster.caught_up()
    await assert_is_the_fold(cluster)
    assert await asyncio.to_thread(consumer.stop) == 0


async def test_a_consumer_that_is_asked_to_end_while_the_store_is_gone_ends_in_order(cluster: Cluster) -> None:
    consumer = cluster.consume()
    await cluster.produce(Load(SEED + 6).events(20))
    await cluster.caught_up()
    cluster.qdrant.kill()
    try:
        assert await asyncio.to_thread(consumer.stop) == 0
    finally:
        await asyncio.to_thread(cluster.qdrant.start)


async def test_a_broker_that_restarts_and_one_that_is_killed_lose_nothing(
    qdrant: QdrantProcess, prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    broker = here(Broker(tmp_path_factory.mktemp("own-kafka")))
    cluster = Cluster(broker, qdrant, prefix, tmp_path_factory.mktemp("cluster"))
    try:
        await create(cluster.settings.kafka)
        load, consumer = Load(SEED + 6), cluster.consume()
        await cluster.produce(load.events(100))
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        await cluster.produce(load.events(100))
        await cluster.caught_up()
        await cluster.produce(load.events(100))
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        await cluster.produce(load.events(100))
        await cluster.caught_up()
        await assert_is_the_fold(cluster)
        await asyncio.to_thread(broker.kill)
        assert await asyncio.to_thread(consumer.stop, 10.0) == 0
    finally:
        cluster.end()
        broker.stop()


async def test_partitions_that_were_added_are_refused_with_instructions(cluster: Cluster) -> None:
    consumer = cluster.consume()
    await cluster.produce(Load(SEED).events(10))
    await cluster.caught_up()
    assert await asyncio.to_thread(consumer.stop) == 0
    async with _admin(cluster) as admin:
        await admin.create_partitions({f"{cluster.prefix}.events": NewPartitions(6)})
    again = cluster.consume()
    assert await asyncio.to_thread(again.process.wait, 60) == 2
    assert "penchant rebuild" in again.text
    assert f"{cluster.prefix}.events" in again.text


async def test_a_topic_that_was_made_anew_is_refused_with_instructions(cluster: Cluster) -> None:
    load = Load(SEED)
    consumer = cluster.consume()
    await cluster.produce(load.events(40))
    await cluster.caught_up()
    assert await asyncio.to_thread(consumer.stop) == 0
    topic = f"{cluster.prefix}.events"
    async with _admin(cluster) as admin:
        await admin.delete_topics([topic])
    await cluster.until(lambda: _gone(cluster, topic))
    await create(cluster.settings.kafka)
    # More than there were: the end of the log alone does not give it away.
    await cluster.produce(load.events(80))
    again = cluster.consume()
    assert await asyncio.to_thread(again.process.wait, 60) == 2
    assert "made anew" in again.text
    assert "penchant rebuild" in again.text


async def _gone(cluster: Cluster, topic: str) -> bool:
    async with AIOKafkaConsumer(bootstrap_servers=cluster.broker.bootstrap) as consumer:
        return topic not in await consumer.topics()


class _admin:  # noqa: N801 a context manager in a function's clothes
    def __init__(self, cluster: Cluster) -> None:
        self._client = AIOKafkaAdminClient(bootstrap_servers=cluster.broker.bootstrap)

    async def __aenter__(self) -> AIOKafkaAdminClient:
        await self._client.start()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


async def test_neighbours_that_cannot_be_reached_at_the_start_are_waited_for_and_named(cluster: Cluster) -> None:
    began = time.monotonic()
    consumer = cluster.consume(PENCHANT_STORE="qdrant://127.0.0.1:9", PENCHANT_KAFKA__START_TIMEOUT="2")
    assert await asyncio.to_thread(consumer.process.wait, 60) == 2
    assert "waiting for the store" in consumer.text
    assert "127.0.0.1:9" in consumer.text
    assert time.monotonic() - began > 1.0
    consumer = cluster.consume(PENCHANT_KAFKA__BOOTSTRAP="127.0.0.1:9", PENCHANT_KAFKA__START_TIMEOUT="2")
    assert await asyncio.to_thread(consumer.process.wait, 60) == 2
    assert "127.0.0.1:9" in consumer.text


async def test_missing_topics_are_named_with_the_command_that_makes_them(cluster: Cluster) -> None:
    consumer = cluster.consume(PENCHANT_KAFKA__TOPIC_PREFIX=f"{cluster.prefix}-none")
    assert await asyncio.to_thread(consumer.process.wait, 60) == 2
    assert "penchant topics create" in consumer.text


async def test_consumers_of_one_name_are_told_which_setting_it_is(cluster: Cluster) -> None:
    twins = []
    for _ in range(2):
        twins.append(cluster.consume(PENCHANT_KAFKA__INSTANCE="twin"))
        await asyncio.to_thread(twins[-1].said, "partitions assigned")

    async def told() -> bool:
        return any("kafka.instance" in twin.text for twin in twins)

    await cluster.until(told)
    twins[1].kill()
    await cluster.produce(Load(SEED).events(20))
    await cluster.caught_up()

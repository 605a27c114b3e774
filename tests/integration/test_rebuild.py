"""A store rebuilt from the log is the store that was learnt live, and comes into use without anybody noticing."""

import asyncio
import json
import signal
from collections.abc import Iterable
from typing import Any

import grpc
import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from penchant.v1 import catalog_pb2, recommendation_pb2, recommendation_pb2_grpc
from penchant_adapters.kafka.connection import admin, started
from penchant_adapters.qdrant.store import open_qdrant
from penchant_core.log import UserState
from penchant_core.tuning import Covisitation

from tests.cluster import PARTITIONS, PENCHANT, Cluster, Running, assert_is_the_fold, assert_same_counts
from tests.integration.test_cluster_crashes import ITEMS, USERS, Load

REBUILD = (PENCHANT, "rebuild")


async def shelve(cluster: Cluster, items: Iterable[int], title: str = "thing") -> None:
    """Write descriptions as producers do."""
    async with cluster.producing() as producer:
        for n in items:
            item = catalog_pb2.Item(item_id=f"item-{n}", title=f"{title} {n}")
            await producer.send_and_wait(f"{cluster.prefix}.items", item.SerializeToString(), key=item.item_id.encode())


async def learnt_live(cluster: Cluster, load: Load, count: int = 600) -> Running:
    """Have a consumer learn some events, a poison record among them."""
    await shelve(cluster, range(ITEMS))
    consumer = cluster.consume()
    await cluster.produce(load.events(count))
    async with cluster.producing() as producer:
        await producer.send_and_wait(f"{cluster.prefix}.events", b"\xff\xff", key=b"u1")
    await cluster.caught_up()
    return consumer


async def store_of(cluster: Cluster) -> tuple[dict[str, UserState], dict[str, Any], Any]:
    async with cluster.opened() as store:
        users = {one.user_id: one.written.state async for page in store.users.all() for one in page}
        items = {one.item_id: one async for page in store.items.all() for one in page}
        return users, items, (store.generation, store.store_id, await store.generations.all())


async def ended(running: Running) -> str:
    """Wait for the end of a process that goes well."""
    assert await asyncio.to_thread(running.process.wait, 60) == 0, running.text
    return running.text


async def test_a_rebuild_is_the_store_that_was_learnt_live_and_consumers_go_on_from_it(cluster: Cluster) -> None:
    load = Load(11)
    consumer = await learnt_live(cluster, load)
    users, items, (generation, store_id, _) = await store_of(cluster)
    dead = sum(map(len, (await cluster.log("events.dlq")).values()))
    rebuilding = cluster.start(*REBUILD, "--json")
    await asyncio.to_thread(rebuilding.said, "Stop the consumers now")
    # It follows the log while it waits.
    await cluster.produce(load.events(50))
    await shelve(cluster, [0], "renamed")
    await cluster.caught_up()
    assert await asyncio.to_thread(consumer.stop) == 0
    # And learns what came after the consumers had gone.
    await cluster.produce(load.events(50))
    report = json.loads((await ended(rebuilding)).splitlines()[-1])
    assert report["passed_over"] == 1
    assert report["items"] == ITEMS + 1
    await assert_is_the_fold(cluster)
    after, shelved, found = await store_of(cluster)
    assert found == (generation + 1, store_id, [generation + 1])
    assert after.keys() == users.keys()
    assert len(after) == USERS
    assert shelved["item-0"].item.title == "renamed 0"
    for item_id, one in items.items():
        assert (shelved[item_id].item is None) == (one.item is None)
    assert sum(map(len, (await cluster.log("events.dlq")).values())) == dead == 1
    cluster.consume()
    await cluster.produce(load.events(100))
    await cluster.caught_up()
    await assert_is_the_fold(cluster)
    assert sum(map(len, (await cluster.log("events.dlq")).values())) == 1


async def test_states_and_counts_are_those_that_were_learnt_live_to_the_last_bit(cluster: Cluster) -> None:
    consumer = await learnt_live(cluster, Load(12), 300)
    assert await asyncio.to_thread(consumer.stop) == 0
    users, items, _ = await store_of(cluster)
    await ended(cluster.start(*REBUILD, "--no-wait", "--keep-old"))
    after, shelved, found = await store_of(cluster)
    assert found[2] == [1, 2]
    for user, state in users.items():
        assert (after[user].ledger, after[user].through) == (state.ledger, state.through)
    assert shelved.keys() == items.keys()
    for item_id, one in items.items():
        assert shelved[item_id].counts.told == one.counts.told
        assert_same_counts(shelved[item_id].counts.counts, one.counts.counts, item_id)
        assert (shelved[item_id].item, shelved[item_id].rev) == (one.item, one.rev)
        assert (shelved[item_id].vector is None) == (one.vector is None)
        if one.vector is not None:
            assert np.array_equal(shelved[item_id].vector, one.vector)
        # A sleeper of the old store wrote with a lower offset of the pairs, whoever is next has a higher one.
        assert shelved[item_id].at >= one.at


async def test_servers_answer_without_an_error_through_the_switch(cluster: Cluster) -> None:
    consumer = await learnt_live(cluster, Load(13), 200)
    _, address = await asyncio.to_thread(cluster.serve)
    assert await asyncio.to_thread(consumer.stop) == 0
    asked = 0
    async with grpc.aio.insecure_channel(address) as channel:
        lists: Any = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        rebuilding = cluster.start(*REBUILD)
        while rebuilding.process.poll() is None or asked < 50:
            answer = await lists.Recommend(recommendation_pb2.RecommendRequest(user_id=f"u{asked % USERS}"))
            assert answer.recommendations
            asked += 1
    assert rebuilding.process.returncode == 0, rebuilding.text


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_a_rebuild_that_is_cut_short_changes_nothing_and_can_be_run_again(
    cluster: Cluster, end: signal.Signals
) -> None:
    consumer = await learnt_live(cluster, Load(14), 200)
    before = await store_of(cluster)
    rebuilding = cluster.start(*REBUILD)
    # The consumer lives, so it waits, all but the switch being done.
    await asyncio.to_thread(rebuilding.said, "Stop the consumers now")
    rebuilding.process.send_signal(end)
    assert await asyncio.to_thread(rebuilding.process.wait, 30) == (-9 if end == signal.SIGKILL else 130)
    after = await store_of(cluster)
    assert after[2][:2] == before[2][:2]
    assert after[2][2] == ([1, 2] if end == signal.SIGKILL else [1])
    assert after[0] == before[0]
    assert await asyncio.to_thread(consumer.stop) == 0
    await ended(cluster.start(*REBUILD))
    await assert_is_the_fold(cluster)
    assert (await store_of(cluster))[2][2] == [2]


async def test_refused_are_living_consumers_missing_topics_other_partitions_and_a_log_without_its_beginning(
    cluster: Cluster,
) -> None:
    consumer = await learnt_live(cluster, Load(15), 100)

    async def refused(*more: str, **variables: str) -> str:
        running = cluster.start(*REBUILD, *more, **variables)
        assert await asyncio.to_thread(running.process.wait, 60) == 2, running.text
        return running.text

    assert "there are consumers at work" in await refused("--no-wait")
    assert await asyncio.to_thread(consumer.stop) == 0
    assert "penchant topics create" in await refused(PENCHANT_KAFKA__TOPIC_PREFIX=f"{cluster.prefix}-none")
    assert "partitions" in await refused(PENCHANT_KAFKA__PARTITIONS=str(PARTITIONS + 1))
    await delete_first_events(cluster)
    assert "--from-what-is-left" in await refused()
    async with cluster.opened() as store:
        assert await store.generations.all() == [1]
    await ended(cluster.start(*REBUILD, "--from-what-is-left"))


async def delete_first_events(cluster: Cluster) -> None:
    settings = cluster.settings.kafka
    partition = next(p for p, records in (await cluster.log("events")).items() if len(records) > 1)
    async with started(admin(settings), settings) as client:
        place = TopicPartition(f"{cluster.prefix}.events", partition)
        await client.delete_records({place: RecordsToDelete(before_offset=1)})


async def test_other_settings_of_counting_are_what_a_rebuild_is_for(cluster: Cluster) -> None:
    consumer = await learnt_live(cluster, Load(16), 100)
    assert await asyncio.to_thread(consumer.stop) == 0
    await ended(cluster.start(*REBUILD, PENCHANT_COVISITATION__REACH="3"))
    settings = cluster.settings
    async with open_qdrant(settings.store, None, None, Covisitation(reach=3), settings.qdrant, create=False) as store:
        assert store.generation == 2

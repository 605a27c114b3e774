"""Over a real log nothing is lost and nothing counts twice, whenever a consumer is killed, frozen or replaced."""

import asyncio
import signal
import subprocess
from collections.abc import Callable
from random import Random

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1.event_pb2 import Event

from tests.cluster import Cluster, Running, assert_is_the_fold

SEED = 20_261_124
USERS, ITEMS = 60, 30
"""So many users that their events fit their ledgers: beyond that, counts depend on how batches are cut."""
WORDS = ["warm and light", "好吃", "خفيف جدا", "réparation facile"]


class Load:
    """Events as careless producers send them: late, repeated, in no order."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._sent: list[Event] = []

    def events(self, count: int) -> list[Event]:
        """Some events, a tenth of them known."""
        return [self._again() if self._sent and self._chance.random() < 0.1 else self._fresh() for _ in range(count)]

    async def until(self, cluster: Cluster, running: Running, fact: Callable[[Running], bool]) -> None:
        """Produce a few events at a time, so that batches are small and many, until something has happened."""
        while not fact(running):
            await cluster.produce(self.events(7))
            await asyncio.sleep(0.2)

    def _again(self) -> Event:
        return self._chance.choice(self._sent)

    def _fresh(self) -> Event:
        chance = self._chance
        event = Event(
            event_id=f"e{len(self._sent)}",
            user_id=f"u{chance.randrange(USERS)}",
            type=chance.choice(["view", "like", "purchase", "hide", "review"]),
            item_id=f"item-{chance.randrange(ITEMS)}",
            text=f"{chance.choice(WORDS)} {chance.randrange(50)}" if chance.random() < 0.2 else "",
        )
        if chance.random() < 0.8:
            event.occurred_at.CopyFrom(Timestamp(seconds=1_780_000_000 + chance.randrange(10**6)))
        self._sent.append(event)
        return event


STEPS = [
    ("after", "tell", 3),
    ("before", "encode", 2),
    ("after", "encode", 2),
    ("before", "write", 2),
    ("after", "write", 2),
    ("before", "tell", 4),
    ("before", "count", 2),
    ("after", "count", 2),
    ("before", "commit", 2),
    ("after", "commit", 2),
]
"""When, what, the how manieth."""


async def test_kill_9_before_and_after_every_step_loses_nothing_and_counts_nothing_twice(cluster: Cluster) -> None:
    load = Load(SEED)
    # A static member takes its partitions over at once; another one would wait for the dead one's session to end.
    name = {"PENCHANT_KAFKA__INSTANCE": "the-one"}
    for when, step, number in STEPS:
        consumer = cluster.crashing(when, step, number, **name)
        await load.until(cluster, consumer, lambda one: one.process.poll() is not None)
        assert consumer.process.returncode == -signal.SIGKILL, consumer.text
    cluster.consume(**name)
    await cluster.caught_up()
    expected = await assert_is_the_fold(cluster)
    assert len(expected.ledgers) == USERS


async def test_a_frozen_consumer_that_wakes_up_as_a_zombie_changes_nothing_for_the_worse(cluster: Cluster) -> None:
    load = Load(SEED + 1)
    for step in ("write", "count"):
        zombie = cluster.crashing("freeze", step, 3)
        await load.until(cluster, zombie, lambda one: "freezing" in one.text)
        heir = cluster.consume()
        await cluster.produce(load.events(200))
        await cluster.caught_up()
        zombie.process.send_signal(signal.SIGCONT)
        await cluster.produce(load.events(50))
        await asyncio.to_thread(zombie.said, "went to somebody else|partitions assigned(.|\n)*partitions assigned")
        await cluster.produce(load.events(50))
        await cluster.caught_up()
        await assert_is_the_fold(cluster)
        zombie.kill()
        assert heir.stop() == 0


async def test_consumers_that_come_and_go_under_load_learn_what_one_would(cluster: Cluster) -> None:
    load = Load(SEED + 2)
    first = cluster.consume()
    await asyncio.to_thread(first.said, "partitions assigned")
    await cluster.produce(load.events(300))
    second = cluster.consume()
    await cluster.produce(load.events(600))
    await asyncio.to_thread(second.said, "partitions assigned")
    await cluster.produce(load.events(600))
    assert await asyncio.to_thread(first.stop) == 0
    await cluster.produce(load.events(300))
    third = cluster.consume()
    second.kill()
    await cluster.produce(load.events(100))
    await cluster.caught_up()
    await assert_is_the_fold(cluster)
    assert await asyncio.to_thread(third.stop) == 0


async def test_sigterm_in_mid_batch_ends_in_order_within_ten_seconds(cluster: Cluster) -> None:
    consumer = cluster.consume()
    await asyncio.to_thread(consumer.said, "partitions assigned")
    await cluster.produce(Load(SEED + 3).events(3_000))
    await asyncio.to_thread(consumer.said, "partitions assigned")
    try:
        assert await asyncio.to_thread(consumer.stop, 10.0) == 0
    except subprocess.TimeoutExpired:
        pytest.fail(f"it is still there:\n{consumer.text}")
    cluster.consume()
    await cluster.caught_up()
    await assert_is_the_fold(cluster)

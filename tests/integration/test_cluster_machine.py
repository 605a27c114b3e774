"""Whatever befalls real consumers of a real log, nothing is lost and nothing counts twice.

A machine of Hypothesis plays with a broker, the store's engine and ``penchant consume`` as processes. It prints its
seed; ``PENCHANT_TEST_MACHINE_SEED`` draws the same steps again, though processes keep a timing of their own, and
``PENCHANT_TEST_MACHINE_EXAMPLES`` plays more.
"""

import asyncio
import os
import secrets
import signal
import sys
import time
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, assume, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, run_state_machine_as_test
from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event
from penchant_adapters.kafka.deadletters import send_exactly
from penchant_adapters.kafka.topics import create, partition_of
from penchant_bench.neighbours.kafka import Broker
from penchant_bench.neighbours.qdrant import QdrantProcess

from tests.cluster import PARTITIONS, Cluster, assert_is_the_fold
from tests.integration.mishaps import (
    ACTS,
    DOOM,
    HOW,
    ITEMS,
    POISONS,
    SHELVED,
    USERS,
    Act,
    Doom,
    How,
    Member,
    Poison,
    Sent,
    dead_letters,
    step,
)
from tests.kafka import here

SEED = int(os.environ.get("PENCHANT_TEST_MACHINE_SEED") or secrets.randbelow(2**32))
EXAMPLES = int(os.environ.get("PENCHANT_TEST_MACHINE_EXAMPLES") or 1)
LENGTH = 7  # steps of an example
MEMBERS = 3
"""Consumers at once, frozen ones too; the oldest is killed when one more joins."""
COSTLY = {"join": 1, "store": 1, "broker": 1}
"""What takes seconds, and how often it may happen in an example."""
WHO = st.integers(0, MEMBERS - 1)


class Mishaps(RuleBasedStateMachine):
    """What may happen to a cluster. What a rule does follows from what was drawn, never from how far processes are."""

    broker: ClassVar[Broker]
    qdrant: ClassVar[QdrantProcess]
    folder: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()
        prefix = f"t{uuid.uuid4().hex[:12]}"
        (self.folder / prefix).mkdir()
        self.cluster = Cluster(self.broker, self.qdrant, prefix, self.folder / prefix)
        self.loop = asyncio.Runner()
        self.members: list[Member] = []
        self.sent: list[Event] = []
        self.titles: dict[str, str] = {}
        self.letters: dict[str, dict[tuple[int, int], Sent]] = {"events": {}, "items": {}}
        self.settled = False
        self.left = dict(COSTLY)

    def say(self, what: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self.began:5.1f} s  {what[:200]}\n")

    def run(self, what: Coroutine[Any, Any, object]) -> None:
        self.settled = False
        self.loop.run(what)

    @initialize(acts=ACTS, doom=DOOM, doom_too=DOOM, how=HOW, how_too=HOW, zest=st.integers(0, 1_000))
    def begin(self, acts: list[Act], doom: Doom, doom_too: Doom, how: How, how_too: How, zest: int) -> None:
        """Three consumers; two of them are cut short in their work, and others take it over."""
        # Drawn last: else every other example would be one of the simplest of all.
        assume(zest)
        self.say(f"begin {how} {doom} {how_too} {doom_too}")
        self.run(create(self.cluster.settings.kafka))
        self._produce(acts[:5])
        self._join(How())
        self._join(how, doom)
        self._fail(how_too, doom_too, acts)

    @step(acts=ACTS)
    def produce(self, acts: list[Act]) -> None:
        """Events come: late ones, known ones, known ones in other words."""
        self._produce(acts)

    @step(first=st.integers(0, 50), count=st.integers(5, 20))
    def repeat(self, first: int, count: int) -> None:
        """Two producers send what was sent before, at the same time, in other orders."""
        again = self.sent[first % len(self.sent) :][:count]

        async def both() -> None:
            await asyncio.gather(self.cluster.produce(again), self.cluster.produce(again[::-1]))

        self.run(both())

    @step(poisons=POISONS)
    def poison(self, poisons: list[Poison]) -> None:
        """Records come that nobody can learn from."""
        self._poison(poisons)

    @step(shelved=SHELVED)
    def shelve(self, shelved: dict[str, str]) -> None:
        """Items come and go."""
        self._shelve(shelved)

    @step(lambda self: self.left["join"], how=HOW, acts=ACTS)
    def join(self, how: How, acts: list[Act]) -> None:
        """One more consumer: partitions move."""
        self.left["join"] -= 1
        self._join(how).until_it_works()
        self._produce(acts)

    @step(lambda self: self.left["join"], how=HOW, doom=DOOM, acts=ACTS)
    def join_and_fail(self, how: How, doom: Doom, acts: list[Act]) -> None:
        """One more consumer, which kills or freezes itself in the middle of its work."""
        self.left["join"] -= 1
        self._fail(how, doom, acts)

    @step(lambda self: self.members, who=WHO, acts=ACTS)
    def kill(self, who: int, acts: list[Act]) -> None:
        """A consumer dies, whatever it is about to do."""
        self._produce(acts)
        self._member(who, leaves=True).running.kill()

    @step(lambda self: self.members, who=WHO)
    def stop(self, who: int) -> None:
        """A consumer is asked to end and does, in order."""
        self._member(who, leaves=True).stop()

    @step(lambda self: self.members, who=WHO, acts=ACTS)
    def freeze(self, who: int, acts: list[Act]) -> None:
        """A consumer freezes in the middle of its work."""
        self._produce(acts)
        member = self._member(who)
        member.frozen = True
        member.signal(signal.SIGSTOP)

    @step(lambda self: any(m.frozen or (m.doom and m.doom.when == "freeze") for m in self.members), acts=ACTS)
    def wake(self, acts: list[Act]) -> None:
        """All who are frozen wake, and there is more to do."""
        for member in self.members:
            member.wake()
        self._produce(acts)

    @step(lambda self: self.left["store"], acts=ACTS)
    def lose_the_store(self, acts: list[Act]) -> None:
        """The store is killed and comes back; events come meanwhile."""
        self.left["store"] -= 1
        self.qdrant.kill()
        try:
            self._produce(acts)
        finally:
            self.qdrant.start()

    @step(lambda self: self.left["broker"], in_order=st.booleans())
    def restart_the_broker(self, in_order: bool) -> None:
        """The broker ends, in order or not, and comes back."""
        self.left["broker"] -= 1
        (self.broker.stop if in_order else self.broker.kill)()
        self.broker.start()

    @step(lambda self: not self.settled)
    def settle(self) -> None:
        """Who is awake comes to the end of the log, while others sleep: all is learnt."""
        if all(member.frozen or member.doom for member in self.members):
            self._join(How())
        self.run(self._assert_learnt())
        self.settled = True

    @invariant()
    def nobody_gave_up(self) -> None:
        for member in self.members:
            if member.running.process.poll() is not None:
                member.assert_ended(asked=False)

    def teardown(self) -> None:
        """Sleepers wake, all but one leave in order, and what that one comes to is the fold."""
        try:
            if sys.exception() is None:
                self._finish()
        except BaseException:
            sys.stdout.write("\n".join(f"{one.log}:\n{one.text[-5_000:]}" for one in self.cluster.processes))
            raise
        finally:
            self.cluster.end()
            self.loop.close()

    def _finish(self) -> None:
        self.say("finish")
        one = next((member for member in self.members if not member.doom), None) or self._join(How())
        one.wake()
        for member in self.members:
            if member is not one:
                member.stop()
        self.run(self._assert_learnt())
        one.stop()
        self.say("finished")

    def _produce(self, acts: list[Act]) -> None:
        """Produce a few events at a time, so that batches are small and many."""
        events = [act.event for act in acts]
        self.sent += events
        for start in range(0, len(events), 4):
            self.run(self.cluster.produce(events[start : start + 4]))

    def _poison(self, poisons: list[Poison]) -> None:
        async def written() -> None:
            async with self.cluster.producing() as producer:
                for topic, (key, value, headers), aside in poisons:
                    place = ((partition_of(key, PARTITIONS) if key is not None else 0) + aside) % PARTITIONS
                    done = await send_exactly(producer, f"{self.cluster.prefix}.{topic}", place, key, value, headers)
                    self.letters[topic][place, (await done).offset] = key, value, headers

        self.run(written())

    def _shelve(self, shelved: dict[str, str]) -> None:
        async def written() -> None:
            async with self.cluster.producing() as producer:
                for name, title in shelved.items():
                    value = Item(item_id=name, title=title).SerializeToString() if title else None
                    await producer.send_and_wait(f"{self.cluster.prefix}.items", value, key=name.encode())

        self.titles |= shelved
        self.run(written())

    def _member(self, who: int, *, leaves: bool = False) -> Member:
        who %= len(self.members)
        return self.members.pop(who) if leaves else self.members[who]

    def _join(self, how: How, doom: Doom | None = None) -> Member:
        # Of one name there is one at a time.
        gone = [member for member in self.members if how.name and member.name == how.name]
        for member in gone or self.members[: max(0, len(self.members) + 1 - MEMBERS)]:
            self.members.remove(member)
            member.running.kill()
        manner = {"PENCHANT_KAFKA__MAX_BATCH": str(how.batch), "PENCHANT_KAFKA__INSTANCE": how.name}
        if doom is None:
            running = self.cluster.consume(**manner)
        else:
            running = self.cluster.crashing(doom.when, doom.step, doom.number, **manner)
        self.members.append(Member(running, how.name, doom))
        return self.members[-1]

    def _fail(self, how: How, doom: Doom, acts: list[Act]) -> None:
        self._join(how, doom).until_it_works()
        self._shelve({ITEMS[0]: "a stove"})
        self._poison([Poison("events", (b"u0", b"\xff", []), 0)])
        self._produce(acts)

    async def _assert_learnt(self) -> None:
        await self.cluster.caught_up()
        expected = await assert_is_the_fold(self.cluster)
        async with self.cluster.opened() as store:
            ledgers = await store.users.ledgers(USERS)
            assert {user for user, ledger in ledgers.items() if ledger.slots} == set(expected.ledgers)
            known = await store.items.known(ITEMS)
        assert {name: one.item.title for name, one in known.items()} == {n: t for n, t in self.titles.items() if t}
        for topic, letters in self.letters.items():
            assert await dead_letters(self.cluster, topic) == letters


def test_whatever_befalls_real_consumers_every_event_is_learnt_once(qdrant: QdrantProcess, tmp_path: Path) -> None:
    told = f"PENCHANT_TEST_MACHINE_SEED={SEED}"
    sys.stdout.write(f"{told}\n")
    Mishaps.broker, Mishaps.qdrant, Mishaps.folder = here(Broker(tmp_path / "kafka")), qdrant, tmp_path
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=LENGTH,
        derandomize=False,
        database=None,
        # An example takes too long to be made smaller.
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(SEED)(Mishaps), settings=chosen)
    except BaseException as error:
        error.add_note(told)
        raise
    finally:
        Mishaps.broker.stop()

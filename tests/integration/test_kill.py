"""Nothing acknowledged is lost and nothing counts twice, at whatever moment the process is killed."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1.event_pb2 import Event, RecordEventsRequest
from penchant_adapters.edge import EdgeStore, open_edge
from penchant_core.counts import Counts, changes_of
from penchant_core.covisitation import added, flow_between, occurrences
from penchant_core.errors import OutOfSpace
from penchant_core.ledger import CAPACITY, Ledger
from penchant_core.model import Event as Fact
from penchant_core.model import Item
from penchant_core.pipeline import Learner, Stores
from penchant_core.ports import Tally
from penchant_core.tuning import Covisitation, Tuning
from penchant_core.vectors import Matrix

from tests.integration.conftest import ITEMS, Client, Start, assert_same_counts

ROUNDS = 10
USERS = 60
SEED = 20_261_124


def some_event(chance: Random, number: int) -> Event:
    """An event among many; late ones change what was counted before."""
    return Event(
        event_id=f"e{number}",
        user_id=f"u{chance.randrange(USERS)}",
        type=chance.choice(["view", "like", "purchase", "hide", "review"]),
        item_id=chance.choice(list(ITEMS)),
        text=chance.choice(["", "", "", "warm and light", "好吃"]),
        occurred_at=Timestamp(seconds=1_780_000_000 + chance.randrange(10**6)),
    )


class Load:
    """What was sent and what was acknowledged, over the whole life of a directory."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.sent: dict[str, Event] = {}
        self.acknowledged: dict[str, Event] = {}
        self.unanswered: list[Event] = []

    def batch(self) -> list[Event]:
        fresh = [some_event(self.chance, len(self.sent) + n) for n in range(self.chance.randint(1, 8))]
        self.sent |= {event.event_id: event for event in fresh}
        # As a client does that got no answer: the same again.
        again = self.chance.sample(self.unanswered, min(2, len(self.unanswered)))
        return [*fresh, *again]

    async def stream(self, client: Client, enough: asyncio.Event, limit: int) -> None:
        """Send without waiting, take note of every acknowledgement, until the service is gone."""
        flying: list[list[Event]] = []
        room = asyncio.Semaphore(6)
        call = client.events.RecordEvents()

        async def send() -> None:
            while True:
                await room.acquire()
                flying.append(self.batch())
                await call.write(RecordEventsRequest(events=flying[-1]))

        sending = asyncio.create_task(send())
        done = 0
        try:
            async for answer in call:
                for event, told in zip(flying[done], answer.acknowledgements, strict=True):
                    assert event.event_id == told.event_id
                    assert not told.HasField("error"), told
                    self.acknowledged[event.event_id] = event
                done += 1
                room.release()
                if len(self.acknowledged) >= limit:
                    enough.set()
        except grpc.aio.AioRpcError as error:
            # The client's own library calls a message that the kill cut in two an internal error of its core.
            assert error.code() == grpc.StatusCode.UNAVAILABLE or "from Core" in str(error.details())  # noqa: PT017 the loop ends by the kill only
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self.unanswered += [event for batch in flying[done:] for event in batch]


async def redelivered(client: Client, events: Sequence[Event]) -> bool:
    """Tell whether the service knows all of these already."""
    told = await client.deliver(*(events[n : n + 1000] for n in range(0, len(events), 1000)))
    return all(one.unchanged for one in told)


@pytest.mark.parametrize("seed", [SEED])
async def test_kill_9_under_load_loses_nothing_acknowledged_and_counts_nothing_twice(
    store: Path, up: Start, seed: int
) -> None:
    load, began, known = Load(seed), time.monotonic(), 0
    for number in range(ROUNDS):
        running = up(store)
        async with grpc.aio.insecure_channel(running.address) as channel:
            client = Client(channel)
            before = list(load.acknowledged.values())
            assert await redelivered(client, before[known:])
            known = len(before)
            enough, limit = asyncio.Event(), len(before) + load.chance.randrange(250)
            streams = [asyncio.create_task(load.stream(client, enough, limit)) for _ in range(4)]
            async with asyncio.timeout(30):
                await enough.wait()
            await asyncio.to_thread(running.kill)
            await asyncio.gather(*streams)
        print(f"seed {seed}, round {number}: killed at {limit} of {len(load.acknowledged)} acknowledged")  # noqa: T201
        print(f"  {len(load.sent)} sent, {time.monotonic() - began:.1f} s")  # noqa: T201
    await assert_kept(store, load)


async def assert_kept(path: Path, load: Load) -> None:
    made_by = json.loads((path / "store.json").read_text())
    settings = Covisitation(**made_by["covisitation"])
    with open_edge(path, made_by["model"], made_by["dim"], settings, 0) as store:
        await Learner(store.stores, Hashed(), Tuning(covisitation=settings), lambda: 0).recover()
        ledgers = await store.users.ledgers([f"u{n}" for n in range(USERS)])
        assert max(len(ledger.slots) for ledger in ledgers.values()) < CAPACITY, "events may have been dropped"
        kept = {fact.event_id: fact for ledger in ledgers.values() for fact in ledger.live}
        assert load.acknowledged.keys() <= kept.keys() <= load.sent.keys()
        for event_id, fact in kept.items():
            sent = load.sent[event_id]
            assert (fact.user_id, fact.type, fact.item_id, fact.text) == (
                sent.user_id,
                sent.type,
                sent.item_id,
                sent.text,
            )
        await assert_counted_once(store, ledgers, settings)


async def assert_counted_once(store: EdgeStore, ledgers: Mapping[str, Ledger], settings: Covisitation) -> None:
    """The counts in the store are the sum over all ledgers."""
    flow = added(flow_between([], occurrences(ledger.live, Tuning().weights), settings) for ledger in ledgers.values())
    assert flow.visits
    wanted = {item_id: Counts().with_change(change, settings) for item_id, change in changes_of(flow).items()}
    assert_same_counts(await store.items.counts(list(ITEMS)), wanted)
    assert await store.items.sequence() == (await store.users.last())[0]


class Hashed:
    """A small encoder: words far apart, the same every time."""

    name, dim = "hashed", 8

    async def encode(self, texts: Sequence[Any], **_: bool) -> Matrix:
        rows = np.array([np.random.default_rng(list(t.encode())).normal(size=8) for t in texts], np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def story() -> list[list[Fact]]:
    """Six batches; later ones hold earlier moments, so that pairs are taken back."""
    chance = Random(5)
    facts = [
        Fact(f"e{n}", f"u{chance.randrange(3)}", "like", 1_780_000_000_000 + chance.randrange(10**9), item)
        for n, item in enumerate(chance.choices(list(ITEMS), k=60))
    ]
    return [facts[n : n + 10] for n in range(0, 60, 10)]


def crash(path: Path, point: str, turn: int) -> None:
    """Run in a process of its own: learn the story and die at a point of the given commit."""
    import os

    class Dies:
        def __init__(self, inner: object) -> None:
            self._inner = inner
            self._turn = 0

        def __getattr__(self, name: str) -> object:
            inner = getattr(self._inner, name)
            if name not in {"commit", "save"}:
                return inner

            async def call(*given: object) -> None:
                self._turn += 1
                if (point, self._turn) == (f"before {name}", turn):
                    os._exit(9)
                await inner(*given)
                if (point, self._turn) == (f"after {name}", turn):
                    os._exit(9)

            return call

    async def learn() -> None:
        with open_edge(path, "hashed", 8, Covisitation(), 0) as store:
            stores = Stores(Dies(store.users), store.items, Dies(store.items), store.items)  # type: ignore[arg-type]
            learner = Learner(stores, Hashed(), Tuning(), lambda: 0)
            await learner.learn_items([Item(i, title) for i, (title, *_) in ITEMS.items()])
            await learner.recover()
            for batch in story():
                await learner.learn(batch)

    asyncio.run(learn())


def crashed(path: Path, point: str, turn: int) -> int:
    call = f"crash(Path({str(path)!r}), {point!r}, {turn})"
    code = f"from pathlib import Path; from tests.integration.test_kill import crash; {call}"
    return subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode


async def learnt_exactly(path: Path, least: int, most: int) -> None:
    with open_edge(path, "hashed", 8, Covisitation(), 0) as store:
        learner = Learner(store.stores, Hashed(), Tuning(), lambda: 0)
        await learner.recover()
        await learner.recover()
        ledgers = await store.users.ledgers(["u0", "u1", "u2"])
        assert least <= sum(len(ledger.slots) for ledger in ledgers.values()) <= most
        await assert_counted_once(store, ledgers, Covisitation())


@pytest.mark.parametrize(("point", "commits"), [("before commit", 2), ("after commit", 3), ("after save", 3)])
def test_a_crash_between_ledgers_and_counts_is_made_good_exactly_once(tmp_path: Path, point: str, commits: int) -> None:
    assert crashed(tmp_path / "store", point, 3) == 9
    asyncio.run(learnt_exactly(tmp_path / "store", 10 * commits, 10 * commits))
    # The whole story again, from its beginning: what is known is unchanged, what was lost is learnt.
    assert crashed(tmp_path / "store", "never", 0) == 0
    asyncio.run(learnt_exactly(tmp_path / "store", 60, 60))


@pytest.mark.parametrize("point", ["before save", "after save"])
def test_a_crash_while_making_good_a_crash_is_made_good_exactly_once(tmp_path: Path, point: str) -> None:
    assert crashed(tmp_path / "store", "after commit", 3) == 9
    for _ in range(2):
        assert crashed(tmp_path / "store", point, 1) == 9
    asyncio.run(learnt_exactly(tmp_path / "store", 30, 50))


async def test_counts_that_could_not_be_saved_are_added_once_by_the_next_batch(tmp_path: Path) -> None:
    class Full:
        """A tally that fails when it is told to."""

        def __init__(self, inner: Tally) -> None:
            self.inner = inner
            self.full = False

        async def counts(self, item_ids: Sequence[str]) -> dict[str, Counts]:
            return await self.inner.counts(item_ids)

        async def sequence(self) -> int:
            return await self.inner.sequence()

        async def save(self, counts: Mapping[str, Counts], sequence: int) -> None:
            if self.full:
                raise OutOfSpace("full")
            await self.inner.save(counts, sequence)

    with open_edge(tmp_path / "store", "hashed", 8, Covisitation(), 0) as store:
        tally = Full(store.items)
        learner = Learner(Stores(store.users, store.items, tally, store.items), Hashed(), Tuning(), lambda: 0)
        await learner.learn_items([Item(i, title) for i, (title, *_) in ITEMS.items()])
        first, second, *rest = story()
        await learner.learn(first)
        tally.full = True
        for _ in range(2):
            with pytest.raises(OutOfSpace):
                await learner.learn(second)
        tally.full = False
        assert [one.unchanged for one in await learner.learn(second)] == [True] * len(second)
        for batch in rest:
            await learner.learn(batch)
        ledgers = await store.users.ledgers(["u0", "u1", "u2"])
        assert Counter(e.event_id for x in ledgers.values() for e in x.live) == Counter(f"e{n}" for n in range(60))
        await assert_counted_once(store, ledgers, Covisitation())

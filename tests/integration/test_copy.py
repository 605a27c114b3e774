"""A store moved to another place is the same store: to the bit where it is a set, to rounding where it is a sum."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from penchant_adapters.copying import Copied, copy, place_of
from penchant_adapters.edge.store import EdgeStore, made_with, open_edge
from penchant_adapters.encoders import CachedEncoder, VectorFile
from penchant_adapters.encoders.absent import AbsentEncoder
from penchant_adapters.encoders.layout import NO_PROMPTS
from penchant_adapters.process import now
from penchant_adapters.qdrant.drafts import drafted
from penchant_adapters.qdrant.store import QdrantStore, open_qdrant
from penchant_adapters.settings import Settings
from penchant_adapters.settings_groups import QdrantSettings
from penchant_bench.neighbours.qdrant import QdrantProcess
from penchant_core.errors import InvalidSetting, PenchantError, StoreInUse, StoreMismatch
from penchant_core.log import Checkpoint, ItemCounts, UserState, Written
from penchant_core.model import Event, Item
from penchant_core.pipeline import Learner, Library, Recommender, Wish
from penchant_core.ports import Commit, Encoder
from penchant_core.tuning import Tuning
from penchant_core.vectors import Matrix, unit

from tests.contract.test_stores import same

DIM = 24
USERS, ITEMS = 150, 90
TUNING = Tuning()
AT = 1_780_000_000_000


class Hashed:
    """An encoder whose vectors follow from the letters alone."""

    name, dim, prompts, sees = "hashed@1", DIM, NO_PROMPTS, False

    async def encode(self, texts: Sequence[Any], **_: bool) -> Matrix:
        seeds = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") for text in texts]
        rows = [unit(np.random.default_rng(seed).normal(size=DIM).astype(np.float32)) for seed in seeds]
        return np.stack(rows) if rows else np.empty((0, DIM), np.float32)


@dataclass(frozen=True)
class Whole:
    """All that a store holds."""

    users: Mapping[str, Written]
    items: Mapping[str, Any]
    lists: Mapping[str, list[tuple[str, float]]]


async def whole(store: EdgeStore | QdrantStore, encoder: Encoder) -> Whole:
    library = Library(store.users, store.items, store.items)
    recommender = Recommender(library, encoder, TUNING, lambda: AT)
    users = {one.user_id: one.written async for page in store.users.all() for one in page}
    items = {one.item_id: one async for page in store.items.all() for one in page}
    lists = {}
    for user, written in list(users.items())[:25]:
        found = await recommender.recommend(written.state.ledger, Wish(size=10))
        lists[user] = [(one.known.item.item_id, one.score) for one in found]
    return Whole(users, items, lists)


def assert_alike(one: Whole, other: Whole) -> None:
    assert one.users.keys() == other.users.keys()
    for user, written in one.users.items():
        assert other.users[user].state.ledger == written.state.ledger, user
        same_vector(written.interest, other.users[user].interest)
    assert one.items.keys() == other.items.keys()
    for item_id, stored in one.items.items():
        assert other.items[item_id].item == stored.item
        same_vector(stored.vector, other.items[item_id].vector)
        assert same(other.items[item_id].counts.counts, stored.counts.counts), item_id
    for user, wanted in one.lists.items():
        assert len(wanted) == 10
        assert [item for item, _ in other.lists[user]] == [item for item, _ in wanted], user
        # Words that users said are kept as half-precision numbers.
        assert [score for _, score in other.lists[user]] == pytest.approx([score for _, score in wanted], rel=5e-4)


def same_vector(one: Any, other: Any) -> None:
    assert (one is None) == (other is None)
    if one is not None:
        assert one.tolist() == other.tolist()


@asynccontextmanager
async def edge(path: Path) -> AsyncIterator[EdgeStore]:
    with open_edge(path, Hashed.name, DIM, TUNING.covisitation, 0) as store:
        yield store


@asynccontextmanager
async def on_qdrant(qdrant: QdrantProcess, prefix: str) -> AsyncIterator[QdrantStore]:
    settings = QdrantSettings(prefix=prefix)
    async with open_qdrant(qdrant.url, None, None, TUNING.covisitation, settings, create=False) as store:
        yield store


async def learnt(path: Path) -> None:
    """Make an embedded store as ``penchant up`` does."""
    chance = Random(1)
    async with edge(path) as store, VectorFile(path / "vectors.sqlite") as file:
        learner = Learner(store.stores, CachedEncoder(Hashed(), file), TUNING, now)
        await learner.learn_items(
            [Item(f"i{n}", f"title {n}", categories=(f"c{n % 5}",), unavailable=n == 7) for n in range(ITEMS)]
        )
        events = [
            Event(
                event_id=f"e{n}",
                user_id=f"u{chance.randrange(USERS)}",
                type=chance.choice(["view", "purchase", "hide", "search"]),
                occurred_at=AT + chance.randrange(10**6),
                item_id=f"i{chance.randrange(ITEMS)}",
                text=f"words {chance.randrange(40)}" if chance.random() < 0.2 else "",
            )
            for n in range(2_500)
        ]
        for start in range(0, len(events), 100):
            await learner.learn(events[start : start + 100])
        await learner.forget_items(["i3", "i4"])
        forgetful = (await store.users.ledgers(["u5"]))["u5"]
        await store.users.commit(
            Commit(learner.sequence + 1, {"u5": forgetful.without([forgetful.slots[0].event_id], now=5)})
        )
        await store.items.save({}, learner.sequence + 1)


def command(*arguments: str, crash: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``penchant copy``, with a few lines of sabotage before."""
    program = f"import sys; sys.argv = {['penchant', 'copy', *arguments]!r}\n{crash}\n"
    program += "from penchant_cli.entry import main; main()"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENCHANT_")}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=inherited, timeout=60, check=False
    )


async def copied(source: str, target: str, *, replacing: bool = False, **given: Any) -> Copied:
    """Copy in this process."""
    settings = Settings(min_free_bytes=0, **given)
    places = place_of(source, settings.qdrant), place_of(target, settings.qdrant)
    return await copy(*places, settings, lambda *_: None, replacing=replacing)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("first") / "store"
    asyncio.run(learnt(path))
    return path


@pytest.fixture
def source(first: Path, tmp_path: Path) -> Path:
    """The test's own embedded store."""
    shutil.copytree(first, tmp_path / "source")
    return tmp_path / "source"


async def test_a_store_copied_there_and_back_is_the_same_and_recommends_the_same(
    source: Path, qdrant: QdrantProcess, prefix: str, tmp_path: Path
) -> None:
    done = command(f"edge://{source}", f"{qdrant.url}/{prefix}", "--json")
    assert done.returncode == 0, done.stderr
    assert re.search(r"users: 150 of 150, [0-9,]+/s\nitems: 90 of 90", done.stderr), done.stderr
    there = json.loads(done.stdout)
    back = asdict(await copied(f"{qdrant.url}/{prefix}", f"edge://{tmp_path}/back"))
    async with edge(source) as store:
        wanted = await whole(store, Hashed())
    assert len(wanted.users) > 140
    assert wanted.users["u5"].state.ledger.forgotten
    assert [wanted.items[i].item for i in ("i3", "i4")] == [None, None]
    assert wanted.items["i3"].counts.counts.visits > 0
    async with on_qdrant(qdrant, prefix) as middle:
        assert_alike(wanted, await whole(middle, Hashed()))
        names = {middle.store_id}
    async with edge(tmp_path / "back") as store:
        assert_alike(wanted, await whole(store, Hashed()))
        names |= {store.store_id}
        # And it goes on learning.
        learner = Learner(store.stores, Hashed(), TUNING, now)
        await learner.learn([Event("new", "u1", "view", AT, "i1")])
        assert learner.sequence == 1
    for report in (there, back):
        assert (report["users"], report["items"], report["removed_items"]) == (len(wanted.users), ITEMS - 2, 2)
        assert report["events"] == sum(len(one.state.ledger.slots) for one in wanted.users.values())
        assert report["model"] == Hashed.name
    # A token of one kind of store means nothing in another.
    assert {there["store_id"], back["store_id"]} == names
    made = made_with(source)
    assert made is not None
    assert len(names | {made.store_id}) == 3


async def test_a_server_without_a_model_reads_in_the_copy_the_words_that_users_said(
    source: Path, qdrant: QdrantProcess, prefix: str
) -> None:
    assert (await copied(f"edge://{source}", f"{qdrant.url}/{prefix}")).words > 50
    async with on_qdrant(qdrant, prefix) as store:
        absent = CachedEncoder(AbsentEncoder(Hashed.name, DIM, "absent:"))
        with pytest.raises(PenchantError, match="no model"):
            await whole(store, absent)
        store.users.prime = absent.prime
        async for page in store.users.all():
            await store.users.ledgers([one.user_id for one in page])
        async with edge(source) as origin:
            assert_alike(await whole(origin, Hashed()), await whole(store, absent))


async def test_a_copy_keeps_vectors_as_the_settings_say(source: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    await copied(f"edge://{source}", f"edge://{twin}", item_vectors="float16")
    made = made_with(twin)
    assert made is not None
    assert made.vectors == "float16"
    async with edge(source) as origin:
        exact = await origin.items.known(["i1"])
    with open_edge(twin, Hashed.name, DIM, TUNING.covisitation, 0, vectors="float16") as store:
        kept = await store.items.known(["i1"])
    assert kept["i1"].vector.tolist() == exact["i1"].vector.astype(np.float16).tolist()


async def test_a_copy_from_an_embedded_store_learns_from_the_first_offset_of_a_log(
    source: Path, qdrant: QdrantProcess, prefix: str
) -> None:
    await copied(f"edge://{source}", f"{qdrant.url}/{prefix}")
    async with on_qdrant(qdrant, prefix) as store:
        before = (await store.users.states(["u1"]))["u1"]
        assert (before.through, before.pending) == (-1, ())
        assert await store.checkpoints.log("events") is None
        after = UserState(before.ledger.with_events([Event("n", "u1", "view", AT)]), 0)
        await store.users.write({"u1": Written(after, None, {})})
        assert (await store.users.states(["u1"]))["u1"] == after
        counts = (await store.items.item_counts(["i1"]))["i1"]
        assert counts.told == {}
        await store.items.write_counts({0: {"i1": replace(counts, told={0: 0})}})
        assert (await store.items.item_counts(["i1"]))["i1"].told == {0: 0}
        await store.items.put_items([(0, Item("i1", "new title"), (await Hashed().encode(["new title"]))[0])])
        assert (await store.items.known(["i1"]))["i1"].item.title == "new title"


async def test_a_copy_to_the_same_kind_of_store_goes_on_where_the_source_stood(
    source: Path, qdrant: QdrantProcess, prefix: str, tmp_path: Path
) -> None:
    one, other = f"{qdrant.url}/{prefix}", f"{qdrant.url}/{prefix}-other"
    await copied(f"edge://{source}", one)
    async with on_qdrant(qdrant, prefix) as store:
        ledger = (await store.users.states(["u1"]))["u1"].ledger
        await store.users.write({"u1": Written(UserState(ledger, 2**33), None, {})})
        counts = (await store.items.item_counts(["i1"]))["i1"].counts
        await store.items.write_counts({5: {"i1": ItemCounts(counts, {2: 70})}})
        await store.checkpoints.remember("t.events", 3, {1: Checkpoint(2**33, 17)})
        store_id, log = store.store_id, await store.checkpoints.log("t.events")
        users, items = await store.users.states(["u1"]), await store.items.item_counts(["i1"])
    await copied(one, other)
    async with on_qdrant(qdrant, f"{prefix}-other") as store:
        assert (store.store_id, await store.checkpoints.log("t.events")) == (store_id, log)
        assert await store.users.states(["u1"]) == users
        assert (await store.items.item_counts(["i1"]))["i1"].told == items["i1"].told
        await store.items.write_counts({5: {"i1": ItemCounts(counts, {2: 71})}})
        assert (await store.items.item_counts(["i1"]))["i1"].told == {2: 70}
    await copied(f"edge://{source}", f"edge://{tmp_path}/twin")
    async with edge(source) as first, edge(tmp_path / "twin") as twin:
        assert first.store_id == twin.store_id
        assert (await first.users.last())[0] == (await twin.users.last())[0] == await twin.items.sequence() == 26
        assert_alike(await whole(first, Hashed()), await whole(twin, Hashed()))


async def test_refused_are_a_source_in_use_none_at_all_and_a_target_that_holds_something(
    source: Path, qdrant: QdrantProcess, prefix: str, tmp_path: Path
) -> None:
    target, directory = f"{qdrant.url}/{prefix}", f"edge://{source}"
    async with edge(source):
        with pytest.raises(StoreInUse, match=r"is open in another process \(pid"):
            await copied(directory, target)
    for one, other, said in (
        (f"edge://{tmp_path}/nothing", target, "there is no store in"),
        (target, f"edge://{tmp_path}/new", "there is no store"),
        (directory, f"edge://{source.parent}/x/../source", "are the same store"),
        ("edge://host/x", target, "names no store"),
        (directory, "redis://host", "names no store"),
        (directory, f"{qdrant.url}/a b", "is no prefix"),
    ):
        with pytest.raises(InvalidSetting, match=said):
            await copied(one, other)
    await copied(directory, target)
    await copied(directory, f"edge://{tmp_path}/full")
    for full in (target, f"edge://{tmp_path}/full"):
        with pytest.raises(InvalidSetting, match="there is a store already"):
            await copied(directory, full)
    asked = command(directory, target, "--replace")
    assert asked.returncode == 2
    assert "add --yes" in asked.stderr


async def test_a_store_is_replaced_when_that_is_meant_and_its_model_is_the_same(
    source: Path, qdrant: QdrantProcess, prefix: str, tmp_path: Path
) -> None:
    async with edge(tmp_path / "second") as store:
        await Learner(store.stores, Hashed(), TUNING, now).learn_items([Item("other", "another thing")])
    (tmp_path / "other" / "x").mkdir(parents=True)
    with open_edge(tmp_path / "other", "another@1", DIM, TUNING.covisitation, 0):
        pass
    for target in (f"{qdrant.url}/{prefix}", f"edge://{tmp_path}/target"):
        await copied(f"edge://{tmp_path}/second", target)
        await copied(f"edge://{source}", target, replacing=True)
        with pytest.raises(StoreMismatch, match="was made with model 'hashed@1'"):
            await copied(f"edge://{tmp_path}/other", target, replacing=True)
    async with edge(source) as first, edge(tmp_path / "target") as there, on_qdrant(qdrant, prefix) as store:
        wanted = await whole(first, Hashed())
        assert_alike(wanted, await whole(there, Hashed()))
        assert_alike(wanted, await whole(store, Hashed()))
        assert await store.generations.all() == [2]


KILL = "import os, signal\ndef kill(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n"


async def test_kill_9_halfway_leaves_no_half_of_a_store_and_the_copy_can_be_run_again(
    source: Path, qdrant: QdrantProcess, prefix: str, tmp_path: Path
) -> None:
    target = f"{qdrant.url}/{prefix}"
    crash = KILL + "from penchant_adapters.qdrant.itemstates import QdrantItems as I\nI.put_all = kill"
    assert command(f"edge://{source}", target, crash=crash).returncode == -signal.SIGKILL
    with pytest.raises(PenchantError, match="there is no store"):
        async with on_qdrant(qdrant, prefix):
            pass
    await copied(f"edge://{source}", target)
    crash = KILL + "from penchant_adapters.edge.items import EdgeItems as I\nI.put_all = kill"
    place = tmp_path / "target"
    assert command(target, f"edge://{place}", crash=crash).returncode == -signal.SIGKILL
    assert made_with(place) is None
    await copied(target, f"edge://{place}")
    async with edge(source) as first, edge(place) as there, on_qdrant(qdrant, prefix) as store:
        wanted = await whole(first, Hashed())
        assert_alike(wanted, await whole(store, Hashed()))
        assert_alike(wanted, await whole(there, Hashed()))
        # The remains of the one that was killed are gone.
        assert await store.generations.all() == [1]
    assert {file.name for file in place.iterdir()} == {"users", "items", "store.json", "LOCK"}


async def test_kill_9_while_a_copy_moves_into_place_opens_to_nobody_until_it_was_run_again(
    source: Path, tmp_path: Path
) -> None:
    place = tmp_path / "target"
    await copied(f"edge://{source}", f"edge://{place}")
    crash = KILL + (
        "from pathlib import Path\nrename = Path.rename\n"
        "Path.rename = lambda self, to: kill() if self.parent.name == 'copy.moving' and self.name == 'items' "
        "else rename(self, to)"
    )
    again = (f"edge://{source}", f"edge://{place}", "--replace", "--yes")
    assert command(*again, crash=crash).returncode == -signal.SIGKILL
    with pytest.raises(StoreMismatch, match="a copy that was not finished; run it again"):
        async with edge(place):
            pass
    await copied(f"edge://{source}", f"edge://{place}")
    async with edge(source) as first, edge(place) as there:
        assert_alike(await whole(first, Hashed()), await whole(there, Hashed()))


async def test_an_interrupted_copy_leaves_nothing_and_an_unfinished_one_of_somebody_else_is_left_alone(
    source: Path, qdrant: QdrantProcess, prefix: str
) -> None:
    target = f"{qdrant.url}/{prefix}"
    crash = (
        "from penchant_adapters.qdrant.itemstates import QdrantItems as I\nimport os, signal, asyncio\n"
        "async def ask(*_):\n    os.kill(os.getpid(), signal.SIGINT)\n    await asyncio.sleep(30)\nI.put_all = ask"
    )
    done = command(f"edge://{source}", target, crash=crash)
    assert done.returncode == 130
    assert "Run it again" in done.stderr
    mine = QdrantSettings(prefix=prefix)
    async with drafted(qdrant.url, Hashed.name, DIM, TUNING.covisitation, mine):
        with pytest.raises(StoreInUse, match="another copy or rebuild fills"):
            await copied(f"edge://{source}", target)
    await copied(f"edge://{source}", target)
    async with on_qdrant(qdrant, prefix) as store:
        assert await store.generations.all() == [1]

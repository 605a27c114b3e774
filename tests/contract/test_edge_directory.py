"""A store's directory: one owner, one model, never half made, and a full disk that changes nothing."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from penchant_adapters.edge import EdgeStore, open_edge
from penchant_core.counts import Change, Counts
from penchant_core.errors import InvalidSetting, OutOfSpace, StoreInUse, StoreMismatch
from penchant_core.ledger import Ledger
from penchant_core.model import Event, Item
from penchant_core.ports import Commit
from penchant_core.tuning import Covisitation

from tests.unit.strategies import many_events

DIM = 8
SETTINGS = Covisitation()
VECTOR = np.eye(1, DIM, dtype=np.float32)[0]
COUNTS = Counts().with_change(Change({99: 1.0}, [1.0, 1.0]), SETTINGS)
HOLD = """
import sys
from pathlib import Path
from penchant_adapters.edge import open_edge
from penchant_core.tuning import Covisitation
with open_edge(Path(sys.argv[1]), "model", 8, Covisitation(), 0):
    print("open", flush=True)
    sys.stdin.read()
"""


def opened(path: Path, min_free_bytes: int = 0, **other: Any) -> AbstractContextManager[EdgeStore]:
    made_with: dict[str, Any] = {"model": "model", "dim": DIM, "settings": SETTINGS} | other
    return open_edge(path, min_free_bytes=min_free_bytes, **made_with)


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store open."""
    held = [sys.executable, "-c", HOLD, str(tmp_path / "store")]
    with subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_by_name_of_the_first(owner: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(StoreInUse, match=rf"store is open in another process \(pid {owner.pid}\); stop it"):  # noqa: SIM117 the order matters
        with opened(tmp_path / "store"):
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_directory_is_free_as_soon_as_its_owner_is_dead(
    owner: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    owner.send_signal(number)
    owner.wait()
    with opened(tmp_path / "store"):
        assert (tmp_path / "store" / "LOCK").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"model": "another@2"}, "made with model = 'model' and this service has 'another@2'; set model back"),
        ({"dim": 9}, "made with dim = 8 and this service has 9; set dim back, or choose another data_dir"),
        ({"settings": replace(SETTINGS, reach=3)}, "made with covisitation = {'reach': 10"),
    ],
)
def test_another_model_or_other_counting_is_refused(tmp_path: Path, other: dict[str, Any], told: str) -> None:
    with opened(tmp_path / "store") as store:
        store_id = store.store_id
    with pytest.raises(StoreMismatch) as refused, opened(tmp_path / "store", **other):
        pass
    assert told in str(refused.value)
    with opened(tmp_path / "store") as store:
        assert store.store_id == store_id


def test_a_layout_of_another_version_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "store"):
        pass
    path = tmp_path / "store" / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"layout": 99}))
    with pytest.raises(StoreMismatch, match="made with layout = 99"), opened(tmp_path / "store"):
        pass


def test_two_stores_have_two_names(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        assert one.store_id != two.store_id


def test_a_directory_that_cannot_be_made_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InvalidSetting, match="data_dir: cannot make the directory"),
        opened(tmp_path / "file" / "store"),
    ):
        pass


@pytest.mark.parametrize("left", ["nothing", "name only", "no items", "half an item shard", "no meta point"])
def test_a_start_that_was_cut_short_is_made_good_by_the_next(tmp_path: Path, left: str) -> None:
    path = tmp_path / "store"
    if left == "nothing":
        path.mkdir()
    else:
        with opened(path):
            pass
    if left == "name only":
        shutil.rmtree(path / "users")
    if left in {"name only", "no items", "half an item shard"}:
        (path / "items").rename(path / "items.draft")
    if left == "half an item shard":
        (path / "items.draft" / "edge_config.json").unlink()
    with opened(path) as store:
        asyncio.run(store.items.put([(Item("a", "a"), VECTOR)]))
    with opened(path) as store:
        assert set(asyncio.run(store.items.known(["a"]))) == {"a"}
        assert not (path / "items.draft").exists()


async def test_a_nearly_full_disk_refuses_every_write_and_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger().with_events(many_events(1, 20))
    with opened(tmp_path / "store") as store:
        await store.items.put([(Item("a", "a"), VECTOR)])
        await store.users.commit(Commit(1, {"u": ledger}))
        await store.items.save({"a": COUNTS}, 1)

    async def unchanged(store: EdgeStore) -> None:
        assert await store.users.ledgers(["u", "v"]) == {"u": ledger, "v": Ledger()}
        assert (await store.users.last())[0] == await store.items.sequence() == 1
        assert await store.items.page("", 10) == ([Item("a", "a")], "")
        assert (await store.items.counts(["a"]))["a"].visits == 1.0

    with opened(tmp_path / "store", min_free_bytes=1 << 60) as store:
        for write in (
            store.users.commit(Commit(2, {"u": Ledger(), "v": ledger})),
            store.items.save({"a": Counts()}, 2),
            store.items.put([(Item("a", "new"), VECTOR), (Item("b", "b"), VECTOR)]),
            store.items.remove(["a"]),
        ):
            with pytest.raises(OutOfSpace, match=r"min_free_bytes\); free some space: nothing was changed"):
                await write
            await unchanged(store)
    with opened(tmp_path / "store") as store:
        await unchanged(store)
        await store.items.put([(Item("b", "b"), VECTOR)])


FILL = """
import asyncio, os, sys
from pathlib import Path
from penchant_adapters.edge import open_edge
from penchant_core.errors import OutOfSpace
from penchant_core.ledger import Ledger
from penchant_core.model import Event
from penchant_core.ports import Commit
from penchant_core.tuning import Covisitation

async def fill():
    disk = Path(sys.argv[1])
    with open_edge(disk / "store", "model", 8, Covisitation(), 4 << 20) as store:
        free = os.statvfs(disk)
        (disk / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - (10 << 20)))
        for number in range(1, 100_000):
            words = Event(f"e{number}", "u", "review", number, text="\\u9999" * 2_000)
            try:
                await store.users.commit(Commit(number, {f"u{number}": Ledger((words,))}))
            except OutOfSpace:
                found = await store.users.ledgers([f"u{n}" for n in range(1, number + 1)])
                print(sum(len(ledger.slots) for ledger in found.values()))
                return
asyncio.run(fill())
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_really_fills_up_loses_nothing_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FILL, str(small_disk)], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    committed = int(ended.stdout)
    assert committed > 50
    with pytest.raises(OutOfSpace, match="64 MiB are needed to open the store"), opened(small_disk / "store"):
        pass
    (small_disk / "filler").unlink()
    asyncio.run(goes_on(small_disk / "store", committed))


async def goes_on(path: Path, committed: int) -> None:
    with opened(path) as store:
        assert (await store.users.last())[0] == committed
        found = await store.users.ledgers([f"u{n}" for n in range(1, committed + 2)])
        assert [len(ledger.slots) for ledger in found.values()] == [1] * committed + [0]
        late = Ledger((Event("e", "v", "like", 1, "a"),))
        await store.users.commit(Commit(committed + 1, {"v": late}))
    with opened(path) as store:
        assert await store.users.ledgers(["v"]) == {"v": late}


async def test_a_flush_cuts_the_logs_below_what_would_ask_for_the_next_flush(tmp_path: Path) -> None:
    item = Item("i", description="word " * 3000)
    with opened(tmp_path / "store") as store:
        while store.log_bytes < 200 << 20:
            await store.items.put([(replace(item, item_id=f"i{n}"), VECTOR) for n in range(640)])
        store.sync()
        store.write_back()
        store.flush()
        assert store.log_bytes <= 128 << 20
    with opened(tmp_path / "store") as store:
        assert (await store.items.known(["i639"]))["i639"].item.description == item.description

"""A store on Qdrant: whose it is, its generations, and what happens when the server is not there."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from penchant_adapters.qdrant import QdrantStore, open_qdrant
from penchant_adapters.qdrant.collection import SLICE
from penchant_adapters.qdrant.connection import address_of, translated
from penchant_adapters.stored import StoredItem, StoredUser
from penchant_bench.neighbours.qdrant import QdrantProcess
from penchant_core.errors import InvalidSetting, PenchantError, StoreMismatch, Unavailable
from penchant_core.ledger import Ledger
from penchant_core.log import Checkpoint, ItemCounts, LogIdentity, UserState, Written
from penchant_core.model import Item
from penchant_core.vectors import Vector

from tests.contract.engines import OVER_GRPC, SERVER, SETTINGS, Place
from tests.contract.test_log_states import alike, state, told, written
from tests.contract.test_stores import vector
from tests.unit.strategies import many_events

NOBODY = "qdrant://127.0.0.1:1"


async def test_a_store_keeps_its_name_and_two_stores_have_two(place: Place) -> None:
    other = replace(place, prefix=f"{place.prefix}-other")
    async with place.opened() as store, other.opened() as another:
        names = (store.store_id, another.store_id)
        assert (store.model, store.dim, store.generation) == ("model", 8, 1)
    async with place.opened() as store:
        assert store.store_id == names[0] != names[1]
    if other.client is None:
        await other.cleared()


async def test_processes_that_make_the_store_at_once_agree_on_one(place: Place) -> None:
    async with AsyncExitStack() as stack:
        opening = (stack.enter_async_context(place.opened()) for _ in range(6))
        stores: list[QdrantStore] = await asyncio.gather(*opening)
        assert len({store.store_id for store in stores}) == 1
        await stores[0].users.write({"u": written(1, 1)})
        assert (await stores[5].users.states(["u"]))["u"] == state(1, 1)
        assert await stores[3].generations.all() == [1]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"model": "another@2"}, "made with model = 'model' and this service has 'another@2'; set encoder back"),
        ({"dim": 9}, "made with dim = 8 and this service has 9; set encoder back"),
        ({"covisitation": replace(SETTINGS, reach=3)}, "made with covisitation = {'reach': 10"),
    ],
)
async def test_another_model_or_other_counting_is_refused(place: Place, other: dict[str, Any], said: str) -> None:
    async with place.opened() as store:
        store_id = store.store_id
    with pytest.raises(StoreMismatch) as refused:
        async with place.opened(**other):
            pass
    assert said in str(refused.value)
    async with place.opened() as store:
        assert store.store_id == store_id


async def test_a_process_without_a_model_takes_the_stores(place: Place) -> None:
    async with place.opened():
        pass
    async with place.opened(model=None, dim=None, create=False) as store:
        assert (store.model, store.dim) == ("model", 8)


@pytest.mark.parametrize("given", [{"create": False}, {"model": None, "dim": None}])
async def test_a_store_that_nobody_made_is_waited_for(place: Place, given: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match=f"there is no store {place.prefix} at .*penchant consume"):
        async with place.opened(**given):
            pass
    async with place.opened() as store:
        assert await store.generations.all() == [1]


async def test_a_rebuilt_generation_comes_into_use_at_once_for_everybody(place: Place) -> None:
    async with place.opened() as serving:
        await serving.users.write({"u": written(1, 1)})
        await serving.items.put_items([(1, Item("a", "old"), vector(1))])
        async with place.opened(generation=2, store_id=serving.store_id) as fresh:
            assert fresh.generation == 2
            assert fresh.store_id == serving.store_id
            assert await fresh.users.states(["u"]) == {"u": UserState()}
            await fresh.users.write({"u": written(2, 0)})
            await fresh.items.put_items([(0, Item("a", "new"), vector(1))])
            await fresh.checkpoints.remember("t", 1, {0: Checkpoint(0, 1)})
            assert (await serving.users.states(["u"]))["u"] == state(1, 1)
            assert await serving.checkpoints.log("t") is None
            await fresh.generations.switch(2)
        serving.items.forget(["a"])
        assert (await serving.users.states(["u"]))["u"] == state(2, 0)
        assert (await serving.items.known(["a"]))["a"].item.title == "new"
        assert await serving.checkpoints.log("t") == LogIdentity(1, {0: Checkpoint(0, 1)})
        with pytest.raises(InvalidSetting, match="generation 2 is the one in use; switch first"):
            await serving.generations.delete(2)
        assert await serving.generations.all() == [1, 2]
        await serving.generations.delete(1)
        assert await serving.generations.all() == [2]
    async with place.opened() as store:
        assert store.generation == 2


async def test_a_generation_that_is_not_there_cannot_come_into_use(place: Place) -> None:
    async with place.opened() as store:
        with pytest.raises(InvalidSetting, match="there is no generation 7"):
            await store.generations.switch(7)
        assert await store.generations.current() == 1
    with pytest.raises(Unavailable, match="there is no store"):
        async with place.opened(generation=7, create=False):
            pass


async def test_a_store_copied_point_by_point_is_the_same_store(place: Place) -> None:
    many = SLICE + 5
    async with place.opened() as source, place.opened(generation=2) as target:
        for n in range(many):
            await source.users.write(
                {f"u{n}": Written(state(n, n), vector(n) if n % 3 else None, {f"w{n}": vector(n)})}
            )
        await source.items.put_items([(n, Item(f"i{n}", f"title {n}", price=1.0), vector(n)) for n in range(many)])
        await source.items.remove_items([(500, "i3")])
        await source.items.write_counts({99: {f"i{n}": told(n, 10 + n) for n in range(many + 9)}})
        async for users in source.users.all():
            await target.users.put_all(users)
        async for items in source.items.all():
            await target.items.put_all(items)
        there, here = [[one async for page in store.users.all() for one in page] for store in (source, target)]
        assert [users_alike(*pair) for pair in zip(there, here, strict=True)] == [True] * many
        items_there, items_here = [[one async for p in store.items.all() for one in p] for store in (source, target)]
        assert [items_alike(*pair) for pair in zip(items_there, items_here, strict=True)] == [True] * (many + 9)
        assert sum(one.item is None for one in items_here) == 10
        await target.items.put_items([(500, Item("i3", "too old"), vector(1)), (501, Item("i4", "newer"), vector(1))])
        assert {i: known.item.title for i, known in (await target.items.known(["i3", "i4"])).items()} == {"i4": "newer"}


def vectors_alike(one: Vector | None, other: Vector | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


def users_alike(one: StoredUser, other: StoredUser) -> bool:
    a, b = one.written, other.written
    words = a.words.keys() == b.words.keys() and all(np.array_equal(a.words[t], b.words[t]) for t in a.words)
    return one.user_id == other.user_id and a.state == b.state and words and vectors_alike(a.interest, b.interest)


def items_alike(one: StoredItem, other: StoredItem) -> bool:
    vectors = vectors_alike(one.vector, other.vector)
    fences = (one.at, one.rev) == (other.at, other.rev)
    return (
        one.item_id == other.item_id
        and one.item == other.item
        and vectors
        and fences
        and alike(one.counts, other.counts)
    )


@pytest.fixture
def process(tmp_path: Path) -> Iterator[QdrantProcess]:
    """A neighbour of the test's own, to be lost."""
    with QdrantProcess(tmp_path / "data") as process:
        yield process


@pytest.fixture
async def lost(process: QdrantProcess) -> AsyncIterator[tuple[QdrantStore, QdrantProcess]]:
    place = Place(OVER_GRPC, process.url)
    async with place.opened(settings=place.settings(timeout=1.0)) as store:
        yield store, process


async def calls(store: QdrantStore) -> None:
    """Make every kind of call; each must fail as what it is."""
    for call in (
        store.users.states(["u"]),
        store.users.write({"u": written(1, 1)}),
        store.items.known(["a"]),
        store.items.page("", 10),
        store.items.write_counts({1: {"a": told(1, 1)}}),
        store.items.put_items([(1, Item("a"), vector(1))]),
        store.checkpoints.log("t"),
        store.generations.all(),
    ):
        with pytest.raises(Unavailable, match="the store did not answer"):
            await call


async def test_a_server_that_is_gone_is_unavailable_and_loses_nothing(lost: tuple[QdrantStore, QdrantProcess]) -> None:
    store, process = lost
    await store.users.write({"u": written(1, 1)})
    process.kill()
    await calls(store)
    process.start()
    async with asyncio.timeout(20):
        while True:
            try:
                assert (await store.users.states(["u"]))["u"] == state(1, 1)
            except Unavailable:
                continue
            break


async def test_a_server_that_hangs_is_unavailable_in_time(lost: tuple[QdrantStore, QdrantProcess]) -> None:
    store, process = lost
    process.freeze()
    with pytest.raises(Unavailable, match="DEADLINE_EXCEEDED"):
        await store.users.states(["u"])
    process.thaw()
    assert await store.users.states(["u"]) == {"u": UserState()}


async def test_counts_whose_writing_failed_are_written_whole_the_next_time(
    lost: tuple[QdrantStore, QdrantProcess],
) -> None:
    store, process = lost
    await store.items.write_counts({1: {"a": told(1, 1)}})
    process.kill()
    grown = ItemCounts(told(2, 2).counts, {0: 2})
    with pytest.raises(Unavailable):
        await store.items.write_counts({2: {"a": grown}})
    process.start()
    async with asyncio.timeout(20):
        while True:
            try:
                await store.items.write_counts({2: {"a": grown}})
            except Unavailable:
                continue
            break
    assert alike((await store.items.item_counts(["a"]))["a"], grown)


async def test_where_nobody_listens_the_store_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="the store did not answer"):
        async with open_qdrant(NOBODY, "model", 8, SETTINGS, Place(OVER_GRPC).settings()):
            pass


async def test_where_somebody_else_listens_the_store_is_unavailable() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        url = f"qdrant://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(Unavailable, match="the store did not answer"):
            async with open_qdrant(url, "model", 8, SETTINGS, Place(OVER_GRPC).settings(timeout=1.0)):
                pass


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("qdrant://h", ("h", 6334, False)),
        ("qdrants://h.example:7", ("h.example", 7, True)),
        ("qdrant://[::1]:6334", ("[::1]", 6334, False)),
    ],
)
def test_a_url_tells_where_and_whether_with_tls(url: str, found: tuple[str, int, bool]) -> None:
    assert address_of(url) == found


@pytest.mark.parametrize(
    "url", ["edge:///x", "qdrant://", "qdrant://h:port", "qdrant://h:99999999", "qdrant://h/path", "h:6334", ""]
)
def test_another_url_is_refused_by_its_setting(url: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^store: "):
        address_of(url)


@pytest.mark.parametrize("name", ["api_key_file", "ca_file"])
async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    settings = Place(OVER_GRPC).settings(**{name: tmp_path / "none"})
    with pytest.raises(InvalidSetting, match=f"qdrant.{name}: cannot read"):
        async with open_qdrant("qdrants://127.0.0.1:1", "model", 8, SETTINGS, settings):
            pass


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (StatusCode.UNAUTHENTICATED, InvalidSetting),
        (StatusCode.PERMISSION_DENIED, InvalidSetting),
        (StatusCode.INTERNAL, Unavailable),
        (StatusCode.RESOURCE_EXHAUSTED, Unavailable),
        (StatusCode.INVALID_ARGUMENT, PenchantError),
        (StatusCode.UNIMPLEMENTED, PenchantError),
    ],
)
def test_a_servers_error_is_told_by_whose_fault_it_is(code: StatusCode, kind: type[PenchantError]) -> None:
    error = AioRpcError(code, Metadata(), Metadata(), details="because", debug_error_string="")
    assert type(translated(error, "trying")) is kind
    assert "because" in str(translated(error, "trying"))


async def test_a_large_ledger_is_written_and_read(place: Place) -> None:
    users = {
        f"u{n}": Written(UserState(Ledger().with_events(many_events(n, 400)), 5), vector(n), {}) for n in range(70)
    }
    async with place.opened() as store:
        await store.users.write(users)
        assert await store.users.states(list(users)) == {name: one.state for name, one in users.items()}


def test_a_real_server_is_tested_where_one_is_named(request: pytest.FixtureRequest) -> None:
    import os

    if SERVER not in os.environ:
        pytest.skip(f"{SERVER} names no server: Qdrant's own binary is in no package registry")

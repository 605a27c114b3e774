"""What a store promises to those who learn from a partitioned log: only ever forward, whole, and apart."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.protocol import Operation
from penchant_core.counts import Change, Counts, dimension
from penchant_core.covisitation import Flow
from penchant_core.errors import PenchantError
from penchant_core.ledger import Ledger
from penchant_core.log import NOTHING, Checkpoint, Gain, ItemCounts, LogIdentity, UserState, Written
from penchant_core.model import Filter, Item
from penchant_core.ports import Query
from penchant_core.vectors import Vector, unit

from tests.contract.engines import DIM, SETTINGS, Place
from tests.contract.test_stores import STRANGE_IDS, counts, same, vector
from tests.unit.strategies import many_events

FAR = 2**43 + 12_345
OFFSETS = [0, 1, 2**20 - 2, 2**20 - 1, 2**20, 2**24 + 1, 2**33 + 5, FAR]


def state(seed: int, through: int) -> UserState:
    gains = (Gain(through, Flow({("a", "香蕉"): 0.1 + seed, ("b", "a"): -1e-9}, {"a": 2.0**80})),)
    return UserState(Ledger().with_events(many_events(seed, 40)).without(["e1", "never"], 123), through, gains)


def written(seed: int, through: int, words: Mapping[str, Vector] | None = None) -> Written:
    return Written(state(seed, through), vector(seed), words or {})


def told(seed: int, offset: int, partition: int = 0) -> ItemCounts:
    return ItemCounts(counts(seed), {partition: offset})


def alike(one: ItemCounts, other: ItemCounts) -> bool:
    return same(one.counts, other.counts) and one.told == other.told


async def test_a_stranger_has_an_empty_state(place: Place) -> None:
    async with place.opened() as store:
        assert await store.users.states(["nobody"]) == {"nobody": UserState()}
        assert await store.users.ledgers(["nobody"]) == {"nobody": Ledger()}
        assert await store.users.states([]) == {}


@pytest.mark.parametrize("through", OFFSETS)
async def test_a_state_is_read_back_whole_at_once_and_after_reopening(place: Place, through: int) -> None:
    users = {name: written(n, through) for n, name in enumerate(STRANGE_IDS)}
    users["silent"] = Written(UserState(Ledger(), through), None, {})
    wanted = {name: user.state for name, user in users.items()}
    async with place.opened() as store:
        await store.users.write(users)
        assert await store.users.states(list(users)) == wanted
    async with place.opened() as store:
        assert await store.users.states(list(users)) == wanted
        assert await store.users.ledgers(list(users)) == {name: one.ledger for name, one in wanted.items()}


@pytest.mark.parametrize("through", [3, 6, 7])
async def test_a_user_who_is_as_far_or_further_stays_and_others_of_the_batch_are_written(
    place: Place, through: int
) -> None:
    async with place.opened() as store:
        await store.users.write({"a": written(1, 7)})
        await store.users.write({"a": written(2, through), "b": written(3, 0), "c": written(4, through)})
        found = await store.users.states(["a", "b", "c"])
        assert found == {"a": state(1, 7), "b": state(3, 0), "c": state(4, through)}
        await store.users.write({"a": written(5, 8)})
        assert (await store.users.states(["a"]))["a"] == state(5, 8)


async def test_a_sleeper_with_a_store_of_its_own_changes_nothing(place: Place) -> None:
    async with place.opened() as awake, place.opened() as sleeper:
        await sleeper.users.write({"a": written(1, 5)})
        await awake.users.write({"a": written(2, 9)})
        await sleeper.users.write({"a": written(3, 8)})
        assert (await awake.users.states(["a"]))["a"] == state(2, 9)


async def test_more_users_than_fit_one_request_are_written_and_read(place: Place) -> None:
    users = {f"u{n}": Written(UserState(Ledger().with_events(many_events(n, 3)), n), None, {}) for n in range(300)}
    async with place.opened() as store:
        await store.users.write(users)
        assert await store.users.states(list(users)) == {name: user.state for name, user in users.items()}


async def test_words_that_users_said_come_with_them_for_those_who_have_no_model(place: Place) -> None:
    said = {"香蕉 ' \" \\": vector(1), "": vector(2)}
    heard: dict[str, bytes] = {}
    async with place.opened() as store:
        await store.users.write({"a": written(1, 1, said), "b": written(2, 1)})
    async with place.opened(prime=heard.update) as store:
        await store.users.ledgers(["a", "b", "nobody"])
    assert heard == {text: one.astype("<f2").tobytes() for text, one in said.items()}


@pytest.mark.parametrize("offset", OFFSETS)
async def test_counts_and_the_offsets_they_include_are_exact(place: Place, offset: int) -> None:
    wanted = {"a": ItemCounts(counts(1), {0: offset, 3: 0, 499: FAR}), "b": told(2, offset, 7)}
    async with place.opened() as store:
        await store.items.put_items([(0, Item("a", "a"), vector(1))])
        await store.items.write_counts({offset: wanted})
    async with place.opened() as store:
        found = await store.items.item_counts(["a", "b", "nobody"])
        assert alike(found["a"], wanted["a"])
        assert alike(found["b"], wanted["b"])
        assert alike(found["nobody"], ItemCounts())


@pytest.mark.parametrize("same_process", [True, False])
@pytest.mark.parametrize("offset", [0, 6, 7])
async def test_counts_of_this_offset_or_a_later_one_stay(place: Place, offset: int, same_process: bool) -> None:
    async with place.opened() as first, place.opened() as second:
        other = first if same_process else second
        await first.items.write_counts({7: {"a": told(1, 70)}})
        await other.items.write_counts({offset: {"a": told(2, 60), "b": told(3, 60)}})
        found = await other.items.item_counts(["a", "b"])
        assert alike(found["a"], told(1, 70))
        assert alike(found["b"], told(3, 60))
        await other.items.write_counts({8: {"a": told(4, 80)}})
        assert alike((await first.items.item_counts(["a"]))["a"], told(4, 80))


async def test_counts_that_grow_step_by_step_are_read_as_the_sum_whoever_reads(place: Place) -> None:
    source = dimension("source")
    steps = [
        Change({source: 1.0}, [0.0, 1.0]),
        Change({}, [2.0, 0.0]),  # nothing but the evidence
        Change({}, [0.0, 1.0]),  # nothing but the visits
        Change({source: 0.5, dimension("other"): 2.0}, [0.0, 0.0]),
        Change({}, [1.0, 0.0]),
    ]
    async with place.opened() as writer, place.opened() as reader:
        now = (await writer.items.item_counts(["a"]))["a"]
        for offset, step in enumerate(steps):
            now = ItemCounts(now.counts.with_change(step, SETTINGS), {2: offset})
            await writer.items.write_counts({offset: {"a": now}})
            assert alike((await reader.items.item_counts(["a"]))["a"], now), offset


async def test_counts_written_by_somebody_else_in_between_are_replaced_whole(place: Place) -> None:
    async with place.opened() as first, place.opened() as second:
        await first.items.write_counts({1: {"a": told(1, 10)}})
        await second.items.write_counts({2: {"a": told(2, 20)}})
        (read,) = (await first.items.item_counts(["a"])).values()
        grown = ItemCounts(read.counts.with_change(Change({}, [1.0, 0.0]), SETTINGS), {0: 30})
        await first.items.write_counts({3: {"a": grown}})
        assert alike((await second.items.item_counts(["a"]))["a"], grown)


class Interrupted:
    """A collection in which somebody else writes after each operation of a batch."""

    def __init__(self, collection: Collection, others: Callable[[], Awaitable[None]]) -> None:
        self._collection = collection
        self._others = others
        self.read = collection.read

    async def write(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            await self._collection.write([operation])
            await self._others()

    async def write_all(self, parts: Iterable[Sequence[Operation]]) -> None:
        for part in parts:
            await self.write(part)


@pytest.mark.parametrize("there", [True, False])
async def test_a_sleeper_who_wakes_between_the_counts_and_their_fence_is_repaired(place: Place, there: bool) -> None:
    async with place.opened() as owner, place.opened() as sleeper:
        if there:
            await owner.items.write_counts({1: {"a": told(1, 10)}})
            await sleeper.items.item_counts(["a"])

        async def wakes() -> None:
            with contextlib.suppress(PenchantError):
                # It knew the item, so it makes no place for it.
                sleeper.items._last.put("a", (1, told(1, 10)))
                await sleeper.items.write_counts({2: {"a": told(2, 20)}})

        owner.items._collection = cast("Any", Interrupted(owner.items._collection, wakes))
        await owner.items.write_counts({3: {"a": told(3, 30)}})
        assert alike((await sleeper.items.item_counts(["a"]))["a"], told(3, 30))


async def test_a_place_for_counts_is_in_no_list_until_the_item_comes(place: Place) -> None:
    towards = unit(np.ones(DIM, np.float32))
    query = Query(towards, (towards,), {"s": 1.0}, 0.1, Filter(), 10)
    visited = Counts().with_change(Change({dimension("s"): 1.0}, [0.0, 1.0]), SETTINGS)
    async with place.opened() as store:
        await store.items.write_counts({5: {"a": ItemCounts(visited, {0: 5})}})
        assert await store.items.known(["a"]) == {}
        assert await store.items.page("", 10) == ([], "")
        assert await store.items.candidates(query) == []
        assert await store.items.popular(Filter(), 10) == []
        await store.items.put_items([(0, Item("a", "a"), vector(1))])
        assert same((await store.items.known(["a"]))["a"].counts, visited)
        assert [one.item_id for one in await store.items.candidates(query)] == ["a"]


async def test_the_catalogue_and_the_counts_never_touch_each_other(place: Place) -> None:
    full = Item("a", "题", "words", ("x",), 9.5, unavailable=True, attributes={"k": "v"})
    async with place.opened() as catalogue, place.opened() as counting:
        await catalogue.items.put_items([(5, full, vector(1))])
        await counting.items.write_counts({100: {"a": told(1, 10)}})
        assert (await catalogue.items.page("", 9))[0] == [full]
        # Offsets of the two logs have nothing to do with each other.
        await catalogue.items.put_items([(6, Item("a", "new"), vector(2))])
        assert alike((await counting.items.item_counts(["a"]))["a"], told(1, 10))
        await counting.items.write_counts({101: {"a": told(2, 20)}})
        await catalogue.items.remove_items([(7, "a")])
        assert alike((await counting.items.item_counts(["a"]))["a"], told(2, 20))
        await counting.items.write_counts({102: {"a": told(3, 30)}})
        assert await catalogue.items.page("", 9) == ([], "")
        await catalogue.items.put_items([(8, Item("a", "back"), vector(3))])
    async with place.opened() as store:
        known = (await store.items.known(["a"]))["a"]
        assert known.item == Item("a", "back")
        assert np.array_equal(known.vector, vector(3))
        assert same(known.counts, counts(3))


@pytest.mark.parametrize("offset", [4, 5])
async def test_an_item_of_this_offset_or_a_later_one_stays(place: Place, offset: int) -> None:
    async with place.opened() as store:
        await store.items.put_items([(5, Item("a", "new"), vector(1)), (5, Item("b", "b"), vector(1))])
        await store.items.put_items([(offset, Item("a", "old", price=1.0), vector(2)), (9, Item("c"), vector(2))])
        await store.items.remove_items([(offset, "b")])
        known = await store.items.known(["a", "b", "c"])
        assert known["a"].item == Item("a", "new")
        assert np.array_equal(known["a"].vector, vector(1))
        assert known["b"].item == Item("b", "b")
        assert known["c"].item == Item("c")


async def test_an_item_taken_out_is_not_brought_back_by_a_sleeper(place: Place) -> None:
    async with place.opened() as store:
        await store.items.put_items([(3, Item("a", "a"), vector(1))])
        await store.items.remove_items([(5, "a"), (5, "never seen")])
        await store.items.put_items([(4, Item("a", "a"), vector(1)), (4, Item("never seen"), vector(1))])
        assert await store.items.known(["a", "never seen"]) == {}
        await store.items.put_items([(6, Item("a", "a"), vector(1))])
        assert set(await store.items.known(["a"])) == {"a"}


async def test_of_two_descriptions_in_one_call_the_later_wins(place: Place) -> None:
    async with place.opened() as store:
        await store.items.put_items([(2, Item("a", "later"), vector(2)), (1, Item("a", "earlier"), vector(1))])
        known = (await store.items.known(["a"]))["a"]
        assert known.item == Item("a", "later")
        assert np.array_equal(known.vector, vector(2))


async def test_a_replaced_item_loses_what_the_new_description_does_not_have(place: Place) -> None:
    full = Item("a", "题", "words", ("x",), 9.5, unavailable=True, attributes={"k": "v"})
    async with place.opened() as store:
        await store.items.put_items([(1, full, vector(1))])
        await store.items.put_items([(2, Item("a"), vector(2))])
    async with place.opened() as store:
        assert (await store.items.known(["a"]))["a"].item == Item("a")
        assert await store.items.popular(Filter(max_price=100.0), 10) == []
        assert await store.items.popular(Filter(attributes={"k": "v"}), 10) == []
        assert await store.items.popular(Filter(), 10) == ["a"]


async def test_a_description_is_used_for_a_while_and_read_anew_when_it_is_forgotten(place: Place) -> None:
    async with place.opened(settings=place.settings(cache_seconds=600.0)) as reader, place.opened() as writer:
        await writer.items.put_items([(1, Item("a", "old"), vector(1))])
        assert (await reader.items.known(["a"]))["a"].item.title == "old"
        await writer.items.put_items([(2, Item("a", "new"), vector(1))])
        assert (await reader.items.known(["a"]))["a"].item.title == "old"
        reader.items.forget(["a", "nobody"])
        assert (await reader.items.known(["a"]))["a"].item.title == "new"


async def test_without_a_while_every_description_is_read_anew(place: Place) -> None:
    async with place.opened(settings=place.settings(cache_seconds=0.0)) as reader, place.opened() as writer:
        await writer.items.put_items([(1, Item("a", "old"), vector(1))])
        assert (await reader.items.known(["a"]))["a"].item.title == "old"
        await writer.items.put_items([(2, Item("a", "new"), vector(1))])
        assert (await reader.items.known(["a"]))["a"].item.title == "new"


@pytest.mark.parametrize("key", ["plain", "two words", "dotted.name", "a-b", "a[0]", "香蕉", "under_score"])
async def test_any_attribute_can_be_asked_for(place: Place, key: str) -> None:
    async with place.opened() as store:
        await store.items.put_items([(1, Item("a", attributes={key: "1"}), vector(1)), (2, Item("b"), vector(1))])
        assert await store.items.popular(Filter(attributes={key: "1"}), 10) == ["a"]
        assert await store.items.popular(Filter(attributes={key: "2"}), 10) == []


async def test_nothing_is_remembered_of_a_log_that_nothing_was_learnt_from(place: Place) -> None:
    async with place.opened() as store:
        assert await store.checkpoints.log("penchant.events") is None


async def test_owners_of_different_partitions_remember_without_overwriting_each_other(place: Place) -> None:
    one, two = Checkpoint(FAR, 1_700_000_000_000), Checkpoint(NOTHING, 0)
    async with place.opened() as first, place.opened() as second:
        await asyncio.gather(
            first.checkpoints.remember("a.events", 12, {0: one, 11: two}),
            second.checkpoints.remember("a.events", 12, {5: two}),
            second.checkpoints.remember("a.events.2", 3, {1: one}),
        )
        await first.checkpoints.remember("a.events", 12, {11: one})
    async with place.opened() as store:
        assert await store.checkpoints.log("a.events") == LogIdentity(12, {0: one, 5: two, 11: one})
        assert await store.checkpoints.log("a.events.2") == LogIdentity(3, {1: one})

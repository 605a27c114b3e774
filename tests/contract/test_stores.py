"""What every store promises: users, catalogue and counts are durable, whole, and never touch each other."""

from random import Random

import numpy as np
import pytest
from penchant_core.counts import Change, Counts, dimension
from penchant_core.covisitation import Flow
from penchant_core.ledger import Ledger
from penchant_core.model import Event, Item
from penchant_core.ports import Commit
from penchant_core.vectors import Vector, unit

from tests.contract.conftest import DIM, SETTINGS, Open
from tests.unit.strategies import many_events

STRANGE_IDS = ["香蕉", "a b", "'; drop", "e\u0301", '{"id": 1}', "0", "-1", "x" * 128]


def vector(seed: int) -> Vector:
    return unit(np.random.default_rng(seed).normal(size=DIM).astype(np.float32))


def counts(seed: int) -> Counts:
    chance = Random(seed)
    sources = {dimension(f"item-{chance.randrange(99)}"): chance.uniform(0.1, 9.0) for _ in range(20)}
    return Counts().with_change(Change(sources, [chance.uniform(0.0, 9.0), chance.uniform(0.1, 9.0)]), SETTINGS)


def same(one: Counts, other: Counts) -> bool:
    """The weighing with visits^g costs a rounding of float32."""
    return (
        one.dims.tolist() == other.dims.tolist()
        and np.allclose(one.values, other.values, rtol=1e-5)
        and [one.out, one.visits] == pytest.approx([other.out, other.visits], rel=1e-6)
    )


def thing(item_id: str, **more: object) -> Item:
    return Item(item_id, f"title of {item_id}", **more)  # type: ignore[arg-type]


FULL = Item(
    "full", "标题", "words", ("a", "乙"), 19.99, unavailable=True, attributes={"url": "https://x/?a=1", "n": "1"}
)


async def test_a_stranger_has_an_empty_ledger_and_nothing_was_committed_yet(embedded: Open) -> None:
    async with embedded() as stores:
        assert await stores.users.ledgers(["nobody"]) == {"nobody": Ledger()}
        assert await stores.users.last() == (0, Flow())
        assert await stores.tally.sequence() == 0


async def test_a_commit_is_read_back_whole_at_once_and_after_reopening(embedded: Open) -> None:
    said = Event("e", "before-login", "review", 1, "", "香蕉 ' \" \\ \n \u200d", 0.1 + 0.2, "home", "ab12")
    ledgers = {user: Ledger().with_events(many_events(n, 300)) for n, user in enumerate(STRANGE_IDS)}
    ledgers["forgetful"] = Ledger().with_events([*many_events(7, 20), said]).without(["e1", "never"], now=123)
    ledgers["empty"] = Ledger()
    flow = Flow({("a", "香蕉"): 0.1, ("b", "a"): -1e-9}, {"a": 1.0, "b": 2.0**80})
    async with embedded() as stores:
        await stores.users.commit(Commit(7, ledgers, {"香蕉": vector(1)}, flow))
        assert await stores.users.ledgers(list(ledgers)) == ledgers
    async with embedded() as stores:
        assert await stores.users.ledgers(list(ledgers)) == ledgers
        assert await stores.users.last() == (7, flow)


async def test_a_later_commit_replaces_its_users_and_the_flow_and_leaves_others_alone(embedded: Open) -> None:
    one, two, three = (Ledger().with_events(many_events(n, 30)) for n in range(3))
    async with embedded() as stores:
        await stores.users.commit(Commit(1, {"u": one, "v": one}, {"u": vector(1)}, Flow({("a", "b"): 1.0})))
        await stores.users.commit(Commit(2, {"u": two}, {}, Flow({}, {"c": 1.0})))
        await stores.users.commit(Commit(3, {"w": three}))
    async with embedded() as stores:
        assert await stores.users.ledgers(["u", "v", "w"]) == {"u": two, "v": one, "w": three}
        assert await stores.users.last() == (3, Flow())


async def test_items_are_read_back_with_every_field_and_the_exact_vector(opened: Open) -> None:
    items = [FULL, *(thing(name) for name in STRANGE_IDS), thing("free", price=0.0)]
    vectors = {item.item_id: vector(n) for n, item in enumerate(items)}
    for _ in range(2):
        async with opened() as stores:
            await stores.catalogue.put([(item, vectors[item.item_id]) for item in items])
    async with opened() as stores:
        found = await stores.catalogue.known([*vectors, "nobody"])
        assert {item_id: known.item for item_id, known in found.items()} == {item.item_id: item for item in items}
        assert all(np.array_equal(found[i].vector, v) for i, v in vectors.items())


async def test_replacing_an_item_replaces_all_of_it_but_keeps_its_counts(opened: Open) -> None:
    async with opened() as stores:
        await stores.catalogue.put([(FULL, vector(1))])
        await stores.tally.save({"full": counts(1)}, 1)
        await stores.catalogue.known(["full"])
        await stores.catalogue.put([(Item("full", "new"), vector(2))])
        for known in [(await stores.catalogue.known(["full"]))["full"]]:
            assert known.item == Item("full", "new")
            assert same(known.counts, counts(1))
    async with opened() as stores:
        known = (await stores.catalogue.known(["full"]))["full"]
        assert known.item == Item("full", "new")
        assert np.array_equal(known.vector, vector(2))
        assert same(known.counts, counts(1))


@pytest.mark.parametrize("reopen", [False, True])
async def test_a_removed_item_is_gone_and_its_counts_wait_for_it(opened: Open, reopen: bool) -> None:
    async with opened() as stores:
        await stores.catalogue.put([(thing("a"), vector(1)), (thing("b"), vector(2))])
        await stores.tally.save({"a": counts(1)}, 1)
        assert await stores.catalogue.remove(["a", "nobody", "a"]) == ["a"]
        if not reopen:
            await removed(stores)
    if reopen:
        async with opened() as stores:
            await removed(stores)


async def removed(stores: object) -> None:
    from penchant_core.pipeline import Stores

    assert isinstance(stores, Stores)
    assert set(await stores.catalogue.known(["a", "b"])) == {"b"}
    assert await stores.catalogue.page("", 10) == ([thing("b")], "")
    assert await stores.catalogue.remove(["a"]) == []
    assert same((await stores.tally.counts(["a"]))["a"], counts(1))
    await stores.tally.save({"a": counts(2)}, 2)
    await stores.catalogue.put([(thing("a"), vector(3))])
    known = (await stores.catalogue.known(["a"]))["a"]
    assert same(known.counts, counts(2))
    assert np.array_equal(known.vector, vector(3))


@pytest.mark.parametrize("size", [1, 7, 64, 149, 150, 1000])
async def test_paging_visits_every_item_once(opened: Open, size: int) -> None:
    names = [f"item-{n}" for n in range(153)]
    async with opened() as stores:
        await stores.catalogue.put([(thing(n, unavailable=n.endswith("7")), vector(1)) for n in names])
        await stores.tally.save({n: counts(1) for n in names[:9]}, 1)
        await stores.catalogue.remove(["item-0", "item-77", "item-152"])
    expected = set(names) - {"item-0", "item-77", "item-152"}
    async with opened() as stores:
        seen: list[str] = []
        after, pages = "", 0
        while pages == 0 or after:
            items, after = await stores.catalogue.page(after, size)
            assert len(items) <= size
            assert len(items) == size or not after
            seen += [item.item_id for item in items]
            pages += 1
        assert len(seen) == len(set(seen)) == 150
        assert set(seen) == expected


async def test_an_empty_catalogue_has_one_empty_page(opened: Open) -> None:
    async with opened() as stores:
        assert await stores.catalogue.page("", 10) == ([], "")


async def test_counts_and_sequence_are_saved_together_and_others_stay(embedded: Open) -> None:
    async with embedded() as stores:
        await stores.catalogue.put([(thing(name), vector(1)) for name in "abc"])
        await stores.catalogue.known(["a"])
        await stores.tally.save({"a": counts(1), "b": counts(2)}, 1)
        await stores.tally.save({"b": counts(3)}, 2)
        assert same((await stores.catalogue.known(["b"]))["b"].counts, counts(3))
    async with embedded() as stores:
        read = await stores.tally.counts(["a", "b", "c", "nobody"])
        assert same(read["a"], counts(1))
        assert same(read["b"], counts(3))
        assert same(read["c"], Counts())
        assert same(read["nobody"], Counts())
        assert await stores.tally.sequence() == 2


async def test_counts_of_an_item_that_a_power_cut_took_away_are_kept_for_it(embedded: Open) -> None:
    async with embedded() as stores:
        await stores.catalogue.put([(thing("a"), vector(1))])
        await stores.tally.save({"a": counts(1), "lost": counts(2)}, 1)
        assert await stores.catalogue.known(["lost"]) == {}
        assert await stores.catalogue.page("", 10) == ([thing("a")], "")
    async with embedded() as stores:
        assert await stores.tally.sequence() == 1
        assert same((await stores.tally.counts(["lost"]))["lost"], counts(2))
        await stores.catalogue.put([(thing("lost"), vector(1))])
        assert same((await stores.catalogue.known(["lost"]))["lost"].counts, counts(2))


async def test_a_count_saved_as_nothing_is_nothing(opened: Open) -> None:
    async with opened() as stores:
        await stores.catalogue.put([(thing("a"), vector(1))])
        await stores.tally.save({"a": counts(1)}, 1)
        await stores.tally.save({"a": Counts()}, 2)
    async with opened() as stores:
        assert same((await stores.tally.counts(["a"]))["a"], Counts())


@pytest.mark.parametrize("sequence", [1, 2**20 - 1, 2**20, 2**24 + 1, 2**33 + 5, 2**43 + 12_345])
async def test_a_sequence_is_exact_however_great(embedded: Open, sequence: int) -> None:
    async with embedded() as stores:
        await stores.users.commit(Commit(sequence))
        await stores.tally.save({}, sequence)
    async with embedded() as stores:
        assert await stores.tally.sequence() == sequence
        assert (await stores.users.last())[0] == sequence


@pytest.mark.parametrize("reopen", [False, True])
async def test_counts_that_grow_step_by_step_are_the_sum_of_the_steps(opened: Open, reopen: bool) -> None:
    old, new = dimension("old"), dimension("new")
    steps = [
        Change({old: 1.0}, [0.0, 1.0]),
        Change({old: 0.5}, [0.0, 0.0]),  # nothing but the weight of a source that is known
        Change({}, [2.0, 0.0]),  # nothing but the evidence
        Change({}, [0.0, 1.0]),  # nothing but the visits
        Change({new: 0.25, old: -0.5}, [1.0, 0.0]),
        Change({old: -1.0}, [-3.0, -1.0]),  # a source taken back
    ]
    async with opened() as stores:
        await stores.catalogue.put([(thing("a"), vector(1))])
    wanted = Counts()
    for sequence, step in enumerate(steps, 1):
        wanted = wanted.with_change(step, SETTINGS)
        async with opened() as stores:
            if not reopen:
                await stores.catalogue.known(["a"])
            found = (await stores.tally.counts(["a"]))["a"]
            await stores.tally.save({"a": found.with_change(step, SETTINGS)}, sequence)
        async with opened() as stores:
            assert same((await stores.tally.counts(["a"]))["a"], wanted), sequence
    assert wanted.dims.tolist() == [new]

"""Retrieval against brute force: the same items with the same scores as scoring the whole catalogue in numpy."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from penchant_core.counts import Change, Counts, dimension
from penchant_core.interests import Known
from penchant_core.model import Filter, Item
from penchant_core.pipeline import Stores
from penchant_core.ports import LittleKnown, Query
from penchant_core.vectors import Vector, unit

from tests.contract.conftest import DIM, SETTINGS, Open

COUNT = 250
EXACT = 2e-5
CATEGORIES = ["shoes", "果", "Phones & more", "x"]
SEEDS = range(120)


def direction(chance: np.random.Generator) -> Vector:
    return unit(chance.normal(size=DIM).astype(np.float32))


def catalogue(seed: int) -> dict[str, Known]:
    chance, numbers = Random(seed), np.random.default_rng(seed)
    known = {}
    for n in range(COUNT):
        item = Item(
            f"item-{n}",
            "title",
            categories=tuple(chance.sample(CATEGORIES, chance.randrange(3))),
            price=chance.choice([None, 0.0, 9.99, 10.0, 19.99, 1e9]),
            unavailable=chance.random() < 0.1,
            attributes={"colour": chance.choice(["red", "Red", "rot"]), "size": chance.choice(["1", "2"])},
        )
        sources = {dimension(f"item-{chance.randrange(COUNT)}"): chance.uniform(0.1, 5.0) for _ in range(12)}
        change = Change(sources if n % 3 else {}, [1.0, chance.uniform(0.5, 50.0) if n % 2 else 0.0])
        known[item.item_id] = Known(item, direction(numbers), Counts().with_change(change, SETTINGS))
    return known


async def fill(stores: Stores, known: dict[str, Known]) -> None:
    await stores.catalogue.put([(one.item, one.vector) for one in known.values()])
    await stores.tally.save({item_id: one.counts for item_id, one in known.items()}, 1)


def allowed(item: Item, only: Filter) -> bool:
    priced = only.min_price is None and only.max_price is None
    if item.price is not None:
        low = only.min_price is None or item.price >= only.min_price
        priced = low and (only.max_price is None or item.price <= only.max_price)
    return (
        not item.unavailable
        and item.item_id not in only.exclude
        and (not only.categories or not set(only.categories).isdisjoint(item.categories))
        and all(item.attributes.get(key) == value for key, value in only.attributes.items())
        and priced
    )


def content_of(one: Known, towards: Vector | None) -> float:
    return 0.0 if towards is None else float(one.vector @ towards)


def counts_of(one: Known, query: Query) -> float:
    weights = dict(zip(one.counts.dims.tolist(), one.counts.weighted(SETTINGS).tolist(), strict=True))
    pairs = sum(weight * weights.get(dimension(item), 0.0) for item, weight in query.sources.items())
    return float(pairs + query.popularity * np.log1p(one.counts.visits))


def best(scores: dict[str, float], depth: int) -> tuple[set[str], set[str]]:
    """The items that must be among the best, and those that may be, where two are within rounding."""
    order = sorted(scores.values(), reverse=True)
    if len(order) <= depth:
        return set(scores), set(scores)
    must = {i for i, s in scores.items() if s > order[depth] + EXACT}
    may = {i for i, s in scores.items() if s >= order[depth - 1] - EXACT}
    return must, may


def expected(known: dict[str, Known], query: Query) -> tuple[set[str], set[str]]:
    listed = {i: one for i, one in known.items() if allowed(one.item, query.filter)}
    must: set[str] = set()
    may: set[str] = set()
    searches = [{i: content_of(one, d) for i, one in listed.items()} for d in query.directions]
    counted = {i: counts_of(one, query) for i, one in listed.items()}
    searches.append({i: score for i, score in counted.items() if score > 0.0})
    for scores in searches:
        sure, possible = best(scores, query.depth)
        must, may = must | sure, may | possible
    return must, may


def some_filter(chance: Random) -> Filter:
    return chance.choice(
        [
            Filter(),
            Filter(categories=("果",)),
            Filter(categories=("shoes", "Phones & more")),
            Filter(categories=("nothing has it",)),
            Filter(attributes={"colour": "Red"}),
            Filter(attributes={"colour": "red", "size": "2"}),
            Filter(attributes={"no_such_key": "1"}),
            Filter(min_price=10.0),
            Filter(max_price=9.99),
            Filter(min_price=9.99, max_price=19.99),
            Filter(min_price=0.0, max_price=0.0),
            Filter(exclude=frozenset(f"item-{n}" for n in range(0, COUNT, 2)) | {"nobody"}),
            Filter(("果", "x"), {"size": "1"}, 0.0, 1e12, frozenset({"item-1"})),
        ]
    )


def some_query(seed: int) -> Query:
    chance, numbers = Random(seed), np.random.default_rng(seed)
    content = direction(numbers) if seed % 8 else None
    several = tuple(direction(numbers) for _ in range(chance.randint(1, 4)))
    return Query(
        content=content,
        directions=() if content is None else several if seed % 2 else (content,),
        sources={f"item-{chance.randrange(COUNT)}": chance.uniform(0.1, 2.0) for _ in range(seed % 5)},
        popularity=chance.choice([0.0, 0.0, 0.01]),
        filter=some_filter(chance),
        depth=chance.choice([10, 40, 1000]),
    )


async def test_candidates_are_those_of_brute_force_and_every_score_is_exact(opened: Open) -> None:
    known = catalogue(1)
    found_any = 0
    async with opened() as stores:
        await fill(stores, known)
        for seed in SEEDS:
            query = some_query(seed)
            found = await stores.retriever.candidates(query)
            names = [one.item_id for one in found]
            must, may = expected(known, query)
            assert len(set(names)) == len(names), seed
            assert must <= set(names) <= may, (seed, query, must - set(names), set(names) - may)
            for one in found:
                assert one.content == pytest.approx(content_of(known[one.item_id], query.content), abs=EXACT), seed
                assert one.counts == pytest.approx(counts_of(known[one.item_id], query), abs=EXACT), seed
            found_any += len(found)
    assert found_any > 10 * len(SEEDS)


async def test_one_direction_may_differ_from_the_content_that_is_scored(opened: Open) -> None:
    known = catalogue(2)
    numbers = np.random.default_rng(2)
    query = Query(direction(numbers), (direction(numbers),), {}, 0.0, Filter(), 10)
    async with opened() as stores:
        await fill(stores, known)
        found = await stores.retriever.candidates(query)
        must, may = expected(known, query)
        assert must <= {one.item_id for one in found} <= may
        for one in found:
            assert one.content == pytest.approx(content_of(known[one.item_id], query.content), abs=EXACT)


async def test_little_known_candidates_come_besides_the_best_with_their_visits(opened: Open) -> None:
    known = catalogue(4)
    few, besides = 10.0, 0
    async with opened() as stores:
        await fill(stores, known)
        for seed in SEEDS[:20]:
            query = some_query(seed)
            everything = await stores.retriever.candidates(query)
            assert all(one.visits is None for one in everything)
            order = sorted(everything, key=lambda one: -one.score)
            best = await stores.retriever.candidates(replace(query, limit=5))
            found = await stores.retriever.candidates(replace(query, limit=5, little_known=LittleKnown(few, 3)))
            for one in found:
                assert one.visits == pytest.approx(known[one.item_id].counts.visits, rel=1e-6)
            assert [one.item_id for one in found[: len(best)]] == [one.item_id for one in best]
            others = [one for one in order if one.item_id not in {each.item_id for each in best}]
            little = [one.score for one in others if known[one.item_id].counts.visits < few][:3]
            assert [one.score for one in found[len(best) :]] == pytest.approx(little, abs=EXACT)
            besides += len(little)
    assert besides > 20


@pytest.mark.parametrize("reopen", [False, True])
async def test_removed_and_unavailable_items_never_come_until_they_are_back(opened: Open, reopen: bool) -> None:
    vector = unit(np.ones(DIM, np.float32))
    query = Query(vector, (vector,), {"s": 1.0}, 0.1, Filter(), 10)
    counts = Counts().with_change(Change({dimension("s"): 1.0}, [0.0, 1.0]), SETTINGS)

    async def listed(stores: Stores) -> tuple[set[str], set[str]]:
        popular = await stores.retriever.popular(Filter(), 10)
        return {one.item_id for one in await stores.retriever.candidates(query)}, set(popular)

    async with opened() as stores:
        await stores.catalogue.put([(Item(name, name), vector) for name in "abcd"])
        await stores.tally.save(dict.fromkeys("abcd", counts), 1)
        await stores.catalogue.remove(["a", "b"])
        await stores.catalogue.put([(Item("c", "c", unavailable=True), vector)])
        if not reopen:
            assert await listed(stores) == ({"d"}, {"d"})
    async with opened() as stores:
        assert await listed(stores) == ({"d"}, {"d"})
        await stores.tally.save(dict.fromkeys("abcd", counts), 2)
        assert await listed(stores) == ({"d"}, {"d"})
        await stores.catalogue.put([(Item("a", "a"), vector), (Item("c", "c"), vector)])
        assert await listed(stores) == ({"a", "c", "d"}, {"a", "c", "d"})


async def test_popular_items_come_by_visits_and_others_fill_up_in_a_fixed_order(opened: Open) -> None:
    known = catalogue(3)
    async with opened() as stores:
        await fill(stores, known)
        first = {seed: await stores.retriever.popular(some_filter(Random(seed)), 200) for seed in range(40)}
    async with opened() as stores:
        for seed, found in first.items():
            only = some_filter(Random(seed))
            listed = {i: one.counts.visits for i, one in known.items() if allowed(one.item, only)}
            visited = sorted((i for i in listed if listed[i]), key=lambda i: -listed[i])
            assert found[: len(visited)] == visited[:200]
            assert len(found) == len(set(found)) == min(200, len(listed))
            assert set(found) <= set(listed)
            assert await stores.retriever.popular(only, 200) == found
            assert await stores.retriever.popular(only, 3) == found[:3]


async def test_an_empty_catalogue_has_no_candidates(opened: Open) -> None:
    vector = unit(np.ones(DIM, np.float32))
    async with opened() as stores:
        assert await stores.retriever.candidates(Query(vector, (vector,), {"a": 1.0}, 0.1, Filter(), 10)) == []
        assert await stores.retriever.popular(Filter(), 10) == []

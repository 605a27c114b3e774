"""Every item has its embedding of the store's sequence model, of that one only, whatever came in between."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import numpy as np
import pytest
from penchant_adapters.embeddings import vector_name
from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.embeddings import settle
from penchant_adapters.qdrant.itemstates import QdrantItems
from penchant_core.errors import InvalidSetting, Unavailable
from penchant_core.model import Filter, Item
from penchant_core.pipeline import Stores
from penchant_core.ports import Query
from penchant_core.sequence import SequenceModel
from penchant_core.vectors import Vector, unit

from tests.contract.conftest import DIM, SETTINGS, Open
from tests.contract.engines import OFFSETS, Place
from tests.contract.test_retrieval import EXACT, catalogue, content_of, counts_of, fill, some_query
from tests.sequence_models import model

SPRING, SUMMER, AUTUMN = model(seed=1), model(seed=2, width=16), model(seed=3)
COUNT = 40


def words(name: str) -> Vector:
    return unit(np.random.default_rng(len(name) + ord(name[-1])).normal(size=DIM).astype(np.float32))


def thing(number: int, title: str = "title") -> tuple[Item, Vector]:
    return Item(f"item-{number}", title), words(f"{number}{title}")


async def embeddings(stores: Stores, count: int = COUNT) -> dict[str, Vector | None]:
    known = await stores.catalogue.known([f"item-{n}" for n in range(count)])
    return {item_id: one.learned for item_id, one in known.items()}


def expected(made: SequenceModel, items: list[tuple[Item, Vector]]) -> dict[str, Vector]:
    rows = made.embed([item.item_id for item, _ in items], np.stack([vector for _, vector in items]))
    return {item.item_id: row for (item, _), row in zip(items, rows, strict=True)}


def agree(found: dict[str, Vector | None], wanted: dict[str, Vector]) -> None:
    assert found.keys() == wanted.keys()
    for item_id, row in wanted.items():
        assert found[item_id] == pytest.approx(row, abs=1e-6), item_id


async def test_items_get_embeddings_when_a_model_comes_when_they_are_put_and_when_they_change(opened: Open) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with opened() as stores:
        await stores.catalogue.put(items[:30])
        assert set((await embeddings(stores)).values()) == {None}
    async with opened(SPRING) as stores:
        agree(await embeddings(stores), expected(SPRING, items[:30]))
        await stores.catalogue.put(items[30:])
        items[3] = thing(3, "another title")
        await stores.catalogue.put([items[3]])
        agree(await embeddings(stores), expected(SPRING, items))
    async with opened(SPRING) as stores:
        agree(await embeddings(stores), expected(SPRING, items))


async def test_another_model_takes_the_place_of_the_one_before_and_back(opened: Open) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with opened(SPRING) as stores:
        await stores.catalogue.put(items)
    for made in (SUMMER, SPRING, SUMMER):
        async with opened(made) as stores:
            agree(await embeddings(stores), expected(made, items))
            items[5] = thing(5, f"title of {made.about.version}")
            await stores.catalogue.put([items[5]])
            agree(await embeddings(stores), expected(made, items))


async def test_items_put_without_the_model_have_embeddings_when_it_is_back(opened: Open) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with opened(SPRING) as stores:
        await stores.catalogue.put(items[:30])
    async with opened() as stores:
        items[3] = thing(3, "another title")
        await stores.catalogue.put([items[3], *items[30:]])
    async with opened(SPRING) as stores:
        agree(await embeddings(stores), expected(SPRING, items))


async def test_a_removed_item_has_none_and_gets_one_when_it_is_back(opened: Open) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with opened(SPRING) as stores:
        await stores.catalogue.put(items)
        await stores.catalogue.remove(["item-7"])
        assert "item-7" not in await embeddings(stores)
    async with opened(SUMMER) as stores:
        assert "item-7" not in await embeddings(stores)
        items[7] = thing(7, "back")
        await stores.catalogue.put([items[7]])
        agree(await embeddings(stores), expected(SUMMER, items))


class CutShort(SequenceModel):
    """A model under whose work the process ends."""

    calls = 0

    def embed(self, item_ids: object, words: object) -> None:  # type: ignore[override]
        self.calls += 1
        if self.calls > 1:
            raise KeyboardInterrupt
        return super().embed(item_ids, words)  # type: ignore[arg-type, return-value]


async def test_embedding_that_was_cut_short_is_done_again(opened: Open) -> None:
    items = [thing(n) for n in range(600)]
    async with opened() as stores:
        await stores.catalogue.put(items)
    dying = CutShort(SPRING.about, SPRING.arrays)
    with pytest.raises(KeyboardInterrupt):
        async with opened(dying):
            pass
    assert dying.calls == 2
    async with opened(SPRING) as stores:
        agree(await embeddings(stores, 600), expected(SPRING, items))


async def test_candidates_are_looked_for_by_what_is_learned_too_and_every_part_is_exact(opened: Open) -> None:
    known = catalogue(3)
    found_by_it = 0
    async with opened(SPRING) as stores:
        await fill(stores, known)
        learned = {i: one.learned for i, one in (await stores.catalogue.known(list(known))).items()}
        for seed in range(30):
            asked = some_query(seed)
            state = np.random.default_rng(seed).normal(size=SPRING.width).astype(np.float32)
            query = Query(asked.content, asked.directions, asked.sources, asked.popularity, Filter(), 10, learned=state)
            found = {one.item_id: one for one in await stores.retriever.candidates(query)}
            scores = {
                i: float(state @ z) for i, z in learned.items() if z is not None and not known[i].item.unavailable
            }
            order = sorted(scores, key=lambda i: -scores[i])
            sure = {i for i in order[:10] if scores[i] > scores[order[10]] + EXACT}
            assert sure <= found.keys()
            found_by_it += len(sure)
            for item_id, one in found.items():
                assert one.learned == pytest.approx(scores[item_id], abs=EXACT)
                assert one.content == pytest.approx(content_of(known[item_id], query.content), abs=EXACT)
                assert one.counts == pytest.approx(counts_of(known[item_id], query), abs=EXACT)
                assert one.score == pytest.approx(one.content + one.counts + one.learned)
    assert found_by_it > 200


async def test_a_model_of_another_encoder_does_not_open_the_store(opened: Open) -> None:
    async with opened():
        pass
    with pytest.raises(InvalidSetting, match="learnt with the encoder another, and here model reads words"):
        async with opened(model(encoder="another")):
            pass


def question(made: SequenceModel) -> Query:
    """What is learned, alone."""
    state = np.random.default_rng(7).normal(size=made.width).astype(np.float32)
    return Query(None, (), {}, 0.0, Filter(), 5, learned=state)


async def test_whoever_reads_the_model_before_reads_on_while_any_number_of_writers_go_over(place: Place) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with place.stores(SPRING) as stores:
        await stores.catalogue.put(items)
    async with place.opened(create=False, sequence=SPRING) as server:
        before = await server.items.candidates(question(SPRING))
        assert len(before) == 5
        for _ in range(3):
            async with place.stores(SUMMER) as stores:
                agree(await embeddings(stores), expected(SUMMER, items))
            assert await server.items.candidates(question(SPRING)) == before
    # Nobody can read the one before that any more: its place is free.
    async with place.stores(AUTUMN) as stores:
        agree(await embeddings(stores), expected(AUTUMN, items))
    with pytest.raises(Unavailable, match="embedding"):
        async with place.opened(create=False, sequence=SPRING):
            pass
    async with place.opened(create=False) as plain:
        names = ["content", *map(vector_name, (SUMMER, AUTUMN))]
        (point,), _ = await plain.generations.collection("items", None).page(META + 1, 1, None, vectors=names)
        assert set(point.dense) == set(names), "the one before stays once more"


async def test_what_a_writer_without_the_model_describes_is_made_good_by_the_last_that_starts(place: Place) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with place.stores() as early:
        await early.catalogue.put(items[:30])
        async with place.stores(SPRING):
            # The early one has not been started anew yet.
            items[3] = thing(3, "another title")
            await early.catalogue.put([items[3], *items[30:]])
            with pytest.raises(Unavailable, match="not every item has its embedding"):
                async with place.opened(create=False, sequence=SPRING):
                    pass
    async with place.stores(SPRING) as late:
        agree(await embeddings(late), expected(SPRING, items))
    async with place.opened(create=False, sequence=SPRING):
        pass


class Between:
    """A collection in which something happens after the first page was read."""

    def __init__(self, collection: Collection, then: Callable[[], Awaitable[None]]) -> None:
        self._collection, self._then = collection, [then]

    async def page(self, *where: Any, **what: Any) -> Any:
        found = await self._collection.page(*where, **what)
        while self._then:
            await self._then.pop()()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)


@pytest.mark.parametrize("writer", [SPRING, None], ids=["with the model", "without it"])
async def test_an_item_that_is_described_anew_while_it_is_embedded_gets_what_it_says_now(
    place: Place, writer: SequenceModel | None
) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with place.stores() as stores:
        await stores.catalogue.put(items)
    items[3] = thing(3, "another title")
    async with place.opened() as store:
        collection = store.generations.collection("items", None)
        other = QdrantItems(collection, SETTINGS, place.settings(), writer)

        async def described() -> None:
            await other.put_items([(next(OFFSETS), *items[3])])

        await settle(cast("Any", Between(collection, described)), SPRING)
    async with place.opened(create=False, sequence=SPRING) as server:
        found = {i: one.learned for i, one in (await server.items.known([f"item-{n}" for n in range(COUNT)])).items()}
        agree(found, expected(SPRING, items))

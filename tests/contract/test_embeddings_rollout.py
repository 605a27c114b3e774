"""A model that is rolled out over a cluster: writers with it, without it and with another, and servers, all at once."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import pytest
from penchant_adapters.embeddings import vector_name
from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.embeddings import settle, whole
from penchant_adapters.qdrant.itemstates import QdrantItems
from penchant_adapters.qdrant.protocol import Operation
from penchant_core.errors import Unavailable
from penchant_core.model import Filter
from penchant_core.ports import Query
from penchant_core.sequence import SequenceModel

from tests.contract.conftest import SETTINGS
from tests.contract.engines import OFFSETS, Place
from tests.contract.test_embeddings import COUNT, SPRING, SUMMER, agree, embeddings, expected, thing
from tests.sequence_models import model

AUTUMN = model(seed=3)


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


class Slow:
    """A collection that something happens to around the write of items, not of marks."""

    def __init__(self, collection: Collection, before: Callable[[], Awaitable[None]], *, dies: bool) -> None:
        self._collection, self._before, self._dies = collection, before, dies

    async def write(self, operations: Sequence[Operation]) -> None:
        items = any(operation.WhichOneof("operation") != "set_payload" for operation in operations)
        if items:
            await self._before()
        await self._collection.write(operations)
        if items and self._dies:
            raise KeyboardInterrupt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)


@pytest.mark.parametrize("dies", [True, False], ids=["and dies", "while others embed"])
async def test_a_writer_without_the_model_is_found_out_though_it_is_slow(place: Place, *, dies: bool) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with place.opened(sequence=SPRING) as store:
        collection = store.generations.collection("items", None)
        await store.items.put_items([(next(OFFSETS), *one) for one in items])

        async def embedded() -> None:
            if not dies:
                await settle(collection, SPRING)

        writer = QdrantItems(cast("Any", Slow(collection, embedded, dies=dies)), SETTINGS, place.settings())
        items[3] = thing(3, "another title")
        with pytest.raises(KeyboardInterrupt) if dies else nullcontext():
            await writer.put_items([(next(OFFSETS), *items[3])])
        assert not await whole(collection, SPRING)
    async with place.stores(SPRING) as stores:
        agree(await embeddings(stores), expected(SPRING, items))

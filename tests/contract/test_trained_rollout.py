"""A model that is rolled out over a cluster: writers with it, without it and with another, and servers, all at once."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any, cast

import pytest
from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.itemstates import QdrantItems
from penchant_adapters.qdrant.protocol import Operation
from penchant_adapters.qdrant.trained import settle, whole
from penchant_adapters.stored import StoredItem
from penchant_adapters.trained import GivenToItems
from penchant_core.errors import Unavailable
from penchant_core.trained import UNTRAINED, Trained

from tests.contract.conftest import SETTINGS
from tests.contract.engines import OFFSETS, Place
from tests.contract.trained_kinds import COUNT, EMBEDDINGS, WEIGHTS, Kind, close, thing


async def test_whoever_reads_the_model_before_reads_on_while_any_number_of_writers_go_over(
    place: Place, kind: Kind
) -> None:
    items = [thing(n) for n in range(COUNT)]
    spring, summer, autumn = map(kind.make, (1, 2, 3))
    async with place.stores(spring) as stores:
        await stores.catalogue.put(items)
    async with place.opened(create=False, trained=spring) as server:
        before = await server.items.candidates(kind.question(spring, 5))
        assert len(before) == 5
        for _ in range(3):
            async with place.stores(summer) as stores:
                await kind.agrees(stores, summer, items)
            assert await server.items.candidates(kind.question(spring, 5)) == before
    # Nobody can read the one before that any more: its place is free.
    async with place.stores(autumn) as stores:
        await kind.agrees(stores, autumn, items)
    with pytest.raises(Unavailable, match="not every item has"):
        async with place.opened(create=False, trained=spring):
            pass
    async with place.opened(create=False) as plain:
        names = ["content", *map(kind.name, (summer, autumn))]
        (point,), _ = await plain.generations.collection("items", None).page(META + 1, 1, None, vectors=names)
        assert point.dense.keys() | point.sparse.keys() == set(names), "the one before stays once more"


async def test_what_a_writer_without_the_model_describes_is_made_good_by_the_last_that_starts(
    place: Place, kind: Kind
) -> None:
    items, spring = [thing(n) for n in range(COUNT)], kind.make(1)
    async with place.stores() as early:
        await early.catalogue.put(items[:30])
        async with place.stores(spring):
            # The early one has not been started anew yet.
            items[3] = thing(3, "another title")
            await early.catalogue.put([items[3], *items[30:]])
            with pytest.raises(Unavailable, match="not every item has its"):
                async with place.opened(create=False, trained=spring):
                    pass
    async with place.stores(spring) as late:
        await kind.agrees(late, spring, items)
    async with place.opened(create=False, trained=spring):
        pass


async def test_a_model_of_one_kind_is_rolled_out_beside_one_of_another_that_stays(place: Place) -> None:
    items, embeddings = [thing(n) for n in range(COUNT)], EMBEDDINGS.make(1)
    async with place.stores(embeddings) as stores:
        await stores.catalogue.put(items)
    for seed in (1, 1, 2, 3):
        weights = WEIGHTS.make(seed)
        both = Trained(embeddings.sequence, weights.together)
        async with place.stores(both):
            pass
        async with place.opened(create=False, trained=both) as server:
            close(await EMBEDDINGS.found(server.items, embeddings), EMBEDDINGS.scores(embeddings, items))
            close(await WEIGHTS.found(server.items, weights), WEIGHTS.scores(weights, items))


async def test_items_that_are_copied_or_learnt_anew_whole_come_with_what_the_models_give(
    place: Place, kind: Kind
) -> None:
    items, spring = [thing(n) for n in range(COUNT)], kind.make(1)
    async with place.opened(trained=spring) as store:
        await store.items.put_all([StoredItem(item.item_id, item, vector) for item, vector in items[1:]])
        await store.items.put_all([StoredItem("item-0", None, None)])
        close(await kind.found(store.items, spring), kind.scores(spring, items[1:]))


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


@pytest.mark.parametrize("with_it", [True, False], ids=["with the model", "without it"])
async def test_an_item_that_is_described_anew_while_others_are_filled_gets_what_it_says_now(
    place: Place, kind: Kind, *, with_it: bool
) -> None:
    items, spring = [thing(n) for n in range(COUNT)], kind.make(1)
    async with place.stores() as stores:
        await stores.catalogue.put(items)
    items[3] = thing(3, "another title")
    async with place.opened() as store:
        collection = store.generations.collection("items", None)
        other = QdrantItems(
            collection, SETTINGS, place.settings(), store.spaces, "model", spring if with_it else UNTRAINED
        )

        async def described() -> None:
            await other.put_items([(next(OFFSETS), *items[3])])

        await settle(cast("Any", Between(collection, described)), GivenToItems(spring))
    async with place.opened(create=False, trained=spring) as server:
        close(await kind.found(server.items, spring), kind.scores(spring, items))


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


@pytest.mark.parametrize("dies", [True, False], ids=["and dies", "while others fill"])
async def test_a_writer_without_the_model_is_found_out_though_it_is_slow(
    place: Place, kind: Kind, *, dies: bool
) -> None:
    items, spring = [thing(n) for n in range(COUNT)], kind.make(1)
    async with place.opened(trained=spring) as store:
        collection = store.generations.collection("items", None)
        await store.items.put_items([(next(OFFSETS), *one) for one in items])

        async def filled() -> None:
            if not dies:
                await settle(collection, GivenToItems(spring))

        slow = cast("Any", Slow(collection, filled, dies=dies))
        writer = QdrantItems(slow, SETTINGS, place.settings(), store.spaces, "model")
        items[3] = thing(3, "another title")
        with pytest.raises(KeyboardInterrupt) if dies else nullcontext():
            await writer.put_items([(next(OFFSETS), *items[3])])
        (given,) = GivenToItems(spring)
        assert not await whole(collection, given)
    async with place.stores(spring) as stores:
        await kind.agrees(stores, spring, items)

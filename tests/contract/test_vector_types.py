"""Vectors kept in fewer bytes: how close they stay, that they do not wear off, and that a store keeps to its kind."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from penchant_adapters.edge import open_edge
from penchant_adapters.vectortypes import BYTES, VectorType
from penchant_core.counts import Change, dimension
from penchant_core.errors import StoreMismatch
from penchant_core.model import Filter, Item
from penchant_core.pipeline import Stores
from penchant_core.ports import Query
from penchant_core.vectors import unit

from tests.contract.conftest import SETTINGS
from tests.contract.engines import OVER_GRPC, Place

DIM, COUNT = 64, 200
KINDS = get_args(VectorType)
CLOSE = {"float32": 1.0, "float16": 0.999999, "turbo8": 0.9999, "turbo4": 0.98}
"""Cosine at least between a vector and what is kept of it."""
VECTORS = np.stack([unit(row) for row in np.random.default_rng(7).normal(size=(COUNT, DIM)).astype(np.float32)])
ITEMS = [Item(f"item-{n}", "title") for n in range(COUNT)]
Kept = Callable[[VectorType], AbstractAsyncContextManager[Stores]]


@pytest.fixture(params=["edge", OVER_GRPC])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    """Opens the test's store with items' vectors of a kind, again if it is there."""
    if request.param == "edge":

        @asynccontextmanager
        async def embedded(kind: VectorType) -> AsyncIterator[Stores]:
            with open_edge(tmp_path / "store", "model", DIM, SETTINGS, 0, vectors=kind) as store:
                yield store.stores

        yield embedded
        return
    place = Place(OVER_GRPC, request.getfixturevalue("neighbour").url)
    yield lambda kind: place.stores(dim=DIM, settings=place.settings(item_vectors=kind))
    await place.cleared()


def question(number: int) -> Query:
    return Query(VECTORS[number], [VECTORS[number]], {}, 0.0, Filter(), depth=50)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_vector_stays_close_and_does_not_wear_off_when_its_item_is_counted(
    kept: Kept, kind: VectorType
) -> None:
    ids = [item.item_id for item in ITEMS]
    async with kept(kind) as stores:
        await stores.catalogue.put(list(zip(ITEMS, VECTORS, strict=True)))
        first = await stores.catalogue.known(ids)
        for step in range(6):
            counts = await stores.tally.counts(ids[:50])
            more = {
                item: one.with_change(Change({dimension(f"item-{step}"): 1.0}, [1.0, 1.0]), SETTINGS)
                for item, one in counts.items()
            }
            await stores.tally.save(more, step + 1)
    async with kept(kind) as stores:
        again = await stores.catalogue.known(ids)
    assert len(again) == COUNT
    cosines = [float(unit(again[item].vector) @ row) for item, row in zip(ids, VECTORS, strict=True)]
    assert min(cosines) >= CLOSE[kind] - 1e-6
    assert all(np.array_equal(again[item].vector, first[item].vector) for item in ids)
    assert again["item-0"].counts.visits > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_score_is_that_of_what_is_kept(kept: Kept, kind: VectorType) -> None:
    async with kept(kind) as stores:
        await stores.catalogue.put(list(zip(ITEMS, VECTORS, strict=True)))
        known = await stores.catalogue.known([item.item_id for item in ITEMS])
        for number in range(5):
            found = await stores.retriever.candidates(question(number))
            assert max(found, key=lambda one: one.content).item_id == f"item-{number}"
            off = [abs(one.content - float(VECTORS[number] @ known[one.item_id].vector)) for one in found]
            # An engine may round the question too.
            assert max(off) < 2 * (1 - CLOSE[kind]) + 1e-3


def test_fewer_bytes_are_said_in_order() -> None:
    assert list(BYTES) == list(KINDS)
    assert sorted(BYTES.values(), reverse=True) == list(BYTES.values())


def test_an_embedded_store_keeps_to_the_vectors_it_was_made_with(tmp_path: Path) -> None:
    with open_edge(tmp_path, "model", DIM, SETTINGS, 0):
        pass
    told = "made with item_vectors = 'float32' and this service has 'turbo8'; set item_vectors back"
    with pytest.raises(StoreMismatch, match=told), open_edge(tmp_path, "model", DIM, SETTINGS, 0, vectors="turbo8"):
        pass

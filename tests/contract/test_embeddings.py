"""Every item has its embedding of the store's sequence model, of that one only, whatever came in between."""

from collections.abc import Sequence

import numpy as np
import pytest
from penchant_core.errors import InvalidSetting
from penchant_core.model import Filter, Item
from penchant_core.pipeline import Stores
from penchant_core.ports import Query
from penchant_core.sequence import SequenceModel
from penchant_core.vectors import Matrix, Vector, unit

from tests.contract.conftest import DIM, Open
from tests.contract.test_retrieval import EXACT, catalogue, content_of, counts_of, fill, some_query
from tests.sequence_models import model

SPRING, SUMMER = model(seed=1), model(seed=2, width=16)
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


class Counting(SequenceModel):
    """A model that counts what it embeds."""

    items = 0

    def embed(self, item_ids: Sequence[str], words: Matrix) -> Matrix:
        self.items += len(item_ids)
        return super().embed(item_ids, words)


async def test_what_was_embedded_before_is_not_embedded_again(opened: Open) -> None:
    counting = Counting(SPRING.about, SPRING.arrays)
    async with opened(counting) as stores:
        await stores.catalogue.put([thing(n) for n in range(COUNT)])
    for _ in range(2):
        async with opened(counting):
            assert counting.items == COUNT


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

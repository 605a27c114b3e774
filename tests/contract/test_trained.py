"""Every item has what the store's models give it, of those only, whatever came in between."""

from dataclasses import replace

import numpy as np
import pytest
from penchant_core.errors import InvalidSetting
from penchant_core.trained import Trained
from structlog.testing import capture_logs

from tests.contract.conftest import Open
from tests.contract.test_retrieval import EXACT, allowed, best, catalogue, content_of, counts_of, fill, some_query
from tests.contract.trained_kinds import COUNT, EMBEDDINGS, IDS, KNOWN, MANY, WEIGHTS, Kind, thing, weighted
from tests.sequence_models import model
from tests.together_models import drawn, together


async def test_items_get_what_a_model_gives_when_it_comes_when_they_are_put_and_when_they_change(
    opened: Open, kind: Kind
) -> None:
    items, spring = [thing(n) for n in range(COUNT)], kind.make(1)
    # One that the weights do not know.
    items.append(thing(KNOWN + 1))
    async with opened() as stores:
        await stores.catalogue.put(items[:30])
        assert await kind.found(stores.retriever, spring) == {}
    async with opened(spring) as stores:
        await kind.agrees(stores, spring, items[:30])
        await stores.catalogue.put(items[30:])
        items[3] = thing(3, "another title")
        await stores.catalogue.put([items[3]])
        await kind.agrees(stores, spring, items)
    async with opened(spring) as stores:
        await kind.agrees(stores, spring, items)


async def test_another_model_takes_the_place_of_the_one_before_and_back(opened: Open, kind: Kind) -> None:
    items, spring, summer = [thing(n) for n in range(COUNT)], kind.make(1), kind.make(2)
    async with opened(spring) as stores:
        await stores.catalogue.put(items)
    for made in (summer, spring, summer):
        async with opened(made) as stores:
            await kind.agrees(stores, made, items)
            items[5] = thing(5, f"title of {kind.name(made)}")
            await stores.catalogue.put([items[5]])
            await kind.agrees(stores, made, items)


async def test_items_put_without_the_model_have_what_it_gives_when_it_is_back(opened: Open, kind: Kind) -> None:
    items, spring = [thing(n) for n in range(COUNT)], kind.make(1)
    async with opened(spring) as stores:
        await stores.catalogue.put(items[:30])
    async with opened() as stores:
        items[3] = thing(3, "another title")
        await stores.catalogue.put([items[3], *items[30:]])
    async with opened(spring) as stores:
        await kind.agrees(stores, spring, items)


async def test_a_removed_item_has_nothing_and_gets_it_when_it_is_back(opened: Open, kind: Kind) -> None:
    items, spring, summer = [thing(n) for n in range(COUNT)], kind.make(1), kind.make(2)
    async with opened(spring) as stores:
        await stores.catalogue.put(items)
        await stores.catalogue.remove(["item-7"])
        await kind.agrees(stores, spring, items[:7] + items[8:])
    async with opened(summer) as stores:
        await kind.agrees(stores, summer, items[:7] + items[8:])
        items[7] = thing(7, "back")
        await stores.catalogue.put([items[7]])
        await kind.agrees(stores, summer, items)


async def test_a_fill_that_was_cut_short_is_done_again(opened: Open, kind: Kind) -> None:
    items, spring = [thing(n) for n in range(MANY)], kind.make(1)
    async with opened() as stores:
        await stores.catalogue.put(items)
    asked = 0

    def dies(count: int) -> None:
        nonlocal asked
        if asked >= 256:
            raise KeyboardInterrupt
        asked += count

    with pytest.raises(KeyboardInterrupt):
        async with opened(kind.watched(spring, dies)):
            pass
    assert asked == 256
    async with opened(spring) as stores:
        await kind.agrees(stores, spring, items)


async def test_what_was_given_before_is_not_given_again(opened: Open, kind: Kind) -> None:
    asked: list[int] = []
    watched = kind.watched(kind.make(1), asked.append)
    async with opened(watched) as stores:
        await stores.catalogue.put([thing(n) for n in range(COUNT)])
    for _ in range(2):
        async with opened(watched):
            assert sum(asked) == COUNT


async def test_models_of_two_kinds_come_and_go_without_each_other(opened: Open) -> None:
    items, embeddings, weights = [thing(n) for n in range(COUNT)], EMBEDDINGS.make(1), WEIGHTS.make(1)
    async with opened(replace(embeddings, together=weights.together)) as stores:
        await stores.catalogue.put(items[:30])
        await EMBEDDINGS.agrees(stores, embeddings, items[:30])
        await WEIGHTS.agrees(stores, weights, items[:30])
    async with opened(weights) as stores:
        await stores.catalogue.put(items[30:])
        await WEIGHTS.agrees(stores, weights, items)
    async with opened(embeddings) as stores:
        await EMBEDDINGS.agrees(stores, embeddings, items)
        assert await WEIGHTS.found(stores.retriever, weights) == {}, "nobody asks for what it has not"
        await stores.catalogue.remove(["item-7"])
    async with opened(replace(embeddings, together=weights.together)) as stores:
        await EMBEDDINGS.agrees(stores, embeddings, items[:7] + items[8:])
        await WEIGHTS.agrees(stores, weights, items[:7] + items[8:])


async def test_candidates_are_looked_for_by_what_models_give_too_and_every_part_is_exact(opened: Open) -> None:
    known = catalogue(3)
    made = Trained(model(), together(drawn([*known][:200], kept=40)))
    assert made.sequence is not None
    found_by = {"learned": 0, "fitted": 0}
    async with opened(made) as stores:
        await fill(stores, known)
        z = made.sequence.embed([*known], np.stack([one.vector for one in known.values()]))
        for seed in range(30):
            random, asked = np.random.default_rng(seed), some_query(seed)
            state = random.normal(size=made.sequence.width).astype(np.float32)
            liked = {IDS[n]: float(random.uniform(0.1, 2.0)) for n in random.choice(250, 20, replace=False)}
            query = replace(asked, learned=state, fitted=liked, depth=10)
            found = {one.item_id: one for one in await stores.retriever.candidates(query)}
            shown = [item_id for item_id, one in known.items() if allowed(one.item, query.filter)]
            learned = {i: float(state @ row) for i, row in zip(known, z, strict=True) if i in shown}
            fitted = weighted(made.together, query, shown)
            # Weights that nothing asks for have no score to be found by.
            positive = {i: score for i, score in fitted.items() if score > 0.0}
            for part, scores in {"learned": learned, "fitted": positive}.items():
                must, _ = best(scores, 10)
                assert must <= found.keys()
                found_by[part] += len(must)
            for item_id, one in found.items():
                assert one.learned == pytest.approx(learned[item_id], abs=EXACT)
                assert one.fitted == pytest.approx(fitted.get(item_id, 0.0), abs=EXACT)
                assert one.content == pytest.approx(content_of(known[item_id], query.content), abs=EXACT)
                assert one.counts == pytest.approx(counts_of(known[item_id], query), abs=EXACT)
                assert one.score == pytest.approx(one.content + one.counts + one.learned + one.fitted)
    assert min(found_by.values()) > 100


async def test_weights_of_other_items_give_nothing_and_say_so(opened: Open) -> None:
    items, other = [thing(n) for n in range(COUNT)], Trained(together=together(drawn(["tea", "cup", "pot"])))
    async with opened() as stores:
        await stores.catalogue.put(items)
    with capture_logs() as told:
        async with opened(other) as stores:
            assert await WEIGHTS.found(stores.retriever, other) == {}
    (warning,) = [line for line in told if line["log_level"] == "warning"]
    assert warning["event"] == "the model knows none of the items"
    assert warning["setting"] == "together_model"


async def test_a_model_of_another_encoder_does_not_open_the_store(opened: Open) -> None:
    async with opened():
        pass
    with pytest.raises(InvalidSetting, match="learnt with the encoder another, and here model reads words"):
        async with opened(Trained(model(encoder="another"))):
            pass

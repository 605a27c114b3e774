"""A service with a sequence model: no import, lists with its part, and none of it where a profile silences it."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from penchant.v1 import catalog_pb2
from penchant.v1.recommendation_pb2 import Reason, RecommendResponse
from penchant_adapters.edge.store import made_with
from penchant_adapters.sequences import FILE, write_sequence_model
from penchant_core.sequence import SequenceModel
from penchant_core.tuning import Scoring
from penchant_core.vectors import Vector

from tests.integration.conftest import ITEMS, Client, served
from tests.integration.test_profiles import assert_same, lists, live, write
from tests.sequence_models import model

DIM = 512
"""Of the built-in encoder."""


@pytest.fixture
def made(store: Path) -> SequenceModel:
    """A model for the store's items: it knows half of them by more than their words."""
    by = made_with(store)
    assert by is not None
    return model(encoder=by.model, dim=by.dim, weight=0.05, ids=list(ITEMS)[::2])


@pytest.fixture
def spring(made: SequenceModel, tmp_path: Path) -> Path:
    """Its folder."""
    return write_sequence_model(tmp_path / "spring", made, {}).parent


async def embeddings(client: Client, made: SequenceModel, item_ids: list[str]) -> dict[str, Vector]:
    known = await client.store.items.known(item_ids)
    rows = made.embed(item_ids, np.stack([known[item_id].vector for item_id in item_ids]))
    return dict(zip(item_ids, rows, strict=True))


def learned(answer: RecommendResponse) -> dict[str, float]:
    """What the model has to say of each item of an answer; the parts of every score add up to it."""
    found = {}
    for one in answer.recommendations:
        reasons = one.explanation.reasons
        assert sum(reason.contribution for reason in reasons) == pytest.approx(one.score, abs=1e-4)
        for reason in reasons:
            if reason.kind == Reason.KIND_LEARNED:
                assert not reason.event_id
                found[one.item_id] = reason.contribution
    return found


async def test_a_store_that_was_there_before_is_listed_with_the_model_and_without_it_as_before(
    store: Path, made: SequenceModel, spring: Path
) -> None:
    async with served(store) as client:
        await live(client)
        plain = await lists(client)
        assert not learned(await client.recommend("u", page_size=12, explain=True))
    async with served(store, sequence_model=spring) as client:
        found = await lists(client)
        told = learned(await client.recommend("u", page_size=12, explain=True))
        z = await embeddings(client, made, list(ITEMS))
        # u bought a tent, viewed a banana and hid the orange, which is no step on the way.
        state = made.state(np.stack([z["tent"], z["banana"]]))
        assert told.keys() == ITEMS.keys() - {"tent", "banana", "orange"}
        for item_id, part in told.items():
            assert part == pytest.approx(0.05 * float(state @ z[item_id]), abs=1e-5), item_id
        # Who only said words has no steps to read, nor has a stranger.
        for user, items in {"v": ["stove"], "x": []}.items():
            told = learned(await client.recommend(user, page_size=12, explain=True))
            assert bool(told) == bool(items), user
        for name in ("u", "v", "tent", "phone"):
            assert found[name] != plain[name], name
        assert found["x"] == plain["x"]
    async with served(store) as client:
        assert_same(await lists(client), plain)


async def test_similar_items_are_those_that_the_model_expects_after_the_one(
    store: Path, made: SequenceModel, spring: Path
) -> None:
    only_learned = Scoring(content=0.0, together=0.0, learned=20.0)
    async with served(store, sequence_model=spring, scoring=only_learned) as client:
        found = dict((await lists(client))["tent"])
        z = await embeddings(client, made, list(ITEMS))
        state = made.state(z["tent"][None])
        wanted = {item_id: float(state @ row) for item_id, row in z.items() if item_id != "tent"}
        assert found == pytest.approx(wanted, abs=1e-5)
        assert list(found) == sorted(wanted, key=lambda item_id: -wanted[item_id])


async def test_a_profile_makes_the_model_silent_or_louder(store: Path, spring: Path, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    write(folder, "silent", "1", {"scoring": {"learned": 0.0}, "weights": {}})
    write(folder, "loud", "1", {"scoring": {"learned": 3.0}, "weights": {}})
    async with served(store) as client:
        await live(client)
        plain = await lists(client)
    async with served(store, sequence_model=spring, profiles=folder) as client:
        assert_same(await lists(client, "silent"), plain)
        assert not learned(await client.recommend("u", page_size=12, explain=True, profile="silent"))
        once = learned(await client.recommend("u", page_size=12, explain=True))
        thrice = learned(await client.recommend("u", page_size=12, explain=True, profile="loud"))
        assert thrice == pytest.approx({item_id: 3.0 * part for item_id, part in once.items()}, abs=1e-5)


async def test_an_item_that_is_put_while_it_runs_is_found_by_what_the_model_makes_of_its_words(
    store: Path, made: SequenceModel, spring: Path
) -> None:
    sorts = ("red", "old", "large", "small", "wooden", "cheap", "blue", "green", "fine")
    things = ("lamp", "kettle", "violin", "novel", "rope", "compass", "bread", "scarf", "camera", "drill")
    new = [catalog_pb2.Item(item_id=f"{c}-{t}", title=f"{c} {t}") for t in things for c in sorts]
    # Ten candidates a search of a hundred, and the model the loudest: most of what comes first only it has found.
    scoring = Scoring(depth=10, learned=100.0)
    async with served(store, sequence_model=spring, scoring=scoring) as client:
        (answer,) = await client.upsert(*new)
        assert answer.accepted == len(new)
        z = await embeddings(client, made, [*ITEMS, *(item.item_id for item in new)])
        first = []
        for item_id in ITEMS:
            await client.record(f"buyer of {item_id}", "purchase", item_id)
            state = made.state(z[item_id][None])
            cosines = {other: float(state @ row) for other, row in z.items() if other != item_id}
            first += await client.listed(f"buyer of {item_id}", page_size=1)
            assert first[-1] == max(cosines, key=lambda other: cosines[other])
        assert {item.item_id for item in new} & set(first)
    # It is found by the same place after the next start, and its new words by another at once.
    async with served(store, sequence_model=spring, scoring=scoring) as client:
        assert await client.listed("buyer of tent", page_size=1) == [first[list(ITEMS).index("tent")]]
        before = learned(await client.recommend("buyer of tent", page_size=100, explain=True))
        await client.upsert(catalog_pb2.Item(item_id="red-lamp", title="Fresh bananas"))
        after = learned(await client.recommend("buyer of tent", page_size=100, explain=True))
        assert {item_id for item_id, part in after.items() if part != pytest.approx(before[item_id])} == {"red-lamp"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("encoder", "was learnt with the encoder another, and here"),
        ("width", "reads vectors of 16 numbers, and here they have 512"),
        ("cut", "is damaged"),
        ("gone", "there is no"),
    ],
)
def test_a_model_that_does_not_fit_ends_the_start_with_the_name_of_the_setting(
    store: Path, made: SequenceModel, spring: Path, damage: str, said: str
) -> None:
    if damage == "encoder":
        write_sequence_model(spring, SequenceModel(replace(made.about, encoder="another"), made.arrays), {})
    elif damage == "width":
        write_sequence_model(spring, model(encoder=made.about.encoder, dim=16), {})
    elif damage == "cut":
        (spring / FILE).write_bytes((spring / FILE).read_bytes()[:-100])
    else:
        (spring / FILE).unlink()
    ended = subprocess.run(
        [Path(sys.executable).with_name("penchant"), "up", "--listen", "127.0.0.1:0", "--data-dir", store],
        env={**os.environ, "PENCHANT_SEQUENCE_MODEL": str(spring), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stdout + ended.stderr
    told = " ".join((ended.stdout + ended.stderr).split())
    assert "sequence_model" in told
    assert said in told
    assert "Traceback" not in told

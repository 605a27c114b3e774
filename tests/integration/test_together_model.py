"""A service with weights between items: no import, lists with their part, and none of it where a profile is deaf."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from penchant.v1 import catalog_pb2
from penchant.v1.recommendation_pb2 import Reason, RecommendResponse
from penchant_adapters.together import FILE, write_together_model
from penchant_core.errors import InvalidSetting
from penchant_core.tuning import Scoring

from tests.integration.conftest import ITEMS, Client, served
from tests.integration.test_profiles import assert_same, lists, live, write
from tests.together_models import drawn, together

KNOWN = [item for item in ITEMS if item != "pear"]
"""All but one that fitting has not seen."""
PAIRS = drawn(KNOWN, kept=6)
"""Target → source → weight."""
MODEL = together(PAIRS, weight=0.2, rank_decay=0.5)
Parts = Mapping[tuple[str, str], float]


@pytest.fixture
def spring(tmp_path: Path) -> Path:
    """The folder of the weights."""
    return write_together_model(tmp_path / "spring", MODEL, {}).parent


def gained(item: str, shares: Mapping[str, float]) -> float:
    """What the score of an item gains where the sources have these shares of what is liked."""
    return 0.2 * sum(share * PAIRS.get(item, {}).get(source, 0.0) for source, share in shares.items())


def pairs_told(answer: RecommendResponse) -> Parts:
    """What is told of pairs, by item and source; the parts of every score add up to it."""
    found = {}
    for one in answer.recommendations:
        reasons = one.explanation.reasons
        assert sum(reason.contribution for reason in reasons) == pytest.approx(one.score, abs=1e-4)
        for reason in reasons:
            if reason.kind == Reason.KIND_TOGETHER:
                assert reason.event_id
                assert (one.item_id, reason.item_id) not in found, "a source is one reason"
                found[one.item_id, reason.item_id] = reason.contribution
    return found


def assert_gained(after: Parts, before: Parts, listed: Collection[str], shares: Mapping[str, float]) -> None:
    """Every pair of what is liked and another item has gained its weight, and nothing else has changed."""
    wanted = {
        (item, source): before.get((item, source), 0.0) + gained(item, {source: share})
        for item in listed
        for source, share in shares.items()
    }
    assert after == pytest.approx({pair: part for pair, part in wanted.items() if part}, abs=1e-5)


async def test_a_store_that_was_there_before_is_listed_with_the_weights_and_without_them_as_before(
    store: Path, spring: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "profiles"
    write(folder, "silent", "1", {"scoring": {"fitted": 0.0}, "weights": {}})
    write(folder, "loud", "1", {"scoring": {"fitted": 3.0}, "weights": {}})
    everything = {"page_size": 12, "explain": True}
    async with served(store) as client:
        await live(client)
        plain, told = await lists(client), pairs_told(await client.recommend("u", **everything))
    async with served(store, together_model=spring, profiles=folder) as client:
        found = await lists(client)
        # u bought a tent, viewed a banana for half as much and a moment later, and hid the orange; half of what v is
        # for was said in words.
        likes = {"u": {"tent": 0.5, "banana": 0.5}, "v": {"stove": 0.5}, "tent": {"tent": 1.0}, "phone": {"phone": 1.0}}
        for name, shares in likes.items():
            before, after = dict(plain[name]), dict(found[name])
            for item in ITEMS.keys() - shares.keys() - {"orange"}:
                wanted = before.get(item, 0.0) + gained(item, shares)
                assert after.get(item, 0.0) == pytest.approx(wanted, abs=1e-5), (name, item)
        assert found["x"] == plain["x"]
        weighed = pairs_told(await client.recommend("u", **everything))
        listed = ITEMS.keys() - {"tent", "banana", "orange"}
        assert_gained(weighed, told, listed, likes["u"])
        assert_same(await lists(client, "silent"), plain)
        assert pairs_told(await client.recommend("u", **everything, profile="silent")) == pytest.approx(told)
        loud = pairs_told(await client.recommend("u", **everything, profile="loud"))
        assert_gained(loud, told, listed, {source: 3.0 * share for source, share in likes["u"].items()})
    async with served(store) as client:
        assert_same(await lists(client), plain)


async def test_an_item_that_goes_and_comes_back_while_it_runs_is_found_by_its_weights_at_once(
    store: Path, spring: Path
) -> None:
    # Nothing but the weights speaks, so only what they find is listed.
    alone = Scoring(content=0.0, together=0.0, dislike=0.0)
    shares = {"tent": 0.5, "banana": 0.5}
    wanted = {item: gained(item, shares) for item in ITEMS.keys() - {"orange", *shares} if gained(item, shares)}
    assert "stove" in wanted
    async with served(store, together_model=spring, scoring=alone) as client:
        await live(client)
        assert await scores(client) == pytest.approx(wanted, abs=1e-5)
        await client.items.DeleteItems(catalog_pb2.DeleteItemsRequest(item_ids=["stove"]))
        assert (await scores(client)).keys() == wanted.keys() - {"stove"}
        await client.upsert(catalog_pb2.Item(item_id="stove", title="Something else"))
        assert await scores(client) == pytest.approx(wanted, abs=1e-5)


async def scores(client: Client) -> dict[str, float]:
    return {one.item_id: one.score for one in (await client.recommend("u", page_size=12)).recommendations}


async def test_a_damaged_file_ends_the_start_with_the_name_of_the_setting(store: Path, spring: Path) -> None:
    (spring / FILE).write_bytes((spring / FILE).read_bytes()[:-4])
    with pytest.raises(InvalidSetting, match="is damaged") as refused:
        async with served(store, together_model=spring):
            pass
    assert refused.value.field == "together_model"

"""Lists that are explored, of a running service: bounded, told with their propensities, steady, logged for weighing."""

from collections.abc import AsyncIterator, Iterable
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from penchant import decode
from penchant.v1.recommendation_pb2 import Recommendation, RecommendResponse, SearchItemsRequest, SimilarItemsRequest
from penchant_adapters.attribution import attributed_request
from penchant_core.tuning import Scoring
from structlog.testing import capture_logs

from tests.integration.conftest import ITEMS, Client, served
from tests.integration.test_profiles import write
from tests.integration.test_streams import Shown, talking, watching

SIZE, SHARE = 4, 0.5
KNOWN = ["tent", "stove", "phone", "charger", "tablet", "banana", "boots", "pear"]
NEW = set(ITEMS) - set(KNOWN)
"""Fewer than two came to these."""
BOLD = Scoring(explore=SHARE, explore_until=2.0)


async def visited(client: Client) -> None:
    for visitors, item_id in enumerate(KNOWN, start=2):
        for n in range(visitors):
            await client.record(f"visitor-{item_id}-{n}", "like", item_id)


@pytest.fixture
async def bold(store: Path) -> AsyncIterator[Client]:
    """A service that explores half of the places."""
    async with served(store, scoring=BOLD) as client:
        await visited(client)
        yield client


def told(listed: Iterable[Recommendation]) -> dict[str, float]:
    return {one.item_id: one.propensity for one in listed}


def explored(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "explored"]


@pytest.mark.parametrize("likes", [[], ["tent"], ["tent", "banana", "phone"]])
async def test_everybodys_places_are_explored_within_bounds_and_their_propensities_add_up(
    bold: Client, likes: list[str]
) -> None:
    odds: dict[str, float] = {}
    for n in range(60):
        for second, item_id in enumerate(likes):
            # Likes of one moment would count alike, and whether two fall into one is chance.
            at = Timestamp(seconds=1_780_000_000 + second)
            await bold.record(f"u{n}", "like", item_id, occurred_at=at)
    lists = [told((await bold.recommend(f"u{n}", page_size=SIZE)).recommendations) for n in range(60)]
    for listed in lists:
        assert len(listed) == SIZE
        for item_id, propensity in listed.items():
            assert odds.setdefault(item_id, propensity) == pytest.approx(propensity)
            assert 0.0 < propensity <= 1.0
        head = [item_id for item_id, propensity in listed.items() if propensity == 1.0]
        assert len(NEW & listed.keys() - set(head)) <= ceil(SHARE * SIZE)
    assert len({tuple(listed) for listed in lists}) > 1
    # Sixty lists show all that has a chance, and the probabilities of a list of four add up to four.
    assert sum(odds.values()) == pytest.approx(SIZE)
    assert any(propensity < 1.0 for propensity in odds.values())
    assert {item_id for item_id, propensity in odds.items() if propensity < 1.0} <= NEW


async def test_asked_again_the_list_is_the_same_and_a_stream_shows_it_too(bold: Client) -> None:
    await bold.record("u", "like", "tent")
    first, second, third = [told((await bold.recommend("u", page_size=SIZE)).recommendations) for _ in range(3)]
    # The hour may end once.
    assert list(first.items()) == list(second.items()) or list(second.items()) == list(third.items())
    async with watching(bold, options={"page_size": SIZE}) as stream:
        update = await stream.next()
        pushed = told(update.recommendations)
        after = told((await bold.recommend("u", page_size=SIZE)).recommendations)
        assert list(pushed.items()) in (list(third.items()), list(after.items()))
        assert list(pushed) == list(update.order)


async def test_below_what_a_stream_has_shown_the_places_left_are_explored(bold: Client) -> None:
    await bold.record("u", "like", "tent")
    with capture_logs() as lines:
        async with talking(bold, options={"page_size": SIZE}) as stream:
            first = await stream.next()
            await stream.say(shown=Shown(positions=2))
            await bold.record("u", "like", "banana")
            second = await stream.next()
    assert list(second.order)[:2] == list(first.order)[:2]
    assert len(set(second.order)) == SIZE
    told_now = told(second.recommendations)
    assert set(told_now) == set(second.order) - set(first.order)
    assert all(0.0 < propensity <= 1.0 for propensity in told_now.values())
    line = explored(lines)[-1]
    assert line["request"] == attributed_request(second.attribution_token)
    assert set(line["items"]) <= set(second.order)
    logged = dict(zip(line["items"], line["propensities"], strict=True))
    assert {item_id: logged[item_id] for item_id in told_now} == pytest.approx(told_now, abs=1e-6)
    drawn = [item_id for item_id in list(second.order)[2:] if logged[item_id] < 1.0]
    assert len(drawn) <= ceil(SHARE * (SIZE - 2))


async def test_a_stream_that_goes_on_explores_the_places_that_were_not_shown_yet(bold: Client) -> None:
    for user in ("u", "v", "w", "x"):
        await bold.record(user, "like", "tent")
        async with watching(bold, user) as stream:
            first = await stream.next()
        resumed = {"resume_token": first.resume_token, "shown_positions": SIZE - 1}
        async with watching(bold, user, **resumed) as stream:
            second = await stream.next()
        *shown, last = second.order
        assert shown == list(first.order)[:-1]
        odds = told(second.recommendations)
        assert [odds[item_id] for item_id in shown] == [1.0] * len(shown)
        # Half of the draws explore the one place that is left; half leave it to the best by score.
        drawn = 0.5 / len(NEW - set(shown))
        wanted = [drawn, 0.5 + drawn] if last in NEW else [0.5]
        assert any(odds[last] == pytest.approx(each) for each in wanted)


async def test_what_comes_of_an_explored_list_leads_to_its_propensities(bold: Client) -> None:
    with capture_logs() as lines:
        answer = await bold.recommend("u", page_size=SIZE)
    (line,) = explored(lines)
    listed = told(answer.recommendations)
    assert line["items"] == list(listed)
    assert [one.propensity for one in decode.recommendations(answer)] == list(listed.values())
    assert line["propensities"] == pytest.approx(list(listed.values()), abs=1e-6)
    assert not line.keys() & {"user", "user_id"}
    await bold.record("u", "like", line["items"][0], attribution_token=answer.attribution_token)
    (event,) = (await bold.store.users.ledgers(["u"]))["u"].live
    assert event.attribution == line["request"]


async def test_without_a_share_nothing_is_drawn_told_or_logged_and_a_profile_may_have_one(
    store: Path, tmp_path: Path
) -> None:
    write(tmp_path / "profiles", "bold", "7", {"scoring": {"explore": SHARE, "explore_until": 2.0}, "weights": {}})
    async with served(store, profiles=tmp_path / "profiles") as client:
        await visited(client)
        await client.record("u", "like", "tent")
        asked = [(user, size) for user in ("u", "stranger") for size in (3, 20)]
        with capture_logs() as lines:
            plain = [await client.recommend(user, page_size=size) for user, size in asked]
        assert not explored(lines)
        with capture_logs() as lines:
            bold = [await client.recommend(user, page_size=size, profile="bold") for user, size in asked]
        assert [line["profile"] for line in explored(lines)] == ["bold@7"] * len(asked)
    async with served(store, scoring=Scoring(explore=0.0, explore_until=1_000.0)) as client:
        assert written(plain) == written([await client.recommend(user, page_size=size) for user, size in asked])
        found = await client.lists.SearchItems(SearchItemsRequest(query="fruit"))
    async with served(store, scoring=BOLD) as client:
        similar = await client.lists.SimilarItems(SimilarItemsRequest(item_id="tent"))
        assert found == await client.lists.SearchItems(SearchItemsRequest(query="fruit"))
    assert not any(one.propensity for answer in [*plain, similar, found] for one in answer.recommendations)
    assert all(one.propensity for answer in bold for one in answer.recommendations)


def written(answers: list[RecommendResponse]) -> list[list[bytes]]:
    return [[one.SerializeToString(deterministic=True) for one in answer.recommendations] for answer in answers]

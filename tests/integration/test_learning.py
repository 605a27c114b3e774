"""What is acknowledged is in the next list; what is learnt does not depend on how it was delivered."""

from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1.catalog_pb2 import DeleteItemsRequest, Item, ListItemsRequest
from penchant.v1.event_pb2 import Event
from penchant.v1.recommendation_pb2 import (
    Filter,
    ListOptions,
    Reason,
    RecommendRequest,
    SearchItemsRequest,
    SimilarItemsRequest,
)
from penchant_cli.demo.data import items
from penchant_core.counts import Counts, changes_of
from penchant_core.covisitation import Flow, added, fold
from penchant_core.ledger import CAPACITY, Ledger
from penchant_core.model import Event as Fact
from penchant_core.tuning import Covisitation, Weights

from tests.integration.conftest import ITEMS, Client, assert_same_counts, copied, served

TOLERANCE = 1e-4
START = 1_780_000_000


def explained(answer: object) -> None:
    """Every score is the sum of its reasons."""
    found = answer.recommendations  # type: ignore[attr-defined]  # any reply with a list
    assert found
    for one in found:
        parts = [reason.contribution for reason in one.explanation.reasons]
        assert sum(parts) == pytest.approx(one.score, abs=TOLERANCE)
        assert [abs(p) for p in parts] == sorted((abs(p) for p in parts), reverse=True)
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)


async def test_an_acknowledged_event_is_in_the_next_list(service: Client) -> None:
    for item_id in ITEMS:
        before = await service.listed("u", page_size=20)
        assert item_id in before
        await service.record("u", "view", item_id)
        assert item_id not in await service.listed("u", page_size=20)
        assert item_id in await service.listed("u", page_size=20, filter={"include_seen": True})


async def test_a_first_click_brings_what_is_like_it_to_the_top(service: Client) -> None:
    await service.record("u", "click", "tent")
    assert set((await service.listed("u"))[:3]) == {"boots", "stove", "sleeping-bag"}
    await service.record("u", "click", "banana")
    assert set((await service.listed("u"))[:3]) <= {"apple", "orange", "pear"}


async def test_words_are_behaviour(service: Client) -> None:
    await service.record("u", "search", text="something sweet to eat, apples or bananas")
    assert set((await service.listed("u"))[:4]) == {"apple", "banana", "orange", "pear"}
    found = await service.interests("u")
    assert [e.text for i in found.interests for e in i.evidence] == ["something sweet to eat, apples or bananas"]


async def test_the_same_event_again_is_unchanged_and_counts_once(service: Client) -> None:
    stamp = Timestamp(seconds=START)
    first = await service.record("u", "like", "tent", event_id="e", occurred_at=stamp)
    again = await service.record("u", "like", "tent", event_id="e", occurred_at=stamp)
    assert (first.unchanged, again.unchanged) == (False, True)
    assert first.event_id == again.event_id == "e"
    visits = await service.store.items.counts(["tent"])
    assert visits["tent"].visits == 1.0
    told = await service.deliver([Event(event_id="e", user_id="u", type="like", item_id="tent", occurred_at=stamp)] * 3)
    assert [one.unchanged for one in told] == [True] * 3
    assert (await service.interests("u")).event_count == 1


async def test_an_event_without_a_time_that_is_sent_again_is_still_the_same(service: Client) -> None:
    assert not (await service.record("u", "like", "tent", event_id="e")).unchanged
    first = (await service.store.users.ledgers(["u"]))["u"]
    await service.record("u", "like", "stove", event_id="later")
    assert (await service.record("u", "like", "tent", event_id="e")).unchanged
    assert (await service.store.users.ledgers(["u"]))["u"].slots[0] == first.slots[0]


async def test_the_same_id_of_two_users_is_two_events(service: Client) -> None:
    for user in "uv":
        assert not (await service.record(user, "like", "tent", event_id="e")).unchanged
    assert (await service.store.items.counts(["tent"]))["tent"].visits == 2.0


def story(seed: int, users: int, count: int) -> list[Event]:
    """Events of some users; ids collide now and then with other content."""
    chance = Random(seed)
    return [
        Event(
            event_id=f"e{chance.randrange(3 * count)}",
            user_id=f"u{chance.randrange(users)}",
            type=chance.choice(["view", "like", "purchase", "hide", "rate"]),
            item_id=chance.choice(list(ITEMS)),
            value=chance.choice([1.0, 5.0]),
            occurred_at=Timestamp(seconds=START + chance.randrange(10**6)),
        )
        for _ in range(count)
    ]


def folded(events: list[Event], settings: Covisitation) -> tuple[dict[str, Ledger], dict[str, Counts]]:
    """What the theory says of them, event by event."""
    ledgers: dict[str, Ledger] = defaultdict(Ledger)
    flows = []
    for e in events:
        fact = Fact(e.event_id, e.user_id, e.type, e.occurred_at.seconds * 1000, e.item_id, value=e.value)
        ledgers[e.user_id], flow = fold(ledgers[e.user_id], [fact], Weights(), settings)
        flows.append(flow)
    return dict(ledgers), counted(added(flows), settings)


def counted(flow: Flow, settings: Covisitation) -> dict[str, Counts]:
    return {item: Counts().with_change(change, settings) for item, change in changes_of(flow).items()}


@pytest.mark.parametrize("seed", [1, 2])
async def test_reordered_repeated_and_batched_deliveries_learn_the_same_as_the_pure_fold(
    stocked: Path, tmp_path: Path, seed: int
) -> None:
    events = story(seed, users=3, count=400)
    assert max(Counter(e.user_id for e in events).values()) <= CAPACITY
    chance = Random(seed)
    shuffled = chance.sample(events, len(events)) + chance.choices(events, k=200)
    deliveries = {"in order": (events, 1000), "shuffled": (shuffled, 7)}
    told: dict[str, dict[str, tuple[list[str], list[str]]]] = {}
    for name, (delivery, size) in deliveries.items():
        async with served(copied(stocked, tmp_path / name)) as client:
            batches = [delivery[n : n + size] for n in range(0, len(delivery), size)]
            answers = await client.deliver(*batches)
            assert [one.ordinal for one in answers] == list(range(len(delivery)))
            assert not any(one.HasField("error") for one in answers)
            ledgers, counts = folded(events, client.service.store.items._settings)  # type: ignore[union-attr]
            assert await client.store.users.ledgers(list(ledgers)) == ledgers
            assert_same_counts(await client.store.items.counts(list(ITEMS)), counts)
            told[name] = {}
            for user in ledgers:
                answer = await client.interests(user)
                told[name][user] = ([str(i) for i in answer.interests], [str(d) for d in answer.dislikes])
    assert told["in order"] == told["shuffled"]


async def test_people_who_took_one_path_lead_others_along_it_and_the_reasons_say_so(service: Client) -> None:
    for n in range(20):
        await service.record(f"walker-{n}", "purchase", "boots")
        await service.record(f"walker-{n}", "purchase", "charger")
    await service.record("u", "like", "boots")
    answer = await service.recommend("u", explain=True, include_items=True)
    explained(answer)
    charger = next(one for one in answer.recommendations if one.item_id == "charger")
    kinds = {reason.kind: reason for reason in charger.explanation.reasons}
    assert kinds[Reason.KIND_TOGETHER].contribution > 0.0
    assert kinds[Reason.KIND_TOGETHER].item_id == "boots"
    assert charger.item.title == ITEMS["charger"][0]
    similar = await service.lists.SimilarItems(SimilarItemsRequest(item_id="boots", options=ListOptions(explain=True)))
    explained(similar)
    assert "boots" not in [one.item_id for one in similar.recommendations]
    together = {one.item_id: {r.kind for r in one.explanation.reasons} for one in similar.recommendations}
    assert Reason.KIND_TOGETHER in together["charger"]
    assert Reason.KIND_TOGETHER not in together["stove"]


async def test_explanations_add_up_for_every_kind_of_list(service: Client) -> None:
    for item_id, kind in [("tent", "like"), ("phone", "hide"), ("banana", "view"), ("tablet", "dislike")]:
        await service.record("u", kind, item_id)
    await service.record("u", "review", "stove", text="burns well in the wind")
    await service.record("u", "search", text="水果")
    explained(await service.recommend("u", explain=True, page_size=20))
    explained(await service.recommend("stranger", explain=True))
    found = await service.lists.SearchItems(
        SearchItemsRequest(query="fruit to eat", options=ListOptions(explain=True, page_size=4))
    )
    explained(found)
    assert {one.item_id for one in found.recommendations} == {"banana", "apple", "orange", "pear"}


async def test_what_is_hidden_pulls_down_its_like_and_is_told_apart(service: Client) -> None:
    await service.record("u", "like", "tent")
    before = {one.item_id: one.score for one in (await service.recommend("u", page_size=20)).recommendations}
    await service.record("u", "hide", "banana")
    answer = await service.recommend("u", page_size=20, explain=True)
    after = {one.item_id: one.score for one in answer.recommendations}
    assert "banana" not in after
    assert all(after[fruit] < before[fruit] for fruit in ("apple", "orange", "pear"))
    apple = next(one for one in answer.recommendations if one.item_id == "apple")
    disliked = [r for r in apple.explanation.reasons if r.kind == Reason.KIND_DISLIKED]
    assert [r.item_id for r in disliked] == ["banana"]
    assert disliked[0].contribution < 0.0
    told = await service.interests("u")
    assert [(e.item_id, e.weight < 0.0) for e in told.dislikes] == [("banana", True)]


async def test_a_stranger_gets_what_is_popular_and_then_whatever_there_is(service: Client) -> None:
    for n, item_id in enumerate(["stove", "phone", "phone", "pear", "pear", "pear"]):
        await service.record(f"visitor-{n}", "view", item_id)
    answer = await service.recommend("stranger", page_size=20, explain=True)
    assert [one.item_id for one in answer.recommendations][:3] == ["pear", "phone", "stove"]
    assert len(answer.recommendations) == len(ITEMS)
    assert (await service.interests("stranger")).event_count == 0


async def test_several_interests_are_told_apart_and_their_shares_add_up(service: Client) -> None:
    for item_id in ("banana", "apple", "phone", "charger"):
        await service.record("u", "like", item_id)
    told = await service.interests("u")
    assert sum(interest.share for interest in told.interests) == pytest.approx(1.0)
    groups = [{e.item_id for e in interest.evidence} for interest in told.interests]
    assert {"banana", "apple"} in groups
    assert not any({"banana", "phone"} <= group for group in groups)
    answer = await service.recommend("u", page_size=20)
    served_by = {one.item_id: one.interest for one in answer.recommendations}
    fruit = next(n for n, group in enumerate(groups) if "banana" in group)
    assert {served_by[i] for i in ("orange", "pear")} == {fruit}
    assert served_by["phone-case"] != fruit


async def test_a_new_item_is_in_the_next_list_of_who_likes_such_things(service: Client) -> None:
    await service.record("u", "like", "tent")
    await service.record("v", "like", "banana")
    pegs = Item(item_id="pegs", title="Pegs for a light tent", categories=["outdoor"])
    (answer,) = await service.upsert(pegs)
    assert answer.accepted == 1
    assert (await service.listed("u"))[0] == "pegs"
    assert "pegs" not in await service.listed("v", page_size=3)


async def test_an_unavailable_item_is_in_no_list_until_it_is_back(service: Client) -> None:
    await service.record("u", "like", "tent")
    assert "stove" in await service.listed("u")
    stove = Item(item_id="stove", title=ITEMS["stove"][0], unavailable=True)
    await service.upsert(stove)
    assert "stove" not in await service.listed("u", page_size=20)
    assert "stove" not in await service.listed("stranger", page_size=20)
    stove.unavailable = False
    await service.upsert(stove)
    assert "stove" in await service.listed("u")


async def test_deleted_and_unavailable_items_stay_out_after_a_restart(store: Path) -> None:
    async with served(store) as client:
        await client.record("u", "like", "tent")
        await client.upsert(Item(item_id="boots", title="boots", unavailable=True))
        assert (await client.items.DeleteItems(DeleteItemsRequest(item_ids=["stove", "nobody"]))).deleted == 1
    async with served(store) as client:
        for user in ("u", "stranger"):
            assert {"stove", "boots"}.isdisjoint(await client.listed(user, page_size=20))
        page = await client.items.ListItems(ListItemsRequest())
        assert {item.item_id for item in page.items} == set(ITEMS) - {"stove"}


async def test_filters_hold_for_every_kind_of_list(service: Client) -> None:
    await service.record("u", "like", "tent")
    fruit = Filter(categories=["fruit"], max_price=4.0, exclude_item_ids=["apple"], attributes={"kind": "fruit"})
    assert set(await service.listed("u", filter=fruit)) == {"banana", "orange"}
    assert set(await service.listed("stranger", filter=fruit)) == {"banana", "orange"}
    options = ListOptions(filter=fruit)
    similar = await service.lists.SimilarItems(SimilarItemsRequest(item_id="tent", options=options))
    found = await service.lists.SearchItems(SearchItemsRequest(query="tent", options=options))
    for answer in (similar, found):
        assert {one.item_id for one in answer.recommendations} == {"banana", "orange"}


async def test_what_was_learnt_of_an_item_stays_when_it_is_replaced_or_comes_back(service: Client) -> None:
    for n in range(3):
        await service.record(f"u{n}", "like", "tent")
    await service.items.DeleteItems(DeleteItemsRequest(item_ids=["tent"]))
    assert (await service.interests("u0")).interests == []
    await service.upsert(Item(item_id="tent", title="Light tent for two campers"))
    assert [e.item_id for i in (await service.interests("u0")).interests for e in i.evidence] == ["tent"]
    assert (await service.listed("stranger"))[0] == "tent"


async def test_the_founding_example_puts_fruit_before_all_else_in_chinese(stocked: Path, tmp_path: Path) -> None:
    async with served(copied(stocked, tmp_path / "chinese")) as client:
        shipped = items()
        chosen = [item for item in shipped if item.item_id.startswith("article-")]
        assert {"article-zh-banana", "article-zh-apple-vitamins"} <= {item.item_id for item in chosen}
        await client.upsert(*chosen)
        await client.record("mei", "review", text="我今天去超市买了很多水果")
        await client.record("mei", "review", text="我喜欢吃苹果、香蕉和橙子")
        found = await client.lists.Recommend(
            RecommendRequest(user_id="mei", options=ListOptions(filter=Filter(attributes={"domain": "article"})))
        )
        best = [one.item_id for one in found.recommendations]
        assert set(best[:2]) == {"article-zh-banana", "article-zh-apple-vitamins"}


async def test_an_event_sent_again_without_a_time_keeps_the_one_it_had(service: Client) -> None:
    first = await service.record("u", "like", "tent", event_id="once")
    again = await service.record("u", "like", "tent", event_id="once")
    assert (first.unchanged, again.unchanged) == (False, True)
    twice = Event(event_id="both", user_id="u", type="view", item_id="boots")
    told = await service.deliver([twice, twice])
    assert [one.unchanged for one in told] == [False, True]
    assert (await service.interests("u")).event_count == 2

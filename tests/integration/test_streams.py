"""Lists that follow: pushed by facts, as differences, never above what was shown, resumable, the latest for all."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc.aio import EOF  # type: ignore[attr-defined]  # the stubs forget it
from penchant.v1.catalog_pb2 import DeleteItemsRequest, Item
from penchant.v1.event_pb2 import Event
from penchant.v1.recommendation_pb2 import (
    Filter,
    ListOptions,
    RecommendationUpdate,
    StreamRecommendationsRequest,
    StreamStart,
    WatchRecommendationsRequest,
)

from tests.integration.conftest import ITEMS, Client, Start, served

PATIENCE = 20.0
Shown = StreamRecommendationsRequest.Shown


class Listening:
    """The client's end of a stream."""

    def __init__(self, client: Client, call: Any) -> None:
        self.client = client
        self.call = call

    async def next(self) -> RecommendationUpdate:
        """Wait for the next update."""
        answer = await asyncio.wait_for(self.call.read(), PATIENCE)
        assert answer is not EOF, "the stream ended"
        update: RecommendationUpdate = answer.update
        assert update.freshness.age.ToNanoseconds() >= 0
        assert update.attribution_token
        return update

    async def ended(self) -> grpc.StatusCode:
        """Wait for the end of the stream."""
        assert await asyncio.wait_for(self.call.read(), PATIENCE) is EOF
        code: grpc.StatusCode = await self.call.code()
        return code

    async def say(self, **message: Any) -> None:
        """Send, and wait until the service has heard it: one connection keeps the order."""
        await self.call.write(StreamRecommendationsRequest(**message))
        await self.client.interests("nobody")


@asynccontextmanager
async def watching(client: Client, user_id: str = "u", **start: Any) -> AsyncIterator[Listening]:
    options = ListOptions(**start.pop("options", {"page_size": 4}))
    request = WatchRecommendationsRequest(open=StreamStart(user_id=user_id, options=options, **start))
    call = client.lists.WatchRecommendations(request)
    try:
        yield Listening(client, call)
    finally:
        call.cancel()


@asynccontextmanager
async def talking(client: Client, user_id: str = "u", **start: Any) -> AsyncIterator[Listening]:
    options = ListOptions(**start.pop("options", {"page_size": 4}))
    call = client.lists.StreamRecommendations()
    try:
        await call.write(StreamRecommendationsRequest(open=StreamStart(user_id=user_id, options=options, **start)))
        yield Listening(client, call)
    finally:
        call.cancel()


def ids(found: Iterable[Any]) -> list[str]:
    return [one.item_id for one in found]


async def test_the_first_update_is_whole_and_the_same_as_asking(service: Client) -> None:
    await service.record("u", "like", "tent")
    async with watching(service, options={"page_size": 4, "include_items": True, "explain": True}) as stream:
        first = await stream.next()
        assert (first.stream_sequence, first.snapshot, first.going_away) == (1, True, False)
        assert list(first.order) == ids(first.recommendations) == await service.listed("u", page_size=4)
        assert all(one.item.title == ITEMS[one.item_id][0] for one in first.recommendations)
        assert all(one.explanation.reasons for one in first.recommendations)


async def test_an_event_is_pushed_as_a_difference_that_names_it(service: Client) -> None:
    await service.record("u", "like", "tent")
    async with watching(service) as stream:
        before = await stream.next()
        answer = await service.record("u", "search", text="ripe fruit", event_id="e7")
        update = await stream.next()
        assert (update.stream_sequence, update.snapshot) == (2, False)
        assert (update.trigger.event_id, update.trigger.type, update.trigger.text) == ("e7", "search", "ripe fruit")
        assert update.freshness.applied_through == answer.freshness_token
        assert list(update.order) == await service.listed("u", page_size=4) != list(before.order)
        assert set(ids(update.recommendations)) == set(update.order) - set(before.order)


async def test_an_event_of_somebody_else_pushes_nothing(service: Client) -> None:
    await service.record("u", "like", "tent")
    async with watching(service) as stream:
        await stream.next()
        await service.record("v", "like", "banana")
        await service.record("u", "like", "banana", event_id="mine")
        update = await stream.next()
        assert (update.stream_sequence, update.trigger.event_id) == (2, "mine")


@pytest.mark.parametrize("how", ["deleted", "unavailable"])
async def test_a_listed_item_that_goes_away_is_pushed_out_and_others_move_up(service: Client, how: str) -> None:
    await service.record("u", "like", "tent")
    async with watching(service) as stream:
        before = await stream.next()
        unlisted, listed = next(i for i in ITEMS if i not in before.order), before.order[1]
        for item_id in (unlisted, listed):
            if how == "deleted":
                await service.items.DeleteItems(DeleteItemsRequest(item_ids=[item_id]))
            else:
                await service.upsert(Item(item_id=item_id, title=ITEMS[item_id][0], unavailable=True))
        update = await stream.next()
        assert update.stream_sequence == 2
        assert not update.HasField("trigger")
        assert list(update.order[:3]) == [i for i in before.order if i != listed]
        assert ids(update.recommendations) == [update.order[3]]


async def test_a_listed_item_that_changes_is_told_anew_to_those_who_asked_for_details(service: Client) -> None:
    await service.record("u", "like", "tent")
    async with talking(service, options={"page_size": 3, "include_items": True}) as stream:
        first = await stream.next()
        item = first.recommendations[0].item
        item.price += 1.0
        await service.upsert(item)
        second = await stream.next()
        assert second.order == first.order
        assert [(one.item_id, one.item.price) for one in second.recommendations] == [(item.item_id, item.price)]


async def test_what_was_shown_stays_whatever_comes_after(service: Client) -> None:
    await service.record("u", "like", "tent")
    async with talking(service) as stream:
        first = await stream.next()
        await stream.say(shown=Shown(positions=2))
        await service.record("u", "like", "banana")
        second = await stream.next()
        assert list(second.order[:2]) == list(first.order[:2])
        assert set(second.order[2:]) <= {"apple", "orange", "pear"}
        await stream.say(shown=Shown(positions=3, stream_sequence=1))
        await service.record("u", "like", "phone")
        third = await stream.next()
        assert list(third.order[:3]) == list(first.order[:3])
        await stream.say(shown=Shown(positions=0))
        await service.record("u", "like", "charger")
        assert list((await stream.next()).order) == await service.listed("u", page_size=4)


async def test_other_options_release_what_was_shown_and_bring_a_whole_list(service: Client) -> None:
    await service.record("u", "like", "tent")
    async with talking(service) as stream:
        await stream.next()
        await stream.say(shown=Shown(positions=4))
        phones = Filter(categories=["phones"])
        await stream.say(change=ListOptions(page_size=3, filter=phones, include_items=True))
        update = await stream.next()
        assert (update.stream_sequence, update.snapshot) == (2, True)
        assert list(update.order) == ids(update.recommendations)
        assert [one.item.categories[0] for one in update.recommendations] == ["phones"] * 3
        await stream.say(change=ListOptions(page_size=3, filter=phones, explain=True))
        same = await stream.next()
        assert same.order == update.order
        assert all(one.explanation.reasons for one in same.recommendations)


async def test_a_resumed_stream_goes_on_counting_and_keeps_what_was_shown(service: Client) -> None:
    await service.record("u", "like", "tent")
    async with talking(service) as stream:
        first = await stream.next()
        await stream.say(shown=Shown(positions=2))
        await service.record("u", "like", "banana")
        second = await stream.next()
    # One of those shown is acted on meanwhile, and would not be listed any more.
    await service.record("u", "purchase", first.order[0])
    async with talking(service, resume_token=second.resume_token, options={"page_size": 4}) as stream:
        third = await stream.next()
        assert (third.stream_sequence, third.snapshot) == (3, True)
        assert list(third.order[:2]) == list(first.order[:2])
        assert ids(third.recommendations) == list(third.order)
        await service.record("u", "like", "phone")
        fourth = await stream.next()
        assert fourth.stream_sequence == 4
        assert list(fourth.order[:2]) == list(first.order[:2])


async def test_what_was_shown_and_not_yet_told_stays_over_a_broken_connection(service: Client) -> None:
    await service.record("u", "like", "tent")
    async with talking(service) as stream:
        first = await stream.next()
    # The connection broke before the client could tell that it showed two; the user goes on meanwhile.
    await service.record("u", "like", "banana")
    async with talking(service, resume_token=first.resume_token, shown_positions=2) as stream:
        second = await stream.next()
        assert list(second.order[:2]) == list(first.order[:2])
        assert all(one.item_id for one in second.recommendations)
        await stream.say(shown=Shown(positions=3, stream_sequence=first.stream_sequence))
        await service.record("u", "like", "phone")
        third = await stream.next()
        assert list(third.order[:3]) == list(first.order[:3])


async def test_the_stream_ends_well_when_the_client_has_nothing_more_to_say(service: Client) -> None:
    async with talking(service) as stream:
        await stream.next()
        await stream.call.done_writing()
        assert await stream.ended() == grpc.StatusCode.OK


async def test_many_events_come_as_few_pushes_the_last_of_which_is_the_latest(store: Path) -> None:
    interval, items = 0.2, list(ITEMS)
    async with served(store, push_interval=interval) as client, watching(client, options={"page_size": 3}) as stream:
        await stream.next()
        began = time.monotonic()
        for n in range(100):
            await client.record("u", "click", items[n % 8])
        events = [Event(user_id="u", type="search", text=f"fruit {n}") for n in range(20)]
        await client.deliver(events)
        wanted, pushes, order = await client.listed("u", page_size=3), 0, ["nothing yet"]
        while order != wanted:
            order = list((await stream.next()).order)
            pushes += 1
        assert pushes <= (time.monotonic() - began) / interval + 2
        assert pushes < 50


async def test_a_client_that_reads_late_finds_few_updates_and_the_last_is_the_latest(store: Path) -> None:
    async with served(store, push_interval=0.5) as client, watching(client, options={"page_size": 3}) as stream:
        assert (await stream.next()).stream_sequence == 1
        began = time.monotonic()
        for item_id in ("tent", "banana", "phone", "tent", "banana", "phone", "apple", "charger"):
            await client.record("u", "click", item_id)
        wanted, update = await client.listed("u", page_size=3), await stream.next()
        while list(update.order) != wanted:
            update = await stream.next()
        assert update.stream_sequence <= 2 + (time.monotonic() - began) / 0.5


async def test_an_old_stream_says_farewell_and_the_next_one_goes_on_where_it_ended(store: Path) -> None:
    async with served(store, stream_max_age=1.0) as client:
        async with watching(client) as stream:
            first = await stream.next()
            farewell = await stream.next()
            assert farewell.going_away
            assert farewell.stream_sequence == 2
            assert (list(farewell.order), list(farewell.recommendations)) == (list(first.order), [])
            assert await stream.ended() == grpc.StatusCode.OK
        async with watching(client, resume_token=farewell.resume_token) as stream:
            again = await stream.next()
            assert (again.stream_sequence, list(again.order)) == (3, list(first.order))


@pytest.mark.parametrize("talk", [False, True])
async def test_sigterm_says_farewell_on_every_stream_and_ends_the_process_well(
    store: Path, up: Start, talk: bool
) -> None:
    one = up(store)
    async with grpc.aio.insecure_channel(one.address) as channel:
        client = Client(channel)
        async with (talking if talk else watching)(client) as stream, watching(client, "v") as other:
            first = await stream.next()
            await other.next()
            await client.record("u", "like", "tent")
            second = await stream.next()
            stopping = asyncio.create_task(asyncio.to_thread(one.stop))
            for each, number in ((stream, 3), (other, 2)):
                farewell = await each.next()
                assert farewell.going_away
                assert farewell.stream_sequence == number
                assert await each.ended() == grpc.StatusCode.OK
            assert await stopping == 0
            assert first.order != second.order

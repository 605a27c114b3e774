"""The cluster as its users see it: events in by gRPC or Kafka, lists that follow on every server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2
from penchant.v1 import catalog_pb2, event_pb2, recommendation_pb2
from penchant_bench.neighbours.process import free_port

from tests.cluster import PENCHANT, Cluster, assert_is_the_fold
from tests.integration.conftest import ITEMS, Client, catalogue, reason, status

OPEN = recommendation_pb2.StreamStart(user_id="mei", options=recommendation_pb2.ListOptions(page_size=5))


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield Client(channel)


@pytest.fixture
async def first(cluster: Cluster) -> AsyncIterator[Client]:
    """A consumer and a server with the dozen items; a client of the server."""
    cluster.consume()
    await cluster.made()
    _, address = await asyncio.to_thread(cluster.serve)
    async with connected(address) as client:
        (answer,) = await client.upsert(*catalogue())
        assert answer.accepted == len(ITEMS)
        yield client


async def fresh(client: Client, user: str, token: str, **options: Any) -> list[str]:
    request = recommendation_pb2.RecommendRequest(
        user_id=user, min_freshness=token, options=recommendation_pb2.ListOptions(**options)
    )
    answer = await client.lists.Recommend(request, timeout=20)
    return [one.item_id for one in answer.recommendations]


async def test_what_is_recorded_is_in_the_next_list_for_whoever_shows_the_token(first: Client) -> None:
    for user, item, near in (("mei", "banana", "apple"), ("jo", "tent", "sleeping-bag")):
        said = await first.record(user, "like", item)
        assert near in await fresh(first, user, said.freshness_token, page_size=4)
    said = await first.record("li", "search", text="水果")
    assert "banana" in await fresh(first, "li", said.freshness_token, page_size=4)


async def test_a_stream_on_another_server_follows_events_of_any_producer(cluster: Cluster, first: Client) -> None:
    _, address = await asyncio.to_thread(cluster.serve)
    async with connected(address) as second:
        request = recommendation_pb2.WatchRecommendationsRequest(open=OPEN)
        call = second.lists.WatchRecommendations(request, timeout=60)
        before = (await call.read()).update
        assert before.snapshot
        await first.record("mei", "like", "tent")
        after = (await call.read()).update
        assert after.trigger.item_id == "tent"
        assert "sleeping-bag" in after.order
        await cluster.produce([event_pb2.Event(event_id="k", user_id="mei", type="like", item_id="phone")])
        last = (await call.read()).update
        assert last.trigger.event_id == "k"
        assert "phone-case" in last.order
        call.cancel()


async def test_an_item_that_goes_away_is_pushed_out_of_open_lists(cluster: Cluster, first: Client) -> None:
    said = await first.record("mei", "like", "banana")
    assert await fresh(first, "mei", said.freshness_token)
    call = first.lists.WatchRecommendations(recommendation_pb2.WatchRecommendationsRequest(open=OPEN), timeout=60)
    shown = (await call.read()).update.order
    gone = await first.items.DeleteItems(_ids(shown[0]))
    assert gone.deleted == 1
    assert shown[0] not in (await call.read()).update.order
    call.cancel()


def _ids(*item_ids: str) -> catalog_pb2.DeleteItemsRequest:
    return catalog_pb2.DeleteItemsRequest(item_ids=item_ids)


async def test_bad_requests_are_refused_at_the_door_as_on_one_machine(first: Client) -> None:
    for event, code, why in [
        (event_pb2.Event(user_id="mei", type="view", item_id="nowhere"), code_pb2.NOT_FOUND, "UNKNOWN_ITEM"),
        (event_pb2.Event(user_id="mei", type="sneeze", item_id="tent"), code_pb2.INVALID_ARGUMENT, "INVALID_FIELD"),
    ]:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await first.events.RecordEvent(event_pb2.RecordEventRequest(event=event))
        assert (status(refused.value).code, reason(status(refused.value))) == (code, why)


async def test_a_token_of_the_future_is_refused_at_the_deadline(first: Client) -> None:
    said = await first.record("mei", "like", "tent")
    prefix, _, mark = said.freshness_token.rpartition(":")
    request = recommendation_pb2.RecommendRequest(user_id="mei", min_freshness=f"{prefix}:{int(mark) + 5}")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await first.lists.Recommend(request, timeout=1)
    assert reason(status(refused.value)) == "NOT_YET_APPLIED"
    assert "5 writes behind" in status(refused.value).message


async def test_events_of_a_stream_are_acknowledged_in_order_and_learnt(cluster: Cluster, first: Client) -> None:
    events = [
        event_pb2.Event(event_id=f"e{n}", user_id=f"u{n % 7}", type="view", item_id=list(ITEMS)[n % len(ITEMS)])
        for n in range(500)
    ]
    told = await first.deliver(*(events[n : n + 50] for n in range(0, 500, 50)))
    assert [one.ordinal for one in told] == list(range(500))
    assert not any(one.HasField("error") for one in told)
    await cluster.caught_up()
    expected = await assert_is_the_fold(cluster)
    assert sum(len(ledger.slots) for ledger in expected.ledgers.values()) == 500


async def test_a_server_that_comes_later_knows_how_far_everything_is_applied(cluster: Cluster, first: Client) -> None:
    said = await first.record("mei", "like", "tent")
    await fresh(first, "mei", said.freshness_token)
    _, address = await asyncio.to_thread(cluster.serve)
    async with connected(address) as second:
        assert "sleeping-bag" in await fresh(second, "mei", said.freshness_token, page_size=4)


async def test_two_processes_share_a_port_and_end_together(cluster: Cluster) -> None:
    cluster.consume()
    await cluster.made()
    listen = f"127.0.0.1:{free_port()}"
    both = cluster.start(PENCHANT, "serve", "--listen", listen, "--processes", "2")
    await asyncio.to_thread(both.said, "serving(.|\n)*serving")
    async with connected(listen) as client:
        assert not (await client.recommend("nobody")).recommendations
    assert await asyncio.to_thread(both.stop) == 0

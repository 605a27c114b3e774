"""The cluster as its users see it: events in by gRPC or Kafka, lists that follow on every server."""

import asyncio
import re
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2
from penchant.v1 import catalog_pb2, event_pb2, recommendation_pb2
from penchant_adapters.kafka.topics import create
from penchant_bench.neighbours.kafka import Broker
from penchant_bench.neighbours.process import free_port
from penchant_bench.neighbours.qdrant import QdrantProcess

from tests.cluster import PENCHANT, Cluster, Running, assert_is_the_fold
from tests.integration.conftest import ITEMS, Client, catalogue, reason, status


def following(user_id: str) -> recommendation_pb2.WatchRecommendationsRequest:
    start = recommendation_pb2.StreamStart(user_id=user_id, options=recommendation_pb2.ListOptions(page_size=5))
    return recommendation_pb2.WatchRecommendationsRequest(open=start)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield Client(channel)


@dataclass
class House:
    """A cluster with the dozen items, for all tests of this file: each has users of its own."""

    cluster: Cluster
    address: str
    other_address: str


@pytest.fixture(scope="module")
def house(broker: Broker, qdrant: QdrantProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A consumer and two servers."""
    cluster = Cluster(broker, qdrant, f"t{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("cluster"))
    asyncio.run(create(cluster.settings.kafka))
    cluster.consume()
    asyncio.run(cluster.made())
    (_, one), (_, other) = cluster.serve(), cluster.serve()
    yield House(cluster, one, other)
    cluster.end()


@pytest.fixture
async def first(house: House) -> AsyncIterator[Client]:
    """A client of a server."""
    async with connected(house.address) as client:
        (answer,) = await client.upsert(*catalogue())
        assert answer.accepted == len(ITEMS)
        yield client


@pytest.fixture
async def second(house: House) -> AsyncIterator[Client]:
    """A client of the other one."""
    async with connected(house.other_address) as client:
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


async def test_a_stream_on_another_server_follows_events_of_any_producer(
    house: House, first: Client, second: Client
) -> None:
    call = second.lists.WatchRecommendations(following("ana"), timeout=60)
    before = (await call.read()).update
    assert before.snapshot
    await first.record("ana", "like", "tent")
    after = (await call.read()).update
    assert after.trigger.item_id == "tent"
    assert "sleeping-bag" in after.order
    await house.cluster.produce([event_pb2.Event(event_id="k", user_id="ana", type="like", item_id="phone")])
    last = (await call.read()).update
    assert last.trigger.event_id == "k"
    assert "phone-case" in last.order
    call.cancel()


async def test_an_item_that_goes_away_is_pushed_out_of_open_lists(first: Client) -> None:
    said = await first.record("bo", "like", "banana")
    assert await fresh(first, "bo", said.freshness_token)
    call = first.lists.WatchRecommendations(following("bo"), timeout=60)
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


async def test_events_of_a_stream_are_acknowledged_in_order_and_learnt(house: House, first: Client) -> None:
    events = [
        event_pb2.Event(event_id=f"e{n}", user_id=f"u{n % 7}", type="view", item_id=list(ITEMS)[n % len(ITEMS)])
        for n in range(500)
    ]
    told = await first.deliver(*(events[n : n + 50] for n in range(0, 500, 50)))
    assert [one.ordinal for one in told] == list(range(500))
    assert not any(one.HasField("error") for one in told)
    await house.cluster.caught_up()
    expected = await assert_is_the_fold(house.cluster)
    assert sum(len(expected.ledgers[f"u{n}"].slots) for n in range(7)) == 500


async def test_processes_that_share_a_port_know_how_far_everything_is_applied_and_end_together(
    house: House, first: Client
) -> None:
    said = await first.record("cy", "like", "tent")
    await fresh(first, "cy", said.freshness_token)
    cluster = house.cluster
    listen = f"127.0.0.1:{free_port()}"
    both = cluster.start(PENCHANT, "serve", "--listen", listen, "--processes", "2")
    await asyncio.to_thread(both.said, "serving(.|\n)*serving")
    async with connected(listen) as client:
        assert "sleeping-bag" in await fresh(client, "cy", said.freshness_token, page_size=4)
    assert await asyncio.to_thread(both.stop) == 0


async def test_metrics_of_both_kinds_of_process_tell_what_happened_and_nothing_of_users(
    house: House, first: Client
) -> None:
    """Scrapes a consumer and a server of their own."""
    cluster = house.cluster
    telling = {"PENCHANT_TELEMETRY__METRICS_LISTEN": "127.0.0.1:0", "PENCHANT_KAFKA__GROUP": f"{cluster.prefix}-again"}
    consumer = cluster.consume(**telling)
    server, address = await asyncio.to_thread(lambda: cluster.serve(**telling))
    async with connected(address) as client:
        said = await client.record("di-secret", "search", text="a secret wish for a tent")
        await fresh(client, "di-secret", said.freshness_token)
    told = [await _scraped(cluster, consumer, CONSUMERS), await _scraped(cluster, server, SERVERS)]
    assert "secret" not in "".join([*told, consumer.text, server.text])
    assert await asyncio.to_thread(consumer.stop) == 0


CONSUMERS = (
    "penchant_consumer_records_total",
    "penchant_consumer_event_age_seconds_count",
    "penchant_consumer_batch_records_count",
    "penchant_store_seconds_count",
)
SERVERS = ("penchant_freshness_seconds_count", "grpc_server_handled_total", "penchant_store_seconds_count")


async def _scraped(cluster: Cluster, running: Running, signs: Sequence[str]) -> str:
    """What a process tells once all of these are above nought."""
    found = await asyncio.to_thread(running.said, r"metrics=(127\.0\.0\.1:\d+)")

    async def complete() -> str:
        text = await asyncio.to_thread(_fetched, f"http://{found[1]}/metrics")
        return text if all(re.search(rf"^{sign}\S* [1-9]", text, re.MULTILINE) for sign in signs) else ""

    text: str = await cluster.until(complete)
    assert await asyncio.to_thread(_fetched, f"http://{found[1]}/healthz") == "ok\n"
    assert await asyncio.to_thread(_fetched, f"http://{found[1]}/ready") == "ready\n"
    return text


def _fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return str(reply.read().decode())

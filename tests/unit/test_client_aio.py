"""The asyncio client against a service on a real socket: verbs, deadlines, retries, errors."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2
from penchant import Event, Item, ReasonKind, aio, errors
from penchant.v1 import event_pb2, recommendation_pb2

from tests.unit.fake_knowledge import status, until
from tests.unit.fake_service import FakeService, fake_service


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        yield running


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[aio.Client]:
    async with aio.Client(service.target) as connected:
        yield connected


async def test_an_event_arrives_as_it_was_given(client: aio.Client, service: FakeService) -> None:
    when = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    recorded = await client.record(
        "u", "rate", item_id="i", text="good", value=0.0, occurred_at=when, event_id="e", surface="home"
    )
    (event,) = service.knowledge.recorded
    assert (recorded.event_id, recorded.freshness_token, recorded.unchanged) == ("e", "f1", False)
    assert (event.user_id, event.type, event.item_id, event.text, event.surface) == ("u", "rate", "i", "good", "home")
    assert event.HasField("value")
    assert event.value == 0.0
    assert event.occurred_at.ToDatetime(tzinfo=UTC) == when


async def test_an_absent_value_and_time_stay_absent(client: aio.Client, service: FakeService) -> None:
    await client.record("u", "view", item_id="i")
    assert not service.knowledge.recorded[0].HasField("value")
    assert not service.knowledge.recorded[0].HasField("occurred_at")


async def test_a_time_without_a_zone_is_refused_before_anything_is_sent(
    client: aio.Client, service: FakeService
) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        await client.record("u", "view", item_id="i", occurred_at=datetime(2026, 5, 1))  # noqa: DTZ001  (the point)
    assert service.knowledge.recorded == []


async def test_a_retried_event_counts_once(client: aio.Client, service: FakeService) -> None:
    service.knowledge.refusals = [status(code_pb2.UNAVAILABLE, "restarting")] * 2
    recorded = await client.record("u", "view", item_id="i")
    assert recorded.unchanged
    assert len(service.knowledge.requests) == 3
    assert len(service.knowledge.recorded) == 1


async def test_retries_are_bounded(service: FakeService) -> None:
    service.knowledge.refusals = [status(code_pb2.UNAVAILABLE, "restarting")] * 9
    async with aio.Client(service.target, retries=2) as client:
        with pytest.raises(errors.Unavailable, match="restarting"):
            await client.recommend("u")
    assert len(service.knowledge.requests) == 3


@pytest.mark.parametrize("code", [code_pb2.RESOURCE_EXHAUSTED, code_pb2.INTERNAL, code_pb2.DEADLINE_EXCEEDED])
async def test_nothing_but_unavailable_is_retried(client: aio.Client, service: FakeService, code: int) -> None:
    service.knowledge.refusals = [status(code, "no")]
    with pytest.raises(errors.PenchantError):
        await client.recommend("u")
    assert len(service.knowledge.requests) == 1


async def test_every_call_has_a_deadline_of_five_seconds_unless_told(client: aio.Client, service: FakeService) -> None:
    await client.recommend("u")
    assert 4.0 < service.knowledge.deadlines[0] < 5.5  # gRPC rounds up on the wire


async def test_a_slow_service_runs_into_the_deadline(service: FakeService) -> None:
    service.knowledge.muted = True
    async with aio.Client(service.target, timeout=0.1) as client:
        with pytest.raises(errors.DeadlineExceeded):
            await client.recommend("u")


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    async with aio.Client("127.0.0.1:1", retries=1) as client:
        with pytest.raises(errors.Unavailable):
            await client.recommend("u")


async def test_an_error_carries_reason_field_and_advice(client: aio.Client, service: FakeService) -> None:
    with pytest.raises(errors.NotFound, match="'x' is not in the catalogue") as caught:
        await client.get_item("x")
    assert (caught.value.reason, caught.value.field, caught.value.retry_after) == ("UNKNOWN_ITEM", "item_id", None)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND

    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromTimedelta(timedelta(milliseconds=250))
    service.knowledge.refusals = [status(code_pb2.RESOURCE_EXHAUSTED, "too many calls", retry)]
    with pytest.raises(errors.Overloaded) as overloaded:
        await client.recommend("u")
    assert overloaded.value.retry_after == 0.25


async def test_the_options_reach_the_service(client: aio.Client, service: FakeService) -> None:
    await client.recommend(
        "u",
        page_size=3,
        categories=["shoes"],
        attributes={"brand": "x"},
        min_price=0.0,
        exclude={"i9"},
        include_seen=True,
        profile="bold",
        surface="home",
        min_freshness="f7",
    )
    (request,) = service.knowledge.requests
    wanted = recommendation_pb2.Filter(
        categories=["shoes"], attributes={"brand": "x"}, min_price=0.0, exclude_item_ids=["i9"], include_seen=True
    )
    assert request == recommendation_pb2.RecommendRequest(
        user_id="u",
        options=recommendation_pb2.ListOptions(page_size=3, filter=wanted, profile="bold"),
        surface="home",
        min_freshness="f7",
    )


async def test_options_that_mean_something_else_are_refused(client: aio.Client) -> None:
    with pytest.raises(TypeError, match=r"categories=\['shoes'\]"):
        await client.recommend("u", categories="shoes")
    with pytest.raises(TypeError, match="pagesize"):
        await client.search("shoes", pagesize=3)  # type: ignore[call-arg]


async def test_lists_come_with_items_reasons_and_freshness(client: aio.Client, service: FakeService) -> None:
    shoe = Item(
        "i1", "Trail shoe", categories=("shoes",), price=99.5, attributes={"brand": "x"}, images=(b"one", b"two")
    )
    await client.upsert_items([shoe])
    service.knowledge.push("i1")
    listed = await client.recommend("u", include_items=True, explain=True)
    (first,) = listed
    assert first.item == shoe
    assert [(reason.kind, reason.contribution) for reason in first.reasons] == [(ReasonKind.TOGETHER, 2.0)]
    assert listed.freshness.age == timedelta(milliseconds=20)
    assert (listed.profile, (await client.recommend("u", profile="bold")).profile) == ("", "bold@1")
    assert listed.model == "encoder@1"
    assert await client.similar("i1") == await client.search("shoe") == (await client.recommend("u")).items


async def test_interests_rest_on_the_recorded_events(client: aio.Client) -> None:
    assert (await client.interests("u")).interests == ()
    await client.record("u", "view", item_id="i", event_id="e", occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
    known = await client.interests("u")
    assert known.event_count == 1
    assert known.interests[0].evidence[0].event_id == "e"
    assert known.interests[0].evidence[0].occurred_at == datetime(2026, 1, 1, tzinfo=UTC)


async def test_the_catalogue_is_listed_over_all_pages_and_deleted_in_pieces(client: aio.Client) -> None:
    items = [Item(f"i{number}", "x") for number in range(2_150)]
    assert (await client.upsert_items(items)).accepted == 2_150
    assert [item async for item in client.list_items()] == items
    result = await client.delete_items(["nobody", *(item.item_id for item in items)])
    assert (result.deleted, result.unknown_item_ids) == (2_150, ("nobody",))
    assert [item async for item in client.list_items()] == []


async def test_the_raw_stubs_are_within_reach(client: aio.Client) -> None:
    event = event_pb2.Event(event_id="e", user_id="u", type="view", item_id="i")
    answer = await client.raw.events.RecordEvent(event_pb2.RecordEventRequest(event=event))
    assert answer.event_id == "e"


async def test_closing_ends_calls_under_way_without_cancelling_their_tasks(service: FakeService) -> None:
    service.knowledge.muted = True
    client = aio.Client(service.target)
    waiting = asyncio.create_task(client.recommend("u"))
    await until(lambda: bool(service.knowledge.requests))
    await client.close()
    with pytest.raises(errors.Cancelled):
        await waiting
    with pytest.raises(RuntimeError, match="closed"):
        await client.recommend("u")


async def test_cancelling_a_task_stays_a_cancellation(client: aio.Client, service: FakeService) -> None:
    service.knowledge.muted = True
    waiting = asyncio.create_task(client.recommend("u"))
    await until(lambda: bool(service.knowledge.requests))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_proto_event_keeps_its_id_and_is_not_written_to() -> None:
    from penchant import encode

    given = event_pb2.Event(user_id="u", type="view", item_id="i")
    assert encode.event(given).event_id
    assert given.event_id == ""
    assert encode.event(event_pb2.Event(event_id="mine")).event_id == "mine"
    assert encode.event(Event("u", "view")).event_id != encode.event(Event("u", "view")).event_id

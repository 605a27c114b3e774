"""The service under load and over time: limits, freshness, health, reflection, and what happens when it breaks."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2, error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from penchant.v1.event_pb2 import Event
from penchant.v1.recommendation_pb2 import (
    RecommendRequest,
    SearchItemsRequest,
    StreamStart,
    WatchRecommendationsRequest,
)
from penchant.v1.user_pb2 import GetInterestsRequest
from penchant_adapters.encoders.builtin import UniversalSentenceEncoder
from penchant_core.errors import EncoderFailed
from penchant_core.vectors import Matrix
from penchant_server.tokens import freshness_token

from tests.integration.conftest import ITEMS, Client, detail, reason, served, status

SERVICES = ("EventService", "CatalogService", "RecommendationService", "UserService")
WATCH = WatchRecommendationsRequest(open=StreamStart(user_id="u"))


async def healthy(client: Client) -> bool:
    checks = health_pb2_grpc.HealthStub(client.channel)
    names = ["", *(f"penchant.v1.{name}" for name in SERVICES)]
    found = [(await checks.Check(health_pb2.HealthCheckRequest(service=name))).status for name in names]
    return set(found) == {health_pb2.HealthCheckResponse.SERVING}


def overloaded(error: grpc.aio.AioRpcError, told: str, seconds: float) -> bool:
    found = status(error)
    delay = detail(found, error_details_pb2.RetryInfo).retry_delay.ToNanoseconds() / 1e9
    assert (found.code, reason(found)) == (code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED")
    return told in found.message and delay == seconds


async def opened(client: Client) -> Any:
    """A stream that is open, or the error that refused it."""
    call = client.lists.WatchRecommendations(WATCH)
    try:
        assert (await call.read()).update.order
    except grpc.aio.AioRpcError as error:
        return error
    return call


async def test_one_stream_too_many_is_refused_at_once_while_everything_else_goes_on(store: Path) -> None:
    async with served(store, max_streams=2) as client:
        streams = [await opened(client) for _ in range(2)]
        assert overloaded(await opened(client), "max_streams", 5.0)
        assert await healthy(client)
        assert await client.listed("u")
        await client.record("u", "like", "tent")
        # However often clients leave, every place is free again once the service has noticed.
        for _ in range(20):
            streams.pop(0).cancel()
            async with asyncio.timeout(10):
                while isinstance(again := await opened(client), grpc.aio.AioRpcError):
                    assert overloaded(again, "max_streams", 5.0)
            streams.append(again)
        assert overloaded(await opened(client), "max_streams", 5.0)
        for stream in streams:
            stream.cancel()


async def test_one_call_too_many_is_refused_at_once_while_health_checks_answer(store: Path) -> None:
    async with served(store, max_calls=1) as client:
        future = freshness_token(client.store.store_id, {0: 1})
        waiting = asyncio.ensure_future(client.lists.Recommend(RecommendRequest(user_id="u", min_freshness=future)))
        await healthy(client)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.listed("u")
        assert overloaded(refused.value, "max_calls", 0.5)
        assert await healthy(client)
        # A stream of events is no call, and lets the waiting one go.
        told = await client.deliver([Event(user_id="u", type="like", item_id="tent")])
        assert not told[0].HasField("error")
        assert (await waiting).recommendations
        assert await client.listed("u")


async def test_more_events_than_may_wait_are_refused_one_by_one_and_change_nothing(store: Path) -> None:
    async with served(store, max_pending_events=10) as client:
        events = [Event(user_id="u", type="like", item_id=i) for i in ITEMS]
        told = await client.deliver(events, events[:10])
        for one in told[: len(events)]:
            assert (one.error.code, reason(one.error)) == (code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert not any(one.HasField("error") for one in told[len(events) :])
        assert (await client.interests("u")).event_count == 10


async def test_an_acknowledged_write_is_there_for_whoever_shows_its_token(service: Client) -> None:
    for n, item_id in enumerate(ITEMS):
        token = (await service.record("u", "view", item_id)).freshness_token
        request = RecommendRequest(user_id="u", min_freshness=token)
        answer = await service.lists.Recommend(request, timeout=10)
        assert answer.freshness.applied_through == token
        assert answer.freshness.age.ToNanoseconds() >= 0
        assert item_id not in [one.item_id for one in answer.recommendations]
        interests = await service.users.GetInterests(GetInterestsRequest(user_id="u", min_freshness=token), timeout=10)
        assert interests.event_count == n + 1


async def test_a_token_of_the_future_waits_for_its_write(service: Client) -> None:
    token = freshness_token(service.store.store_id, {0: 2})
    start = StreamStart(user_id="u", min_freshness=token)
    waiting = [
        asyncio.ensure_future(service.lists.Recommend(RecommendRequest(user_id="u", min_freshness=token))),
        asyncio.ensure_future(service.users.GetInterests(GetInterestsRequest(user_id="u", min_freshness=token))),
        asyncio.ensure_future(service.lists.WatchRecommendations(WatchRecommendationsRequest(open=start)).read()),
    ]
    await service.record("u", "like", "tent")
    assert not any(call.done() for call in waiting)
    await service.record("u", "like", "banana")
    async with asyncio.timeout(10):
        recommended, interests, pushed = await asyncio.gather(*waiting)
    assert recommended.freshness.applied_through == pushed.update.freshness.applied_through == token
    assert interests.event_count == 2


async def test_a_token_of_the_future_is_refused_at_the_deadline_and_says_how_far_behind(service: Client) -> None:
    token = freshness_token(service.store.store_id, {0: 7})
    start = StreamStart(user_id="u", min_freshness=token)
    for call in (
        service.lists.Recommend(RecommendRequest(user_id="u", min_freshness=token), timeout=1.0),
        service.users.GetInterests(GetInterestsRequest(user_id="u", min_freshness=token), timeout=1.0),
        service.lists.WatchRecommendations(WatchRecommendationsRequest(open=start), timeout=1.0).read(),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        found = status(refused.value)
        assert (found.code, reason(found)) == (code_pb2.DEADLINE_EXCEEDED, "NOT_YET_APPLIED")
        assert "7 writes behind" in found.message


async def test_health_and_reflection_answer_and_a_call_can_be_made_from_reflection_alone(service: Client) -> None:
    assert await healthy(service)
    assert service.service is not None
    found = await asyncio.to_thread(reflected, service.service.address)
    assert set(found[0]) >= {f"penchant.v1.{name}" for name in SERVICES} | {"grpc.health.v1.Health"}
    assert found[1] == await service.listed("u")


def reflected(address: str) -> tuple[list[str], list[str]]:
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        names = list(database.get_services())
        pool = DescriptorPool(database)
        method = pool.FindServiceByName("penchant.v1.RecommendationService").FindMethodByName("Recommend")
        ask, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        call = channel.unary_unary(
            "/penchant.v1.RecommendationService/Recommend",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        made: Any = call(ask(user_id="u"), timeout=10)
        return names, [one.item_id for one in made.recommendations]


async def test_an_error_that_nobody_foresaw_answers_the_caller_and_ends_the_service(store: Path) -> None:
    async def broken(commit: object) -> None:
        raise ZeroDivisionError(commit)

    async def until_it_ends() -> None:
        async with served(store) as client:
            assert client.service is not None
            client.store.users.commit = broken  # type: ignore[method-assign]
            channel = grpc.aio.insecure_channel(client.service.address)
            calls.append((channel, asyncio.create_task(Client(channel).record("u", "like", "tent"))))
            await asyncio.Event().wait()

    calls: list[tuple[grpc.aio.Channel, asyncio.Task[Any]]] = []
    with pytest.raises(ExceptionGroup) as ended:
        await until_it_ends()
    ((channel, call),) = calls
    assert ended.group_contains(ZeroDivisionError)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    found = status(refused.value)
    assert (found.code, reason(found)) == (code_pb2.UNAVAILABLE, "GOING_DOWN")
    await channel.close(None)
    async with served(store) as client:
        assert (await client.interests("u")).event_count == 0


async def test_one_line_of_the_log_tells_on_what_the_encoder_runs(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as told:
        async with served(tmp_path / "new"):
            pass
    (line,) = (one for one in told if one["event"] == "serving")
    assert line["encoder"].startswith(
        "cpu, float32, 1 threads, 512 numbers a vector, 16 texts or 2,048 tokens or bytes"
    )


async def test_an_encoder_that_fails_at_everything_ends_the_service(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> Matrix:
        raise RuntimeError("the device is gone")

    async def until_it_ends() -> None:
        async with served(store) as client:
            assert client.service is not None
            await client.lists.SearchItems(SearchItemsRequest(query="a tent"))
            monkeypatch.setattr(UniversalSentenceEncoder, "vectors", lost)
            channel = grpc.aio.insecure_channel(client.service.address)
            search = Client(channel).lists.SearchItems(SearchItemsRequest(query="a boat"))
            calls.append((channel, asyncio.ensure_future(search)))
            await asyncio.Event().wait()

    calls: list[tuple[grpc.aio.Channel, asyncio.Task[Any]]] = []
    with pytest.raises(ExceptionGroup) as ended:
        await asyncio.wait_for(until_it_ends(), 30)
    ((channel, call),) = calls
    assert ended.group_contains(
        EncoderFailed, match="is lost, and fails at what it could do before: the device is gone"
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    found = status(refused.value)
    assert (found.code, reason(found)) == (code_pb2.INTERNAL, "ENCODER_FAILED")
    await channel.close(None)

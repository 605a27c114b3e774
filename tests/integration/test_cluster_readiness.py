"""A server's health while the store is away: not ready before the store answered once, ready from then on."""

import asyncio
import re
import urllib.error
import urllib.request

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from penchant.v1.recommendation_pb2 import ListOptions, RecommendRequest, StreamRecommendationsRequest, StreamStart
from penchant_bench.neighbours.process import free_port

from tests.cluster import PENCHANT, Cluster, Running
from tests.integration.conftest import Client, catalogue, detail, reason, status
from tests.integration.test_cluster import connected

TELLING = {"PENCHANT_TELEMETRY__METRICS_LISTEN": "127.0.0.1:0"}


async def asked(running: Running, path: str) -> tuple[int, str]:
    """Ask as a probe does that speaks HTTP."""
    metrics = (await asyncio.to_thread(running.said, r"metrics=(127\.0\.0\.1:\d+)"))[1]

    def answer() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{metrics}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(answer)


async def health(client: Client) -> int:
    """Ask as a probe does that speaks gRPC."""
    checks = health_pb2_grpc.HealthStub(client.channel)
    service = "penchant.v1.RecommendationService"
    found = [await checks.Check(health_pb2.HealthCheckRequest(service=name), timeout=10) for name in ("", service)]
    (one,) = {answer.status for answer in found}
    return int(one)


async def refused(client: Client) -> bool:
    """Tell whether a list is refused, clearly, and told when to come back."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.listed("u")
    found = status(error.value)
    assert "store" in found.message
    again = detail(found, error_details_pb2.RetryInfo).retry_delay.ToNanoseconds() / 1e9
    return (found.code, reason(found), again) == (code_pb2.UNAVAILABLE, "UNAVAILABLE", 1.0)


async def answered(client: Client) -> bool:
    """Tell whether a list is answered; refused it may be until the server has noticed that the store is back."""
    code = await client.lists.Recommend(RecommendRequest(user_id="u"), timeout=10).code()
    assert code in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    return bool(code is grpc.StatusCode.OK)


async def test_a_store_that_goes_away_takes_no_server_out_ends_no_stream_and_lets_no_new_server_in(
    cluster: Cluster,
) -> None:
    cluster.consume()
    await cluster.made()
    server, address = await asyncio.to_thread(lambda: cluster.serve(**TELLING))
    async with connected(address) as client:
        await client.upsert(*catalogue())
        stream = client.lists.StreamRecommendations(timeout=120)
        await stream.write(StreamRecommendationsRequest(open=StreamStart(user_id="u")))
        assert (await stream.read()).update.snapshot
        port = free_port()
        listen = f"127.0.0.1:{port}"
        cluster.qdrant.kill()
        try:
            new = cluster.start(PENCHANT, "serve", "--listen", listen, **TELLING)
            await asyncio.to_thread(new.said, "waiting for the store")
            assert await asked(new, "/ready") == (503, "starting\n")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            await stream.write(StreamRecommendationsRequest(change=ListOptions(page_size=2)))
            assert await refused(client)
            assert (await client.record("u", "search", text="light tent")).event_id
            assert await health(client) == health_pb2.HealthCheckResponse.SERVING
            assert await asked(server, "/ready") == (200, "ready\n")
            # What the alert PenchantErrors counts.
            told = (await asked(server, "/metrics"))[1]
            assert re.search(r'grpc_server_handled_total\{grpc_code="Unavailable",grpc_method="Recommend".* 1', told)
        finally:
            await asyncio.to_thread(cluster.qdrant.start)
        await asyncio.to_thread(new.said, "serving")
        assert await asked(new, "/ready") == (200, "ready\n")
        async with connected(listen) as late:
            assert await health(late) == health_pb2.HealthCheckResponse.SERVING
            assert await late.listed("u")
        assert await cluster.until(lambda: answered(client))
        update = (await stream.read()).update
        assert len(update.order) == 2
        while update.trigger.text != "light tent":
            update = (await stream.read()).update
        stream.cancel()

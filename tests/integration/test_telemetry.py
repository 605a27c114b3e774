"""What operators see of the real service: exact counts, spans that go on, and nothing of users anywhere."""

import asyncio
import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from penchant.v1.catalog_pb2 import UpsertItemsRequest
from penchant.v1.event_pb2 import Event
from penchant.v1.recommendation_pb2 import (
    RecommendRequest,
    SearchItemsRequest,
    SimilarItemsRequest,
    StreamRecommendationsRequest,
    StreamStart,
    WatchRecommendationsRequest,
)
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.collector import attributes, collecting
from tests.integration.conftest import Client, catalogue

PATIENCE = 20.0
USER = "private-user-4711"
WORDS = "unspeakable wish"
TRACE, PARENT = f"{0x0AF7651916CD43DD8448EB211C80319C:032x}", f"{0xB7AD6B7169203331:016x}"
TRACEPARENT = ("traceparent", f"00-{TRACE}-{PARENT}-01")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class Process:
    """``penchant up`` with everything it wrote."""

    process: asyncio.subprocess.Process
    client: Client
    metrics: str
    log: list[str] = field(default_factory=list)

    async def get(self, path: str) -> tuple[int, str]:
        def asked() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(f"http://{self.metrics}{path}", timeout=PATIENCE) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        return await asyncio.to_thread(asked)

    async def scraped(self) -> Samples:
        code, text = await self.get("/metrics")
        assert code == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def until(self, seen: Callable[[Samples], bool]) -> Samples:
        async with asyncio.timeout(PATIENCE):
            while not seen(samples := await self.scraped()):  # noqa: ASYNC110 a metric is not an event
                await asyncio.sleep(0.01)
        return samples

    async def stopped(self) -> str:
        """End it, and return everything it wrote."""
        self.process.terminate()
        return await self.ended()

    async def ended(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            rest = await self.process.stdout.read()
            assert await self.process.wait() == 0
        return "".join(self.log) + rest.decode()


@asynccontextmanager
async def started(data_dir: Path, **variables: str) -> AsyncIterator[Process]:
    penchant = shutil.which("penchant", path=str(Path(sys.executable).parent))
    if penchant is None:
        pytest.skip("the console script penchant is not installed beside this Python")
    settings = {"PENCHANT_MIN_FREE_BYTES": "1000000", "PENCHANT_TELEMETRY__METRICS_LISTEN": "127.0.0.1:0"}
    process = await asyncio.create_subprocess_exec(
        penchant,
        *("up", "--listen", "127.0.0.1:0", "--data-dir", str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1", **settings, **variables},
    )
    assert process.stdout is not None
    try:
        log: list[str] = []
        told: dict[str, str] = {}
        async with asyncio.timeout(60):
            while "address" not in told:
                line = (await process.stdout.readline()).decode()
                assert line, f"penchant up ended: {''.join(log)}"
                log.append(line)
                if line.startswith("{"):
                    told |= json.loads(line)
                else:
                    told |= dict(word.split("=", 1) for word in line.split() if "=" in word)
        async with grpc.aio.insecure_channel(told["address"]) as channel:
            yield Process(process, Client(channel), told.get("metrics", ""), log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def rpcs(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    """What a metric of calls says, without the methods that nobody called."""
    found = {}
    for (sample, labels), value in samples.items():
        told = dict(labels)
        if sample == name and value:
            key = (told["grpc_type"], told["grpc_method"], told.get("grpc_code", ""))
            assert told["grpc_service"].startswith("penchant.v1.")
            found[tuple(part for part in key if part)] = value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def code_of(call: Awaitable[Any]) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code()


async def some_calls(client: Client) -> str:
    """Calls of many kinds, good and bad, with a user's id and words in them; return a write's token."""
    (upserted,) = [answer async for answer in client.items.UpsertItems(iter([UpsertItemsRequest(items=catalogue())]))]
    assert upserted.accepted
    for item_id in ("tent", "stove", "boots"):
        token = (await client.record(USER, "like", item_id)).freshness_token
    assert await code_of(client.record(USER, "no-such-type", "tent")) is grpc.StatusCode.INVALID_ARGUMENT
    batch = [Event(user_id=USER, type="search", text=WORDS), Event(user_id=USER, type="like", item_id="pear")]
    assert len(await client.deliver(batch, batch[:1], batch[1:])) == 4
    assert await client.listed(USER)
    assert await client.listed(USER)
    await client.lists.SearchItems(SearchItemsRequest(query=WORDS))
    unknown = client.lists.SimilarItems(SimilarItemsRequest(item_id="nothing"))
    assert await code_of(unknown) is grpc.StatusCode.NOT_FOUND
    return token


async def test_calls_are_counted_exactly_with_their_codes_and_messages(tmp_path: Path) -> None:
    async with started(tmp_path / "store", PENCHANT_MAX_STREAMS="2") as up:
        token = await some_calls(up.client)
        start = StreamStart(user_id=USER)
        short = up.client.lists.WatchRecommendations(WatchRecommendationsRequest(open=start), timeout=0.5)
        assert (await short.read()).update.order
        assert await code_of(short.read()) is grpc.StatusCode.DEADLINE_EXCEEDED
        await up.until(lambda told: value(told, "penchant_streams_open") == 0)
        watch = up.client.lists.WatchRecommendations(WatchRecommendationsRequest(open=start))
        talk = up.client.lists.StreamRecommendations()
        await talk.write(StreamRecommendationsRequest(open=start))
        for stream in (watch, talk):
            assert (await stream.read()).update.order
        refused = up.client.lists.WatchRecommendations(WatchRecommendationsRequest(open=start))
        assert await code_of(refused.read()) is grpc.StatusCode.RESOURCE_EXHAUSTED
        samples = await up.scraped()
        assert value(samples, "penchant_streams_open") == 2
        assert value(samples, "penchant_pushes_total") == 3

        # One leaves in the middle, the other says good-bye.
        watch.cancel()
        await talk.done_writing()
        assert await talk.code() is grpc.StatusCode.OK
        late = RecommendRequest(user_id=USER, min_freshness=_later(token))
        assert await code_of(up.client.lists.Recommend(late, timeout=0.3)) is grpc.StatusCode.DEADLINE_EXCEEDED
        left = up.client.lists.Recommend(late)
        await up.until(lambda told: rpcs(told, "grpc_server_started_total").get(("unary", "Recommend")) == 4)
        left.cancel()
        samples = await up.until(
            lambda told: (
                sum(rpcs(told, "grpc_server_handled_total").values())
                == sum(rpcs(told, "grpc_server_started_total").values())
            )
        )

    handled = {
        ("bidi_stream", "UpsertItems", "OK"): 1,
        ("unary", "RecordEvent", "OK"): 3,
        ("unary", "RecordEvent", "InvalidArgument"): 1,
        ("bidi_stream", "RecordEvents", "OK"): 1,
        ("unary", "Recommend", "OK"): 2,
        ("unary", "Recommend", "DeadlineExceeded"): 1,
        ("unary", "Recommend", "Canceled"): 1,
        ("unary", "SearchItems", "OK"): 1,
        ("unary", "SimilarItems", "NotFound"): 1,
        ("server_stream", "WatchRecommendations", "Canceled"): 1,
        ("server_stream", "WatchRecommendations", "ResourceExhausted"): 1,
        ("server_stream", "WatchRecommendations", "DeadlineExceeded"): 1,
        ("bidi_stream", "StreamRecommendations", "OK"): 1,
    }
    assert rpcs(samples, "grpc_server_handled_total") == handled
    assert rpcs(samples, "grpc_server_handling_seconds_count") == rpcs(samples, "grpc_server_started_total")
    received = rpcs(samples, "grpc_server_msg_received_total")
    sent = rpcs(samples, "grpc_server_msg_sent_total")
    for kind, method in {key[:2] for key in handled}:
        calls = sum(number for key, number in handled.items() if key[1] == method)
        answered = sum(number for key, number in handled.items() if key[1:] == (method, "OK"))
        messages = 3 if method == "RecordEvents" else calls
        assert received[kind, method] == messages, method
        if method == "WatchRecommendations":
            assert sent[kind, method] == 2
        else:
            assert sent.get((kind, method), 0) == (3 if method == "RecordEvents" else answered), method
    assert value(samples, "penchant_streams_open") == 0
    assert value(samples, "penchant_pushes_total") == 3


@pytest.mark.parametrize("log_format", ["auto", "json"])
async def test_a_callers_trace_goes_on_and_nothing_tells_of_users(tmp_path: Path, log_format: str) -> None:
    telling = {
        "PENCHANT_TELEMETRY__TRACES": "true",
        "PENCHANT_TELEMETRY__LOG_FORMAT": log_format,
        "PENCHANT_TELEMETRY__LOG_LEVEL": "debug",
        # So late that only the flush at the end sends them.
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
    }
    async with collecting() as (collector, endpoint):
        async with started(tmp_path / "store", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **telling) as up:
            await some_calls(up.client)
            await up.client.lists.Recommend(RecommendRequest(user_id=USER), metadata=[TRACEPARENT])
            watch = up.client.lists.WatchRecommendations(
                WatchRecommendationsRequest(open=StreamStart(user_id=USER)), metadata=[TRACEPARENT]
            )
            assert (await watch.read()).update.order
            watch.cancel()
            await up.until(lambda told: value(told, "penchant_streams_open") == 0)
            metrics = (await up.get("/metrics"))[1]
            assert not collector.requests
            log = await up.stopped()
        (exported,) = collector.requests
    assert {"service.name", "service.version"} <= {
        pair.key for resource in exported.resource_spans for pair in resource.resource.attributes
    }
    assert "penchant-up" in str(exported)

    spans = collector.spans()
    assert len(spans) == 12
    goes_on = {span.name.rpartition("/")[2]: span for span in spans if span.trace_id.hex() == TRACE}
    assert sorted(goes_on) == ["Recommend", "WatchRecommendations"]
    for span in goes_on.values():
        assert span.parent_span_id.hex() == PARENT
        assert span.kind == Span.SPAN_KIND_SERVER
    assert attributes(goes_on["Recommend"]) == {
        "rpc.system.name": "grpc",
        "rpc.method": "penchant.v1.RecommendationService/Recommend",
        "rpc.response.status_code": "OK",
    }
    assert attributes(goes_on["WatchRecommendations"])["rpc.response.status_code"] == "CANCELLED"
    # All others begin a trace.
    assert len({span.trace_id for span in spans}) == len(spans) - 1

    assert "serving" in log
    assert "stopping" in log
    for told in (metrics, log, str(exported)):
        for private in (USER, WORDS, *WORDS.split()):
            assert private not in told


async def test_the_second_scrape_has_grown_and_knows_the_process(tmp_path: Path) -> None:
    async with started(tmp_path / "store") as up:
        await some_calls(up.client)
        first = await up.scraped()
        await up.client.record(USER, "search", text=WORDS)
        await up.client.record(USER, "search", text="other words")
        second = await up.scraped()
    searched = {"grpc_type": "unary", "grpc_service": "penchant.v1.EventService", "grpc_method": "RecordEvent"}

    def grown(name: str, **labels: str) -> float:
        return value(second, name, **labels) - value(first, name, **labels)

    assert grown("grpc_server_handled_total", **searched, grpc_code="OK") == 2
    assert grown("penchant_freshness_seconds_count") == 2
    assert grown("penchant_freshness_seconds_sum") < PATIENCE
    assert grown("penchant_store_seconds_count", operation="commit") == 2
    assert grown("penchant_encoder_seconds_count") == 1
    assert grown("penchant_encoder_texts_total", found="model") == 1
    assert grown("penchant_encoder_texts_total", found="memory") >= 1
    assert value(second, "process_resident_memory_bytes") > 1e7
    assert value(second, "penchant_store_seconds_count", operation="candidates") > 0
    ((build, _),) = [(dict(labels), one) for (name, labels), one in second.items() if name == "penchant_build_info"]
    assert build["version"]
    assert build["model"]
    assert value(second, "penchant_event_loop_lag_seconds_count") > 0


async def test_a_service_is_ready_while_it_serves_and_not_when_it_says_farewell(tmp_path: Path) -> None:
    async with started(tmp_path / "store", PENCHANT_SHUTDOWN_GRACE="60") as up:
        assert await up.get("/ready") == (200, "ready\n")
        assert await up.get("/healthz") == (200, "ok\n")
        token = (await up.client.record(USER, "search", text=WORDS)).freshness_token
        never = RecommendRequest(user_id=USER, min_freshness=_later(token))
        waiting = up.client.lists.Recommend(never, timeout=PATIENCE)
        await up.until(lambda told: rpcs(told, "grpc_server_started_total").get(("unary", "Recommend")) == 1)
        up.process.terminate()
        async with asyncio.timeout(PATIENCE):
            while (answer := await up.get("/ready")) != (503, "stopping\n"):
                assert answer == (200, "ready\n")
        assert await up.get("/healthz") == (200, "ok\n")
        waiting.cancel()
        await up.ended()


async def test_without_being_asked_the_service_tells_no_metrics(tmp_path: Path) -> None:
    async with started(tmp_path / "store", PENCHANT_TELEMETRY__METRICS_LISTEN="") as up:
        assert up.metrics == ""
        assert await up.client.recommend(USER)


async def test_a_metrics_port_that_is_taken_is_a_setting_to_mend(tmp_path: Path) -> None:
    async with started(tmp_path / "one") as up:
        with pytest.raises(AssertionError, match=r"telemetry\.metrics_listen.*cannot listen"):
            async with started(tmp_path / "other", PENCHANT_TELEMETRY__METRICS_LISTEN=up.metrics):
                pass


def _later(token: str) -> str:
    """A token of a write that never comes."""
    return f"{token.rpartition(':')[0]}:999999999"

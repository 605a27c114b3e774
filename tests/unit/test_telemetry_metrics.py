"""Every metric under its name, with its unit told, and cheap to count; scraped over HTTP."""

import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pytest
from penchant_adapters.encoders import CacheCounts, open_encoder
from penchant_adapters.telemetry.loop import watch_loop
from penchant_adapters.telemetry.metrics import Metrics
from penchant_adapters.telemetry.scrape import AT_ONCE, listen_of, scraped
from penchant_adapters.telemetry.timed import timed
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

CALL = {"grpc_type", "grpc_service", "grpc_method"}
LABELS: dict[str, set[str]] = {
    "grpc_server_started_total": CALL,
    "grpc_server_handled_total": CALL | {"grpc_code"},
    "grpc_server_msg_received_total": CALL,
    "grpc_server_msg_sent_total": CALL,
    "grpc_server_handling_seconds_bucket": CALL | {"le"},
    "penchant_consumer_lag_records": {"topic", "partition"},
    "penchant_consumer_records_total": {"topic", "outcome"},
    "penchant_consumer_batch_records_bucket": {"stage", "le"},
    "penchant_consumer_apply_seconds_bucket": {"stage", "le"},
    "penchant_consumer_event_age_seconds_bucket": {"le"},
    "penchant_consumer_rebalances_total": {"stage"},
    "penchant_consumer_retries_total": {"stage"},
    "penchant_dead_letters_total": {"topic"},
    "penchant_encoder_seconds_bucket": {"le"},
    "penchant_encoder_stage_seconds_bucket": {"stage", "le"},
    "penchant_encoder_texts_total": {"found"},
    "penchant_encoder_truncated_texts_total": set(),
    "penchant_encoder_waiting_texts": set(),
    "penchant_freshness_seconds_bucket": {"le"},
    "penchant_streams_open": set(),
    "penchant_pushes_total": set(),
    "penchant_event_loop_lag_seconds_bucket": {"le"},
    "penchant_store_seconds_bucket": {"operation", "le"},
    "penchant_build_info": {"version", "model"},
    "process_resident_memory_bytes": set(),
    "python_gc_collections_total": {"generation"},
}
PATIENCE = 10.0


def used() -> Metrics:
    """Metrics of which every one has a series."""
    metrics = Metrics()
    metrics.rpc("unary", "penchant.v1.EventService", "RecordEvent").ended("Internal", 0.2)
    metrics.stage("users")
    metrics.topic("penchant.events").learnt.inc(3)
    metrics.lag("penchant.events", 7).set(12)
    metrics.store("candidates").observe(0.004)
    metrics.running("1.2.3", "a model")
    metrics.watch_texts(CacheCounts(memory_hits=1, file_hits=2, joined=3, misses=4))
    return metrics


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def found(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_names_and_labels_are_exactly_these() -> None:
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(used().registry).decode()):
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels)
    # A histogram has three series, a process and a collector some more than one.
    assert {name: labels for name, labels in told.items() if name in LABELS} == LABELS
    ours = {name for name in told if not name.startswith(("process_", "python_gc_"))}
    assert {re.sub("_(sum|count)$", "_bucket", name) for name in ours} == {
        name for name in LABELS if not name.startswith(("process_", "python_gc_"))
    }


def test_every_help_text_ends_with_its_unit() -> None:
    units = {"calls", "messages", "records", "seconds", "streams", "texts", "rebalances", "attempts", "always 1"}
    for family in text_string_to_metric_families(generate_latest(used().registry).decode()):
        if family.name.startswith(("grpc_", "penchant_")):
            assert family.documentation.rstrip(".").rpartition(", ")[2] in units, family.name
            if family.name.endswith("_seconds"):
                assert family.documentation.endswith("seconds.")


def test_what_is_counted_is_told() -> None:
    metrics = used()
    call = {"grpc_type": "unary", "grpc_service": "penchant.v1.EventService", "grpc_method": "RecordEvent"}
    assert found(metrics, "grpc_server_handled_total", **call, grpc_code="Internal") == 1
    assert found(metrics, "grpc_server_handled_total", **call, grpc_code="OK") == 0
    assert found(metrics, "grpc_server_handling_seconds_sum", **call) == 0.2
    assert found(metrics, "penchant_consumer_records_total", topic="penchant.events", outcome="learnt") == 3
    assert found(metrics, "penchant_consumer_records_total", topic="penchant.events", outcome="dead") == 0
    assert found(metrics, "penchant_build_info", version="1.2.3", model="a model") == 1
    texts = {k: found(metrics, "penchant_encoder_texts_total", found=k) for k in ("memory", "file", "joined", "model")}
    assert texts == {"memory": 1, "file": 2, "joined": 3, "model": 4}


def test_a_partition_that_went_away_is_not_told_any_more() -> None:
    metrics = used()
    metrics.lag("penchant.events", 8).set(1)
    metrics.forget_lag("penchant.events", 7)
    assert found(metrics, "penchant_consumer_lag_records", topic="penchant.events", partition="7") is None
    assert found(metrics, "penchant_consumer_lag_records", topic="penchant.events", partition="8") == 1
    metrics.forget_lag("penchant.events", 99)


def test_two_processes_worth_of_metrics_do_not_know_each_other() -> None:
    one, other = Metrics(), Metrics()
    one.server.pushes.inc()
    assert found(other, "penchant_pushes_total") == 0


async def get(address: str, request: bytes = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") -> tuple[int, str]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE):
            answer = (await reader.read()).decode()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return (int(head.split()[1]) if head else 0), body


async def test_metrics_are_scraped_and_grow() -> None:
    metrics = used()
    async with scraped("127.0.0.1:0", metrics) as address:
        code, first = await get(address)
        assert code == 200
        metrics.server.pushes.inc(2)
        _, second = await get(address, b"GET /metrics?x=y HTTP/1.0\r\n\r\n")
    pushes = ("penchant_pushes_total", frozenset[tuple[str, str]]())
    assert (samples(first)[pushes], samples(second)[pushes]) == (0, 2)


async def test_ready_says_why_not_while_healthz_says_that_the_process_lives() -> None:
    reason = "waits for partitions"
    async with scraped("127.0.0.1:0", Metrics(), lambda: reason) as address:
        assert await get(address, b"GET /ready HTTP/1.1\r\n\r\n") == (503, "waits for partitions\n")
        assert await get(address, b"GET /healthz HTTP/1.1\r\n\r\n") == (200, "ok\n")
        reason = ""
        assert await get(address, b"GET /ready HTTP/1.1\r\n\r\n") == (200, "ready\n")
        assert await get(address, b"HEAD /ready HTTP/1.1\r\n\r\n") == (200, "")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"\r\n\r\n", 405),
        (b"\xff\xfe\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 0),
    ],
)
async def test_other_requests_are_refused_and_the_next_is_answered(request_: bytes, code: int) -> None:
    async with scraped("127.0.0.1:0", Metrics()) as address:
        try:
            assert (await get(address, request_))[0] == code
        except ConnectionError:
            assert code == 0
        assert (await get(address))[0] == 200


async def test_silent_connections_take_no_place_from_others_for_long_and_no_time_at_the_end() -> None:
    async with scraped("127.0.0.1:0", Metrics()) as address:
        host, _, port = address.rpartition(":")
        silent = [await asyncio.open_connection(host, int(port)) for _ in range(AT_ONCE + 1)]
        ends = [asyncio.ensure_future(reader.read()) for reader, _ in silent]
        # The one too many is closed at once, the others when their time is over or the block is left.
        async with asyncio.timeout(PATIENCE):
            done, _ = await asyncio.wait(ends, return_when="FIRST_COMPLETED")
        assert done == {ends[-1]}
        left = time.monotonic()
    assert time.monotonic() - left < 2
    assert set(await asyncio.gather(*ends, return_exceptions=True)) == {b""}
    for _, writer in silent:
        writer.close()
        await writer.wait_closed()


async def test_an_address_that_cannot_be_listened_on_is_a_setting_to_mend() -> None:
    async with scraped("127.0.0.1:0", Metrics()) as address:
        for listen in (address, "nowhere", "127.0.0.1:", "127.0.0.1:65536", ":9464"):
            with pytest.raises(InvalidSetting, match=r"telemetry\.metrics_listen"):
                async with scraped(listen, Metrics()):
                    pass


async def test_without_an_address_nothing_listens() -> None:
    async with scraped("", Metrics()) as address:
        assert address == ""


def test_each_of_several_processes_has_a_port_of_its_own() -> None:
    assert [listen_of("0.0.0.0:9464", number) for number in range(3)] == [
        "0.0.0.0:9464",
        "0.0.0.0:9465",
        "0.0.0.0:9466",
    ]
    assert listen_of("127.0.0.1:0", 3) == "127.0.0.1:0"
    assert listen_of("", 3) == ""


async def test_whoever_holds_the_event_loop_is_seen() -> None:
    metrics = Metrics()
    watching = asyncio.create_task(watch_loop(metrics.event_loop_lag, 0.01))

    def count(le: str = "+Inf") -> float:
        return found(metrics, "penchant_event_loop_lag_seconds_bucket", le=le) or 0

    async with asyncio.timeout(PATIENCE):
        while not count():  # noqa: ASYNC110 a metric is not an event
            await asyncio.sleep(0.01)
        time.sleep(0.3)  # noqa: ASYNC251 this is what is measured
        while count() == count("0.25"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    watching.cancel()


class Model:
    """An encoder, and a port of a store, that fails when asked for nothing."""

    name = "model"
    dim = 3

    async def encode(self, texts: Sequence[str]) -> Matrix:
        if not texts:
            raise ValueError("nothing")
        return np.ones((len(texts), 3), np.float32)


async def test_what_an_encoder_does_is_told() -> None:
    metrics = Metrics()
    async with open_encoder("builtin:") as encoder:
        metrics.watch_encoder(encoder)
        await encoder.encode(["a", "b" * 5_000])
        assert found(metrics, "penchant_encoder_waiting_texts") == 0
    assert found(metrics, "penchant_encoder_seconds_count") == 1
    assert found(metrics, "penchant_encoder_truncated_texts_total") == 1
    stages = [
        found(metrics, "penchant_encoder_stage_seconds_sum", stage=one) for one in ("waiting", "reading", "computing")
    ]
    assert sum(filter(None, stages)) == pytest.approx(found(metrics, "penchant_encoder_seconds_sum"))


async def test_a_store_is_timed_by_operation_and_otherwise_as_it_was() -> None:
    metrics = Metrics()
    port = timed(Model(), metrics)
    assert port.name == "model"
    assert (await port.encode(["a"])).shape == (1, 3)
    assert (await port.encode(["a", "b"])).shape == (2, 3)
    with pytest.raises(ValueError, match="nothing"):
        await port.encode([])
    assert found(metrics, "penchant_store_seconds_count", operation="encode") == 3

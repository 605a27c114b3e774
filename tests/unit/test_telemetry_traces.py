"""Spans that go on from record to record, with links, and without anything of users in them."""

import logging
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from penchant_adapters.settings_groups import TelemetrySettings
from penchant_adapters.telemetry.traces import (
    MAX_LINKS,
    consumed,
    extracted,
    injected,
    opened_traces,
    produced,
    span,
    tracing,
)

TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
HEADER = f"00-{TRACE:032x}-{PARENT:016x}-01".encode()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def test_a_span_goes_on_where_the_record_came_from_and_its_own_headers_lead_on(spans: InMemorySpanExporter) -> None:
    context = extracted([("other", b"x"), ("traceparent", HEADER), ("tracestate", b"vendor=1")])
    with span("learn", context=context, attributes={"penchant.batch": 3}):
        headers = injected()
    with span("apply", context=extracted(headers)):
        pass
    learn, apply = spans.get_finished_spans()
    assert learn.context.trace_id == apply.context.trace_id == TRACE
    assert learn.parent is not None
    assert learn.parent.span_id == PARENT
    assert apply.parent is not None
    assert apply.parent.span_id == learn.context.span_id
    assert dict(headers)["tracestate"] == b"vendor=1"
    assert learn.attributes == {"penchant.batch": 3}


@pytest.mark.parametrize(
    "value", [b"", b"nonsense", b"\xff\xfe", HEADER[:-1], b"00-" + b"0" * 32 + HEADER[35:], b"0" * 10_000, None]
)
def test_a_header_that_says_nothing_is_passed_over(
    spans: InMemorySpanExporter, value: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert extracted([("traceparent", value)]) is None
    with span("learn", context=extracted([("traceparent", value)])):
        pass
    assert spans.get_finished_spans()[0].parent is None
    assert not caplog.records


def test_a_batch_links_to_its_producers_each_once_and_128_at_most(spans: InMemorySpanExporter) -> None:
    producers = [extracted([("traceparent", f"00-{TRACE:032x}-{n:016x}-01".encode())]) for n in range(1, 200)]
    with consumed("penchant.events", "penchant.users", 1_000, [None, producers[0], *producers]):
        pass
    with consumed("penchant.events", "penchant.users", 2, [None, producers[0], producers[0]]):
        pass
    many, few = spans.get_finished_spans()
    assert [link.context.span_id for link in many.links] == list(range(1, MAX_LINKS + 1))
    assert [link.context.span_id for link in few.links] == [1]
    assert (many.name, many.kind, many.parent) == ("process penchant.events", SpanKind.CONSUMER, None)
    assert many.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "penchant.events",
        "messaging.consumer.group.name": "penchant.users",
        "messaging.batch.message_count": 1_000,
    }


def test_a_record_sent_inside_a_span_carries_the_sending(spans: InMemorySpanExporter) -> None:
    with span("call"), produced("penchant.events"):
        headers = dict(injected())
    send, call = spans.get_finished_spans()
    assert (send.name, send.kind) == ("send penchant.events", SpanKind.PRODUCER)
    assert send.parent is not None
    assert send.parent.span_id == call.context.span_id
    (parent,) = headers.values()
    assert parent.startswith(f"00-{send.context.trace_id:032x}-{send.context.span_id:016x}-".encode())


def test_a_failure_is_told_by_its_kind_and_not_by_its_words(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="alice"), span("learn"):
        raise ValueError("alice likes apples")
    (failed,) = spans.get_finished_spans()
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "ValueError")
    assert failed.attributes == {"error.type": "ValueError"}
    assert "alice" not in failed.to_json()


def test_without_a_provider_everything_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    with opened_traces(TelemetrySettings(traces=False), "penchant-up"):
        assert not tracing()
        assert extracted([("traceparent", HEADER)]) is None
        with span("learn") as begun:
            assert not begun.is_recording()
            assert injected() == []


def test_a_collector_that_is_not_there_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import threading
    import time

    before = set(threading.enumerate())
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", type(trace._TRACER_PROVIDER_SET_ONCE)())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    caplog.set_level(logging.CRITICAL)
    with opened_traces(TelemetrySettings(traces=True), "penchant-up"):
        assert tracing()
        with span("learn"):
            pass
        left = time.monotonic()
    assert time.monotonic() - left < 6
    # What goes on trying must not draw random numbers while other tests watch them.
    for thread in set(threading.enumerate()) - before:
        thread.join()

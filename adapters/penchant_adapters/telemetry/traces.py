"""Traces: from the producer's record or the caller's request to the recommendation that it changed.

A thin layer over OpenTelemetry's API. Without a provider of tracers, which ``opened_traces`` sets in the composition
root, nothing is recorded and every function here costs next to nothing. Attributes hold numbers and names of things,
never a user's id or words; of an error they hold the kind, since its message may quote what a user said.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context, attach
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from penchant_core.errors import InvalidSetting

from penchant_adapters.settings_groups import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Attributes: TypeAlias = Mapping[str, AttributeValue]

MAX_LINKS = 128
"""Links of one span, OpenTelemetry's own limit."""
FLUSH_SECONDS = 3.0
"""Time that the last spans have to leave when the process ends."""
_LONGEST_HEADER = 512  # bytes; the standard's limit for what must be carried on
_SCOPE = "penchant"
_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def opened_traces(settings: TelemetrySettings, service: str) -> Iterator[None]:
    """Send traces inside the block, if *settings* say so, to where the ``OTEL_*`` variables say.

    *service* is ``penchant-up``, ``penchant-serve`` or ``penchant-consume`` unless OTEL_SERVICE_NAME says otherwise.
    Raises ``InvalidSetting`` where the SDK is not installed.
    """
    if not settings.traces:
        yield
        return
    provider = _provider(service)
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        # The SDK's own flush knows no deadline, and a collector that is gone must not hold up the end.
        last = threading.Thread(target=provider.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)


def _provider(service: str) -> "TracerProvider":
    try:
        # An extra: they are slow to import, and not always installed.
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        problem = f"traces need {error.name}; run pip install 'penchant[otel]'"
        raise InvalidSetting(problem, field="telemetry.traces") from error
    own = Resource.create({"service.name": service, "service.version": version("penchant")})
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def tracing() -> bool:
    """Tell whether spans are recorded in this process."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def extracted(headers: Iterable[tuple[str, str | bytes | None]] | None) -> Context | None:
    """Return the context that a record's headers or a call's metadata carry; none where there is none to go on with."""
    if not headers or not tracing():
        return None
    carrier: dict[str, str] = {}
    for name, value in headers:
        if name in ("traceparent", "tracestate") and value and len(value) <= _LONGEST_HEADER:
            carrier.setdefault(name, value if isinstance(value, str) else value.decode("ascii", "replace"))
    context = _PROPAGATOR.extract(carrier, Context()) if "traceparent" in carrier else None
    # An unreadable header leaves the context empty.
    return context or None


def injected() -> list[tuple[str, bytes]]:
    """Return the headers that let a record's reader go on with the current span; none where there is none."""
    carrier: dict[str, str] = {}
    if tracing():
        _PROPAGATOR.inject(carrier)
    return [(name, value.encode()) for name, value in carrier.items()]


@contextmanager
def span(
    name: str,
    *,
    context: Context | None = None,
    links: Iterable[Context | None] = (),
    attributes: Attributes | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[Span]:
    """Record the block as a span, the current one inside; its parent is *context* or else the current span.

    *links* are contexts that ``extracted`` returned: what led to this work, at most 128 of them.
    """
    if not tracing():
        yield INVALID_SPAN
        return
    with trace.get_tracer(_SCOPE).start_as_current_span(
        name,
        context,
        kind,
        attributes,
        _links(links),
        record_exception=False,
        set_status_on_exception=False,
    ) as begun:
        try:
            yield begun
        except Exception as error:
            failed(begun, type(error).__qualname__)
            raise


def served(method: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> Span:
    """Begin the span of a call on the server and make it the current one of this task; end it yourself.

    It stays current: a call has a task of its own, and a stream may be closed from another one.
    """
    if not tracing():
        return INVALID_SPAN
    attributes = {"rpc.system.name": "grpc", "rpc.method": method}
    begun = trace.get_tracer(_SCOPE).start_span(method, extracted(metadata), SpanKind.SERVER, attributes)
    attach(trace.set_span_in_context(begun))
    return begun


def failed(span: Span, kind: str) -> None:
    """Mark a span as failed."""
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def _links(contexts: Iterable[Context | None]) -> Sequence[Link]:
    found: dict[tuple[int, int], SpanContext] = {}
    for context in contexts:
        if context is None:
            continue
        one = trace.get_current_span(context).get_span_context()
        if one.is_valid:
            found.setdefault((one.trace_id, one.span_id), one)
            if len(found) == MAX_LINKS:
                break
    return [Link(one) for one in found.values()]


def consumed(topic: str, group: str, records: int, producers: Iterable[Context | None]) -> AbstractContextManager[Span]:
    """Return the span, for ``with``, of a batch's processing, linked to the spans of its records' producers."""
    return span(
        f"process {topic}",
        links=producers,
        kind=SpanKind.CONSUMER,
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.consumer.group.name": group,
            "messaging.batch.message_count": records,
        },
    )


def produced(topic: str, records: int = 1) -> AbstractContextManager[Span]:
    """Return the span, for ``with``, of sending records: put ``injected()`` into their headers inside the block."""
    return span(
        f"send {topic}",
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
            "messaging.batch.message_count": records,
        },
    )

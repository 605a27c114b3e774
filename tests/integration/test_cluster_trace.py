"""One trace of a cluster: from what a producer sent to the list that it changed, on another process's stream."""

import asyncio
from collections import deque
from collections.abc import Iterable

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from penchant.v1.event_pb2 import Event, RecordEventRequest

from tests.cluster import Cluster
from tests.integration.collector import collecting
from tests.integration.conftest import catalogue
from tests.integration.test_cluster import connected, following

USER = "private-user-4711"
WORDS = "unspeakable wish"
BY_LOG = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BY_CALL = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
"""Headers of a producer of Kafka's and of a caller of gRPC's."""


async def produce(cluster: Cluster, event: Event, traceparent: bytes) -> None:
    headers = [("traceparent", traceparent)]
    async with cluster.producing() as producer:
        await producer.send_and_wait(
            f"{cluster.prefix}.events", event.SerializeToString(), key=event.user_id.encode(), headers=headers
        )


def trace(traceparent: bytes) -> str:
    return traceparent.decode().split("-")[1]


def parent(traceparent: bytes) -> str:
    return traceparent.decode().split("-")[2]


def origins(span: Span, spans: Iterable[Span]) -> dict[str, str]:
    """Return what a span goes back to, step by step, over parents and links: span id → trace id."""
    by_id = {one.span_id.hex(): one for one in spans}
    found: dict[str, str] = {}
    ahead = deque([(span.trace_id.hex(), span.span_id.hex())])
    while ahead:
        within, name = ahead.popleft()
        if name and name not in found:
            found[name] = within
            if (known := by_id.get(name)) is not None:
                ahead.append((within, known.parent_span_id.hex()))
                ahead.extend((link.trace_id.hex(), link.span_id.hex()) for link in known.links)
    return found


async def pushed(cluster: Cluster, address: str) -> None:
    """Change the list of an open stream twice."""
    async with connected(address) as client:
        await client.upsert(*catalogue())
        call = client.lists.WatchRecommendations(following(USER), timeout=120)
        assert (await call.read()).update.snapshot
        await produce(cluster, Event(event_id="by log", user_id=USER, type="search", text=WORDS), BY_LOG)
        assert (await call.read()).update.trigger.event_id == "by log"
        liked = RecordEventRequest(event=Event(event_id="by call", user_id=USER, type="like", item_id="phone"))
        await client.events.RecordEvent(liked, metadata=[("traceparent", BY_CALL.decode())])
        assert (await call.read()).update.trigger.event_id == "by call"
        call.cancel()


async def test_every_push_leads_back_to_the_trace_of_who_sent_the_event_that_it_answers(cluster: Cluster) -> None:
    async with collecting() as (collector, endpoint):
        telling = {
            "PENCHANT_TELEMETRY__TRACES": "true",
            "PENCHANT_TELEMETRY__LOG_LEVEL": "debug",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        }
        consumer = cluster.consume(**telling)
        await cluster.made()
        server, address = await asyncio.to_thread(lambda: cluster.serve(**telling))
        await pushed(cluster, address)
        # Whoever ends sends what is left.
        for running in (server, consumer):
            assert await asyncio.to_thread(running.stop) == 0
    spans = collector.spans()
    pushes = [span for span in collector.spans("penchant-serve") if span.name == "push"]
    assert len(pushes) == 2
    (sent,) = [span for span in spans if span.name == f"send {cluster.prefix}.events"]
    assert sent.trace_id.hex() == trace(BY_CALL)
    for begun, sender in ((BY_LOG, parent(BY_LOG)), (BY_CALL, sent.span_id.hex())):
        # A batch has many senders, so it begins a trace of its own and links to theirs; a push goes on with the batch.
        learnt = collector.spans("penchant-consume")
        (batch,) = [one for one in learnt if [link.span_id.hex() for link in one.links] == [sender]]
        (push,) = [one for one in pushes if one.parent_span_id == batch.span_id]
        assert (batch.name, batch.kind) == (f"process {cluster.prefix}.events", Span.SPAN_KIND_CONSUMER)
        assert push.trace_id == batch.trace_id
        assert origins(push, spans)[parent(begun)] == trace(begun)
    told = [str(request) for request in collector.requests] + [consumer.text, server.text]
    assert not [one for one in told for private in (USER, *WORDS.split()) if private in one]

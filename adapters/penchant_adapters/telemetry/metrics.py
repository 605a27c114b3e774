"""Every metric, once. A process builds one ``Metrics`` and hands it on.

Labels are bound where a part is built, not at every call: ask ``rpc``, ``stage``, ``topic``, ``lag`` and ``store`` once
and keep what they return. No label holds a user id or a text, so the number of series is bounded by the number of
methods, partitions and stages.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penchant_core.model import Event
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from penchant_adapters.encoders.cache import CacheCounts
    from penchant_adapters.encoders.worker import Timings, WorkerEncoder

LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""
FINE_LATENCIES = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, close together where calls and questions to the store usually end."""
FRESHNESS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
"""Seconds; the promise is 0.15."""
AGES = (0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0)
"""Seconds, up to producers that were cut off for a day."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
"""Records, up to the greatest batch that the settings allow."""

_CALL = ("grpc_type", "grpc_service", "grpc_method")


@dataclass(frozen=True, slots=True)
class Rpc:
    """The metrics of one RPC. Codes are bound when they first occur."""

    started: Counter
    received: Counter
    sent: Counter
    seconds: Histogram
    handled: dict[str, Counter]
    """By code in gRPC's spelling, ``OK``, ``InvalidArgument``; ask ``ended``."""
    _handled: Counter
    _labels: tuple[str, str, str]

    def ended(self, code: str, seconds: float) -> None:
        """Count the end of a call."""
        counter = self.handled.get(code)
        if counter is None:
            counter = self.handled[code] = self._handled.labels(*self._labels, code)
        counter.inc()
        self.seconds.observe(seconds)


@dataclass(frozen=True, slots=True)
class Stage:
    """The metrics of one stage of the consumer."""

    batch_records: Histogram
    apply_seconds: Histogram
    rebalances: Counter
    retries: Counter


@dataclass(frozen=True, slots=True)
class Topic:
    """The metrics of one topic that is consumed."""

    learnt: Counter
    unchanged: Counter
    dead: Counter
    dead_letters: Counter


class ServerMetrics:
    """What the gRPC edge tells, under the names of go-grpc-middleware."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.started = Counter(
            "grpc_server_started_total", "RPCs begun on the server, calls.", _CALL, registry=registry
        )
        self.handled = Counter(
            "grpc_server_handled_total",
            "RPCs ended on the server, whatever the code, calls.",
            (*_CALL, "grpc_code"),
            registry=registry,
        )
        self.received = Counter(
            "grpc_server_msg_received_total",
            "Messages of requests and streams received, messages.",
            _CALL,
            registry=registry,
        )
        self.sent = Counter(
            "grpc_server_msg_sent_total", "Messages of replies and streams sent, messages.", _CALL, registry=registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time from the start to the end of an RPC; a stream's is its life, seconds.",
            _CALL,
            registry=registry,
            buckets=FINE_LATENCIES,
        )
        self.streams_open = Gauge(
            "penchant_streams_open", "Streams of recommendations that are open, streams.", registry=registry
        )
        self.pushes = Counter(
            "penchant_pushes_total", "Updates sent on streams of recommendations, messages.", registry=registry
        )


class ConsumerMetrics:
    """What the consumer tells."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Gauge(
            "penchant_consumer_lag_records",
            "Records of an own partition that are not learnt yet, records.",
            ("topic", "partition"),
            registry=registry,
        )
        self.records = Counter(
            "penchant_consumer_records_total",
            "Records done with, by what became of them (learnt, unchanged, dead), records.",
            ("topic", "outcome"),
            registry=registry,
        )
        self.batch_records = Histogram(
            "penchant_consumer_batch_records",
            "Size of a batch that is learnt in one go, records.",
            ("stage",),
            registry=registry,
            buckets=SIZES,
        )
        self.apply_seconds = Histogram(
            "penchant_consumer_apply_seconds",
            "Time from a batch fetched to the same batch committed, seconds.",
            ("stage",),
            registry=registry,
            buckets=LATENCIES,
        )
        self.event_age = Histogram(
            "penchant_consumer_event_age_seconds",
            "Age of an event, by its own time, when it is fetched, seconds.",
            registry=registry,
            buckets=AGES,
        )
        self.rebalances = Counter(
            "penchant_consumer_rebalances_total",
            "Times that partitions were assigned anew, rebalances.",
            ("stage",),
            registry=registry,
        )
        self.retries = Counter(
            "penchant_consumer_retries_total",
            "Attempts repeated since a neighbour failed, attempts.",
            ("stage",),
            registry=registry,
        )
        self.dead_letters = Counter(
            "penchant_dead_letters_total",
            "Records sent to the dead-letter topic of a topic, records.",
            ("topic",),
            registry=registry,
        )


class EncoderMetrics:
    """What the runtime of the encoder tells."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "penchant_encoder_seconds",
            "Time that the model takes for the new texts of one request, waiting included, seconds.",
            registry=registry,
            buckets=LATENCIES,
        )
        stages = Histogram(
            "penchant_encoder_stage_seconds",
            "What that time is spent on: waiting, reading (tokens), computing (on the device), seconds.",
            ("stage",),
            registry=registry,
            buckets=LATENCIES,
        )
        self._stages = tuple(stages.labels(stage) for stage in ("waiting", "reading", "computing"))
        self.waiting = Gauge(
            "penchant_encoder_waiting_texts", "Texts that wait for the encoder, texts.", registry=registry
        )
        self.truncated = Counter(
            "penchant_encoder_truncated_texts_total",
            "Texts of which only the beginning was given to the model, texts.",
            registry=registry,
        )

    def heard(self, timings: "Timings") -> None:
        """Take down what an answer took."""
        self.seconds.observe(timings.total)
        for stage, seconds in zip(self._stages, (timings.waiting, timings.reading, timings.computing), strict=True):
            stage.observe(seconds)


class Metrics:
    """Every metric of one process, on a registry of its own."""

    def __init__(self) -> None:
        # The library adds a time of birth to every series unless told not to, for the whole process: series twofold,
        # and nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.server = ServerMetrics(self.registry)
        self.consumer = ConsumerMetrics(self.registry)
        self.freshness = Histogram(
            "penchant_freshness_seconds",
            "Time from an event (its place in the log; on one machine its own time) to its visible effect, seconds.",
            registry=self.registry,
            buckets=FRESHNESS,
        )
        self.encoder = EncoderMetrics(self.registry)
        self.event_loop_lag = Histogram(
            "penchant_event_loop_lag_seconds",
            "How much too late a timer fires: the time that something else held the event loop, seconds.",
            registry=self.registry,
            buckets=LATENCIES,
        )
        self._store_seconds = Histogram(
            "penchant_store_seconds",
            "Time that one operation of the vector store takes, seconds.",
            ("operation",),
            registry=self.registry,
            buckets=FINE_LATENCIES,
        )
        self._build = Info("penchant_build", "Version and model that run, always 1.", registry=self.registry)

    def rpc(self, kind: str, service: str, method: str) -> Rpc:
        """Bind the metrics of an RPC; *kind* is unary, client_stream, server_stream or bidi_stream."""
        labels, server = (kind, service, method), self.server
        return Rpc(
            server.started.labels(*labels),
            server.received.labels(*labels),
            server.sent.labels(*labels),
            server.seconds.labels(*labels),
            # Rates begin at nought, so the usual code is there before the first call.
            {"OK": server.handled.labels(*labels, "OK")},
            server.handled,
            labels,
        )

    def stage(self, stage: str) -> Stage:
        """Bind the metrics of a stage."""
        consumer = self.consumer
        return Stage(
            consumer.batch_records.labels(stage),
            consumer.apply_seconds.labels(stage),
            consumer.rebalances.labels(stage),
            consumer.retries.labels(stage),
        )

    def topic(self, topic: str) -> Topic:
        """Bind the metrics of a topic that is consumed; *topic* is the consumed one, not that of its dead letters."""
        records = self.consumer.records
        learnt, unchanged, dead = (records.labels(topic, outcome) for outcome in ("learnt", "unchanged", "dead"))
        return Topic(learnt, unchanged, dead, self.consumer.dead_letters.labels(topic))

    def lag(self, topic: str, partition: int) -> Gauge:
        """Bind the lag of an own partition; ``forget_lag`` when it goes to somebody else."""
        return self.consumer.lag.labels(topic, partition)

    def forget_lag(self, topic: str, partition: int) -> None:
        """Stop telling the lag of a partition that was taken away: its new owner tells it."""
        self.consumer.lag.remove_by_labels({"topic": topic, "partition": str(partition)})

    def store(self, operation: str) -> Histogram:
        """Bind the time of a store's operation; ``with bound.time():`` measures it."""
        return self._store_seconds.labels(operation)

    def visible(self, events: Iterable[Event], at: int) -> None:
        """Measure the freshness of events whose effect everybody sees since *at*, in milliseconds since 1970."""
        for event in events:
            # A producer's clock may be ahead.
            self.freshness.observe(max(0, at - event.occurred_at) / 1000)

    def running(self, version: str, model: str) -> None:
        """Tell what runs."""
        self._build.info({"version": version, "model": model})

    def watch_encoder(self, encoder: "WorkerEncoder") -> None:
        """Tell how an encoder works; once in a process."""
        encoder.heard = self.encoder.heard
        self.encoder.waiting.set_function(lambda: encoder.waiting)
        encoder.truncated = self.encoder.truncated.inc

    def watch_texts(self, counts: "CacheCounts") -> None:
        """Tell where an encoder's cache finds texts; once in a process."""
        self.registry.register(_Texts(counts))


class _Texts(Collector):
    """Reads the cache's own counts when asked: counting costs nothing twice."""

    def __init__(self, counts: "CacheCounts") -> None:
        self._counts = counts

    def collect(self) -> Iterator[Family]:
        family = CounterMetricFamily(
            "penchant_encoder_texts_total",
            "Texts asked for, by where their vectors were found, texts.",
            labels=["found"],
        )
        counts = self._counts
        for found, number in (
            ("memory", counts.memory_hits),
            ("file", counts.file_hits),
            ("joined", counts.joined),
            ("model", counts.misses),
        ):
            family.add_metric([found], number)
        yield family

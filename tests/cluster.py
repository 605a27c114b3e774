"""A cluster on this machine: the real broker, the engine behind Qdrant's protocol, consumers and servers as processes.

And what it must come to: the pure fold over the log.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from penchant.v1 import event_pb2
from penchant_adapters import contract
from penchant_adapters.kafka.decoding import Undecodable, event_message
from penchant_adapters.kafka.topics import create, partition_of
from penchant_adapters.qdrant.store import QdrantStore
from penchant_adapters.settings import Settings
from penchant_adapters.settings_groups import KafkaSettings, QdrantSettings
from penchant_bench.neighbours.kafka import Broker
from penchant_bench.neighbours.process import Guarded
from penchant_bench.neighbours.qdrant import QdrantProcess
from penchant_bench.speed.cluster import opened
from penchant_core.counts import Counts, changes_of
from penchant_core.covisitation import Flow, added, fold
from penchant_core.errors import InvalidField, Unavailable
from penchant_core.ledger import Ledger, timed
from penchant_core.model import Event
from penchant_core.tuning import Covisitation, Tuning

PARTITIONS = 4
ROUNDING = 1e-3
PATIENCE = 60.0
"""Seconds that a fact may take on a busy machine."""
ROOT = Path(__file__).parents[1]
PENCHANT = str(Path(sys.executable).with_name("penchant"))


@dataclass
class Running:
    """A process and what it says."""

    guarded: Guarded
    log: Path

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self.guarded.process

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def said(self, pattern: str) -> re.Match[str]:
        """Wait until it says something."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if (found := re.search(pattern, self.text)) is not None:
                return found
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.text}"
            time.sleep(0.05)
        raise AssertionError(f"it never said {pattern!r}:\n{self.text}")

    def kill(self) -> None:
        self.guarded.send(signal.SIGCONT)
        self.guarded.end(0.0)

    def stop(self, patience: float = 20.0) -> int:
        """Ask it to end; return its exit code."""
        self.guarded.send(signal.SIGTERM)
        return self.process.wait(patience)


@dataclass
class Cluster:
    """Topics and collections of one test, and its processes."""

    broker: Broker
    qdrant: QdrantProcess
    prefix: str
    folder: Path
    processes: list[Running] = field(default_factory=list)

    def variables(self, **more: str) -> dict[str, str]:
        """Settings of its processes."""
        return {
            "PENCHANT_KAFKA__BOOTSTRAP": self.broker.bootstrap,
            "PENCHANT_KAFKA__TOPIC_PREFIX": self.prefix,
            "PENCHANT_KAFKA__GROUP": self.prefix,
            "PENCHANT_KAFKA__PARTITIONS": str(PARTITIONS),
            "PENCHANT_KAFKA__SESSION_TIMEOUT": "6",
            "PENCHANT_STORE": self.qdrant.url,
            "PENCHANT_QDRANT__PREFIX": self.prefix,
            "PENCHANT_DATA_DIR": str(self.folder / "data"),
            "PENCHANT_TELEMETRY__LOG_FORMAT": "console",
            **more,
        }

    @property
    def settings(self) -> Settings:
        """The same for this process."""
        return Settings(
            kafka=KafkaSettings(
                bootstrap=self.broker.bootstrap,
                topic_prefix=self.prefix,
                group=self.prefix,
                partitions=PARTITIONS,
            ),
            store=self.qdrant.url,
            qdrant=QdrantSettings(prefix=self.prefix),
            data_dir=self.folder / "data",
        )

    def start(self, *command: str, **variables: str) -> Running:
        """Start a process."""
        log = self.folder / f"{len(self.processes)}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENCHANT_")}
        environment = inherited | self.variables(**variables) | {"NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        self.processes.append(Running(Guarded(command, log, environment), log))
        return self.processes[-1]

    def consume(self, stage: str = "all", **variables: str) -> Running:
        """Start a consumer."""
        return self.start(PENCHANT, "consume", "--stage", stage, **variables)

    def crashing(self, when: str, step: str, number: int, **variables: str) -> Running:
        """Start a consumer that ends or freezes at a step."""
        return self.start(sys.executable, "-m", "tests.integration.crashing", when, step, str(number), **variables)

    def serve(self, **variables: str) -> tuple[Running, str]:
        """Start a server; return it and its address."""
        running = self.start(PENCHANT, "serve", "--listen", "127.0.0.1:0", **variables)
        return running, running.said(r"address=(127\.0\.0\.1:\d+)")[1]

    def run(self, *arguments: str) -> str:
        """Run a command to its end."""
        running = self.start(PENCHANT, *arguments)
        assert running.process.wait(PATIENCE) == 0, running.text
        return running.text

    def end(self) -> None:
        """Kill what still runs."""
        for running in self.processes:
            running.kill()

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[AIOKafkaProducer]:
        """A producer of somebody else."""
        async with AIOKafkaProducer(
            bootstrap_servers=self.broker.bootstrap, acks="all", enable_idempotence=True
        ) as one:
            yield one

    async def produce(self, events: Sequence[event_pb2.Event]) -> None:
        """Write events as producers do."""
        async with self.producing() as producer:
            sent = [
                await producer.send(f"{self.prefix}.events", event.SerializeToString(), key=event.user_id.encode())
                for event in events
            ]
            await asyncio.gather(*sent)

    async def log(self, topic: str) -> dict[int, list[Any]]:
        """Read all records of a topic."""
        name = f"{self.prefix}.{topic}"
        async with AIOKafkaConsumer(bootstrap_servers=self.broker.bootstrap, auto_offset_reset="earliest") as consumer:
            places = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: dict[int, list[Any]] = {place.partition: [] for place in places}
            while [place for place in places if await consumer.position(place) < ends[place]]:
                for place, records in (await consumer.getmany(timeout_ms=500)).items():
                    found[place.partition] += records
            return found

    def opened(self) -> AbstractAsyncContextManager[QdrantStore]:
        """The store, read by nobody else's eyes."""
        return opened(self.settings)

    async def made(self) -> None:
        """Wait until a consumer has made the store."""

        async def there() -> bool:
            try:
                async with self.opened():
                    return True
            except Unavailable:
                return False

        await self.until(there)

    async def until(self, fact: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Wait until a coroutine gives something true."""
        deadline = time.monotonic() + patience
        while True:
            if found := await fact():
                return found
            assert time.monotonic() < deadline, "it never came true\n" + self.processes[-1].text[-3000:]
            await asyncio.sleep(0.1)

    async def caught_up(self, patience: float = PATIENCE) -> None:
        """Wait until both groups have committed the ends of all their topics."""
        groups = {"users": ["events"], "items": ["items", "pairs"]}

        async def all_committed() -> bool:
            for group, topics in groups.items():
                async with AIOKafkaConsumer(
                    bootstrap_servers=self.broker.bootstrap, group_id=f"{self.prefix}.{group}", enable_auto_commit=False
                ) as consumer:
                    await consumer.topics()
                    places = [TopicPartition(f"{self.prefix}.{t}", p) for t in topics for p in range(PARTITIONS)]
                    consumer.assign(places)
                    ends = await consumer.end_offsets(places)
                    for place in places:
                        if (await consumer.committed(place) or 0) < ends[place]:
                            return False
            return True

        # Twice: the users' stage may have told pairs after the items' was looked at.
        await self.until(all_committed, patience)
        await self.until(all_committed, patience)


@dataclass
class Expected:
    """What the log comes to."""

    ledgers: dict[str, Ledger]
    counts: dict[str, Counts]


def folded_log(log: Mapping[int, Sequence[Any]], tuning: Tuning | None = None) -> Expected:
    """Return the pure fold over the log, event by event."""
    tuning = tuning or Tuning()
    ledgers: defaultdict[str, Ledger] = defaultdict(Ledger)
    flows: list[Flow] = []
    for partition, records in log.items():
        for record in records:
            event = fact_of(record, tuning)
            if event is None or partition_of(record.key, len(log)) != partition:
                continue
            before = ledgers[event.user_id]
            event = timed(event, before.slots, record.timestamp)
            ledgers[event.user_id], flow = fold(before, [event], tuning.weights, tuning.covisitation)
            flows.append(flow)
    counts = {
        item_id: Counts().with_change(change, tuning.covisitation)
        for item_id, change in changes_of(added(flows)).items()
    }
    return Expected({user: ledger for user, ledger in ledgers.items() if ledger.slots}, counts)


def fact_of(record: Any, tuning: Tuning) -> Event | None:
    """Return the event in a record, nothing where there is none."""
    try:
        message = event_message(record.key, record.value, record.headers)
        return contract.event(message, tuning.weights, record.timestamp, f"{record.partition}-{record.offset}")
    except (Undecodable, InvalidField):
        return None


async def assert_is_the_fold(cluster: Cluster) -> Expected:
    """Compare the store with the log: ledgers to the bit, counts to rounding."""
    expected = folded_log(await cluster.log("events"))
    async with cluster.opened() as store:
        ledgers = await store.users.ledgers(list(expected.ledgers))
        for user, ledger in expected.ledgers.items():
            assert ledgers[user] == ledger, user
        found = await store.items.item_counts(list(expected.counts))
    for item_id, counts in expected.counts.items():
        assert_same_counts(found[item_id].counts, counts, item_id)
    return expected


def assert_same_counts(found: Counts, wanted: Counts, item_id: str) -> None:
    """Compare sums that were added up in another order and kept in single precision.

    A pair that was taken back may leave a rounding of nearly nothing.
    """

    def told(counts: Counts) -> dict[int, float]:
        return {d: v for d, v in zip(counts.dims.tolist(), counts.values.tolist(), strict=True) if v > ROUNDING}

    assert told(found) == pytest.approx(told(wanted), rel=ROUNDING, abs=ROUNDING), item_id
    assert [found.out, found.visits] == pytest.approx([wanted.out, wanted.visits], rel=ROUNDING, abs=ROUNDING), item_id


@pytest.fixture
async def cluster(broker: Broker, qdrant: QdrantProcess, prefix: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    """Topics of a test, made; its processes end with it."""
    made = Cluster(broker, qdrant, prefix, tmp_path)
    await create(made.settings.kafka)
    yield made
    made.end()


__all__ = ["Cluster", "Covisitation", "Expected", "Running", "assert_is_the_fold", "folded_log"]

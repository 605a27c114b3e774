"""A cluster on this machine: a real broker, a store, consumers and servers as an operator starts them."""

import asyncio
import os
import re
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer, TopicPartition
from penchant.v1 import catalog_pb2, event_pb2
from penchant_adapters.kafka.connection import consumer, producer, started
from penchant_adapters.kafka.topics import Topics, create
from penchant_adapters.qdrant.store import QdrantStore, open_qdrant
from penchant_adapters.settings import Settings

from penchant_bench.neighbours.kafka import JVM, Broker
from penchant_bench.neighbours.process import free_port
from penchant_bench.neighbours.qdrant import QdrantProcess
from penchant_bench.speed.client import connected
from penchant_bench.speed.process import START_SECONDS, Server, serving

PARTITIONS = 4
SERVER = "PENCHANT_TEST_QDRANT_URL"
"""Variable with a real Qdrant server to measure on."""
# The JVM's second compiler, which the tests' broker does without, makes it twice as fast.
_JVM = ("-Xms256m", "-Xmx1g", "-Dorg.slf4j.simpleLogger.showDateTime=true")
_PENCHANT = str(Path(sys.executable).with_name("penchant"))
_ASSIGNED = {stage: re.compile(rf"partitions assigned.*(stage={stage})\b") for stage in ("users", "items")}


@dataclass(frozen=True, slots=True)
class Place:
    """A neighbour."""

    address: str
    pid: int | None = None
    """None for one that runs elsewhere."""
    folder: Path | None = None

    def cpu_seconds(self) -> float:
        """Return the seconds of processor that it has used, 0 for one that runs elsewhere."""
        if self.pid is None:
            return 0.0
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Topics and collections of one prefix, and what runs on them."""

    broker: Place
    store: Place
    prefix: str
    folder: Path

    @property
    def variables(self) -> dict[str, object]:
        """What its processes are told, as ``serving`` takes it."""
        return {
            "kafka__bootstrap": self.broker.address,
            "kafka__topic_prefix": self.prefix,
            "kafka__group": self.prefix,
            "kafka__partitions": PARTITIONS,
            "store": self.store.address,
            "qdrant__prefix": self.prefix,
            "data_dir": self.folder / self.prefix,
            "telemetry__log_format": "console",
        }

    @property
    def settings(self) -> Settings:
        """The same for this process."""
        kafka = {"bootstrap": self.broker.address, "topic_prefix": self.prefix, "group": self.prefix}
        return Settings(
            kafka=kafka | {"partitions": PARTITIONS},  # type: ignore[arg-type]  # checked when it is read
            store=self.store.address,
            qdrant={"prefix": self.prefix},  # type: ignore[arg-type]
            data_dir=self.folder / self.prefix,
        )

    @property
    def topics(self) -> Topics:
        """Names of its topics."""
        return Topics.of(self.settings.kafka)

    async def renewed(self) -> "Cluster":
        """Return one beside it on the same neighbours, with empty topics and no collections."""
        fresh = replace(self, prefix=f"bench{uuid.uuid4().hex[:10]}")
        (fresh.folder / fresh.prefix).mkdir()
        await create(fresh.settings.kafka)
        return fresh

    @asynccontextmanager
    async def consuming(self, stage: str = "all", **more: object) -> AsyncIterator[Server]:
        """Run a consumer inside the block, which begins when it has got its partitions."""
        ready = _ASSIGNED["items" if stage == "items" else "users"]
        async with serving([_PENCHANT, "consume", "--stage", stage], ready, **(self.variables | more)) as one:
            yield one

    @asynccontextmanager
    async def answering(self, processes: int = 1) -> AsyncIterator[Server]:
        """Run so many servers on one port inside the block, which begins when all of them answer."""
        command = [_PENCHANT, "serve", "--listen", f"127.0.0.1:{free_port()}", "--processes", str(processes)]
        async with serving(command, **self.variables) as server:
            async with asyncio.timeout(START_SECONDS):
                # The log holds the last lines only, and a worker says it once, at its start.
                while sum("address=" in line for line in server.log) < processes:  # noqa: ASYNC110 a deque
                    await asyncio.sleep(0.05)
            async with connected(server.address):
                yield server

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[AIOKafkaProducer]:
        """Give a producer of somebody else inside the block."""
        async with started(producer(self.settings.kafka), self.settings.kafka) as one:
            yield one

    async def produce(self, messages: Iterable[event_pb2.Event | catalog_pb2.Item]) -> int:
        """Write events and items; return how many. Raises ``RuntimeError`` when not all of them arrived."""
        topics, count = self.topics, 0
        before = sum((await self.ends(topics.events, topics.items)).values())
        async with started(producer(self.settings.kafka, linger_ms=5), self.settings.kafka) as one:
            for message in messages:
                item = isinstance(message, catalog_pb2.Item)
                key = message.item_id if isinstance(message, catalog_pb2.Item) else message.user_id
                await one.send(topics.items if item else topics.events, message.SerializeToString(), key=key.encode())
                count += 1
            await one.flush()
        arrived = sum((await self.ends(topics.events, topics.items)).values()) - before
        if arrived != count:
            raise RuntimeError(f"{count:,} messages were written and {arrived:,} arrived")
        return count

    async def ends(self, *topics: str) -> dict[TopicPartition, int]:
        """Return how many records stand in each partition of some topics."""
        places = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
        async with started(consumer(self.settings.kafka), self.settings.kafka) as one:
            await one.topics()
            found: dict[TopicPartition, int] = await one.end_offsets(places)
            return found


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[QdrantStore]:
    """Open the store inside the block; a consumer has made it."""
    async with open_qdrant(settings.store, None, None, settings.covisitation, settings.qdrant, create=False) as store:
        yield store


def cpu_seconds(pid: int) -> float:
    """Return the seconds of processor that a process and its children have used.

    To find children, every process of the machine is looked at, which takes milliseconds: not to be done all the time.
    """
    times = [process.cpu_times() for process in _family(pid)]
    return float(sum(one.user + one.system for one in times))


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process and its children."""
    return sum(int(process.memory_info().rss) for process in _family(pid))


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


@asynccontextmanager
async def cluster(*, quick: bool = False) -> AsyncIterator[Cluster]:
    """Give a cluster inside the block, without consumers and servers. Raises ``NotHere`` without Java or Maven.

    With *quick* the broker starts faster and works more slowly.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penchant-bench-")))
        broker = Broker(folder / "kafka", jvm=JVM if quick else _JVM)
        stack.callback(broker.stop)
        await asyncio.to_thread(broker.start)
        if url := os.environ.get(SERVER):
            store = Place(url)
        else:
            engine = QdrantProcess(folder / "qdrant")
            stack.callback(engine.stop)
            await asyncio.to_thread(engine.start)
            store = Place(engine.url, engine.pid, folder / "qdrant")
        yield await Cluster(Place(broker.bootstrap, broker.pid), store, "", folder).renewed()


def note() -> str:
    """Say what the neighbours are."""
    store = (
        "a Qdrant server"
        if os.environ.get(SERVER)
        else "the Qdrant engine behind Qdrant's protocol in one Python process (`penchant_bench.neighbours.qdrant`)"
    )
    return f"One Kafka broker and {store}, all on the same machine as the processes measured and the load."

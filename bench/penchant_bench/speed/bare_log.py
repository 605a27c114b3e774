"""What Kafka's client alone can do: the limit of whatever consumes through it.

``python -m penchant_bench.speed.bare_log BOOTSTRAP TOPIC PARTITIONS`` reads a topic from its beginning to its end
with ``getmany`` and prints records, seconds and seconds of processor as JSON.
"""

import asyncio
import sys
import time
from dataclasses import dataclass

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from penchant_bench.speed.figure import Latencies


@dataclass(frozen=True, slots=True)
class BareLog:
    """What reading took."""

    records: int
    seconds: float
    cpu: float

    @property
    def per_second(self) -> float:
        """Records."""
        return self.records / self.seconds


async def read_by_process(bootstrap: str, topic: str, partitions: int) -> BareLog:
    """Read a topic in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, bootstrap, topic, str(partitions), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return BareLog(*orjson.loads(output))


async def read(bootstrap: str, topic: str, partitions: int) -> BareLog:
    """Read a topic from its beginning to its end."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        left = sum((await consumer.end_offsets(places)).values())
        count, begin, used = 0, time.perf_counter(), time.process_time()
        while count < left:
            count += sum(map(len, (await consumer.getmany(timeout_ms=200, max_records=1_000)).values()))
        return BareLog(count, time.perf_counter() - begin, time.process_time() - used)


async def round_trips(bootstrap: str, topic: str, size: int, count: int) -> Latencies:
    """Time *count* records of *size* bytes, one after the other, from ``send`` until a consumer has them."""
    found = Latencies()
    async with (
        AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer,
        AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="latest") as consumer,
    ):
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        await consumer.seek_to_end(place)
        for _ in range(count):
            with found.timed():
                await producer.send(topic, bytes(size), partition=0)
                await consumer.getone()
    return found


if __name__ == "__main__":
    bare = uvloop.run(read(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    sys.stdout.buffer.write(orjson.dumps([bare.records, bare.seconds, bare.cpu]))

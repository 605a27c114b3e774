# ruff: noqa: INP001, T201 a program, not a package
"""Sends events to Penchant's log: ``python producer.py --bootstrap HOST:PORT USER…``.

Needs ``pip install penchant aiokafka``: penchant brings what is sent.
"""

import argparse
import asyncio
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from google.protobuf.json_format import MessageToJson
from penchant import Event, kafka_record
from penchant.v1 import event_pb2


def view_of(user_id: str) -> Event:
    """Somebody looks at a tent, now; the record has an id, so that sent twice it counts once."""
    return Event(user_id, "view", item_id="tent", surface="home", occurred_at=datetime.now(UTC))


def record_of(event: Event, *, as_json: bool) -> tuple[bytes, bytes, bytes]:
    """Lay an event out; return key, value and content type."""
    key, value = kafka_record(event)
    if as_json:
        return key, MessageToJson(event_pb2.Event.FromString(value), indent=None).encode(), b"application/json"
    return key, value, b"application/x-protobuf"


async def send(bootstrap: str, topic: str, users: list[str], *, as_json: bool) -> None:
    """Send a view of every user and print where it went."""
    # aiokafka's default partitioner is Kafka's own, murmur2.
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, compression_type="gzip"
    ) as producer:
        sent = []
        for user_id in users:
            key, value, kind = record_of(view_of(user_id), as_json=as_json)
            sent.append(await producer.send(topic, value, key=key, headers=[("content-type", kind)]))
        for user_id, place in zip(users, await asyncio.gather(*sent), strict=True):
            print(place.partition, place.offset, user_id, sep="\t")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--prefix", default="penchant")
    parser.add_argument("--json", action="store_true", help="send JSON instead of protobuf")
    parser.add_argument("users", nargs="+", metavar="USER")
    given = parser.parse_args()
    asyncio.run(send(given.bootstrap, f"{given.prefix}.events", given.users, as_json=given.json))


if __name__ == "__main__":
    main()

# ruff: noqa: INP001, T201 a program, not a package
"""Sends events to Penchant's log: ``python producer.py --bootstrap HOST:PORT USER…``.

Needs ``pip install penchant aiokafka``: penchant brings the message classes.
"""

import argparse
import asyncio
import uuid

from aiokafka import AIOKafkaProducer
from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1.event_pb2 import Event


def view_of(user_id: str) -> Event:
    """Somebody looks at a tent, now."""
    now = Timestamp()
    now.GetCurrentTime()
    # An id of our own: sent again, the event counts once.
    return Event(
        event_id=f"python-{uuid.uuid4()}", user_id=user_id, type="view", item_id="tent", surface="home", occurred_at=now
    )


def value_of(event: Event, *, as_json: bool) -> tuple[bytes, bytes]:
    """Lay an event out; return it with its content type."""
    if as_json:
        return MessageToJson(event, indent=None).encode(), b"application/json"
    return event.SerializeToString(), b"application/x-protobuf"


async def send(bootstrap: str, topic: str, users: list[str], *, as_json: bool) -> None:
    """Send a view of every user and print where it went."""
    # aiokafka's default partitioner is Kafka's own, murmur2.
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, compression_type="gzip"
    ) as producer:
        sent = []
        for user_id in users:
            value, kind = value_of(view_of(user_id), as_json=as_json)
            sent.append(await producer.send(topic, value, key=user_id.encode(), headers=[("content-type", kind)]))
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

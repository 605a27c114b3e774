"""Dead letters: records that nobody can read, kept byte for byte, with Kafka Connect's headers about the error.

A dead letter stands in ``TOPIC.dlq`` in the partition of the same number. It is written with all replicas' consent
before ``write`` returns, so whoever commits afterwards loses nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from penchant_core.errors import Unavailable

from penchant_adapters.kafka.connection import DEAD_LETTER_OVERHEAD, producer
from penchant_adapters.kafka.topics import Topics
from penchant_adapters.kafka.translation import translating
from penchant_adapters.settings_groups import KafkaSettings

ERRORS = "__connect.errors."
"""Beginning of the names of all headers about the error. Values are text in UTF-8, numbers in decimal."""
TOPIC, PARTITION, OFFSET = f"{ERRORS}topic", f"{ERRORS}partition", f"{ERRORS}offset"
CONNECTOR, STAGE = f"{ERRORS}connector.name", f"{ERRORS}stage"
CLASS, MESSAGE = f"{ERRORS}exception.class.name", f"{ERRORS}exception.message"
DECODING = "VALUE_CONVERTER"
"""Connect's name for the stage in which most records fail."""
MESSAGE_BYTES = 4 << 10

Headers = Sequence[tuple[str, bytes | None]]
Sleep = Callable[[float], Awaitable[Any]]


class Rate:
    """Lets *per_second* through in the long run and as many at once after a quiet second, at least one."""

    def __init__(
        self, per_second: float, clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._clock = clock
        self._sleep = sleep
        self._tokens = self._most
        self._then = clock()

    async def passed(self) -> None:
        """Wait for one's turn; turns are given in the order of the calls."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._then) * self._per_second) - 1.0
        self._then = now
        if self._tokens < 0.0:
            await self._sleep(-self._tokens / self._per_second)


class DeadLetters:
    """Writes dead letters, ``max_dead_letters_per_second`` at most: whoever writes more waits."""

    def __init__(self, sender: AIOKafkaProducer, settings: KafkaSettings, rate: Rate | None = None) -> None:
        self._sender = sender
        self._settings = settings
        self._rate = rate or Rate(settings.max_dead_letters_per_second)

    async def write(self, record: Any, error: BaseException, stage: str = DECODING) -> None:
        """Write a consumer's *record* that failed with *error*, durably.

        *stage* is one of Connect's: KEY_CONVERTER, VALUE_CONVERTER, HEADER_CONVERTER, TRANSFORMATION or TASK_PUT.
        Raises ``Unavailable`` and ``InvalidSetting``.
        """
        await self._rate.passed()
        about = {
            TOPIC: record.topic,
            PARTITION: str(record.partition),
            OFFSET: str(record.offset),
            CONNECTOR: self._settings.group,
            STAGE: stage,
            CLASS: f"{type(error).__module__}.{type(error).__qualname__}",
            MESSAGE: str(error),
        }
        headers = [*record.headers, *((name, _cut(value)) for name, value in about.items())]
        topic = Topics.dlq(record.topic)
        with translating(self._settings, topic):
            done = await send_exactly(self._sender, topic, record.partition, record.key, record.value, headers)
            await done


def dead_letter_producer(settings: KafkaSettings, client_id: str = "penchant") -> AIOKafkaProducer:
    """Return a producer, not started, for records with the headers of dead letters on top."""
    return producer(settings, client_id, max_request_size=settings.max_message_bytes + DEAD_LETTER_OVERHEAD)


async def send_exactly(
    sender: AIOKafkaProducer, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers
) -> "asyncio.Future[Any]":
    """Send a record as it is, also one with neither key nor value; return what tells that it was written."""
    if partition not in await sender.partitions_for(topic):
        # A broker that has just been started does not know all of its partitions yet: it may go well in a while.
        raise Unavailable(f"{topic} has no partition {partition}; if that stays so, run: penchant topics check")
    # ``send`` refuses records without key and value; a batch of one takes them.
    batch = sender.create_batch()
    batch.append(timestamp=None, key=key, value=value, headers=list(headers))
    done: asyncio.Future[Any] = await sender.send_batch(batch, topic, partition=partition)
    return done


def _cut(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:MESSAGE_BYTES].decode("utf-8", "ignore").encode()

"""``penchant consume`` that kills itself with SIGKILL, or freezes, right before or right after its n-th step of a kind.

``python -m tests.integration.crashing before|after|freeze STEP N``; a step is one of ``STEPS``.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from penchant_adapters.encoders import CachedEncoder
from penchant_adapters.kafka.deadletters import DeadLetters
from penchant_adapters.qdrant.itemstates import QdrantItems
from penchant_adapters.qdrant.users import QdrantUsers
from penchant_adapters.settings import Settings
from penchant_adapters.telemetry.logs import configured
from penchant_consumers.app import consume
from penchant_consumers.telling import Telling

STEPS: dict[str, tuple[type[Any], str]] = {
    "encode": (CachedEncoder, "encode"),
    "write": (QdrantUsers, "write"),
    "tell": (Telling, "tell"),
    "count": (QdrantItems, "write_counts"),
    "put": (QdrantItems, "put_items"),
    "letter": (DeadLetters, "write"),
    "commit": (AIOKafkaConsumer, "commit"),
}


def armed(inner: Callable[..., Awaitable[Any]], when: str, number: int) -> Callable[..., Awaitable[Any]]:
    """Return the step with its end built in."""
    count = 0

    async def step(*args: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        # Steps overlap: another may begin before this one is done.
        mine = count
        if mine == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if mine == number and when == "freeze":
            sys.stdout.write("freezing\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGSTOP)
        answer = await inner(*args, **more)
        if mine == number and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return step


def main(when: str, name: str, number: int) -> None:
    """Consume until it happens."""
    place, method = STEPS[name]
    setattr(place, method, armed(getattr(place, method), when, number))
    settings = Settings.read()
    configured(settings.telemetry)
    asyncio.run(consume(settings))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

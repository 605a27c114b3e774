"""Where records go that cannot be learnt from."""

import asyncio
from collections.abc import Sequence

import structlog
from penchant_adapters.kafka.deadletters import DeadLetters
from penchant_adapters.telemetry.metrics import Metrics

from penchant_consumers.reading import Dead

_log = structlog.get_logger()


class Letters:
    """Writes dead letters, and says so."""

    def __init__(self, letters: DeadLetters, metrics: Metrics) -> None:
        self._letters = letters
        self._metrics = metrics

    async def write(self, dead: Sequence[Dead], stage: str) -> None:
        """Write records to the dead-letter topics; they are durable when this returns."""
        for one in dead:
            await self._letters.write(one.record, one.error)
            self._metrics.topic(one.record.topic).dead_letters.inc()
        if dead:
            first = dead[0]
            _log.warning(
                "dead letters",
                stage=stage,
                count=len(dead),
                first=f"{first.record.topic}-{first.record.partition}@{first.record.offset}",
                reason=first.error.reason,
            )
        await asyncio.sleep(0)

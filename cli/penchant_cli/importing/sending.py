"""From checked records to acknowledged ones: batches, a bounded number on their way, patience with a busy service."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from penchant_cli.importing.checking import Checked
from penchant_cli.importing.errors import SendingStopped
from penchant_cli.importing.sink import Busy, Refusals, Sink

BATCH_RECORDS = 500
BATCH_BYTES = 1 << 20
"""A batch is cut before it is larger; one record alone is far smaller."""
IN_FLIGHT = 4
"""Batches on their way at once."""
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Waits before a batch that met a busy service is sent again; after the last one sending stops."""


@dataclass(slots=True)
class Batch:
    """Records that are sent together, and their lines in the file."""

    lines: list[int] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)


def batches(checked: Checked, after: int) -> Iterator[Batch]:
    """Yield all records but the first *after* ones, in order."""
    batch, size = Batch(), 0
    records = checked.items(after) if checked.report.kind == "items" else checked.events(after)
    for line, message in records:
        length = message.ByteSize()
        if batch.messages and (len(batch.messages) == BATCH_RECORDS or size + length > BATCH_BYTES):
            yield batch
            batch, size = Batch(), 0
        batch.lines.append(line)
        batch.messages.append(message)
        size += length
    if batch.messages:
        yield batch


async def send(
    checked: Checked,
    sink: Sink,
    after: int,
    acknowledged: Callable[[Batch, Refusals], None],
    waits: Sequence[float] = RETRY_SECONDS,
) -> None:
    """Send all records but the first *after* ones; *acknowledged* hears of every batch, in the order of the file.

    Raises SendingStopped when the service cannot go on. What *acknowledged* raises ends the sending as well.
    """
    deliver: Callable[[Sequence[Any]], Awaitable[Refusals]] = (
        sink.send_items if checked.report.kind == "items" else sink.send_events
    )
    waiting: deque[tuple[Batch, asyncio.Task[Refusals]]] = deque()
    try:
        for batch in batches(checked, after):
            if len(waiting) == IN_FLIGHT:
                first, task = waiting[0]
                acknowledged(first, await task)
                waiting.popleft()
            waiting.append((batch, asyncio.create_task(_insist(deliver, batch.messages, waits))))
        while waiting:
            first, task = waiting[0]
            acknowledged(first, await task)
            waiting.popleft()
    finally:
        for _, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)


async def _insist(
    deliver: Callable[[Sequence[Any]], Awaitable[Refusals]], messages: Sequence[Any], waits: Sequence[float]
) -> Refusals:
    for wait in waits:
        try:
            return await deliver(messages)
        except Busy as busy:
            await asyncio.sleep(max(wait, busy.retry_after))
    try:
        return await deliver(messages)
    except Busy as busy:
        raise SendingStopped(f"the service stayed unavailable: {busy}") from busy

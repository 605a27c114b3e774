"""The journal of one machine: where events wait to be learnt, without a waiting window.

A lone event is learnt at once; a batch forms while another is being learnt.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from penchant_core.errors import Overloaded, PenchantError
from penchant_core.model import Event
from penchant_core.pipeline import Learner, Learnt

from penchant_server.faults import GoingDown
from penchant_server.journal import Marks, Recorded, not_yet

STREAM = 0
"""The one stream of writes that there is."""
BATCH = 32
"""Events learnt in one commit: some 10 ms, the longest that a recommendation waits behind it."""


@dataclass(slots=True)
class _Delivery:
    """Events of one caller on their way."""

    answers: list[Learnt | None]
    left: int
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Ingest:
    """Takes in events and answers when they are durable and applied."""

    def __init__(
        self,
        learner: Learner,
        read: Callable[[Sequence[str]], Awaitable[object]],
        capacity: int,
        announce: Callable[[Sequence[Event]], None],
    ) -> None:
        """*read* has words encoded, so that learning finds their vectors."""
        self._learner = learner
        self._read = read
        self._capacity = capacity
        self._announce = announce
        self._queue: deque[tuple[Event, _Delivery, int]] = deque()
        self._waiting = 0
        self._ended = False
        self._filled = asyncio.Event()
        self._applied = asyncio.Condition()
        self._applied_at = time.monotonic()

    def marks(self, user_id: str) -> Marks:
        """Return the last commit that is applied; it covers everybody."""
        del user_id
        return {STREAM: self._learner.sequence}

    def age(self, user_id: str) -> float:
        """Return the seconds since the last commit was applied."""
        del user_id
        return time.monotonic() - self._applied_at

    async def record(self, events: Sequence[Event]) -> Recorded:
        """Return what became of each event once all of them are durable and applied, or refused.

        Raises ``Overloaded`` when there is no room, ``EncoderFailed`` when their words have no vectors; then nothing
        was changed.
        """
        if self._waiting + len(events) > self._capacity:
            raise Overloaded("too many events wait to be learnt (max_pending_events)")
        self._waiting += len(events)
        try:
            await self._read_words(events)
        except BaseException:
            self._waiting -= len(events)
            raise
        # From here on the events count as waiting until they are learnt, even when their caller leaves.
        delivery = _Delivery([None] * len(events), len(events))
        self._queue.extend((event, delivery, n) for n, event in enumerate(events))
        self._filled.set()
        await delivery.done
        learnt = [answer for answer in delivery.answers if answer is not None]
        # Requests are learnt in any order; only what is applied by now covers all that were answered before.
        return Recorded(learnt, {STREAM: self._learner.sequence})

    async def _read_words(self, events: Sequence[Event]) -> None:
        # Words are encoded before their events queue, so that events without any never wait for them.
        texts = list(dict.fromkeys(event.text for event in events if event.text))
        if texts:
            await self._read(texts)
        if self._ended:
            raise GoingDown

    async def run(self) -> None:
        """Learn for ever. Ends only by an error that nobody foresaw, which is for the process to die of."""
        try:
            while True:
                await self._filled.wait()
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                if not self._queue:
                    self._filled.clear()
                try:
                    await self._learn(batch)
                except BaseException:
                    self._queue.extendleft(reversed(batch))
                    raise
                self._waiting -= len(batch)
                # Recommendations have their turn between two commits.
                await asyncio.sleep(0)
        finally:
            self._abandon()

    async def _learn(self, batch: Sequence[tuple[Event, _Delivery, int]]) -> None:
        events = [event for event, _, _ in batch]
        before = self._learner.sequence
        try:
            answers = await self._learner.learn(events)
        except PenchantError as error:
            answers = [Learnt(event, error=error) for event in events]
        if self._learner.sequence != before:
            self._applied_at = time.monotonic()
            async with self._applied:
                self._applied.notify_all()
            self._announce([answer.event for answer in answers if answer.error is None and not answer.unchanged])
        for answer, (_, delivery, position) in zip(answers, batch, strict=True):
            delivery.answers[position] = answer
            delivery.left -= 1
            if not delivery.left and not delivery.done.done():
                delivery.done.set_result(None)

    def _abandon(self) -> None:
        self._ended = True
        for _, delivery, _ in self._queue:
            if not delivery.done.done():
                delivery.done.set_exception(GoingDown())

    async def reached(self, marks: Marks, patience: float | None) -> None:
        """Wait until a commit is applied, at most *patience* seconds. Raises ``NotYetApplied``."""
        wanted = max(marks.values(), default=0)
        if self._learner.sequence >= wanted:
            return
        try:
            async with asyncio.timeout(patience), self._applied:
                await self._applied.wait_for(lambda: self._learner.sequence >= wanted)
        except TimeoutError as error:
            raise not_yet(wanted - self._learner.sequence) from error

"""The runtime of every encoder: texts of all callers become batches while the devices are busy.

A text that finds a device idle starts at once; nothing waits for a batch to fill up. Where a model has a tokenizer,
that has a thread of its own and stays some batches ahead, so that a device never waits for it; each device has one
thread or two. Who is next is the rule of ``schedule``, what is done in a thread that of ``stages``; this module owns
threads, callers and failures.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from penchant_core.errors import EncoderFailed
from penchant_core.vectors import Matrix

from penchant_adapters.encoders.layout import Prompts
from penchant_adapters.encoders.mixed import Part
from penchant_adapters.encoders.model import TextModel, TextReader
from penchant_adapters.encoders.schedule import Bounds, Job, Lane, Schedule, refuse_more
from penchant_adapters.encoders.stages import Computing, Lost, Made, Readings, read, told
from penchant_adapters.encoders.thread import WorkThread

MAX_CHARACTERS = 1_000
"""Characters of a text that reach the model; what an item is about stands at its beginning."""
STUCK_SECONDS = 120.0
"""A device that is at one batch for longer will not end it."""

_log = logging.getLogger(__name__)


class Timings(NamedTuple):
    """What an answer took, in seconds, for the text that was the last."""

    waiting: float
    """For the tokenizer and for a device."""
    reading: float
    """In the tokenizer, with those that were read with it."""
    computing: float
    """On the device, with its batch."""

    @property
    def total(self) -> float:
        """From the call to the answer."""
        return sum(self)


class Encoded(NamedTuple):
    """The vectors of a call."""

    rows: Matrix
    """Float32, shape (texts, dim), unit length."""
    timings: Timings


@dataclass(eq=False, slots=True)
class _Call:
    rows: Matrix
    answer: asyncio.Future[Encoded]
    missing: int
    begun: float
    jobs: list[Job] = field(default_factory=list)
    reading: float = 0.0

    def fail(self, error: EncoderFailed) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(eq=False, slots=True)
class _Device:
    model: TextModel
    thread: WorkThread
    idle: bool = True
    stuck: bool = False
    computing: Computing = field(init=False)

    def __post_init__(self) -> None:
        self.computing = Computing(self.model)


class WorkerEncoder:
    """An encoder on one device or several. Use it from one event loop; close it with ``aclose``.

    Every caller is answered: with vectors, with ``EncoderFailed``, with ``Overloaded`` before any work, or not at all
    because it left; what the model had not yet been given is then dropped.
    """

    def __init__(
        self,
        *models: TextModel,
        bounds: Bounds | None = None,
        stuck_seconds: float = STUCK_SECONDS,
        lost: Callable[[EncoderFailed], None] | None = None,
    ) -> None:
        """*models* are replicas of one, each on its device; the first one's tokenizer reads for all.

        *bounds* limit how many texts may wait. A batch that takes longer than *stuck_seconds* will not end. *lost*
        hears why the encoder is of no use any more.
        """
        self.models = models
        self.model = models[0]
        self.lost = lost
        self.heard: Callable[[Timings], None] = lambda _: None
        """Hears what each answer took."""
        self.truncated: Callable[[], None] = lambda: None
        """Hears of a text that is longer than ``MAX_CHARACTERS``."""
        self.how = ""
        """On what it runs, in words for a log."""
        self._bounds = bounds or Bounds()
        self._stuck_seconds = stuck_seconds
        self._devices = [_Device(model, WorkThread(f"encoder-{n}")) for n, model in enumerate(models)]
        self._ready = Schedule(self.model.room, padded=self.model.padded)
        reader = self.model.reader
        self._reading = None if reader is None else _ReadingStage(reader, WorkThread("tokenizer"))
        self._texts_per_second = 0.0
        self._useless = ""

    @property
    def name(self) -> str:
        """Identity of the model and its weights; vectors of different names must not be compared."""
        return self.model.name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.model.dim

    @property
    def prompts(self) -> Prompts:
        """What the model is given before texts."""
        return self.model.prompts

    @property
    def sees(self) -> bool:
        """Whether it takes pictures."""
        return self.model.sees

    @property
    def waiting(self) -> int:
        """Texts that no device has begun with."""
        return sum(self._waiting(lane) for lane in Lane)

    async def encode(self, parts: Sequence[Part], *, said: bool = False, urgent: bool = False) -> Matrix:
        """Return one row per part, in order: float32, shape (len(parts), dim), unit length.

        Parts are texts and, where the model ``sees``, files of pictures. Only the first ``MAX_CHARACTERS`` characters
        of a text count. Texts that users *said* may have another prompt than those of items. *urgent* parts go before
        others. Raises ``EncoderFailed`` when the model fails, gives a vector that is not finite, or is closed, and
        ``Overloaded`` when too many parts wait.
        """
        return (await self.encode_timed(parts, said=said, urgent=urgent)).rows

    async def encode_timed(self, parts: Sequence[Part], *, said: bool = False, urgent: bool = False) -> Encoded:
        """Return what ``encode`` returns, and what it took."""
        if self._useless:
            raise EncoderFailed(f"the encoder {self.name} {self._useless}")
        if not parts:
            return Encoded(np.empty((0, self.dim), np.float32), Timings(0.0, 0.0, 0.0))
        prompt = self.prompts.of(said)
        lane = Lane.URGENT if urgent else Lane.BULK
        refuse_more(lane, self._waiting(lane), self._bounds[lane], self._texts_per_second)
        call = _Call(
            np.empty((len(parts), self.dim), np.float32),
            asyncio.get_running_loop().create_future(),
            len(parts),
            time.perf_counter(),
        )
        for position, part in enumerate(parts):
            if isinstance(part, bytes):
                call.jobs.append(Job(part, len(part) or 1, call, position, lane))
                continue
            if len(part) > MAX_CHARACTERS:
                self.truncated()
            raw = (prompt + part[:MAX_CHARACTERS]).encode(errors="replace")  # no model takes lone surrogates
            call.jobs.append(Job(raw.decode(), len(raw) or 1, call, position, lane))
        call.answer.add_done_callback(lambda _: self._forget(call))
        (self._ready if self._reading is None else self._reading.texts).enter(call.jobs)
        self._go()
        return await call.answer

    async def aclose(self) -> None:
        """Refuse new texts, fail those that no device has begun with, wait for the batches under way."""
        if not self._useless:
            self._useless = "is closed; open it again"
        self._refuse_waiting("was closed before it got to this text")
        if self._reading is not None:
            await self._reading.thread.aclose()
        for device in self._devices:
            if device.stuck:
                device.thread.abandon()
            else:
                await device.thread.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _waiting(self, lane: Lane) -> int:
        return self._ready.waiting(lane) + (0 if self._reading is None else self._reading.texts.waiting(lane))

    def _go(self) -> None:
        """Give work to whoever has none."""
        for device in self._devices:
            if device.idle and not self._useless and (batch := self._ready.take()):
                self._compute(device, batch)
        reading = self._reading
        if reading is None or not reading.idle or self._useless:
            return
        if batch := reading.texts.take([lane for lane in Lane if not self._ready.ahead(lane)]):
            reading.idle = False
            given = [job.given for job in batch]
            reading.thread.submit(
                partial(read, reading.reader, given), partial(self._was_read, batch, time.perf_counter())
            )

    def _was_read(self, batch: list[Job], begun: float, outcome: Readings | BaseException) -> None:
        assert self._reading is not None
        self._reading.idle = True
        seconds = time.perf_counter() - begun
        self._reading.texts.spent(batch[0].lane, seconds)
        if isinstance(outcome, BaseException):
            self._fail(batch, outcome)
        else:
            read = []
            for job, reading in zip(batch, outcome, strict=True):
                if isinstance(reading, Exception):
                    self._fail([job], reading)
                    continue
                job.given, job.length = reading, reading.length
                job.owner.reading = seconds
                read.append(job)
            self._ready.put(read)
        self._refuse_if_useless()
        self._go()

    def _compute(self, device: _Device, batch: list[Job]) -> None:
        device.idle = False
        alarm = asyncio.get_running_loop().call_later(self._stuck_seconds, self._stuck, device, batch)
        begun = time.perf_counter()
        given = [job.given for job in batch]
        device.thread.submit(
            partial(device.computing.vectors, given), partial(self._computed, device, batch, alarm, begun)
        )

    def _computed(
        self,
        device: _Device,
        batch: list[Job],
        alarm: asyncio.TimerHandle,
        begun: float,
        outcome: Made | BaseException,
    ) -> None:
        alarm.cancel()
        device.idle = True
        now = time.perf_counter()
        self._ready.spent(batch[0].lane, now - begun)
        if isinstance(outcome, Lost):
            self._fail(batch, outcome.cause)
            self._lose(f"is lost, and fails at what it could do before: {told(outcome.cause)}")
        elif isinstance(outcome, device.model.exhausted) and self._ready.shrink(batch):
            _log.warning(
                "out of memory with %d texts at once; batches of %d at most from now on",
                len(batch),
                self._ready.room.length,
            )
        elif isinstance(outcome, BaseException):
            self._fail(batch, outcome)
        else:
            self._texts_per_second = _smoothed(self._texts_per_second, len(batch) / max(now - begun, 1e-6))
            self._deliver(batch, outcome, now, now - begun)
        self._refuse_if_useless()
        self._go()

    def _deliver(self, batch: list[Job], made: Made, now: float, computing: float) -> None:
        bad = np.isnan(made.rows[:, 0])
        for number, job in enumerate(batch):
            call: _Call = job.owner
            if number in made.failed:
                self._fail([job], made.failed[number])
                continue
            if bad[number]:
                call.fail(EncoderFailed(f"text {job.position} of the call: the model gave no finite vector for it"))
                continue
            call.rows[job.position] = made.rows[number]
            call.missing -= 1
            if not call.missing and not call.answer.done():
                timings = Timings(now - call.begun - call.reading - computing, call.reading, computing)
                call.answer.set_result(Encoded(call.rows, timings))
                self.heard(timings)

    def _fail(self, batch: list[Job], error: BaseException) -> None:
        for call in dict.fromkeys(job.owner for job in batch):
            failure = EncoderFailed(f"the encoder {self.name} failed: {told(error)}")
            failure.__cause__ = error
            call.fail(failure)

    def _forget(self, call: _Call) -> None:
        """Take out what a caller still waited for that left or was told of a failure."""
        for job in call.jobs if call.missing else ():
            job.gone = True
            self._ready.leave(job)
            if self._reading is not None:
                self._reading.texts.leave(job)
        call.jobs.clear()  # they know it: without them it is freed at once

    def _stuck(self, device: _Device, batch: list[Job]) -> None:
        device.stuck = True
        problem = f"has been at {len(batch)} texts for {self._stuck_seconds:g} s and will not end"
        self._fail(batch, TimeoutError(problem))
        self._lose(problem)

    def _lose(self, problem: str) -> None:
        if self._useless:
            return
        self._useless = problem
        _log.critical("the encoder %s %s", self.name, problem)
        self._refuse_waiting(problem)
        if self.lost is not None:
            self.lost(EncoderFailed(f"the encoder {self.name} {problem}"))

    def _refuse_if_useless(self) -> None:
        if self._useless:
            self._refuse_waiting(self._useless)

    def _refuse_waiting(self, why: str) -> None:
        for schedule in (self._ready, *([self._reading.texts] if self._reading else [])):
            for call in dict.fromkeys(job.owner for job in schedule.clear()):
                call.fail(EncoderFailed(f"the encoder {self.name} {why}"))


@dataclass(eq=False, slots=True)
class _ReadingStage:
    reader: TextReader
    thread: WorkThread
    texts: Schedule = field(init=False)
    idle: bool = True

    def __post_init__(self) -> None:
        self.texts = Schedule(self.reader.room, padded=False)


def _smoothed(before: float, now: float) -> float:
    return now if not before else 0.9 * before + 0.1 * now

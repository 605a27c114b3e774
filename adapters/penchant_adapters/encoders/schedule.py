"""Which texts are taken next: a pure rule, without a clock, a thread or a model.

Two lanes wait. A person waits for the *urgent* one (a search); the *bulk* has time (items, events of a log). Urgent
texts go first, in batches of their own, so that they are never as slow as a bulk's batch; while both wait, the bulk
still has a share of the time, so that it never starves. Within a lane, calls share it by the lengths of their texts
(start-time fair queueing: Goyal, Vin and Cheng 1996): a call of one text does not wait for a call of thousands. Texts
of about one length go together where a batch is padded to its longest; the one that has waited longest is always among
them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from penchant_core.errors import Overloaded

BULK_SHARE = 0.25
"""Of the time, for the bulk while urgent texts wait as well."""
WINDOW = 4
"""Batches' worth of texts that are looked at, at least, to find those of one length."""
_LOOKED_AT = 1_024, 8_192
"""Texts, and their length, that are looked at where batches are smaller: sixteen of a CPU's leave a fiftieth of the
room empty, four of them a twelfth. More would hold up the event loop."""


class Lane(IntEnum):
    """What a text waits in."""

    URGENT = 0
    BULK = 1


class Room(NamedTuple):
    """What fits one batch."""

    texts: int
    length: int
    """Tokens with their padding, or bytes; a text that is longer comes alone."""

    @property
    def told(self) -> str:
        """In words, for a log."""
        return f"{self.texts:,} texts or {self.length:,} tokens or bytes at once"


def window(room: Room) -> Room:
    """Return how many texts, and of which length, are looked at to find those that go together."""
    return Room(max(WINDOW * room.texts, _LOOKED_AT[0]), max(WINDOW * room.length, _LOOKED_AT[1]))


class Bounds(NamedTuple):
    """Texts that may wait in each lane before a call is refused."""

    urgent: int = 1_024
    bulk: int = 65_536


@dataclass(eq=False, slots=True)
class Job:
    """One text of a call."""

    given: Any
    """The text, or its tokens."""
    length: int
    """Of ``given``: bytes, or tokens; at least one."""
    owner: Any
    """Whose answer it belongs to."""
    position: int
    """In that answer."""
    lane: Lane
    turn: tuple[float, int] = (0.0, 0)
    """When it is taken, in the lane's own time; of two at one time, whoever came first."""
    waits: bool = False
    """It stands in a schedule."""
    line: Any = None
    """Where it stands, or stood last."""
    gone: bool = False
    """Nobody asks for it any more."""


@dataclass(slots=True)
class _Line:
    """The jobs of one lane."""

    heap: list[tuple[tuple[float, int], Job]] = field(default_factory=list)
    time: float = 0.0
    """The lane's own: the turn of whoever was first in the last batch."""
    jobs: int = 0
    length: int = 0

    def push(self, job: Job) -> None:
        heappush(self.heap, (job.turn, job))
        job.waits, job.line = True, self
        self.jobs += 1
        self.length += job.length

    def pop(self) -> Job | None:
        while self.heap:
            job = heappop(self.heap)[1]
            if job.waits:
                self._out(job)
                return job
        return None

    def drop(self, job: Job) -> None:
        self._out(job)
        if len(self.heap) > 2 * self.jobs + WINDOW:  # those who left take no more memory than those who wait
            self.heap = [entry for entry in self.heap if entry[1].waits]
            heapify(self.heap)

    def _out(self, job: Job) -> None:
        job.waits = False
        self.jobs -= 1
        self.length -= job.length


class Schedule:
    """The texts that wait for one thing: the tokenizer, or the devices."""

    def __init__(self, room: Room, *, padded: bool) -> None:
        """*padded*: a batch costs its longest text times their number, not their sum."""
        self.room = room
        self._padded = padded
        self._lines = (_Line(), _Line())
        self._entered = 0
        self._owed = 0.0
        self._bulk_seconds = 0.0

    def waiting(self, lane: Lane) -> int:
        """Return how many texts wait in a lane."""
        return self._lines[lane].jobs

    def ahead(self, lane: Lane) -> bool:
        """Return whether so much waits in a lane that more would not help to choose batches."""
        line, most = self._lines[lane], window(self.room)
        return line.length >= most.length or line.jobs >= most.texts

    def enter(self, jobs: Sequence[Job]) -> None:
        """Let the texts of one call wait; the more they are, the later their last one is taken."""
        if not jobs:
            return
        line = self._lines[jobs[0].lane]
        time = line.time
        for job in jobs:
            time += job.length
            self._entered += 1
            job.turn = (time, self._entered)
            line.push(job)

    def put(self, jobs: Sequence[Job]) -> None:
        """Let jobs wait that have their turn already, except those that nobody asks for any more."""
        for job in jobs:
            if not job.gone:
                self._lines[job.lane].push(job)

    def leave(self, job: Job) -> None:
        """Take a job out, if it is in; it may wait in another schedule."""
        if job.waits and job.line is self._lines[job.lane]:
            self._lines[job.lane].drop(job)

    def clear(self) -> list[Job]:
        """Take all out."""
        jobs = [job for line in self._lines for _, job in line.heap if job.waits]
        for job in jobs:
            self.leave(job)
        return jobs

    def take(self, among: Collection[Lane] = tuple(Lane)) -> list[Job]:
        """Take the next batch out, of one of these lanes; empty if none waits there."""
        if (lane := self._next(among)) is None:
            return []
        line = self._lines[lane]
        seen = self._window(line)
        line.time = max(line.time, seen[0].turn[0])
        chosen = self._chosen([job.length for job in seen])
        batch = [seen[position] for position in chosen]
        for position in set(range(len(seen))).difference(chosen):
            line.push(seen[position])
        return batch

    def spent(self, lane: Lane, seconds: float) -> None:
        """Hear how long the work on a batch took."""
        if lane is Lane.BULK:
            self._bulk_seconds = seconds
            self._owed = max(0.0, self._owed - seconds)
        elif self._lines[Lane.BULK].jobs:
            self._owed += seconds * BULK_SHARE / (1 - BULK_SHARE)
        else:
            self._owed = 0.0

    def shrink(self, batch: Sequence[Job]) -> bool:
        """Let a batch wait again that was too much at once, and make all batches smaller. False: it is one text."""
        if len(batch) == 1:
            return False
        lengths = [job.length for job in batch]
        self.room = self.room._replace(length=max(1, self._taken(max(lengths), sum(lengths), len(lengths)) // 2))
        self.put(batch)
        return True

    def _taken(self, longest: int, total: int, texts: int) -> int:
        """Return how much room some texts take, of which the longest and all together are so long."""
        return longest * texts if self._padded else total

    def _next(self, among: Collection[Lane]) -> Lane | None:
        urgent, bulk = (lane in among and self._lines[lane].jobs > 0 for lane in Lane)
        if urgent and bulk:
            return Lane.BULK if self._owed > 0.0 and self._owed >= self._bulk_seconds else Lane.URGENT
        return Lane.URGENT if urgent else Lane.BULK if bulk else None

    def _window(self, line: _Line) -> list[Job]:
        """Take out those who have waited longest, some batches of them where they are to be chosen from."""
        most = window(self.room) if self._padded else self.room
        found: list[Job] = []
        length = 0
        while (not found or length < most.length) and len(found) < most.texts and (job := line.pop()) is not None:
            found.append(job)
            length += job.length
        return found

    def _chosen(self, lengths: Sequence[int]) -> list[int]:
        """Return the positions of the first of a window and of those that go with it."""
        order = range(len(lengths))
        nearest = sorted(order, key=lambda position: abs(lengths[position] - lengths[0])) if self._padded else order
        chosen: list[int] = []
        longest = total = 0
        for position in nearest:
            longest, total = max(longest, lengths[position]), total + lengths[position]
            taken = self._taken(longest, total, len(chosen) + 1)
            if chosen and (taken > self.room.length or len(chosen) == self.room.texts):
                break
            chosen.append(position)
        return chosen


def refuse_more(lane: Lane, waiting: int, most: int, texts_per_second: float) -> None:
    """Raise ``Overloaded`` if a lane is full, and say when half of what waits will be done.

    A call that is let in may be longer than what is left: one alone is never refused.
    """
    if waiting >= most:
        seconds = waiting / 2 / texts_per_second if texts_per_second else 1.0
        what = f"{waiting:,} {lane.name.lower()} texts wait for the encoder and {most:,} may"
        raise Overloaded(what, round(min(60.0, max(0.1, seconds)), 1))

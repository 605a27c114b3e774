"""A list that follows a user: what was shown stays, the rest moves, only differences travel.

``LiveList`` is the state of one stream without any I/O. ``Audience`` knows which streams an event or a changed item
concerns and wakes them; a stream that is busy is woken once however often it is called, so a slow client gets the
latest list and no backlog.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from penchant.v1 import recommendation_pb2
from penchant_core.model import Event
from penchant_core.pipeline import Recommended
from penchant_core.profiles import Profile

from penchant_server import replies
from penchant_server.tokens import Resume, resume_token

REMEMBERED = 16
"""Updates whose order is remembered, for a client that tells late what it showed."""


@dataclass(slots=True)
class LiveList:
    """What a client has of its list."""

    options: recommendation_pb2.ListOptions
    sequence: int = 0
    shown: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    profile: Profile | None = None
    """What the options' profile was when it was last looked up."""
    model: str = ""
    """The encoder that the last list was made with."""
    _sent: deque[tuple[int, tuple[str, ...]]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _snapshot: bool = True

    @classmethod
    def going_on(cls, options: recommendation_pb2.ListOptions, resume: Resume, positions: int) -> "LiveList":
        """Return the list of a stream that broke, of whose last update so many positions are on the screen."""
        live = cls(options, resume.sequence, resume.order[: max(resume.shown, positions)])
        live._sent.append((resume.sequence, resume.order))
        return live

    def change(self, options: recommendation_pb2.ListOptions, profile: Profile | None = None) -> None:
        """Take another wish; shown positions are released and the next update is whole, in the form now wished for."""
        self.options = options
        self.profile = profile
        self.shown = ()
        self._snapshot = True

    def made_by(self, model: str) -> None:
        """Hear by which encoder the next list is made; by another one than the last, it is told whole."""
        if self.model and self.model != model:
            self._snapshot = True
        self.model = model

    def show(self, positions: int, sequence: int) -> bool:
        """Pin the first positions of an update; return False when that update is not remembered."""
        wanted = sequence or self.sequence
        order = next((order for number, order in self._sent if number == wanted), None)
        if order is None:
            return False
        self.shown = order[:positions]
        return True

    def next(
        self, listing: Sequence[Recommended], stale: frozenset[str] = frozenset()
    ) -> recommendation_pb2.RecommendationUpdate | None:
        """Return the update that brings the client from the last one to *listing*; none when nothing moved.

        Of *stale* items the client has old details; they are told anew where details were asked for.
        """
        size = self.options.page_size or 10
        listed = {one.known.item.item_id: one for one in listing}
        order = (*self.shown, *(item_id for item_id in listed if item_id not in self.shown))[:size]
        renewed = stale.intersection(order) if self.options.include_items else frozenset()
        if order == self.order and not self._snapshot and not renewed:
            return None
        # Reasons change with every event, so with explanations only what was shown is left untold.
        kept = self.shown if self.options.explain else self.order
        known = () if self._snapshot else kept
        told = [
            replies.recommendation(listed[item_id], self.options)
            # A resumed stream keeps what was shown, though it would not be listed any more: then by its id alone.
            if item_id in listed
            else recommendation_pb2.Recommendation(item_id=item_id)
            for item_id in order
            if item_id not in known or item_id in renewed
        ]
        update = recommendation_pb2.RecommendationUpdate(
            stream_sequence=self.sequence + 1,
            order=order,
            snapshot=self._snapshot,
            recommendations=told,
            resume_token=resume_token(Resume(self.sequence + 1, order, min(len(self.shown), len(order)))),
        )
        self.sequence += 1
        self.order, self._snapshot = order, False
        self._sent.append((self.sequence, order))
        return update

    def repeat(self) -> recommendation_pb2.RecommendationUpdate:
        """Return the last list once more, under the next number: a farewell when nothing moved."""
        self.sequence += 1
        self._sent.append((self.sequence, self.order))
        return recommendation_pb2.RecommendationUpdate(
            stream_sequence=self.sequence,
            order=self.order,
            resume_token=resume_token(Resume(self.sequence, self.order, min(len(self.shown), len(self.order)))),
        )


@dataclass(eq=False, slots=True)
class Listener:
    """One open stream."""

    user_id: str
    showing: frozenset[str] = frozenset()
    trigger: Event | None = None
    stale: frozenset[str] = frozenset()
    """Listed items that were changed since the last update."""
    trace: str = ""
    """W3C traceparent of what woke it last, where that is known."""
    _calls: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self, trigger: Event | None = None) -> None:
        """Tell the stream that its list may have changed."""
        if trigger is not None:
            self.trigger = trigger
        self._calls.set()

    def called_in_vain(self, trigger: Event | None, stale: frozenset[str], trace: str) -> None:
        """Keep for the next update what could not be told now; what came meanwhile is newer."""
        self.trigger, self.stale, self.trace = self.trigger or trigger, self.stale | stale, self.trace or trace

    async def called(self, patience: float) -> None:
        """Wait to be woken, at most *patience* seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._calls.wait()
        except TimeoutError:
            return
        self._calls.clear()


class Audience:
    """Every open stream, by what concerns it."""

    def __init__(self) -> None:
        self._by_user: dict[str, set[Listener]] = {}
        self.closing = False
        """True when the service goes down: every stream is to say farewell."""

    @contextmanager
    def listening(self, user_id: str) -> Iterator[Listener]:
        """Be told of a user's events inside the block."""
        listener = Listener(user_id)
        self._by_user.setdefault(user_id, set()).add(listener)
        try:
            yield listener
        finally:
            self._by_user[user_id].discard(listener)
            if not self._by_user[user_id]:
                del self._by_user[user_id]

    def learnt(self, events: Iterable[Event], trace: str = "") -> None:
        """Wake the streams of users with new events; *trace* goes on with their pushes."""
        for event in events:
            for listener in self._by_user.get(event.user_id, ()):
                listener.trace = trace
                listener.wake(event)

    def changed(self, item_ids: Iterable[str]) -> None:
        """Wake the streams that list one of the items."""
        items = set(item_ids)
        for listeners in self._by_user.values():
            for listener in listeners:
                if touched := listener.showing & items:
                    listener.stale |= touched
                    listener.wake()

    def close(self) -> None:
        """Wake every stream for its farewell."""
        self.closing = True
        self.wake_all()

    def wake_all(self) -> None:
        """Tell every stream that its list may have changed."""
        for listeners in self._by_user.values():
            for listener in listeners:
                listener.wake()

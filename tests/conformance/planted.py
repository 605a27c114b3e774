"""The Python driver with a bug planted in its client: ``python -m tests.conformance.planted NAME``."""

import asyncio
import sys
from typing import Any

from penchant import decode, errors, following, mailbox, outbox, recording

from tests.conformance import python_driver


def forgets_to_go_on() -> None:
    """Streams begin anew where they should go on."""
    following.Following.opening = _without_token  # type: ignore[method-assign]


def _without_token(self: Any) -> Any:
    start = type(self._start)(user_id=self._start.user_id, options=self._start.options)
    self.sequence, self.going_away = 0, False
    return start


def loses_what_was_on_its_way() -> None:
    """A stream that breaks takes along what was not answered."""
    outbox.Outbox.rewind = lambda self: self._in_flight.clear()  # type: ignore[method-assign]


def tells_no_field() -> None:
    """Errors do not say which field is at fault."""
    begin = errors.PenchantError.__init__

    def without(self: Any, message: str, reason: str = "", field: str = "", retry_after: float | None = None) -> None:
        begin(self, message, reason, "", retry_after)

    errors.PenchantError.__init__ = without  # type: ignore[method-assign]
    errors.PenchantError.field = property(lambda _: "", lambda *_: None)  # type: ignore[assignment]


def keeps_the_first_list() -> None:
    """Differences are not applied."""
    accept = following.Following.accept

    def only_first(self: Any, message: Any) -> Any:
        update = accept(self, message)
        return (
            update
            if update is None or update.sequence == 1
            else type(update)(**{name: getattr(update, name) for name in update.__slots__} | {"recommendations": ()})
        )

    following.Following.accept = only_first  # type: ignore[method-assign]


def gives_every_list() -> None:
    """A slow reader is given all lists, one after the other."""

    def put(self: Any, update: Any) -> None:
        self.__dict__.setdefault("all", []).append(update)
        self._changed.set()

    async def take(self: Any, _: float | None) -> Any:
        while not self.__dict__.get("all"):
            self._changed.clear()
            await self._changed.wait()
        return self.all.pop(0)

    mailbox.Mailbox._put = put  # type: ignore[method-assign]
    mailbox.Mailbox.take = take  # type: ignore[method-assign,assignment]


def drops_what_is_left() -> None:
    """Closing a client forgets its recorders."""

    async def part(self: Any, _: float) -> int:
        await self.abandon()
        return 0

    recording.Recorder.part = part  # type: ignore[method-assign,assignment]


def stumbles_over_new_kinds() -> None:
    """What is not known is taken for a fault."""

    def listed(messages: Any) -> Any:
        for message in messages:
            if any(reason.kind not in decode._KINDS for reason in message.explanation.reasons):
                raise errors.Internal("a reason of an unknown kind")
        return recommended(messages)

    recommended, decode.recommended = decode.recommended, listed


BUGS = {
    "forgets_to_go_on": (forgets_to_go_on, "a_stream_through_a_restart"),
    "loses_what_was_on_its_way": (loses_what_was_on_its_way, "events_through_a_restart"),
    "tells_no_field": (tells_no_field, "bad_input"),
    "keeps_the_first_list": (keeps_the_first_list, "lists_that_follow"),
    "gives_every_list": (gives_every_list, "a_slow_reader"),
    "drops_what_is_left": (drops_what_is_left, "programs_that_end"),
    "stumbles_over_new_kinds": (stumbles_over_new_kinds, "a_later_service"),
}
"""Name → how it is planted, and the case that finds it."""

if __name__ == "__main__":
    BUGS[sys.argv[1]][0]()
    sys.exit(asyncio.run(python_driver.main()))

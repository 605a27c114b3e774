"""The Python driver with a bug planted in its client: ``python -m tests.conformance.planted NAME``."""

import asyncio
import sys
from typing import Any

from penchant import errors, following, outbox

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


BUGS = {
    "forgets_to_go_on": (forgets_to_go_on, "a_stream_through_a_restart"),
    "loses_what_was_on_its_way": (loses_what_was_on_its_way, "events_through_a_restart"),
    "tells_no_field": (tells_no_field, "bad_input"),
    "keeps_the_first_list": (keeps_the_first_list, "lists_that_follow"),
}
"""Name → how it is planted, and the case that finds it."""

if __name__ == "__main__":
    BUGS[sys.argv[1]][0]()
    asyncio.run(python_driver.main())

"""Where events go and how far they have come: what the services ask of it, on one machine or behind a log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from penchant_core.model import Event, Item
from penchant_core.pipeline import Learnt

from penchant_server.faults import NotYetApplied

Marks = Mapping[int, int]
"""How far streams of writes have come, by number: one stream of commits on one machine, the partitions of a log."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of some events."""

    learnt: Sequence[Learnt]
    """In their order."""
    marks: Marks
    """Writes that cover those of them that were not refused."""


class Journal(Protocol):
    """Takes in events."""

    async def record(self, events: Sequence[Event]) -> Recorded:
        """Return what became of each event once all of them are durable, or refused.

        Raises ``Overloaded`` when there is no room and ``Unavailable`` when it cannot be written; then it is not known
        what was, and the same events may be sent again.
        """

    async def reached(self, marks: Marks, patience: float | None) -> None:
        """Wait until writes are applied, at most *patience* seconds. Raises ``NotYetApplied``."""

    def marks(self, user_id: str) -> Marks:
        """Return how far the writes that concern a user are applied."""

    def age(self, user_id: str) -> float:
        """Return the seconds since the last of them was applied."""


class Shelf(Protocol):
    """Takes in items."""

    async def learn_items(self, items: Sequence[Item]) -> None:
        """Put items into the catalogue; they can be recommended when this returns."""

    async def forget_items(self, item_ids: Sequence[str]) -> list[str]:
        """Take items out of the catalogue; return those that were there."""


def not_yet(behind: int) -> NotYetApplied:
    """Return the error of a write that is so many writes ahead of what is applied."""
    return NotYetApplied(f"min_freshness: {behind:,} writes behind it at the deadline; ask again")

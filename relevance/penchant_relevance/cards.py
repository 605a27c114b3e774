"""What the cards of everything that is learnt from a log have in common."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

WIDTH = 119


def judged(figures: Mapping[str, Any], what: str, then: str) -> str:
    """Return what the judging half said of the score with *what* and without, and *then*, as a paragraph.

    *figures*: those of a ``halved.Verdict``.
    """
    lead = figures["lead"]
    worth = "better" if figures["clear"] else "perhaps better" if figures["better"] else "not better"
    said = (
        f"Judged on {figures['halves'][1]:,} asks of users who had no say in that, {figures['measure']} is "
        f"{figures['default']:.4f} without {what} and {figures['mixed']:.4f} with {what}: {lead['mean']:+.4f}, 95 % "
        f"interval {lead['low']:+.4f} to {lead['high']:+.4f}; **{worth}**. {then}"
    )
    return fill(said, WIDTH)


def learnt_from(figures: Mapping[str, Any]) -> str:
    """Return the line of a card's table that says which log it was."""
    log = figures["log"]
    return (
        f"| learnt from | {figures['data']}: {log['events']:,} events of {log['users']:,} users on "
        f"{log['items']:,} items |"
    )

"""Tokens: opaque to clients, readable to the service, refused with a reason when they are not ours."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from penchant_core.errors import InvalidField, StaleRequest

FRESHNESS_BYTES = 8_192
"""Room for the marks of 500 partitions."""
RESUME_BYTES = 16_384
_POSITIONS = 100
_DIGITS = 18
_FRESHNESS = re.compile(r"f1\.([^.]*)\.([0-9]{1,6}:[0-9]{1,19}(?:,[0-9]{1,6}:[0-9]{1,19})*)")


def freshness_token(store_id: str, marks: Mapping[int, int]) -> str:
    """Return the token of writes: for each stream of writes, how far it has come.

    An embedded store has one stream, 0, of commits; a log has one for each of its partitions, of offsets.
    """
    return f"f1.{store_id}." + ",".join(f"{stream}:{mark}" for stream, mark in sorted(marks.items()))


def freshness_marks(token: str, store_id: str, field: str = "min_freshness") -> dict[int, int]:
    """Return the writes that a token asks for, by stream.

    Raises ``InvalidField`` for what is no token and ``StaleRequest`` for the token of another store.
    """
    if len(token.encode()) > FRESHNESS_BYTES:
        raise InvalidField(field, f"has {len(token.encode()):,} bytes, at most {FRESHNESS_BYTES:,} are allowed")
    found = _FRESHNESS.fullmatch(token)
    if found is None:
        raise InvalidField(field, f"{token[:200]!r} is not a freshness token; pass one as it was received")
    if found[1] != store_id:
        raise StaleRequest(field, "the token comes from another store; drop it and record the event again")
    pairs = (pair.split(":") for pair in found[2].split(","))
    return {int(stream): int(mark) for stream, mark in pairs}


def joined(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """Return the marks that cover both."""
    return {stream: max(one.get(stream, -1), other.get(stream, -1)) for stream in one.keys() | other.keys()}


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a stream ended."""

    sequence: int
    order: tuple[str, ...]
    """The list of the last update."""
    shown: int
    """How many of its first positions the client had said were shown."""


def resume_token(resume: Resume) -> str:
    """Return the token to go on with: even with 100 ids of 128 bytes within ``RESUME_BYTES``."""
    # Ids hold no line breaks; base64 would exceed the limit.
    lines = (str(resume.sequence), str(resume.shown), *resume.order)
    return "r1." + base64.b85encode("\n".join(lines).encode()).decode()


def resumed(token: str) -> Resume:
    """Return where a token's stream ended. Raises ``InvalidField`` for what is no token."""
    field = "open.resume_token"
    if len(token.encode()) > RESUME_BYTES:
        raise InvalidField(field, f"has {len(token.encode()):,} bytes, at most {RESUME_BYTES:,} are allowed")
    strange = InvalidField(field, "is not one that an update carried; open without it")
    try:
        sequence, shown, *order = base64.b85decode(token.removeprefix("r1.")).decode().split("\n")
    except ValueError as error:
        raise strange from error
    numbers = all(n.isascii() and n.isdigit() and len(n) <= _DIGITS for n in (sequence, shown))
    unique = len(set(order)) == len(order) <= _POSITIONS and all(order)
    if not token.startswith("r1.") or not numbers or not unique or int(shown) > len(order):
        raise strange
    return Resume(int(sequence), tuple(order), int(shown))

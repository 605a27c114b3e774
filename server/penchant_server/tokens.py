"""Tokens: opaque to clients, readable to the service, refused with a reason when they are not ours."""

import base64
import binascii
import secrets
import struct
from dataclasses import dataclass

from penchant_core.errors import InvalidField, StaleRequest

FRESHNESS_BYTES = 128
RESUME_BYTES = 16_384
_POSITIONS = 100
_DIGITS = 18


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def freshness_token(store_id: str, sequence: int) -> str:
    """Return the token of a commit."""
    return f"f1.{store_id}.{sequence}"


def freshness_sequence(token: str, store_id: str, field: str = "min_freshness") -> int:
    """Return the commit that a token asks for.

    Raises ``InvalidField`` for what is no token and ``StaleRequest`` for the token of another store.
    """
    if len(token.encode()) > FRESHNESS_BYTES:
        raise InvalidField(field, f"has {len(token.encode()):,} bytes, at most {FRESHNESS_BYTES} are allowed")
    parts = token.split(".")
    if len(parts) != 3 or parts[0] != "f1" or not parts[2].isascii() or not parts[2].isdigit():  # noqa: PLR2004 f1.store.sequence
        raise InvalidField(field, f"{token!r} is not a freshness token; pass one as it was received")
    if parts[1] != store_id:
        raise StaleRequest(field, "the token comes from another store; drop it and record the event again")
    return int(parts[2])


def attribution_token(surface: str, now: int) -> str:
    """Return the token of a reply: which request, when (milliseconds), where it is shown."""
    return "a1." + _text(struct.pack("<8sQ", secrets.token_bytes(8), now) + surface.encode())


def attributed_request(token: str) -> str:
    """Return the request that a token names, 16 hexadecimal digits. Raises ``InvalidField`` for what is no token."""
    strange = InvalidField("event.attribution_token", "is not one that a reply carried; pass it as it was received")
    try:
        data = _bytes(token.removeprefix("a1."))
        request, _ = struct.unpack_from("<8sQ", data)
        data[16:].decode()
    except (binascii.Error, struct.error, UnicodeDecodeError, ValueError) as error:
        raise strange from error
    if not token.startswith("a1."):
        raise strange
    return bytes(request).hex()


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

"""Attribution tokens: which reply an event came of. Opaque to clients, refused with a reason when they are not ours."""

import base64
import binascii
import secrets
import struct

from penchant_core.errors import InvalidField
from penchant_core.profiles import labelled

_BREAK = "\0"
"""Between surface and profile."""


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def attribution_token(surface: str, now: int, profile: str = "") -> str:
    """Return the token of a reply: which request, when (milliseconds), where it is shown, with which profile.

    *profile* is ``name@version``, empty for none. The longest token is within the 512 bytes of the contract.
    """
    return _token(secrets.token_bytes(8), now, surface, profile)


def attributed_request(token: str) -> str:
    """Return the request that a token names: 16 hexadecimal digits and, of a reply with a profile, `` name@version``.

    Raises ``InvalidField`` for what is no token.
    """
    strange = InvalidField("event.attribution_token", "is not one that a reply carried; pass it as it was received")
    try:
        data = _bytes(token.removeprefix("a1."))
        request, _ = struct.unpack_from("<8sQ", data)
        _, found, profile = data[16:].decode().rpartition(_BREAK)
    except (binascii.Error, struct.error, UnicodeDecodeError, ValueError) as error:
        raise strange from error
    if not token.startswith("a1."):
        raise strange
    return bytes(request).hex() + (f" {profile}" if found and labelled(profile) else "")


def attributed_profile(request: str) -> str:
    """Return the profile, as ``name@version``, in what ``attributed_request`` read; empty: none."""
    return request.partition(" ")[2]


def token_of(request: str) -> str:
    """Return a token that names a request, for passing on what ``attributed_request`` read."""
    digits, _, profile = request.partition(" ")
    return _token(bytes.fromhex(digits), 0, "", profile)


def _token(request: bytes, now: int, surface: str, profile: str) -> str:
    # A surface may itself hold a break: the last one stands before the profile.
    text = f"{surface}{_BREAK}{profile}" if profile or _BREAK in surface else surface
    return "a1." + _text(struct.pack("<8sQ", request, now) + text.encode())

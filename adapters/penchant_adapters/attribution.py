"""Attribution tokens: which reply an event came of. Opaque to clients, refused with a reason when they are not ours."""

import base64
import binascii
import secrets
import struct

from penchant_core.errors import InvalidField


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


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


def token_of(request: str) -> str:
    """Return a token that names a request, for passing on what ``attributed_request`` read."""
    return "a1." + _text(struct.pack("<8sQ", bytes.fromhex(request), 0))

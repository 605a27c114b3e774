"""What producers write: a record's key, value and headers in, one message of the contract out.

The encoding is told by the value itself, or by its ``content-type``:

============================  ========================================================
first byte 0x00               Confluent framing, then protobuf
first byte ``{``              JSON, as ``content-type: application/json`` says too
anything else                 protobuf, which can't begin with either in these messages
``ce_…`` headers              CloudEvents in binary mode; the value is one of the above
============================  ========================================================

Only the encoding is judged here and that the key names the message's user or item; the limits of the fields are
``penchant_adapters.contract``'s.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError, Message
from penchant.v1 import catalog_pb2, event_pb2
from penchant_core.errors import PenchantError

KEY_MISMATCH: Final = "KEY_MISMATCH"
"""The key is missing or is not the user (events) or the item (items) that the message is about."""
UNKNOWN_SCHEMA: Final = "UNKNOWN_SCHEMA"
"""The record says of itself that it is another message, or another version of CloudEvents."""
UNSUPPORTED_ENCODING: Final = "UNSUPPORTED_ENCODING"
"""The record says of itself that it is encoded in a way that is not read."""
UNDECODABLE: Final = "UNDECODABLE"
"""The bytes are not what they say they are."""

Headers = Sequence[tuple[str, bytes]]

_FRAME = 5
"""Bytes before the message indexes of Confluent's framing: 0x00 and the schema's id."""
_VARINT = 5
"""Bytes of a varint of 32 bits at most."""
_CLOUDEVENTS = "1.0"
_JSON = frozenset({"application/json", "text/json"})
_STRUCTURED = "application/cloudevents"


class Undecodable(PenchantError):
    """A record can't be read; reading it again will not help."""

    reason = UNDECODABLE

    def __init__(self, reason: str, message: str) -> None:
        # Dead letters carry the message only.
        super().__init__(f"{reason}: {message}")
        self.reason = reason


def event_message(key: bytes | None, value: bytes | None, headers: Headers) -> event_pb2.Event:
    """Return the event of a record. Raises ``Undecodable``.

    ``event_id`` and ``occurred_at`` are filled from a CloudEvent's headers where the event has none itself.
    """
    if value is None:
        raise Undecodable(UNDECODABLE, "an event's value is null; events can't be deleted by their key")
    event = event_pb2.Event()
    if not headers:
        _read(event, value, {})
    else:
        named = dict(headers)
        _read(event, value, named)
        if "ce_specversion" in named:
            _complete(event, named)
    _same(key, event.user_id, "user_id")
    return event


def item_message(key: bytes | None, value: bytes | None, headers: Headers) -> catalog_pb2.Item | None:
    """Return the item of a record; none: the item that the key names, in UTF-8, is deleted. Raises ``Undecodable``."""
    if value is None:
        try:
            named = (key or b"").decode()
        except UnicodeDecodeError as error:
            raise Undecodable(KEY_MISMATCH, "the key of a deletion is not UTF-8; it must be the item_id") from error
        if not named:
            raise Undecodable(KEY_MISMATCH, "a deletion has no key; it must be the item_id, in UTF-8")
        return None
    item = catalog_pb2.Item()
    _read(item, value, dict(headers))
    _same(key, item.item_id, "item_id")
    return item


def _same(key: bytes | None, name: str, field: str) -> None:
    if key is None:
        raise Undecodable(KEY_MISMATCH, f"the record has no key; it must be the {field}, in UTF-8")
    if key != name.encode():
        raise Undecodable(KEY_MISMATCH, f"the key {key[:128]!r} is not the {field} {name[:128]!r}, in UTF-8")


def _read(message: Message, value: bytes, headers: Mapping[str, bytes]) -> None:
    """Fill an empty message."""
    kind = ""
    if headers:
        kind = _text(headers, "content-type").split(";")[0].strip().lower()
        if kind.startswith(_STRUCTURED):
            raise Undecodable(
                UNSUPPORTED_ENCODING,
                f"content-type {kind}: structured CloudEvents are not read; send binary mode, attributes as headers",
            )
        if "ce_specversion" in headers or "ce_type" in headers:
            _check_cloud_event(message, headers)
    first = value[:1]
    if first == b"\0":
        _read_protobuf(message, _unframed(value))
    elif first == b"{" or kind in _JSON:
        _read_json(message, value)
    else:
        _read_protobuf(message, value)


def _check_cloud_event(message: Message, headers: Mapping[str, bytes]) -> None:
    version, kind = _text(headers, "ce_specversion"), _text(headers, "ce_type")
    if version != _CLOUDEVENTS:
        raise Undecodable(UNKNOWN_SCHEMA, f"ce_specversion is {version!r}; {_CLOUDEVENTS} is read")
    if kind != message.DESCRIPTOR.full_name:
        raise Undecodable(UNKNOWN_SCHEMA, f"ce_type is {kind!r}; this topic takes {message.DESCRIPTOR.full_name}")


def _complete(event: event_pb2.Event, headers: Mapping[str, bytes]) -> None:
    if not event.event_id:
        event.event_id = _text(headers, "ce_id")
    if not event.HasField("occurred_at") and (time := _text(headers, "ce_time")):
        try:
            # RFC 3339 allows small letters, protobuf does not.
            event.occurred_at.FromJsonString(time.upper())
        except ValueError as error:
            raise Undecodable(UNDECODABLE, f"ce_time {time!r} is not a time of RFC 3339") from error


def _text(headers: Mapping[str, bytes], name: str) -> str:
    """Return a header as text, empty when it is missing."""
    try:
        # Clients give null for a header without a value.
        return (headers.get(name) or b"").decode()
    except UnicodeDecodeError as error:
        raise Undecodable(UNDECODABLE, f"the header {name} is not UTF-8") from error


def _read_protobuf(message: Message, data: bytes) -> None:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise Undecodable(UNDECODABLE, f"the value is not a {message.DESCRIPTOR.full_name} in protobuf") from error


def _read_json(message: Message, data: bytes) -> None:
    name = message.DESCRIPTOR.full_name
    if not data.lstrip(b" \t\r\n").startswith(b"{"):
        raise Undecodable(UNDECODABLE, f"the value must be one JSON object, a {name}")
    try:
        Parse(data, message)
    # What the parser lets through of its own: text that is no UTF-8, and nesting without end.
    except (ParseError, ValueError, RecursionError) as error:
        problem = str(error).splitlines()[0][:300]
        raise Undecodable(UNDECODABLE, f"the value is not a {name} in protobuf's JSON: {problem}") from error


def _unframed(value: bytes) -> bytes:
    """Return the protobuf behind Confluent's frame: 0x00, schema id, which message of the schema it is."""
    count, at = _zigzag(value, _FRAME)
    index = 0
    # One 0 stands for the list [0]: the first message of the file, as Event and Item are of theirs.
    if count == 1:
        index, at = _zigzag(value, at)
    if count not in {0, 1} or index != 0:
        raise Undecodable(
            UNKNOWN_SCHEMA,
            "Confluent framing that does not name the first message of a protobuf file; JSON Schema and Avro are not "
            "read in this framing",
        )
    return value[at:]


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    """Return the signed varint at a position, and the position behind it."""
    number = 0
    for n, byte in enumerate(data[at : at + _VARINT]):
        number |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:  # noqa: PLR2004 the bit that says that more follows
            return (number >> 1) ^ -(number & 1), at + n + 1
    raise Undecodable(UNDECODABLE, "the value begins as Confluent's framing and ends within the frame")

"""The limits of the contract on events and items, enforced: protobuf in, domain values out.

The gRPC edge and the Kafka edge read the same messages by the same rules. What is outside is refused with
``InvalidField``, which names the field, the limit and the value.
"""

import math
import uuid
from collections.abc import Iterable, Mapping

from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1 import catalog_pb2, event_pb2
from penchant_core.errors import InvalidField
from penchant_core.model import Event, Item
from penchant_core.text import normalise
from penchant_core.tuning import Weights

from penchant_adapters import pictures
from penchant_adapters.attribution import attributed_request

ID_BYTES = 128
TEXT_BYTES = 8_192
TITLE_BYTES = 1_024
DESCRIPTION_BYTES = 16_384
EARLIEST = 631_152_000_000
"""1990-01-01 in milliseconds."""
AHEAD = 300_000
"""Milliseconds that a producer's clock may be ahead."""
GREATEST_PRICE = 1e12
VALUES: Mapping[str, tuple[float, float]] = {
    "rate": (0.0, 5.0),
    "review": (0.0, 5.0),
    "dwell": (0.0, 86_400.0),
    "purchase": (0.0, 1_000_000.0),
}
ANY_VALUE = (-1e9, 1e9)


def sized(field: str, text: str, most: int, least: int = 0) -> str:
    """Return a text of *least* to *most* bytes of UTF-8."""
    size = len(text.encode())
    if size > most:
        raise InvalidField(field, f"has {size:,} bytes, at most {most:,} are allowed")
    if size < least:
        raise InvalidField(field, "is required")
    return text


def identifier(field: str, text: str, least: int = 1) -> str:
    """Return an id of *least* to 128 bytes, printable and without outer spaces."""
    sized(field, text, ID_BYTES, least)
    if not text.isprintable() or text != text.strip():
        raise InvalidField(field, f"{text!r} has invisible characters or outer spaces")
    return text


def words(field: str, text: str, most: int = TEXT_BYTES) -> str:
    """Return a text in its one written form; it must say something."""
    sized(field, text, most, 1)
    written = normalise(text)
    if not written:
        raise InvalidField(field, "holds no readable character")
    return written


def number(field: str, value: float, limits: tuple[float, float]) -> float:
    """Return a finite number within *limits*, both included."""
    if not math.isfinite(value) or not limits[0] <= value <= limits[1]:
        raise InvalidField(field, f"{value} is not within {limits[0]:,.12g} and {limits[1]:,.12g}")
    return value


def _time(stamp: Timestamp, now: int) -> int:
    time = stamp.seconds * 1000 + stamp.nanos // 1_000_000
    if time < EARLIEST:
        raise InvalidField("event.occurred_at", f"{time} ms is before 1990-01-01; send seconds since 1970, UTC")
    if time > now + AHEAD:
        raise InvalidField(
            "event.occurred_at", f"is {(time - now) / 1000:,.0f} s in the future, at most 300 s are allowed"
        )
    return time


def event(message: event_pb2.Event, weights: Weights, now: int, default_id: str = "") -> Event:
    """Return a valid event; *now* in milliseconds. One without an id gets *default_id*, or a random one."""
    sized("event.type", message.type, 64, 1)
    if not weights.known(message.type):
        known = ", ".join(sorted(weights.by_type))
        raise InvalidField(
            "event.type",
            f"{message.type!r} has no weight; known: {known}; the setting `weights` gives weights to others",
        )
    text = words("event.text", message.text) if message.text else ""
    if not message.item_id and not text:
        raise InvalidField("event.item_id", "is required unless event.text is given")
    value = None
    if message.HasField("value"):
        value = number("event.value", message.value, VALUES.get(message.type, ANY_VALUE))
    token = sized("event.attribution_token", message.attribution_token, 512)
    return Event(
        event_id=identifier("event.event_id", message.event_id, 0) or default_id or uuid.uuid4().hex,
        user_id=identifier("event.user_id", message.user_id),
        type=message.type,
        occurred_at=_time(message.occurred_at, now) if message.HasField("occurred_at") else 0,
        item_id=identifier("event.item_id", message.item_id, 0),
        text=text,
        value=value,
        surface=sized("event.surface", message.surface, 64),
        attribution=attributed_request(token) if token else "",
    )


def item(message: catalog_pb2.Item) -> Item:
    """Return a valid item, its texts in their one written form."""
    title = normalise(sized("item.title", message.title, TITLE_BYTES))
    description = normalise(sized("item.description", message.description, DESCRIPTION_BYTES))
    item_id = identifier("item.item_id", message.item_id)
    if not title and not description:
        raise InvalidField("item.title", "title or description must say something")
    price = None
    if message.HasField("price"):
        price = number("item.price", message.price, (0.0, GREATEST_PRICE))
    return Item(
        item_id=item_id,
        title=title,
        description=description,
        categories=names("item.categories", message.categories),
        price=price,
        unavailable=message.unavailable,
        attributes=attributes("item.attributes", message.attributes, 32),
        images=pictures.checked("item.images", message.images),
    )


def names(field: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return 0–32 names in their one written form, each once."""
    unique = tuple(dict.fromkeys(words(f"{field}[]", name, ID_BYTES) for name in names))
    if len(unique) > 32:  # noqa: PLR2004 the documented limit
        raise InvalidField(field, f"has {len(unique)} names, at most 32 are allowed")
    return unique


def attributes(field: str, pairs: Mapping[str, str], most: int) -> dict[str, str]:
    """Return at most *most* attributes with valid keys and values."""
    if len(pairs) > most:
        raise InvalidField(field, f"has {len(pairs)} entries, at most {most} are allowed")
    for key, value in pairs.items():
        sized(f"{field} key", key, 64, 1)
        if not all(c.isascii() and (c.islower() or c.isdigit() or c == "_") for c in key):
            raise InvalidField(field, f"the key {key!r} may hold a–z, 0–9 and _ only")
        sized(f"{field}[{key}]", value, 1_024)
    return dict(pairs)

"""The limits of the contract, enforced: protobuf in, domain values out, or ``InvalidField`` naming field and limit."""

import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace

from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1 import catalog_pb2, event_pb2, recommendation_pb2
from penchant_core.errors import InvalidField
from penchant_core.model import Event, Filter, Item
from penchant_core.pipeline import Wish
from penchant_core.text import normalise
from penchant_core.tuning import Weights

from penchant_server.tokens import attributed_request

ID_BYTES = 128
TEXT_BYTES = 8_192
TITLE_BYTES = 1_024
DESCRIPTION_BYTES = 16_384
PAGE = 100
LIST_PAGE = 1_000
BATCH = 1_000
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


def _sized(field: str, text: str, most: int, least: int = 0) -> str:
    size = len(text.encode())
    if size > most:
        raise InvalidField(field, f"has {size:,} bytes, at most {most:,} are allowed")
    if size < least:
        raise InvalidField(field, "is required")
    return text


def _identifier(field: str, text: str, least: int = 1) -> str:
    _sized(field, text, ID_BYTES, least)
    if not text.isprintable() or text != text.strip():
        raise InvalidField(field, f"{text!r} has invisible characters or outer spaces")
    return text


def identifier(field: str, text: str) -> str:
    """Return an id of 1–128 bytes."""
    return _identifier(field, text)


def words(field: str, text: str, most: int = TEXT_BYTES) -> str:
    """Return a text in its one written form; it must say something."""
    _sized(field, text, most, 1)
    written = normalise(text)
    if not written:
        raise InvalidField(field, "holds no readable character")
    return written


def _number(field: str, value: float, limits: tuple[float, float]) -> float:
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


def event(message: event_pb2.Event, weights: Weights, now: int) -> Event:
    """Return a valid event; *now* in milliseconds."""
    _sized("event.type", message.type, 64, 1)
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
        value = _number("event.value", message.value, VALUES.get(message.type, ANY_VALUE))
    token = _sized("event.attribution_token", message.attribution_token, 512)
    return Event(
        event_id=_identifier("event.event_id", message.event_id, 0) or uuid.uuid4().hex,
        user_id=_identifier("event.user_id", message.user_id),
        type=message.type,
        occurred_at=_time(message.occurred_at, now) if message.HasField("occurred_at") else 0,
        item_id=_identifier("event.item_id", message.item_id, 0),
        text=text,
        value=value,
        surface=_sized("event.surface", message.surface, 64),
        attribution=attributed_request(token) if token else "",
    )


def item(message: catalog_pb2.Item) -> Item:
    """Return a valid item, its texts in their one written form."""
    title = normalise(_sized("item.title", message.title, TITLE_BYTES))
    description = normalise(_sized("item.description", message.description, DESCRIPTION_BYTES))
    item_id = _identifier("item.item_id", message.item_id)
    if not title and not description:
        raise InvalidField("item.title", "title or description must say something")
    price = None
    if message.HasField("price"):
        price = _number("item.price", message.price, (0.0, GREATEST_PRICE))
    return Item(
        item_id=item_id,
        title=title,
        description=description,
        categories=_names("item.categories", message.categories),
        price=price,
        unavailable=message.unavailable,
        attributes=_attributes("item.attributes", message.attributes, 32),
    )


def _names(field: str, names: Iterable[str]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(words(f"{field}[]", name, ID_BYTES) for name in names))
    if len(unique) > 32:  # noqa: PLR2004 the documented limit
        raise InvalidField(field, f"has {len(unique)} names, at most 32 are allowed")
    return unique


def _attributes(field: str, pairs: Mapping[str, str], most: int) -> dict[str, str]:
    if len(pairs) > most:
        raise InvalidField(field, f"has {len(pairs)} entries, at most {most} are allowed")
    for key, value in pairs.items():
        _sized(f"{field} key", key, 64, 1)
        if not all(c.isascii() and (c.islower() or c.isdigit() or c == "_") for c in key):
            raise InvalidField(field, f"the key {key!r} may hold a–z, 0–9 and _ only")
        _sized(f"{field}[{key}]", value, 1_024)
    return dict(pairs)


def wish(options: recommendation_pb2.ListOptions) -> Wish:
    """Return what a list should look like."""
    if options.page_size > PAGE:
        raise InvalidField("options.page_size", f"{options.page_size:,} is more than {PAGE}")
    only = options.filter
    low = _number("filter.min_price", only.min_price, (0.0, GREATEST_PRICE)) if only.HasField("min_price") else None
    high = _number("filter.max_price", only.max_price, (0.0, GREATEST_PRICE)) if only.HasField("max_price") else None
    if low is not None and high is not None and low > high:
        raise InvalidField("filter.min_price", f"{low:g} is above max_price {high:g}")
    if len(only.exclude_item_ids) > BATCH:
        raise InvalidField(
            "filter.exclude_item_ids", f"has {len(only.exclude_item_ids):,} ids, at most {BATCH:,} are allowed"
        )
    return Wish(
        size=options.page_size or 10,
        filter=Filter(
            categories=_names("filter.categories", only.categories),
            attributes=_attributes("filter.attributes", only.attributes, 8),
            min_price=low,
            max_price=high,
            exclude=frozenset(_identifier("filter.exclude_item_ids[]", i) for i in only.exclude_item_ids),
            include_seen=only.include_seen,
        ),
        explain=options.explain,
    )


def roomier(wish: Wish, places: int) -> Wish:
    """Return the wish with so many places more, for a list whose first places are taken."""
    return replace(wish, size=wish.size + places)


def surface(text: str) -> str:
    """Return a surface of at most 64 bytes."""
    return _sized("surface", text, 64)


def batch(field: str, size: int) -> None:
    """Refuse an empty batch and one of more than 1,000."""
    if not 1 <= size <= BATCH:
        raise InvalidField(field, f"has {size:,} entries, 1–{BATCH:,} are allowed")


def page_token(token: str) -> str:
    """Return a page token, a number of 64 bits, or nothing."""
    if token and not (token.isascii() and token.isdigit() and len(token) <= 20 and int(token) < 2**64):  # noqa: PLR2004 64 bits have 20 digits
        raise InvalidField("page_token", "is not one that a page carried; leave it empty for the first page")
    return token


def list_page(size: int) -> int:
    """Return a page size for listing, 100 by default."""
    if size > LIST_PAGE:
        raise InvalidField("page_size", f"{size:,} is more than {LIST_PAGE:,}")
    return size or 100

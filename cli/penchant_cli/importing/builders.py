"""From a record to the message that will be sent: mapping, cleaning, the contract's limits."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event

from penchant_cli.importing.columns import ATTRIBUTE, Source
from penchant_cli.importing.errors import BadRecord
from penchant_cli.importing.options import Options
from penchant_cli.importing.pictures import Pictures
from penchant_cli.importing.records import Record
from penchant_cli.importing.values import boolean, identifier, moment, number, time_in_range, words

MAX_PRICE = 1e12
MAX_CATEGORIES = 32
MAX_ATTRIBUTES = 32
_STARS = 5.0
_VALUE_LIMITS = {"dwell": (0.0, 86_400.0), "purchase": (0.0, 1e6)}
_ANY_VALUE = (-1e9, 1e9)
_TYPES = {
    "buy": "purchase", "bought": "purchase", "order": "purchase", "transaction": "purchase", "pageview": "view",
    "page_view": "view", "pv": "view", "addtocart": "add_to_cart", "cart": "add_to_cart", "rating": "rate",
    "clicked": "click", "liked": "like", "fav": "like", "favorite": "like", "favourite": "like",
}  # fmt: skip
"""Other words for the contract's event types."""

Moments = Callable[[str], tuple[int, str]]
"""For a user: the time of the next event in milliseconds, and what names its place; for files that have only order."""


class ItemBuilder:
    """Makes items of records."""

    def __init__(self, sources: Mapping[str, Source], options: Options, notes: Counter[str]) -> None:
        self._sources = sources
        self._cut = options.truncate
        self._notes = notes
        self._pictures = None if options.images is None else Pictures(options.images, notes)
        self._attributes = {f.removeprefix(ATTRIBUTE): s for f, s in sources.items() if f.startswith(ATTRIBUTE)}

    def build(self, record: Record) -> Item:
        """Return the item of *record*. Raises BadRecord when it breaks a limit of the contract."""
        values = record.values
        item_id = identifier(_get(self._sources, "item_id", values), "item_id")
        if not item_id:
            raise BadRecord("item_id", "is empty", dict(values))
        item = Item(
            item_id=item_id,
            title=self._words("title", values, 1_024),
            description=self._words("description", values, 16_384),
            categories=self._categories(values),
            unavailable=self._unavailable(values),
            attributes=self._attribute_values(values),
            images=self._pictures.of(item_id) if self._pictures is not None else (),
        )
        if not item.title and not item.description:
            raise BadRecord("title", "is empty, and so is description", item_id)
        price = number(_get(self._sources, "price", values), "price")
        if price is not None:
            if not 0 <= price <= MAX_PRICE:
                raise BadRecord("price", "is outside 0–1e12", price)
            item.price = price
        return item

    def _words(self, field: str, values: Mapping[str, Any], limit: int) -> str:
        return words(_joined(_get(self._sources, field, values)), field, limit, self._notes, cut=self._cut)

    def _categories(self, values: Mapping[str, Any]) -> list[str]:
        parts = _parts(_get(self._sources, "categories", values))
        names = [words(part, "categories", 128, self._notes, cut=self._cut) for part in parts]
        unique = list(dict.fromkeys(filter(None, names)))
        if len(unique) > MAX_CATEGORIES and not self._cut:
            raise BadRecord("categories", f"more than {MAX_CATEGORIES}", len(unique))
        return unique[:MAX_CATEGORIES]

    def _unavailable(self, values: Mapping[str, Any]) -> bool:
        if (hidden := boolean(_get(self._sources, "unavailable", values), "unavailable")) is not None:
            return hidden
        return boolean(_get(self._sources, "available", values), "available") is False

    def _attribute_values(self, values: Mapping[str, Any]) -> dict[str, str]:
        found = {
            name: words(_joined(source(values)), ATTRIBUTE + name, 1_024, self._notes, cut=self._cut)
            for name, source in self._attributes.items()
        }
        return {name: value for name, value in found.items() if value}


class EventBuilder:
    """Makes events of records; the same record always becomes the same event with the same id."""

    def __init__(
        self, sources: Mapping[str, Source], options: Options, notes: Counter[str], now_ms: int, moments: Moments | None
    ) -> None:
        self._sources = sources
        self._options = options
        self._notes = notes
        self._now_ms = now_ms
        self._moments = moments

    def build(self, record: Record) -> Event:
        """Return the event of *record*. Raises BadRecord when it breaks a limit of the contract."""
        values, sources = record.values, self._sources
        user_id = identifier(_get(sources, "user_id", values), "user_id")
        if not user_id:
            raise BadRecord("user_id", "is empty", dict(values))
        # The step counts even if the rest of the record is bad, so that the others keep their times.
        when, place = self._step(self._moments, user_id) if self._moments else self._moment(values)
        event = Event(
            user_id=user_id,
            type=self._type(values),
            item_id=identifier(_get(sources, "item_id", values), "item_id"),
            text=words(_joined(_get(sources, "text", values)), "text", 8_192, self._notes, cut=self._options.truncate),
            surface=identifier(_get(sources, "surface", values), "surface", 64),
            attribution_token=identifier(_get(sources, "attribution_token", values), "attribution_token", 512),
        )
        if not event.item_id and not event.text:
            raise BadRecord("item_id", "is empty, and so is text", dict(values))
        event.occurred_at.FromMilliseconds(when)
        value = number(_get(sources, "value", values), "value")
        if value is not None:
            event.value = self._scaled(value, event.type)
        event.event_id = identifier(_get(sources, "event_id", values), "event_id") or event_id(event, place)
        return event

    def _moment(self, values: Mapping[str, Any]) -> tuple[int, str]:
        raw = _get(self._sources, "occurred_at", values)
        when = moment(raw, "occurred_at", self._options.time_format, self._options.timezone)
        if when is None:
            raise BadRecord("occurred_at", "is empty", dict(values))
        return time_in_range(when, self._now_ms, raw), str(when)

    def _step(self, moments: Moments, user_id: str) -> tuple[int, str]:
        when, place = moments(user_id)
        return time_in_range(when, self._now_ms, place), place

    def _type(self, values: Mapping[str, Any]) -> str:
        said = self._options.type or _get(self._sources, "type", values)
        name = re.sub(r"[\s-]+", "_", identifier(said, "type", 64).lower())
        if not name:
            raise BadRecord("type", "is empty", dict(values))
        return _TYPES.get(name, name)

    def _scaled(self, value: float, kind: str) -> float:
        low, high = _VALUE_LIMITS.get(kind, _ANY_VALUE)
        if kind in ("rate", "review"):
            low, high = self._options.rating_scale
        if not low <= value <= high:
            hint = "; --rating-scale MIN:MAX names another scale" if kind in ("rate", "review") else ""
            raise BadRecord("value", f"is outside {low:g}–{high:g} of {kind}{hint}", value)
        return (value - low) / (high - low) * _STARS if kind in ("rate", "review") else value


def event_id(event: Event, place: str) -> str:
    """Return an id that depends only on the event's user, type, item and words, and on its *place* in time."""
    content = f"{event.user_id}\x1f{event.type}\x1f{event.item_id}\x1f{event.text}\x1f{place}"
    return blake2b(content.encode(), digest_size=16).hexdigest()


def _get(sources: Mapping[str, Source], field: str, values: Mapping[str, Any]) -> Any:
    source = sources.get(field)
    return source(values) if source else None


def _joined(value: Any) -> Any:
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return re.split(r"[|;]", value)
    if isinstance(value, list | tuple):
        return [part for inner in value for part in _parts(inner)]
    return [] if value is None or (isinstance(value, float) and math.isnan(value)) else [value]

"""What a caller hands over: events and items, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a user did or said. Give ``item_id``, ``text`` or both."""

    user_id: str
    """Who: 1–128 bytes. An anonymous visitor's session id serves as well."""
    type: str
    """What happened, for example ``view``, ``purchase``, ``search``, ``hide``: 1–64 bytes."""
    item_id: str = ""
    """The item acted on, 0–128 bytes; it must be in the catalogue."""
    text: str = ""
    """The words searched or written, in any language: 0–8,192 bytes of UTF-8."""
    value: float | None = None
    """Stars (0–5), seconds or quantity, by type; None counts with the type's full weight."""
    occurred_at: datetime | None = None
    """When it happened, with a time zone; None: when the service receives it. Kept to the millisecond."""
    event_id: str = ""
    """Unique per user, 0–128 bytes; empty: the client makes one, so that sending twice counts once."""
    surface: str = ""
    """Where in the product it happened, for example ``home``: 0–64 bytes."""
    attribution_token: str = ""
    """``attribution_token`` of the reply that showed the item."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be recommended.

    Give ``title``, ``description`` or both: it is understood by its words, and by ``images`` where a model sees.
    """

    item_id: str
    """1–128 bytes."""
    title: str = ""
    """0–1,024 bytes of UTF-8, any language."""
    description: str = ""
    """0–16,384 bytes of UTF-8, any language."""
    categories: tuple[str, ...] = ()
    """Names to filter by, at most 32, each 1–128 bytes."""
    price: float | None = None
    """In the shop's own currency, 0–1e12."""
    unavailable: bool = False
    """True hides the item from recommendations without forgetting it."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Exact-match filters and what a page needs to show the item, at most 32."""
    images: tuple[bytes, ...] = ()
    """Thumbnails, read beside the words by models that see: at most 4 files of JPEG, PNG or WebP, each at most 65,536
    bytes and 1,024 pixels a side. The service keeps them and does not send them back."""

"""Facts, frozen: what users did and said, and what can be recommended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a user did or said. Times are milliseconds since 1970, UTC."""

    event_id: str
    """Unique per user; the same id again is the same event."""
    user_id: str
    type: str
    occurred_at: int
    """0: not told; it is the time of the same event known already, else the time at which it is learnt."""
    item_id: str = ""
    text: str = ""
    value: float | None = None
    surface: str = ""
    attribution: str = ""
    """The reply that it came of: its request and, where it had one, its profile."""


@dataclass(frozen=True, slots=True)
class Pictured:
    """Words and the pictures beside them."""

    words: str
    images: tuple[bytes, ...]
    """Files: JPEG, PNG or WebP."""


Content: TypeAlias = str | Pictured
"""What an encoder reads; one that sees no pictures reads the words."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be recommended, understood by its words and its pictures."""

    item_id: str
    title: str = ""
    description: str = ""
    categories: tuple[str, ...] = ()
    price: float | None = None
    unavailable: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    images: tuple[bytes, ...] = ()
    """Stores keep them for encoders to come, and give them to nobody else: they are large."""

    @property
    def words(self) -> str:
        """What it says."""
        return "\n".join(filter(None, (self.title, self.description, ", ".join(self.categories))))

    @property
    def content(self) -> Content:
        """What an encoder reads of it."""
        return Pictured(self.words, self.images) if self.images else self.words


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items may be listed; conditions are joined by "and"."""

    categories: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    min_price: float | None = None
    max_price: float | None = None
    exclude: frozenset[str] = frozenset()
    include_seen: bool = False

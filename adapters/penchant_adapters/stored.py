"""What a store holds of users and items, whole, for moving it to another store."""

from dataclasses import dataclass, field

from penchant_core.log import NOTHING, ItemCounts, Written
from penchant_core.model import Item
from penchant_core.vectors import Vector


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user's point."""

    user_id: str
    written: Written


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item's point."""

    item_id: str
    item: Item | None
    """None for one that is not in the catalogue, and has counts only."""
    vector: Vector | None
    counts: ItemCounts = field(default_factory=ItemCounts)
    at: int = NOTHING
    """Offset, in the log of counts, through which the counts were written."""
    rev: int = NOTHING
    """Offset, in the log of items, that the item was written with."""

"""What the service answers, as plain frozen values."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from penchant.errors import PenchantError
from penchant.model import Item


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event that is durable and applied."""

    event_id: str
    freshness_token: str
    """Pass it as ``min_freshness`` to read your own write."""
    unchanged: bool
    """True when the event was known already, or older than everything the user's full ledger keeps."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What became of one event of ``record_many``."""

    ordinal: int
    """Position of the event in what was handed over, from 0."""
    event_id: str
    unchanged: bool
    """As in :class:`Recorded`."""
    freshness_token: str
    """Proof of the writes acknowledged so far; empty while there is none."""
    error: PenchantError | None = None
    """Why the event was refused; it changed nothing. None: it was recorded."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that ``upsert_items`` could not place; it changed nothing."""

    index: int
    """Position of the item in what was handed over, from 0."""
    item_id: str
    error: PenchantError


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """What became of the items of ``upsert_items``."""

    accepted: int
    """Items that are now in the catalogue as sent."""
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """What became of the ids of ``delete_items``."""

    deleted: int
    """Items that were there and are gone."""
    unknown_item_ids: tuple[str, ...]
    """Ids that were not in the catalogue; after a retried call also ids that its first attempt deleted."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh a reply is."""

    applied_through: str
    """Every write whose token is at or before this one is in the reply. Comparable by the service only."""
    age: timedelta
    """How long ago that last write was applied."""


class ReasonKind(StrEnum):
    """What kind of evidence a reason is."""

    UNKNOWN = "unknown"
    """A kind that this client is too old to know."""
    CONTENT = "content"
    """The item's words are close to the event's item or words."""
    TOGETHER = "together"
    """People who acted on the event's item also acted on this one."""
    POPULARITY = "popularity"
    """The item is popular now."""
    DISLIKED = "disliked"
    """The item is close to something the user disliked or hid."""
    LEARNED = "learned"
    """A sequence model expects the item after everything the user liked of late."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a score; the parts add up to the score (to 1e-4)."""

    kind: ReasonKind
    contribution: float
    """Its part of the score; negative when it speaks against the item."""
    event_id: str
    """The event behind it; empty for popularity and for what is learned."""
    event_type: str
    item_id: str
    """The event's item; empty when it had none."""
    text: str
    """The event's words, at most 200 characters; empty when the reason is not its words."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item of a list."""

    item_id: str
    score: float
    """Comparable within one list. Higher is better; may be negative."""
    interest: int
    """Which of the user's interests it serves most, from 0, the strongest."""
    item: Item | None = None
    """The stored item, when ``include_items`` was set."""
    reasons: tuple[Reason, ...] = ()
    """Why it has its score, strongest first, when ``explain`` was set."""
    propensity: float = 0.0
    """Probability that the item stands in this list, where the service explores; 0: it does not."""


@dataclass(frozen=True, slots=True)
class Recommendations:
    """One ranked list, best first; iterates over its items."""

    items: tuple[Recommendation, ...]
    attribution_token: str
    """Send it back on events that come of this list."""
    freshness: Freshness
    profile: str = ""
    """Profile that the list was scored with, as ``name@version``; empty: the service's own settings."""
    model: str = ""
    """Encoder that the list was made with; empty from a service that does not say."""

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Trigger:
    """The event that moved a list."""

    event_id: str
    type: str
    item_id: str
    """Its item; empty when it had none."""
    text: str
    """Its words, at most 200 characters."""


@dataclass(frozen=True, slots=True)
class Update:
    """The whole current list of a stream, best first; differences are already applied."""

    recommendations: tuple[Recommendation, ...]
    sequence: int
    """Counts the updates of a stream from 1, resumed ones included."""
    changed: bool
    """True when the items or their order differ from the update before."""
    trigger: Trigger | None
    """The newest event that the update follows; None when it was not an event."""
    attribution_token: str
    """Send it back on events that come of this list."""
    freshness: Freshness
    profile: str = ""
    """Profile that the list was scored with, as ``name@version``; empty: the service's own settings."""
    model: str = ""
    """Encoder that the list was made with; empty from a service that does not say."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event and how much it counts now."""

    event_id: str
    type: str
    item_id: str
    """Its item; empty when it had none."""
    text: str
    """Its words, at most 200 characters."""
    occurred_at: datetime
    """When it happened, in UTC."""
    weight: float
    """Its part of all weights, 0–1 for interests and −1–0 for dislikes."""


@dataclass(frozen=True, slots=True)
class Interest:
    """One direction of a user's taste."""

    share: float
    """Its part of all interests, 0–1; the shares add up to 1."""
    evidence: tuple[Evidence, ...]
    """The events it rests on, heaviest first."""


@dataclass(frozen=True, slots=True)
class Interests:
    """What the service knows of a user."""

    interests: tuple[Interest, ...]
    """Strongest first."""
    dislikes: tuple[Evidence, ...]
    """What speaks against items: disliked, hidden, rated low. Newest first."""
    event_count: int
    """Events in the user's ledger."""
    freshness: Freshness

"""What the pipeline asks of the world: promises in the domain's words, kept by adapters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from penchant_core.counts import Counts
from penchant_core.covisitation import Flow
from penchant_core.interests import Known
from penchant_core.ledger import Ledger
from penchant_core.model import Content, Filter, Item
from penchant_core.vectors import Matrix, Vector

NOWHERE: Mapping[str, Sequence[Vector]] = {}
"""Of vectors that are given in no other space."""


class TextEncoder(Protocol):
    """Turns texts into unit vectors of one space."""

    @property
    def name(self) -> str:
        """The model's identity, revision included; a store remembers it."""

    @property
    def dim(self) -> int:
        """Numbers in a vector."""

    async def encode(self, texts: Sequence[str], /, *, said: bool = False, urgent: bool = False) -> Matrix:
        """Return one row per text, in order: float32, shape (len(texts), dim), unit length.

        The same text gives the same vector. *said*: by users, who search or review; without it texts are those of
        items, and some models read the ones as a query and the others as a document. *urgent*: somebody waits for the
        answer; it goes before other texts. Raises ``EncoderFailed`` and, when too many texts wait, ``Overloaded``.
        """


class Encoder(TextEncoder, Protocol):
    """Turns texts, and pictures beside them where its model sees, into unit vectors of one space."""

    async def encode(self, contents: Sequence[Content], /, *, said: bool = False, urgent: bool = False) -> Matrix:
        """Return one row per content, otherwise as a ``TextEncoder`` does."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What one batch of events changes on the users' side."""

    sequence: int
    """Counts commits from 1 without gaps."""
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    """User → unit vector of the user's whole interest; users without one are absent."""
    flow: Flow = field(default_factory=Flow)
    space: str = ""
    """Name of the encoder whose space the vectors are of; empty: the one that the store was opened with."""
    others: Mapping[str, Mapping[str, Vector]] = field(default_factory=dict)
    """The same vectors in other spaces, by the names of their encoders; a space that is absent is to be filled in."""


class Ledgers(Protocol):
    """Where ledgers are read."""

    async def ledgers(self, user_ids: Sequence[str]) -> dict[str, Ledger]:
        """Return a ledger for every id, an empty one where there is none."""


class Users(Ledgers, Protocol):
    """Keeps ledgers."""

    async def commit(self, commit: Commit) -> None:
        """Write all of it or nothing, durably; the flow stays readable until the next commit."""

    async def last(self) -> tuple[int, Flow]:
        """Return the sequence and the flow of the last commit; 0 and nothing at first."""


class Shelves(Protocol):
    """Where items are read."""

    async def known(self, item_ids: Sequence[str]) -> dict[str, Known]:
        """Return those of the items that are in the catalogue."""

    async def page(self, after: str, limit: int) -> tuple[list[Item], str]:
        """Return at most *limit* items in a fixed order and the cursor of the next page, empty on the last."""


class Catalogue(Shelves, Protocol):
    """Keeps items with their vectors, and with what trained models give them where it was opened with such."""

    async def put(
        self,
        items: Sequence[tuple[Item, Vector]],
        space: str = "",
        others: Mapping[str, Sequence[Vector]] = NOWHERE,
    ) -> None:
        """Add or replace items, durably. Counts stay as they are. Ids are unique within one call.

        *space* names the encoder whose vectors are given, empty for the one that the store was opened with; *others*
        are the vectors of the same items in other spaces. In a space that is in neither the items lack a vector.
        """

    async def remove(self, item_ids: Sequence[str]) -> list[str]:
        """Take items out, durably; return those that were there. Counts stay, for an item that comes back."""


class Tally(Protocol):
    """Keeps the items' counts."""

    async def counts(self, item_ids: Sequence[str]) -> dict[str, Counts]:
        """Return counts for every id, empty ones where there are none."""

    async def save(self, counts: Mapping[str, Counts], sequence: int) -> None:
        """Write the counts and the sequence of the commit they include: all of it or nothing, durably."""

    async def sequence(self) -> int:
        """Return the sequence of the last save, 0 at first."""


@dataclass(frozen=True, slots=True)
class LittleKnown:
    """Items that few came to."""

    visits: float
    """Fewer than these, on the scale of the counts."""
    limit: int
    """Of them so many."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the catalogue."""

    content: Vector | None
    """Shape (dim,); none asks by counts alone."""
    directions: Sequence[Vector]
    """Where to look for candidates by content, one search each."""
    sources: Mapping[str, float]
    """Item → weight of its counts."""
    popularity: float
    """Weight of ln(1 + visits)."""
    filter: Filter
    """``filter.exclude`` holds every item that must not come."""
    depth: int
    """Candidates of each search."""
    learned: Vector | None = None
    """What a sequence model expects, times its weight, shape (width,); a search of its own."""
    fitted: Mapping[str, float] = field(default_factory=dict)
    """Item → weight of what was fitted beforehand for it as a source; a search of its own."""
    limit: int | None = None
    """Candidates wanted, the best by score; none: all that were found."""
    little_known: LittleKnown | None = None
    """Besides, of all that were found the best that are little known."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item found, with the exact parts of its score."""

    item_id: str
    content: float
    counts: float
    """Co-visitation and popularity together."""
    learned: float = 0.0
    """What a sequence model gives."""
    fitted: float = 0.0
    """What weights between items give."""
    visits: float | None = None
    """Its visits, on the scale of the counts; told where the query asks for little-known ones."""

    @property
    def score(self) -> float:
        """The whole score."""
        return self.content + self.counts + self.learned + self.fitted


class Retriever(Protocol):
    """Finds candidates."""

    async def candidates(self, query: Query) -> list[Candidate]:
        """Return the union of the best of each search, every score exact, in no particular order.

        Only items in the catalogue, available, and allowed by the filter.
        """

    async def popular(self, only: Filter, limit: int) -> list[str]:
        """Return the most visited items, then, where too few were ever visited, others in a fixed order."""

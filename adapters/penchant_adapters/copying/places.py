"""Where a store is, said in one word on a command line, and what a whole store is to whoever copies it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from penchant_core.errors import InvalidSetting, StoreMismatch
from penchant_core.tuning import Covisitation
from pydantic import ValidationError

from penchant_adapters.qdrant.connection import SCHEMES, address_of
from penchant_adapters.settings_groups import QdrantSettings
from penchant_adapters.stored import StoredItem, StoredUser


@dataclass(frozen=True, slots=True)
class OnEdge:
    """An embedded store: its directory."""

    path: Path


@dataclass(frozen=True, slots=True)
class OnQdrant:
    """A prefix on a Qdrant server."""

    url: str
    prefix: str
    settings: QdrantSettings = field(compare=False)


Place = OnEdge | OnQdrant


def place_of(text: str, settings: QdrantSettings) -> Place:
    """Read where a store is: ``edge:///DIRECTORY``, ``edge:DIRECTORY``, ``qdrant://HOST:PORT[/PREFIX]``.

    *settings* say all else of Qdrant. Raises ``InvalidSetting``.
    """
    parts = urlsplit(text)
    if parts.scheme == "edge" and not parts.netloc and parts.path:
        return OnEdge(Path(parts.path).resolve())
    if parts.scheme in SCHEMES and parts.hostname:
        url = f"{parts.scheme}://{parts.netloc}"
        address_of(url)
        prefix = parts.path.strip("/") or settings.prefix
        try:
            own = QdrantSettings(**settings.model_dump() | {"prefix": prefix})
        except ValidationError as error:
            raise InvalidSetting(f"{prefix!r} in {text!r} is no prefix: letters, digits, - and _", "store") from error
        return OnQdrant(url, prefix, own)
    raise InvalidSetting(
        f"{text!r} names no store; write edge:///PATH/TO/DATA_DIR, edge:RELATIVE/DATA_DIR, qdrant://HOST:PORT/PREFIX "
        "or, with TLS, qdrants://HOST:PORT/PREFIX",
        "store",
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a store and how far it has come."""

    store_id: str
    model: str
    dim: int
    covisitation: Covisitation
    sequence: int | None = None
    """Of the last commit of an embedded store; none on Qdrant."""
    log: Mapping[str, Any] = field(default_factory=dict)
    """What a store on Qdrant remembers of the log that it was made from."""


class Source(Protocol):
    """A whole store to read."""

    @property
    def origin(self) -> Origin:
        """Who made it."""

    async def sizes(self) -> tuple[int, int]:
        """Return how many users and items there are."""

    def users(self) -> AsyncIterator[list[StoredUser]]:
        """Yield every user, in pages."""

    def items(self) -> AsyncIterator[list[StoredItem]]:
        """Yield every item, those that are gone too, in pages."""

    async def refuse_changed(self) -> None:
        """Raise ``StoreInUse`` when somebody wrote to it since it was opened."""


class Target(Protocol):
    """A store being filled; what opened it puts it into place when its block ends well."""

    store_id: str

    async def put_users(self, users: Sequence[StoredUser]) -> None:
        """Write users."""

    async def put_items(self, items: Sequence[StoredItem]) -> None:
        """Write items."""


def refuse_other(there: tuple[str, int], origin: Origin, where: str) -> None:
    """Raise ``StoreMismatch`` where the store to be replaced speaks of other vectors."""
    if there != (origin.model, origin.dim):
        raise StoreMismatch(
            f"{where} was made with model {there[0]!r} ({there[1]} numbers) and the source with {origin.model!r} "
            f"({origin.dim}): what is configured there would not fit; delete it yourself, or choose another target"
        )


def not_empty(where: str) -> InvalidSetting:
    """Return the refusal to write over a store."""
    return InvalidSetting(
        f"there is a store already: {where}; choose another target, or give --replace --yes", "target"
    )

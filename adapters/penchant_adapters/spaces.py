"""The spaces of a store: how their vectors are called, and the file that says which of them answers.

The space of the encoder that made the store has the names that vectors always had, so a store of one space opens as it
did before there could be more. ``spaces.json`` beside ``store.json`` is there once a second one was added.
"""

from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
from penchant_core.errors import StoreMismatch

from penchant_adapters.parts import CONTENT
from penchant_adapters.wholefiles import write_whole

SPACES = "spaces.json"
"""The file, in a store's directory."""
INTEREST = "interest"
"""The vector of a user's whole interest, in the first space."""
LAYOUT = 1


@dataclass(frozen=True, slots=True)
class Names:
    """What the vectors of a space are called."""

    content: str
    """Of an item's words."""
    interest: str
    """Of a user's whole interest."""

    @property
    def words(self) -> str:
        """What the key of a user's words is called, where a user's payload has their vectors."""
        return "words" + self.interest.removeprefix(INTEREST)


def names_of(model: str, first: str) -> Names:
    """Return the names of an encoder's vectors in a store that the encoder *first* made."""
    if model == first:
        return Names(CONTENT, INTEREST)
    mark = short(model)
    return Names(f"{CONTENT}-{mark}", f"{INTEREST}-{mark}")


def short(model: str) -> str:
    """Return an encoder's name as a part of other names: twelve hexadecimal digits of its hash."""
    return blake2b(model.encode(), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class Registered:
    """A space that a store has."""

    model: str
    """The encoder's identity."""
    url: str
    """Where the encoder is found, as the setting ``encoder`` takes it."""
    dim: int
    whole: bool = False
    """Whether all items and users were in it once; what a failure left out since is looked for at each start."""
    share: float = 0.0
    """Part of the recommendations, 0–1, that are made in it too, to compare."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Which spaces a store has, and which answers."""

    active: str
    spaces: tuple[Registered, ...]
    before: str = ""
    """The one that answered before, to go back to; empty: none."""
    leaving: tuple[str, ...] = ()
    """Encoders whose vectors are still to be deleted."""

    def find(self, model: str) -> Registered | None:
        """Return a space by its encoder."""
        return next((one for one in self.spaces if one.model == model), None)

    def of(self, model: str) -> Registered:
        """Return a space that is there."""
        found = self.find(model)
        assert found is not None
        return found

    def with_space(self, space: Registered) -> "Registry":
        """Return it with a space added, or changed."""
        others = [one for one in self.spaces if one.model != space.model]
        leaving = tuple(model for model in self.leaving if model != space.model)
        return replace(self, spaces=(*others, space), leaving=leaving)

    def without(self, model: str) -> "Registry":
        """Return it with a space on its way out."""
        kept = tuple(one for one in self.spaces if one.model != model)
        before = "" if self.before == model else self.before
        return replace(self, spaces=kept, before=before, leaving=(*self.leaving, model))

    def changed(self, model: str, **fields: Any) -> "Registry":
        """Return it with some fields of a space changed; its place stays."""
        return replace(self, spaces=tuple(replace(one, **fields) if one.model == model else one for one in self.spaces))


def read_registry(folder: Path) -> Registry | None:
    """Return the spaces of the store in a folder; none where there never was a second one. Raises ``StoreMismatch``."""
    file = folder / SPACES
    try:
        found = orjson.loads(file.read_bytes())
        if found.pop("layout") != LAYOUT:
            raise StoreMismatch(f"{file} was written by a newer version; use that one")
        spaces = tuple(Registered(**one) for one in found.pop("spaces"))
        registry = Registry(spaces=spaces, leaving=tuple(found.pop("leaving")), **found)
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise StoreMismatch(f"{file} cannot be read ({error}); put back the one that belongs to the store") from error
    if registry.find(registry.active) is None:
        raise StoreMismatch(f"{file} has no space of {registry.active!r}, which it says is active")
    return registry


def write_registry(folder: Path, registry: Registry) -> None:
    """Write the file; on disk before this returns. Raises ``OSError``."""
    content = {"layout": LAYOUT, **asdict(registry)}
    write_whole(folder / SPACES, orjson.dumps(content, option=orjson.OPT_INDENT_2))

"""The spaces of a cluster's store: vectors of several encoders side by side, each written by consumers that have it.

The encoder that made the store has the names that vectors always had; another one's are told by its name
(``penchant_adapters.spaces``). The meta point says of every space, of the first only once it was left out::

    <0  being filled; a number drawn by who began last
    1   every item has its vector
    2   not every item, or not yet: one was described by a writer without the encoder
    3   its vectors were deleted

A writer without the encoder takes an item's vector away, since it is of other words. So what a space lacks can be
looked for, and is made good by whoever has the encoder, whenever that is.
"""

import secrets
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from penchant_core.errors import InvalidField
from qdrant_client import grpc

from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.protocol import exactly, set_payload
from penchant_adapters.qdrant.trained import MISSED, WHOLE
from penchant_adapters.spaces import Names, names_of, short

DELETED = 3
_MARK, _MODEL, _DIM = "space-", "model-", "dim-"
"""How the keys begin under which the meta point tells of a space; they end with the short name of its encoder."""


@dataclass(frozen=True, slots=True)
class There:
    """A space that a store has."""

    model: str
    dim: int
    mark: int
    names: Names

    @property
    def whole(self) -> bool:
        """Whether every item has its vector."""
        return self.mark == WHOLE


class QdrantSpaces:
    """Those of one store."""

    def __init__(self, items: Collection, users: Collection, first: str, dim: int) -> None:
        self._items, self._users = items, users
        self.first = first
        """The encoder that made the store."""
        self._dim = dim

    def names(self, model: str) -> Names:
        """Return what the vectors of an encoder are called."""
        return names_of(model, self.first)

    async def there(self) -> dict[str, There]:
        """Return the spaces by their encoders, the first one first."""
        (meta,) = await self._items.read([META])
        payload = meta.payload
        found = {
            str(payload[_MODEL + key.removeprefix(_MARK)]): (key.removeprefix(_MARK), int(mark))
            for key, mark in payload.items()
            if key.startswith(_MARK)
        }
        found = {self.first: found.pop(self.first, ("", WHOLE)), **found}
        return {
            model: There(model, int(payload.get(_DIM + end, self._dim)), mark, self.names(model))
            for model, (end, mark) in found.items()
            if mark != DELETED
        }

    async def add(self, model: str, dim: int) -> None:
        """Make room for an encoder's vectors; once is enough."""
        if model in await self.there():
            return
        names = self.names(model)
        # In a collection, then the mark: a space that is known of has its vectors.
        await self._items.create_vector(names.content, dim)
        await self._users.create_vector(names.interest, dim)
        await self._items.write([set_payload({_DIM + short(model): dim, **_marked(model, MISSED)}, [META])])

    async def remove(self, model: str) -> None:
        """Delete an encoder's vectors. Raises ``InvalidField`` for a space that is not there, or is written."""
        found = (await self.there()).get(model)
        if found is None:
            raise InvalidField("model", f"{model!r} is none of the store's; there are: {', '.join(await self.there())}")
        if found.mark != MISSED:
            raise InvalidField("model", f"consumers write vectors of {model}; start them without it first")
        names = self.names(model)
        # The mark first: half deleted, it is a space that is not there.
        await self._mark(model, DELETED)
        await self._items.delete_vector(names.content)
        await self._users.delete_vector(names.interest)

    async def begin(self, model: str) -> int:
        """Say that a space is being filled; return what to end it with."""
        filling = -1 - secrets.randbelow(1 << 31)
        await self._mark(model, filling)
        return filling

    async def end(self, model: str, filling: int) -> None:
        """Say that it is whole, unless somebody left something out meanwhile, or began to fill later."""
        await self._items.write([set_payload(_marked(model, WHOLE), [META], exactly(_MARK + short(model), filling))])

    async def miss(self, written: AbstractSet[str]) -> list[str]:
        """Say of all spaces but some that items are described without them; return the names of their vectors."""
        others = {model: one for model, one in (await self.there()).items() if model not in written}
        for model, one in others.items():
            if one.mark != MISSED:
                await self._mark(model, MISSED)
        return [one.names.content for one in others.values()]

    async def _mark(self, model: str, mark: int) -> None:
        await self._items.write([set_payload(_marked(model, mark), [META])])


def _marked(model: str, mark: int) -> dict[str, str | int]:
    return {_MODEL + short(model): model, _MARK + short(model): mark}


def lacking(name: str, besides: str = "") -> grpc.Filter:
    """Return the condition to have no vector of a name, but one of another."""
    must = [_has(besides)] if besides else []
    return grpc.Filter(must=must, must_not=[_has(name)])


def _has(name: str) -> grpc.Condition:
    return grpc.Condition(has_vector=grpc.HasVectorCondition(has_vector=name))

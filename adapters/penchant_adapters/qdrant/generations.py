"""Generations of a store: pairs of collections, one of which the aliases point to.

Everybody reads and writes through the aliases ``PREFIX-users`` and ``PREFIX-items``. A rebuild fills the next
generation by its number and then switches both aliases in one step.
"""

import re
from collections.abc import Sequence

from penchant_core.errors import InvalidSetting, PenchantError
from qdrant_client import AsyncQdrantClient
from qdrant_client.models import (
    CreateAlias,
    CreateAliasOperation,
    Datatype,
    DeleteAlias,
    DeleteAliasOperation,
    Distance,
    HnswConfigDiff,
    OptimizersConfigDiff,
    PayloadSchemaType,
    ScalarQuantization,
    ScalarQuantizationConfig,
    ScalarType,
    SparseVectorParams,
    VectorParams,
)

from penchant_adapters.parts import CONTENT, COUNTS
from penchant_adapters.qdrant.collection import Collection, opened_collection
from penchant_adapters.qdrant.connection import already_exists, translating
from penchant_adapters.qdrant.items import EVIDENCE, TOLD
from penchant_adapters.settings_groups import QdrantSettings
from penchant_adapters.spaces import INTEREST

KINDS = ("users", "items")
_INDEXED = {
    "status": PayloadSchemaType.KEYWORD,
    "categories": PayloadSchemaType.KEYWORD,
    "price": PayloadSchemaType.FLOAT,
}
_NEVER = HnswConfigDiff(m=0)


class Generations:
    """The generations of one prefix."""

    def __init__(self, client: AsyncQdrantClient, settings: QdrantSettings) -> None:
        self._client = client
        self._settings = settings

    def collection(self, kind: str, generation: int | None) -> Collection:
        """Return the users or items of a generation, or those behind the alias."""
        name = self.alias(kind) if generation is None else self.name(kind, generation)
        return opened_collection(self._client, name, self._settings)

    def alias(self, kind: str) -> str:
        """Return the name that everybody uses."""
        return f"{self._settings.prefix}-{kind}"

    def name(self, kind: str, generation: int) -> str:
        """Return the name of a collection."""
        return f"{self.alias(kind)}-{generation:04}"

    async def current(self) -> int | None:
        """Return the generation that the aliases point to."""
        with translating("listing aliases"):
            aliases = (await self._client.get_aliases()).aliases
        found = {one.alias_name: one.collection_name for one in aliases}
        return self._number(found.get(self.alias("items"), ""))

    async def all(self) -> list[int]:
        """Return every generation that there is, whole or not."""
        with translating("listing collections"):
            collections = (await self._client.get_collections()).collections
        return sorted({n for one in collections if (n := self._number(one.name)) is not None})

    def _number(self, name: str) -> int | None:
        found = re.fullmatch(rf"{re.escape(self._settings.prefix)}-(?:users|items)-(\d{{4,}})", name)
        return int(found[1]) if found else None

    async def make(self, generation: int, dim: int) -> None:
        """Make the collections of a generation; those that are there stay as they are."""
        await self._create(self.name("users", generation), {INTEREST: self._dense(dim, _NEVER)}, ())
        items = self.name("items", generation)
        await self._create(items, {CONTENT: self._content(dim)}, (COUNTS, EVIDENCE, TOLD))
        for field, schema in _INDEXED.items():
            with translating(f"making an index of {items}"):
                await self._client.create_payload_index(items, field, schema, wait=True)

    async def _create(self, name: str, dense: dict[str, VectorParams], sparse: Sequence[str]) -> None:
        settings = self._settings
        # Qdrant's threshold is in kilobytes of one segment's vectors.
        threshold = max(1, settings.indexed_above * next(iter(dense.values())).size * 4 // 1024)
        try:
            with translating(f"making {name}"):
                await self._client.create_collection(
                    name,
                    vectors_config=dense,
                    sparse_vectors_config={name: SparseVectorParams() for name in sparse},
                    shard_number=settings.shards,
                    replication_factor=settings.replication,
                    write_consistency_factor=settings.write_consistency,
                    on_disk_payload=True,
                    optimizers_config=OptimizersConfigDiff(indexing_threshold=threshold),
                )
        except PenchantError as error:
            # Somebody else was faster.
            if not already_exists(error):
                raise

    def _content(self, dim: int) -> VectorParams:
        params = self._dense(dim, None if self._settings.indexed_above else _NEVER)
        params.datatype = Datatype(self._settings.item_vectors)
        if self._settings.quantization == "int8":
            scalar = ScalarQuantizationConfig(type=ScalarType.INT8, quantile=0.99, always_ram=True)
            params.quantization_config = ScalarQuantization(scalar=scalar)
        return params

    def _dense(self, dim: int, hnsw: HnswConfigDiff | None) -> VectorParams:
        return VectorParams(
            size=dim, distance=Distance.DOT, hnsw_config=hnsw, on_disk=True if self._settings.on_disk else None
        )

    async def switch(self, generation: int) -> None:
        """Point both aliases to a generation, in one step."""
        if generation not in await self.all():
            raise InvalidSetting(f"there is no generation {generation} of {self._settings.prefix}", field="generation")
        with translating("listing aliases"):
            there = {one.alias_name for one in (await self._client.get_aliases()).aliases}
        changes: list[CreateAliasOperation | DeleteAliasOperation] = []
        for kind in KINDS:
            alias, name = self.alias(kind), self.name(kind, generation)
            if alias in there:
                changes.append(DeleteAliasOperation(delete_alias=DeleteAlias(alias_name=alias)))
            made = CreateAlias(collection_name=name, alias_name=alias)
            changes.append(CreateAliasOperation(create_alias=made))
        with translating("switching aliases"):
            await self._client.update_collection_aliases(change_aliases_operations=changes)

    async def delete(self, generation: int) -> None:
        """Delete a generation that the aliases do not point to."""
        if generation == await self.current():
            raise InvalidSetting(f"generation {generation} is the one in use; switch first", field="generation")
        await self._delete(generation)

    async def delete_all(self) -> None:
        """Delete the whole store."""
        for generation in await self.all():
            await self._delete(generation)

    async def _delete(self, generation: int) -> None:
        for kind in KINDS:
            with translating(f"deleting {self.name(kind, generation)}"):
                await self._client.delete_collection(self.name(kind, generation))

"""The engines that keep the stores' promises, opened for a test. A new one is one more entry of ``ENGINES``."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from penchant_adapters.edge import open_edge
from penchant_adapters.qdrant import QdrantStore, open_qdrant
from penchant_adapters.qdrant.connection import connected
from penchant_adapters.qdrant.generations import Generations
from penchant_adapters.qdrant.items import QdrantCatalogue
from penchant_adapters.qdrant.itemstates import QdrantItems
from penchant_adapters.settings_groups import QdrantSettings
from penchant_core.counts import Counts
from penchant_core.interests import Known
from penchant_core.log import ItemCounts
from penchant_core.model import Item
from penchant_core.pipeline import Stores
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation
from penchant_core.vectors import Vector
from qdrant_client import AsyncQdrantClient

DIM = 8
SETTINGS = Covisitation(popularity_exponent=0.3, width=64)
SERVER = "PENCHANT_TEST_QDRANT_URL"
"""Names a real server to run on."""
IN_PROCESS, OVER_GRPC, ON_SERVER = "qdrant in process", "qdrant engine over grpc", "qdrant server"

LACKING: Mapping[str, str] = {
    "several processes": "qdrant-client's in-process mode lives in one process and is gone with it",
    "a server to lose": "qdrant-client's in-process mode has no connection that could break",
}
"""What an engine lacks, and why a test is skipped on it."""

Open = Callable[..., AbstractAsyncContextManager[Stores]]
"""Opens a store, with trained models if some are given."""
OpenQdrant = Callable[..., AbstractAsyncContextManager[QdrantStore]]


@asynccontextmanager
async def edge(path: Path, trained: Trained = UNTRAINED) -> AsyncIterator[Stores]:
    with open_edge(path, "model", DIM, SETTINGS, min_free_bytes=0, trained=trained) as store:
        yield store.stores


@dataclass
class Place:
    """Where a test's store on Qdrant is: opened again it is the same one."""

    engine: str
    url: str = "qdrant://in-process:1"
    client: AsyncQdrantClient | None = None
    prefix: str = field(default_factory=lambda: f"test-{uuid4().hex[:12]}")

    def lacks(self, what: str) -> None:
        """Skip a test that the engine cannot run."""
        if self.engine == IN_PROCESS:
            pytest.skip(LACKING[what])

    def settings(self, **other: Any) -> QdrantSettings:
        return QdrantSettings.model_validate({"prefix": self.prefix, "timeout": 60.0} | other)

    def opened(self, **other: Any) -> AbstractAsyncContextManager[QdrantStore]:
        """Open it; *other* arguments of ``open_qdrant`` than the test's usual ones."""
        given: dict[str, Any] = {
            "model": "model",
            "dim": DIM,
            "covisitation": SETTINGS,
            "settings": self.settings(),
            "client": self.client,
        }
        return open_qdrant(self.url, **(given | other))

    @asynccontextmanager
    async def stores(self, trained: Trained = UNTRAINED, **other: Any) -> AsyncIterator[Stores]:
        """Open it behind the ports of the embedded mode."""
        async with self.opened(trained=trained, **other) as store:
            catalogue, tally = InOrder(store.items), Numbered(store.items)
            yield Stores(cast("Any", store.users), cast("Any", catalogue), cast("Any", tally), store.items)

    async def cleared(self) -> None:
        """Delete what the test made."""
        if self.client is not None:
            await self.client.close()
            return
        async with connected(self.url, self.settings()) as client:
            await Generations(client, self.settings()).delete_all()


OFFSETS = count(1)
"""Every write of a test comes later in the log than the one before."""


@dataclass
class InOrder:
    """A catalogue whose writes come one after the other in a log."""

    items: QdrantItems

    async def known(self, item_ids: Sequence[str]) -> dict[str, Known]:
        return await self.items.known(item_ids)

    async def page(self, after: str, limit: int) -> tuple[list[Item], str]:
        return await QdrantCatalogue.page(self.items, after, limit)

    async def put(self, items: Sequence[tuple[Item, Vector]]) -> None:
        await self.items.put_items([(next(OFFSETS), item, vector) for item, vector in items])

    async def remove(self, item_ids: Sequence[str]) -> list[str]:
        known = await self.items.known(item_ids)
        await self.items.remove_items([(next(OFFSETS), item_id) for item_id in item_ids])
        return list(known)


@dataclass
class Numbered:
    """Counts, saved at the next offset."""

    items: QdrantItems

    async def counts(self, item_ids: Sequence[str]) -> dict[str, Counts]:
        found = await self.items.item_counts(item_ids)
        return {item_id: one.counts for item_id, one in found.items()}

    async def save(self, counts: Mapping[str, Counts], sequence: int) -> None:
        offset = next(OFFSETS)
        news = {item_id: ItemCounts(one, {0: offset}) for item_id, one in counts.items()}
        await self.items.write_counts({offset: news})

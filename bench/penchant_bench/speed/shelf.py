"""A catalogue with its vectors, put into stores as a consumer would leave it there; the encoder works once."""

from collections.abc import Sequence
from dataclasses import dataclass

from penchant_adapters import contract
from penchant_adapters.encoders import open_encoder
from penchant_adapters.qdrant.store import open_qdrant
from penchant_adapters.stored import StoredItem

from penchant_bench.speed.catalogue import Shop
from penchant_bench.speed.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Shelf:
    """The items of a shop."""

    shop: Shop
    model: str
    dim: int
    items: Sequence[StoredItem]

    async def put_into(self, cluster: Cluster) -> None:
        """Make the store of a cluster, with the items in it."""
        settings = cluster.settings
        async with open_qdrant(settings.store, self.model, self.dim, settings.covisitation, settings.qdrant) as store:
            await store.items.put_all(self.items)


async def shelf_of(shop: Shop) -> Shelf:
    """Describe and encode the items of a shop."""
    items = [contract.item(shop.item(number)) for number in range(shop.items)]
    async with open_encoder("builtin:") as encoder:
        vectors = await encoder.encode([item.words for item in items])
        stored = [StoredItem(item.item_id, item, vector) for item, vector in zip(items, vectors, strict=True)]
        return Shelf(shop, encoder.name, encoder.dim, stored)

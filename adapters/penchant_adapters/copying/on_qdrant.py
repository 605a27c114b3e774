"""A store on a Qdrant server as source and as target of a copy."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from penchant_core.errors import InvalidSetting, StoreInUse
from penchant_core.tuning import Covisitation
from qdrant_client import AsyncQdrantClient

from penchant_adapters.copying.places import OnQdrant, Origin, not_empty, refuse_other
from penchant_adapters.points import META
from penchant_adapters.qdrant.connection import connected, translating
from penchant_adapters.qdrant.drafts import Draft, drafted
from penchant_adapters.qdrant.generations import Generations
from penchant_adapters.qdrant.identity import Identity, identified
from penchant_adapters.qdrant.protocol import set_payload
from penchant_adapters.qdrant.store import QdrantStore, open_qdrant
from penchant_adapters.settings import Settings
from penchant_adapters.stored import StoredItem, StoredUser
from penchant_adapters.trained import read_trained

_LOG = "log "
"""How the keys begin under which a store remembers its log."""


class QdrantSource:
    """A store on a Qdrant server, to be read whole."""

    def __init__(self, store: QdrantStore, client: AsyncQdrantClient, origin: Origin) -> None:
        self.origin = origin
        self._store = store
        self._client = client

    async def sizes(self) -> tuple[int, int]:
        """Return how many users and items there are."""
        names = [self._store.generations.name(kind, self._store.generation) for kind in ("users", "items")]
        with translating("counting"):
            users, items = [(await self._client.count(name, exact=True)).count for name in names]
        return users, items - 1

    def users(self) -> AsyncIterator[list[StoredUser]]:
        """Yield every user."""
        return self._store.users.all()

    def items(self) -> AsyncIterator[list[StoredItem]]:
        """Yield every item, those that are gone too."""
        return self._store.items.all()

    async def refuse_changed(self) -> None:
        """Raise ``StoreInUse`` when somebody learnt meanwhile: users and counts would be of different moments."""
        if await _log(self._store) != self.origin.log:
            raise StoreInUse(
                "somebody learns into the source while it is copied: stop the consumers (servers may go on), wait "
                "until they are gone, and copy again"
            )


@asynccontextmanager
async def qdrant_source(place: OnQdrant) -> AsyncIterator[QdrantSource]:
    """Open the store of a prefix. Raises ``InvalidSetting`` where there is none."""
    async with connected(place.url, place.settings) as client:
        found = await _identity(client, place)
        if found is None:
            raise InvalidSetting(f"there is no store {place.prefix} at {place.url}", "source")
        covisitation = Covisitation(**found.covisitation)
        generation = await Generations(client, place.settings).current()
        async with open_qdrant(
            place.url, None, None, covisitation, place.settings, create=False, generation=generation, client=client
        ) as store:
            origin = Origin(found.store_id, store.model, store.dim, covisitation, log=await _log(store))
            yield QdrantSource(store, client, origin)


async def _identity(client: AsyncQdrantClient, place: OnQdrant) -> Identity | None:
    generations = Generations(client, place.settings)
    if await generations.current() is None:
        return None
    return await identified(generations.collection("items", None))


async def _log(store: QdrantStore) -> Mapping[str, Any]:
    (meta,) = await store.generations.collection("items", store.generation).read([META])
    return {key: value for key, value in meta.payload.items() if key.startswith(_LOG)}


class QdrantTarget:
    """A generation being filled."""

    def __init__(self, draft: Draft) -> None:
        self.store_id = draft.store.store_id
        self._store = draft.store

    async def put_users(self, users: Sequence[StoredUser]) -> None:
        """Write users."""
        await self._store.users.put_all(users)

    async def put_items(self, items: Sequence[StoredItem]) -> None:
        """Write items."""
        await self._store.items.put_all(items)


@asynccontextmanager
async def qdrant_target(
    place: OnQdrant, origin: Origin, settings: Settings, *, replacing: bool
) -> AsyncIterator[QdrantTarget]:
    """Fill a new generation, put to use when the block ends well."""
    where = f"{place.url}/{place.prefix}"
    async with connected(place.url, place.settings) as client:
        there = await _identity(client, place)
    if there is not None:
        if not replacing:
            raise not_empty(where)
        refuse_other((there.model, there.dim), origin, where)
    store_id = None if origin.sequence is not None else origin.store_id
    # A server that asks by what a model gives must find it in whatever comes into use.
    trained = read_trained(settings)
    async with drafted(
        place.url, origin.model, origin.dim, origin.covisitation, place.settings, store_id, trained
    ) as draft:
        yield QdrantTarget(draft)
        if origin.log:
            items = draft.store.generations.collection("items", draft.store.generation)
            await items.write([set_payload(origin.log, [META])])
        await draft.publish()

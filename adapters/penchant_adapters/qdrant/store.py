"""A store on a Qdrant server, opened."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from penchant_core.errors import InvalidSetting, PenchantError, StoreMismatch, Unavailable
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation
from qdrant_client import AsyncQdrantClient

from penchant_adapters.qdrant.connection import connected
from penchant_adapters.qdrant.generations import Generations
from penchant_adapters.qdrant.identity import Identity, QdrantCheckpoints, agreed, identified, made
from penchant_adapters.qdrant.items import QdrantCatalogue
from penchant_adapters.qdrant.itemstates import QdrantItems
from penchant_adapters.qdrant.spaces import QdrantSpaces, There
from penchant_adapters.qdrant.trained import refuse_unsettled, settle
from penchant_adapters.qdrant.users import Prime, QdrantUsers
from penchant_adapters.settings_groups import QdrantSettings
from penchant_adapters.trained import GivenToItems, refuse_other

NONE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class QdrantStore:
    """An open store."""

    store_id: str
    """Made with the store; freshness tokens carry it."""
    model: str
    """The encoder whose space is read, one of those that the store has."""
    dim: int
    generation: int
    """The one that was in use, or asked for, when the store was opened."""
    users: QdrantUsers
    items: QdrantItems
    checkpoints: QdrantCheckpoints
    generations: Generations
    spaces: QdrantSpaces
    beside: Mapping[str, QdrantCatalogue]
    """Items as other spaces show them, by the names of their encoders."""


@asynccontextmanager
async def opened_spaces(url: str, settings: QdrantSettings) -> AsyncIterator[QdrantSpaces]:
    """Open the spaces of the store in use, and nothing else of it. Raises ``Unavailable`` where there is none."""
    async with connected(url, settings) as client:
        generations = Generations(client, settings)
        number = await generations.current()
        items, users = (generations.collection(kind, number) for kind in ("items", "users"))
        found = None if number is None else await identified(items)
        if found is None:
            raise Unavailable(f"there is no store {settings.prefix} at {url}; set store or qdrant.prefix")
        yield QdrantSpaces(items, users, found.model, found.dim)


@asynccontextmanager
async def open_qdrant(
    url: str,
    model: str | None,
    dim: int | None,
    covisitation: Covisitation,
    settings: QdrantSettings,
    *,
    create: bool = True,
    generation: int | None = None,
    store_id: str | None = None,
    prime: Prime | None = None,
    client: AsyncQdrantClient | None = None,
    trained: Trained = UNTRAINED,
    beside: Mapping[str, int] = NONE,
) -> AsyncIterator[QdrantStore]:
    """Open the store of a prefix, made on first use unless *create* is false.

    *model* is an encoder that the store has a space of; without one it is the first whose space is whole. *beside* are
    encoders, with their dimensions, whose spaces are read and written too, made where there are none. A *generation*
    opens that one, whatever is in use; made anew it gets the *store_id*, so that tokens stay good when it comes into
    use. A *client* is used instead of a connection, and left open. Every item has what the *trained* models give when
    this returns.

    Raises ``Unavailable`` when there is no server, or no store yet, or, unless it may *create*, items without a vector
    of the encoder or without what a model gives, and ``StoreMismatch`` when it has no space of the encoder, or other
    settings of co-visitation made it.
    """
    async with AsyncExitStack() as stack:
        if client is None:
            client = await stack.enter_async_context(connected(url, settings))
        generations = Generations(client, settings)
        number = generation if generation is not None else await generations.current()
        if create and model is not None and dim is not None:
            number = await _made(generations, number, model, dim, covisitation, store_id, switch=generation is None)
        found = None if number is None else await _found(generations, number)
        if number is None or found is None:
            raise Unavailable(
                f"there is no store {settings.prefix} at {url}; `penchant consume` makes it, or set qdrant.prefix"
            )
        agreed(found, covisitation, settings.prefix)
        items, users = (generations.collection(kind, generation) for kind in ("items", "users"))
        spaces = QdrantSpaces(items, users, found.model, found.dim)
        read = _chosen(await spaces.there(), model, dim, settings.prefix, whole=not create)
        refuse_other(trained.sequence, read.model, read.dim)
        for other, width in beside.items():
            await spaces.add(other, width)
        if create:
            # Whatever this process does not write it leaves out from now on.
            await spaces.miss({read.model, *beside})
        catalogues = {
            other: QdrantCatalogue(items, covisitation, settings, content=spaces.names(other).content)
            for other in beside
        }
        given = GivenToItems(trained, read.names.content)
        await (settle(items, given) if create else refuse_unsettled(items, given))
        yield QdrantStore(
            store_id=found.store_id,
            model=read.model,
            dim=read.dim,
            generation=number,
            users=QdrantUsers(users, spaces, read.model, prime),
            items=QdrantItems(items, covisitation, settings, spaces, read.model, trained, list(catalogues.values())),
            checkpoints=QdrantCheckpoints(items),
            generations=generations,
            spaces=spaces,
            beside=catalogues,
        )


def _chosen(there: Mapping[str, There], model: str | None, dim: int | None, prefix: str, *, whole: bool) -> There:
    """Return the space to read in."""
    if model is None:
        found = next((one for one in there.values() if one.whole), None)
        if found is None:
            raise Unavailable(f"no model of the store {prefix} is whole yet; `penchant consume` fills them")
        return found
    if model not in there:
        raise StoreMismatch(
            f"the store {prefix} was made with model = {next(iter(there), '')!r} and this service has {model!r}; set "
            "encoder back, or let consumers fill the new one first: encoders_beside"
        )
    found = there[model]
    if dim is not None and dim != found.dim:
        raise StoreMismatch(
            f"the store {prefix} was made with dim = {found.dim} and this service has {dim}; set encoder back"
        )
    if whole and not found.whole:
        raise Unavailable(
            f"not every item has its vector of {model} yet; consumers with it in encoder or encoders_beside fill them: "
            "see penchant spaces"
        )
    return found


async def _made(
    generations: Generations,
    number: int | None,
    model: str,
    dim: int,
    covisitation: Covisitation,
    store_id: str | None,
    *,
    switch: bool,
) -> int:
    """Make a generation where there is none, the first if none is named; several processes may do so at once."""
    if switch and number is not None:
        return number
    wanted = 1 if number is None else number
    if wanted < 1:
        raise InvalidSetting("generations are counted from 1", field="generation")
    await generations.make(wanted, dim)
    await made(generations.collection("items", wanted), model, dim, covisitation, store_id)
    if switch:
        await generations.switch(wanted)
    return wanted


async def _found(generations: Generations, number: int) -> Identity | None:
    try:
        return await identified(generations.collection("items", number))
    except Unavailable:
        raise
    except PenchantError:
        if number in await generations.all():
            raise
        return None

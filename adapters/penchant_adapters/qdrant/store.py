"""A store on a Qdrant server, opened."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from penchant_core.errors import InvalidSetting, PenchantError, Unavailable
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation
from qdrant_client import AsyncQdrantClient

from penchant_adapters.qdrant.connection import connected
from penchant_adapters.qdrant.generations import Generations
from penchant_adapters.qdrant.identity import Identity, QdrantCheckpoints, agreed, identified, made
from penchant_adapters.qdrant.itemstates import QdrantItems
from penchant_adapters.qdrant.trained import refuse_unsettled, settle
from penchant_adapters.qdrant.users import Prime, QdrantUsers
from penchant_adapters.settings_groups import QdrantSettings
from penchant_adapters.trained import GivenToItems, refuse_other


@dataclass(frozen=True, slots=True)
class QdrantStore:
    """An open store."""

    store_id: str
    """Made with the store; freshness tokens carry it."""
    model: str
    dim: int
    generation: int
    """The one that was in use, or asked for, when the store was opened."""
    users: QdrantUsers
    items: QdrantItems
    checkpoints: QdrantCheckpoints
    generations: Generations


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
) -> AsyncIterator[QdrantStore]:
    """Open the store of a prefix, made on first use unless *create* is false.

    Without a *model* it takes the one that the store was made with. A *generation* opens that one, whatever is in use;
    made anew it gets the *store_id*, so that tokens stay good when it comes into use. A *client* is used instead of a
    connection, and left open. Every item has what the *trained* models give when this returns.

    Raises ``Unavailable`` when there is no server, or no store yet, or, unless it may *create*, items without what a
    model gives, and ``StoreMismatch`` when another model, or other settings of co-visitation, made it.
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
        agreed(found, model, dim, covisitation, settings.prefix)
        refuse_other(trained.sequence, found.model, found.dim)
        items = generations.collection("items", generation)
        given = GivenToItems(trained)
        await (settle(items, given) if create else refuse_unsettled(items, given))
        yield QdrantStore(
            store_id=found.store_id,
            model=found.model,
            dim=found.dim,
            generation=number,
            users=QdrantUsers(generations.collection("users", generation), prime),
            items=QdrantItems(items, covisitation, settings, trained),
            checkpoints=QdrantCheckpoints(items),
            generations=generations,
        )


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

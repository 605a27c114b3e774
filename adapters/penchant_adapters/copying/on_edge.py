"""An embedded store as source and as target of a copy."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from penchant_core.covisitation import Flow
from penchant_core.errors import InvalidSetting
from penchant_core.ledger import Ledger
from penchant_core.pipeline import Learner
from penchant_core.ports import Commit
from penchant_core.tuning import Tuning
from penchant_core.vectors import Vector
from penchant_core.voices import Source as Spoken
from penchant_core.voices import voices_of

from penchant_adapters.copying.places import OnEdge, Origin, not_empty, refuse_other
from penchant_adapters.edge.store import MOVING, PARTS, EdgeStore, locked, made_with, open_edge
from penchant_adapters.encoders.absent import AbsentEncoder
from penchant_adapters.encoders.cache import CachedEncoder
from penchant_adapters.encoders.vectorfile import VectorFile
from penchant_adapters.process import now
from penchant_adapters.settings import Settings
from penchant_adapters.spaces import SPACES
from penchant_adapters.stored import StoredItem, StoredUser

DRAFT = "copy.draft"
"""Directory in the target while the copy is made."""
VECTORS = "vectors.sqlite"


class EdgeSource:
    """An open embedded store, to be read whole."""

    def __init__(self, store: EdgeStore, origin: Origin, encoder: CachedEncoder, tuning: Tuning) -> None:
        self.origin = origin
        self._store = store
        self._encoder = encoder
        self._tuning = tuning

    async def sizes(self) -> tuple[int, int]:
        """Return how many users and items there are."""
        return await self._store.users.count(), await self._store.items.count()

    async def users(self) -> AsyncIterator[list[StoredUser]]:
        """Yield every user with the vectors of their words, as far as the process that learnt them left them here."""
        async for page in self._store.users.all():
            yield [
                replace(one, written=replace(one.written, words=await self._words(one.written.state.ledger)))
                for one in page
            ]

    async def _words(self, ledger: Ledger) -> dict[str, Vector]:
        voices = voices_of(ledger.events, self._tuning.scoring, self._tuning.weights)
        words: dict[str, Vector] = {}
        for text in dict.fromkeys(voice.key for voice in voices if voice.source is Spoken.TEXT):
            try:
                words[text] = (await self._encoder.encode([text], said=True))[0]
            except InvalidSetting:
                # Nobody knows it, and there is no model here.
                continue
        return words

    def items(self) -> AsyncIterator[list[StoredItem]]:
        """Yield every item, those that are gone too."""
        return self._store.items.all()

    async def refuse_changed(self) -> None:
        """Do nothing: the directory is locked."""


@asynccontextmanager
async def edge_source(place: OnEdge, settings: Settings) -> AsyncIterator[EdgeSource]:
    """Open an embedded store. Raises ``StoreInUse`` and ``InvalidSetting`` where there is none."""
    made = made_with(place.path)
    if made is None:
        raise InvalidSetting(f"there is no store in {place.path}", "source")
    async with AsyncExitStack() as stack:
        store = stack.enter_context(
            open_edge(
                place.path, made.model, made.dim, made.covisitation, settings.min_free_bytes, vectors=made.vectors
            )
        )
        file = place.path / VECTORS
        vectors = await stack.enter_async_context(VectorFile(file)) if file.exists() else None
        remembered = CachedEncoder(AbsentEncoder(made.model, made.dim, "copying"), vectors)
        tuning = replace(settings.tuning, covisitation=made.covisitation)
        # A crash may have left the counts one commit behind.
        await Learner(store.stores, remembered, tuning, now).recover()
        sequence, _ = await store.users.last()
        origin = Origin(made.store_id, made.model, made.dim, made.covisitation, sequence)
        yield EdgeSource(store, origin, remembered, tuning)


class EdgeTarget:
    """An embedded store being filled."""

    def __init__(self, store: EdgeStore) -> None:
        self.store_id = store.store_id
        self._store = store

    async def put_users(self, users: Sequence[StoredUser]) -> None:
        """Write users."""
        await self._store.users.put_all(users)

    async def put_items(self, items: Sequence[StoredItem]) -> None:
        """Write items."""
        await self._store.items.put_all(items)


@asynccontextmanager
async def edge_target(
    place: OnEdge, origin: Origin, settings: Settings, *, replacing: bool
) -> AsyncIterator[EdgeTarget]:
    """Fill a directory: a draft inside it, moved into place when the block ends well.

    A draft inside, not beside, since the directory may be the root of a disk of its own.
    """
    path, draft = place.path, place.path / DRAFT
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSetting(f"cannot make the directory {path}: {error.strerror}", "target") from error
    with locked(path):
        # What was being moved is no store: the one to be replaced, if there was one, is gone.
        made = None if (path / MOVING).exists() else made_with(path)
        if made is not None:
            if not replacing:
                raise not_empty(str(path))
            refuse_other((made.model, made.dim), origin, str(path))
        shutil.rmtree(draft, ignore_errors=True)
        try:
            with open_edge(
                draft,
                origin.model,
                origin.dim,
                origin.covisitation,
                settings.min_free_bytes,
                origin.store_id if origin.sequence is not None else None,
                vectors=settings.item_vectors,
            ) as store:
                yield EdgeTarget(store)
                if origin.sequence:
                    await store.users.commit(Commit(origin.sequence, {}, {}, Flow()))
                    await store.items.save({}, origin.sequence)
                store.flush()
                store.write_back()
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _move(draft, path)


def _move(draft: Path, path: Path) -> None:
    moving = path / MOVING
    # From here on the directory opens to nobody until all is in place. The rest of an earlier move holds nothing good.
    shutil.rmtree(moving, ignore_errors=True)
    draft.rename(moving)
    # The copy has one space, whatever the store had that it replaces.
    (path / SPACES).unlink(missing_ok=True)
    for name in PARTS:
        there = path / name
        if there.is_dir():
            shutil.rmtree(there)
        else:
            there.unlink(missing_ok=True)
        (moving / name).rename(there)
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    shutil.rmtree(moving)

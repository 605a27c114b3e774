"""A store's directory: whose it is, what made it, and the two shards in it."""

import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
from penchant_core.errors import InvalidSetting, OutOfSpace, StoreInUse, StoreMismatch
from penchant_core.pipeline import Stores
from penchant_core.sequence import SequenceModel
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation

from penchant_adapters.edge.columns import Column
from penchant_adapters.edge.items import EdgeItems
from penchant_adapters.edge.users import EdgeUsers
from penchant_adapters.spaces import Registered, Registry, names_of, read_registry, write_registry
from penchant_adapters.trained import refuse_other
from penchant_adapters.vectortypes import VectorType
from penchant_adapters.wholefiles import write_whole

LAYOUT = 1
MIN_FREE_BYTES = 128 << 20
UNTOLD: VectorType = "float32"
"""What a store without a word on it keeps vectors as."""
PARTS = ("users", "items", "store.json")
"""What a store's directory holds, beside its lock; the last is there in a whole store only."""
MOVING = "copy.moving"
"""Directory in it while a finished copy is moved into place."""


@dataclass(frozen=True, slots=True)
class Made:
    """Who made a store."""

    store_id: str
    model: str
    dim: int
    covisitation: Covisitation
    vectors: VectorType


@dataclass(frozen=True, slots=True)
class EdgeStore:
    """An open store."""

    path: Path
    store_id: str
    """Made with the store; freshness tokens carry it."""
    first: str
    """The encoder that made it."""
    vectors: VectorType
    """What items' vectors are kept as."""
    users: EdgeUsers
    items: EdgeItems

    def see(self, space: Registered) -> None:
        """Have another space, in which all items and users lack a vector."""
        names = names_of(space.model, self.first)
        self.items.see(Column(space.model, names.content, space.dim, self.vectors))
        self.users.see(Column(space.model, names.interest, space.dim))

    def turn(self, space: str) -> None:
        """Go on as if the store had been opened with another space."""
        self.items.turn(space)
        self.users.turn(space)

    def unsee(self, space: str) -> None:
        """Delete a space; nobody may be reading in it."""
        self.items.unsee(space)
        self.users.unsee(space)

    @property
    def stores(self) -> Stores:
        """The ports."""
        return Stores(self.users, self.items, self.items, self.items)

    def sync(self) -> None:
        """Bring the logs of what was written onto the disk; to be called from a thread.

        The engine's own flush holds the interpreter lock while it waits for the disk, 100 ms and more. Its log is a
        mapped file, whose dirty pages a sync of the file writes out. Users come first, so that no count is there
        without its event.
        """
        for shard in ("users", "items"):
            _synced(self.path / shard / "wal")

    @property
    def log_bytes(self) -> int:
        """Bytes of the disk that the logs take."""
        logs = chain((self.path / "users" / "wal").iterdir(), (self.path / "items" / "wal").iterdir())
        return sum(file.stat().st_blocks * 512 for file in logs)

    def write_back(self) -> None:
        """Bring everything that was written onto the disk; to be called from a thread, before ``flush``."""
        _synced(self.path)

    def flush(self) -> None:
        """Let the engine write its state and cut its logs. Stops everything for a tenth of a second, or more."""
        self.users.flush()
        self.items.flush()


def _synced(folder: Path) -> None:
    for file in folder.rglob("*"):
        with suppress(OSError), file.open("rb") as handle:
            os.fdatasync(handle.fileno())


@contextmanager
def open_edge(
    path: Path,
    model: str,
    dim: int,
    settings: Covisitation,
    min_free_bytes: int = MIN_FREE_BYTES,
    store_id: str | None = None,
    trained: Trained = UNTRAINED,
    vectors: VectorType = "float32",
) -> Iterator[EdgeStore]:
    """Open the store in a directory, made on first use, with the *store_id* if one is given, items' *vectors* kept so.

    *model* and *dim* are of the encoder whose space is meant where none is named: the one that made the store, or one
    that was added since. Every item has what the *trained* models give when this returns; what other kinds of
    models gave stays as it is. Items' *vectors* are kept so.

    Raises ``StoreInUse`` when another process has it open, ``StoreMismatch`` when it has no space of the model, or
    other settings of co-visitation or of vectors made it, and ``InvalidSetting`` when a sequence model was learnt with
    another.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSetting(f"cannot make the directory {path}: {error.strerror}", field="data_dir") from error
    with locked(path):
        if (path / MOVING).exists():
            raise StoreMismatch(f"{path} is the target of a copy that was not finished; run it again")
        registry = read_registry(path)
        spaces = _spaces(registry, Registered(model, "", dim))
        _refuse_foreign(trained.sequence, spaces)
        opened = Made(store_id or "", spaces[0].model, spaces[0].dim, settings, vectors)
        made = _identified(path / "store.json", opened, registered=registry is not None)
        names = [names_of(one.model, made.model) for one in spaces]
        interests = [Column(one.model, its.interest, one.dim) for one, its in zip(spaces, names, strict=True)]
        words = [Column(one.model, its.content, one.dim, vectors) for one, its in zip(spaces, names, strict=True)]
        users = EdgeUsers(path / "users", interests, min_free_bytes)
        try:
            items = EdgeItems(path / "items", words, settings, min_free_bytes, trained)
            try:
                store = EdgeStore(path, made.store_id, made.model, vectors, users, items)
                if registry is not None and registry.leaving:
                    with suppress(OutOfSpace):
                        _sweep(store, registry)
                yield store
            finally:
                items.close()
        finally:
            users.close()


def _sweep(store: EdgeStore, registry: Registry) -> None:
    """Delete what a crash left of spaces that were being added, or removed."""
    for space in registry.leaving:
        store.see(Registered(space, "", 1))
        store.unsee(space)
    write_registry(store.path, replace(registry, leaving=()))


def made_with(path: Path) -> Made | None:
    """Return with what a store can be opened, its active model first of all; none where there is no store."""
    file = path / "store.json"
    if not file.exists():
        return None
    found = orjson.loads(file.read_bytes())
    if found.get("layout") != LAYOUT:
        raise StoreMismatch(f"{path} was made with layout = {found.get('layout')!r} and this version reads {LAYOUT!r}")
    made = Made(
        found["store_id"],
        found["model"],
        found["dim"],
        Covisitation(**found["covisitation"]),
        found.get("item_vectors", UNTOLD),
    )
    if (registry := read_registry(path)) is not None:
        made = replace(made, model=registry.active, dim=registry.of(registry.active).dim)
    return made


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of a store's directory. Raises ``StoreInUse``."""
    handle = os.open(path / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StoreInUse(
                f"{path} is open in another process (pid {owner}); stop it, or choose another data_dir"
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _spaces(registry: Registry | None, opened: Registered) -> list[Registered]:
    """Return the spaces of a store, the one to open it with first."""
    if registry is None:
        return [opened]
    there = registry.find(opened.model)
    if there is None or there.dim != opened.dim:
        names = ", ".join(one.model for one in registry.spaces)
        raise StoreMismatch(
            f"the store has no space of {opened.model!r} with {opened.dim} numbers; it has: {names}; "
            "set encoder back, and see penchant models"
        )
    return [there, *(one for one in registry.spaces if one is not there)]


def _refuse_foreign(sequence: SequenceModel | None, spaces: Sequence[Registered]) -> None:
    if sequence is not None:
        own = next((one for one in spaces if one.model == sequence.about.encoder), spaces[0])
        refuse_other(sequence, own.model, own.dim)


def _identified(path: Path, by: Made, *, registered: bool) -> Made:
    """Return who made the store, now if there is none; *registered*: its spaces stand in a registry of their own."""
    wanted: dict[str, Any] = {
        "layout": LAYOUT,
        "model": by.model,
        "dim": by.dim,
        "covisitation": asdict(by.covisitation),
        "item_vectors": by.vectors,
    }
    if not path.exists():
        store_id = by.store_id or uuid.uuid4().hex[:16]
        write_whole(path, orjson.dumps({"store_id": store_id, **wanted}, option=orjson.OPT_INDENT_2))
        return replace(by, store_id=store_id)
    found = {"item_vectors": UNTOLD} | orjson.loads(path.read_bytes())
    for name, value in wanted.items():
        if found.get(name) != value and not (registered and name in {"model", "dim"}):
            hint = "; to change the model while serving, see penchant models" if name == "model" else ""
            raise StoreMismatch(
                f"{path.parent} was made with {name} = {found.get(name)!r} and this service has {value!r}; "
                f"set {name} back, or choose another data_dir and import again{hint}"
            )
    return replace(by, store_id=str(found["store_id"]), model=str(found["model"]), dim=int(found["dim"]))

"""A store's directory: whose it is, what made it, and the two shards in it."""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
from penchant_core.errors import InvalidSetting, StoreInUse, StoreMismatch
from penchant_core.pipeline import Stores
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation

from penchant_adapters.edge.items import EdgeItems
from penchant_adapters.edge.users import EdgeUsers
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
    users: EdgeUsers
    items: EdgeItems

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

    Every item has what the *trained* models give when this returns; what other kinds of models gave stays as it is.

    Raises ``StoreInUse`` when another process has it open, ``StoreMismatch`` when another model, other settings
    of co-visitation or of vectors, made it, and ``InvalidSetting`` when a sequence model was learnt with another.
    """
    refuse_other(trained.sequence, model, dim)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSetting(f"cannot make the directory {path}: {error.strerror}", field="data_dir") from error
    with locked(path):
        if (path / MOVING).exists():
            raise StoreMismatch(f"{path} is the target of a copy that was not finished; run it again")
        store_id = _identified(path / "store.json", Made(store_id or "", model, dim, settings, vectors))
        users = EdgeUsers(path / "users", dim, min_free_bytes)
        try:
            items = EdgeItems(path / "items", dim, settings, min_free_bytes, trained, vectors)
            try:
                yield EdgeStore(path, store_id, users, items)
            finally:
                items.close()
        finally:
            users.close()


def made_with(path: Path) -> Made | None:
    """Return who made the store in a directory; none where there is no store."""
    file = path / "store.json"
    if not file.exists():
        return None
    found = orjson.loads(file.read_bytes())
    if found.get("layout") != LAYOUT:
        raise StoreMismatch(f"{path} was made with layout = {found.get('layout')!r} and this version reads {LAYOUT!r}")
    return Made(
        found["store_id"],
        found["model"],
        found["dim"],
        Covisitation(**found["covisitation"]),
        found.get("item_vectors", UNTOLD),
    )


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


def _identified(path: Path, by: Made) -> str:
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
        return store_id
    found = {"item_vectors": UNTOLD} | orjson.loads(path.read_bytes())
    for name, value in wanted.items():
        if found.get(name) != value:
            raise StoreMismatch(
                f"{path.parent} was made with {name} = {found.get(name)!r} and this service has {value!r}; "
                f"set {name} back, or choose another data_dir and import again"
            )
    return str(found["store_id"])

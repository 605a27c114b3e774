"""A durable file of encoded texts: SQLite, key → vector bytes, oldest forgotten first.

Everything in it can be encoded again, so it never stands in the way: a corrupt file is moved aside and begun anew, and
a disk that fails is logged and passed over.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from penchant_core.errors import InvalidSetting

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

MAX_ROWS = 2_000_000
"""Default bound; 512 dimensions take about 1.2 kB a row."""
_VARIABLES = 500  # keys in one statement; SQLite's oldest limit is 999
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

# Pages of 8 KiB hold seven rows of 512 half-precision numbers; the usual 4 KiB would waste a quarter. Whoever
# waits for a new text's vector would wait for an fsync too, so there is none: a process may die at any moment, and a
# power cut costs at worst the file.
_SCHEMA = """
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS vectors (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL);
"""


class VectorFile:
    """Vectors by key in the file *path*, at most *max_rows*. Its work happens in one thread of its own."""

    def __init__(self, path: Path, max_rows: int = MAX_ROWS) -> None:
        self.path = path
        self._max_rows = max_rows
        self._trouble = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open()
        except (OSError, sqlite3.Error) as error:
            raise InvalidSetting(
                f"cannot keep vectors in {path}: {error}; choose a folder that can be written"
            ) from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vectors")

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the vectors there are."""
        return await self._run(lambda: self._get(keys), {})

    async def put(self, rows: Mapping[bytes, bytes]) -> None:
        """Keep these vectors, replacing those with the same keys, and forget the oldest above the bound."""
        await self._run(lambda: self._put(rows), None)

    async def aclose(self) -> None:
        """Finish what was begun and close the file."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, work: Callable[[], _T], otherwise: _T) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._attempt, work, otherwise)

    def _attempt(self, work: Callable[[], _T], otherwise: _T) -> _T:
        try:
            try:
                return work()
            except sqlite3.Error as error:
                if not _is_corrupt(error):
                    raise
                self._connection.close()
                self._connection = self._begin_anew(error)
        except (sqlite3.Error, OSError) as error:
            if str(error) != self._trouble:  # a full disk would say the same at every event
                self._trouble = str(error)
                _log.warning("the vector file %s failed, going on without it: %s", self.path, error)
        return otherwise

    def _get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        rows: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _VARIABLES):
            part = keys[start : start + _VARIABLES]
            marks = ",".join("?" * len(part))
            rows.update(self._connection.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part))  # noqa: S608 (only question marks)
        return rows

    def _put(self, rows: Mapping[bytes, bytes]) -> None:
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO vectors (key, vector) VALUES (?, ?)", rows.items())
            # Ids grow with age and only the oldest go, so the newest id tells where the bound lies without counting.
            self._connection.execute(
                "DELETE FROM vectors WHERE id <= (SELECT max(id) FROM vectors) - ?", (self._max_rows,)
            )

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise
            return self._begin_anew(error)

    def _begin_anew(self, error: sqlite3.Error) -> sqlite3.Connection:
        aside = self.path.with_name(self.path.name + ".corrupt")
        _log.warning(
            "the vector file %s is corrupt (%s): moved to %s, texts are encoded again", self.path, error, aside
        )
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        return _connect(self.path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)  # opened here, then used by one other thread only
    try:
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_corrupt(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CORRUPT

"""Checked records on disk until they are sent: what was checked is what is sent, in flat memory.

A temporary SQLite database that disappears with its connection. It needs about the size of the unpacked file in
``$SQLITE_TMPDIR``, ``$TMPDIR`` or ``/var/tmp``.
"""

import sqlite3
from collections.abc import Iterator
from hashlib import blake2b

_CACHE_KIB = 32_768
_FETCH = 1_000


def _database(schema: str) -> sqlite3.Connection:
    # An empty name is SQLite's own temporary file.
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    database.execute(schema)
    # One transaction that never ends: nothing is written before the cache is full.
    database.execute("BEGIN")
    return database


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()


class Staging:
    """Serialised records, one for each key, in the order in which the keys first came."""

    def __init__(self, *, last_wins: bool) -> None:
        self._database = _database(
            "CREATE TABLE records(position INTEGER PRIMARY KEY, key BLOB UNIQUE, line INTEGER, body BLOB)"
        )
        self._last_wins = last_wins
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, key: str, line: int, body: bytes) -> int | None:
        """Keep a record. Return the line of the record that lost against one with the same key, if there is one."""
        digest = _digest(key)
        inserted = self._database.execute(
            "INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?)", (self._count + 1, digest, line, body)
        )
        if inserted.rowcount:
            self._count += 1
            return None
        if not self._last_wins:
            return line
        ((loser,),) = self._database.execute("SELECT line FROM records WHERE key = ?", (digest,)).fetchall()
        self._database.execute("UPDATE records SET line = ?, body = ? WHERE key = ?", (line, body, digest))
        return int(loser)

    def bodies(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield line and serialised record, leaving out the first *after* ones."""
        cursor = self._database.execute("SELECT line, body FROM records WHERE position > ? ORDER BY position", (after,))
        while rows := cursor.fetchmany(_FETCH):
            yield from rows

    def close(self) -> None:
        """Delete everything that was kept."""
        self._database.close()


class Steps:
    """How many records every name has, and which of them comes next; on disk."""

    def __init__(self) -> None:
        self._database = _database(
            "CREATE TABLE steps(name BLOB PRIMARY KEY, total INTEGER, taken INTEGER) WITHOUT ROWID"
        )

    def add(self, name: str) -> None:
        """Count one more record of *name*."""
        self._database.execute(
            "INSERT INTO steps VALUES (?, 1, 0) ON CONFLICT(name) DO UPDATE SET total = total + 1", (_digest(name),)
        )

    def take(self, name: str) -> tuple[int, int]:
        """Return the number of the next record of *name*, from 1, and how many it has. *name* must have been added."""
        ((taken, total),) = self._database.execute(
            "UPDATE steps SET taken = taken + 1 WHERE name = ? RETURNING taken, total", (_digest(name),)
        ).fetchall()
        return int(taken), int(total)

    def close(self) -> None:
        """Delete the counts."""
        self._database.close()

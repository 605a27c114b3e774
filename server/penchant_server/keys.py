"""API keys: a file of names and hashes, read again when it changes, and what happens to streams whose key goes.

A line is ``NAME SHA256-OF-KEY``; a name may have two, so that a new key can be handed out before the old one is taken
away. The file holds no key, so whoever reads it cannot call the service.

Why a plain SHA-256 and a dictionary are enough. Keys are 32 random bytes: no guessing gets anywhere near one, so a slow
hash with salt, as for passwords, would cost time and add nothing. What is looked up is the hash of what was presented:
the time of a lookup tells at most something of that hash, which nobody can steer towards the hash of a key.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import structlog
from penchant_core.errors import InvalidSetting

from penchant_server.faults import Unauthenticated
from penchant_server.watched import Stamp, looking, stamp

FIELD = "access.api_keys_file"
PREFIX = "pk_"
"""How a key begins: what is found in a log or a commit is known for what it is."""
KEYS_OF_A_NAME = 2
REVOKED = "the API key was taken away; ask the operator for a new one"

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_log = structlog.get_logger()


def hashed(key: str) -> bytes:
    """Return what stands for a key in the file."""
    return hashlib.sha256(key.encode()).digest()


def parsed(text: str, file: str) -> dict[bytes, str]:
    """Return hash → name of every key. Raises InvalidSetting with file and line, and nothing that may be a key."""

    def refuse(number: int, problem: str) -> NoReturn:
        raise InvalidSetting(f"{file}, line {number}: {problem}", field=FIELD)

    names: dict[bytes, str] = {}
    lines: dict[bytes, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2:  # noqa: PLR2004 a name and a hash
            refuse(number, "must be NAME SHA256-OF-KEY, as `penchant keys new NAME` prints it")
        name, digits = words
        if name.startswith(PREFIX) or not _NAME.fullmatch(name):
            refuse(number, "the name must be 1–64 of A–Z a–z 0–9 . _ - and not begin like a key")
        if not _HASH.fullmatch(digits):
            refuse(number, "after the name must come the SHA-256 of the key, 64 hexadecimal digits, never the key")
        digest = bytes.fromhex(digits)
        if digest in names:
            refuse(number, f"is the same key as line {lines[digest]}")
        if list(names.values()).count(name) == KEYS_OF_A_NAME:
            refuse(number, f"{name} has two keys already; take one away first")
        names[digest], lines[digest] = name, number
    if not names:
        raise InvalidSetting(f"{file}: has no key, so nobody could call; make one: penchant keys new NAME", field=FIELD)
    return names


def read(path: Path) -> dict[bytes, str]:
    """Return hash → name of every key of a file. Raises InvalidSetting."""
    try:
        return parsed(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise InvalidSetting(f"cannot read {path}: {error.strerror}", field=FIELD) from error
    except UnicodeDecodeError as error:
        raise InvalidSetting(f"{path}: is not text in UTF-8", field=FIELD) from error


class Hold:
    """A stream's hold on its key: waits only as long as the key is good."""

    def __init__(self, *, revoked: bool) -> None:
        self._revoked = revoked
        self._waiting: asyncio.Timeout | None = None

    def revoke(self) -> None:
        """End what is waited for, now; or else the next waiting."""
        self._revoked = True
        if self._waiting is not None:
            self._waiting.reschedule(0.0)

    async def until(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await what *work* makes and return it; raises Unauthenticated once the key is taken away."""
        if self._revoked:
            raise Unauthenticated(REVOKED)
        waiting = self._waiting = asyncio.timeout(None)
        try:
            async with waiting:
                return await work()
        except TimeoutError:
            if waiting.expired():
                raise Unauthenticated(REVOKED) from None
            raise
        finally:
            self._waiting = None


class Keys:
    """The keys of a file."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises InvalidSetting."""
        self._path = path
        self._stamp = self._stamped()
        self._names: Mapping[bytes, str] = read(path)
        self._holds: dict[bytes, set[Hold]] = {}

    def known(self, key: str) -> bytes | None:
        """Return the hash of a key that is good; None for any other."""
        digest = hashed(key)
        return digest if digest in self._names else None

    @contextmanager
    def held(self, digest: bytes) -> Iterator[Hold]:
        """Hold a key inside the block."""
        # Between the look at the key and the beginning of the stream it may have gone.
        hold = Hold(revoked=digest not in self._names)
        holds = self._holds.setdefault(digest, set())
        holds.add(hold)
        try:
            yield hold
        finally:
            holds.discard(hold)
            if not holds and self._holds.get(digest) is holds:
                del self._holds[digest]

    async def watch(self) -> None:
        """Look at the file again and again. One that cannot be used changes nothing and is told once."""
        await looking(self._look, "keys")

    async def _look(self) -> None:
        found = await asyncio.to_thread(self._stamped)
        if found == self._stamp:
            return
        self._stamp = found  # first, so that a bad file is told once
        try:
            names = await asyncio.to_thread(read, self._path)
        except InvalidSetting as error:
            _log.error("the keys file cannot be used; the keys before stay", error=str(error))
            return
        gone = self._names.keys() - names.keys()
        ended = [hold for digest in gone for hold in self._holds.pop(digest, ())]
        self._names = names
        for hold in ended:
            hold.revoke()
        _log.info("keys were read again", keys=len(names), gone=len(gone), streams_ended=len(ended))

    def _stamped(self) -> Stamp:
        try:
            return stamp(self._path)
        except OSError:
            return ()

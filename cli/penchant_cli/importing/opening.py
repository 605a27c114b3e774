"""From a path to lines of text: unpacking, decoding, limits."""

import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from penchant_cli.importing.errors import FileRefused

MAX_LINE = 16 << 20
"""Bytes of the longest line read; what has longer ones is not a text table."""

_SAMPLE_LINES = 1_000
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_UTF8_BOM, _UTF16_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


def packing(path: Path) -> str:
    """Return ``gz``, ``zip`` or nothing, by the file's first bytes. Raises FileRefused when it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise FileRefused(f"{path}: cannot be read: {error.strerror}") from error
    return "gz" if start[:2] == b"\x1f\x8b" else "zip" if start == b"PK\x03\x04" else ""


def inner_name(path: Path) -> str:
    """Return the name of the table itself: a zip's only member, ``a.csv`` for ``a.csv.gz``."""
    kind = packing(path)
    if kind == "zip":
        try:
            with zipfile.ZipFile(path) as archive:
                return _only_member(archive, path)
        except zipfile.BadZipFile as error:
            raise FileRefused(f"{path}: is damaged or cut off: {error}") from error
    return path.name.removesuffix(".gz") if kind == "gz" else path.name


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open the table inside *path* for reading from its beginning, unpacked on the way."""
    with ExitStack() as stack:
        match packing(path):
            case "gz":
                yield cast("BinaryIO", stack.enter_context(gzip.open(path, "rb")))
            case "zip":
                archive = stack.enter_context(zipfile.ZipFile(path))
                yield cast("BinaryIO", stack.enter_context(archive.open(_only_member(archive, path))))
            case _:
                yield stack.enter_context(path.open("rb"))


def text_lines(path: Path, encoding: str, notes: Counter[str]) -> Iterator[str]:
    """Yield the lines of *path* with their ends, decoded; *notes* counts the lines that were not UTF-8.

    With an *encoding* given, bytes that do not fit become lone surrogates, which are refused where they are used.
    """
    try:
        with open_unpacked(path) as file:
            yield from _decoded(_byte_lines(file, path), path, encoding, notes)
    except (EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise FileRefused(f"{path}: is damaged or cut off: {error}") from error


def _only_member(archive: zipfile.ZipFile, path: Path) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise FileRefused(f"{path}: holds {len(names)} files; unpack it and import them one by one: {names[:8]}")
    return names[0]


def _byte_lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise FileRefused(f"{path}: line {number} is longer than {MAX_LINE >> 20} MiB; is this a text table?")
        yield line


def _decoded(lines: Iterator[bytes], path: Path, encoding: str, notes: Counter[str]) -> Iterator[str]:
    first = next(lines, b"")
    if first[:2] in _UTF16_BOMS or encoding.lower().replace("-", "").startswith("utf16"):
        with open_unpacked(path) as file:
            notes["file read as UTF-16"] += 1
            name = encoding or "utf-16"
            with io.TextIOWrapper(file, encoding=name, errors="surrogateescape", newline="") as text:
                yield from text
        return
    fallback = ""
    for line in _chain(first.removeprefix(_UTF8_BOM), lines):
        if encoding:
            yield line.decode(encoding, errors="surrogateescape")
            continue
        try:
            yield line.decode()
        except UnicodeDecodeError:
            fallback = fallback or _fallback(path)
            notes[f"lines that are not UTF-8, read as {fallback}"] += 1
            yield line.decode(fallback, errors="surrogateescape")


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _fallback(path: Path) -> str:
    """Return gb18030 when bytes above 127 mostly come in pairs, as in Chinese; else cp1252, where they stand alone."""
    paired = alone = looked_at = 0
    with open_unpacked(path) as file:
        for line in _byte_lines(file, path):
            try:
                line.decode()
            except UnicodeDecodeError:
                runs = [len(run) for run in _HIGH_BYTES.findall(line)]
                paired += sum(length for length in runs if length > 1)
                alone += runs.count(1)
                looked_at += 1
            if looked_at == _SAMPLE_LINES:
                break
    return "gb18030" if paired > alone else "cp1252"

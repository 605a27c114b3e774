"""Delimited text. A broken line costs that line and none of those after it.

Theory of operation: an opening quote that is never closed makes any CSV parser swallow the lines that follow. Parsing
is strict, so that this is noticed; then the first line alone is given a lenient second chance, and the other lines that
had been swallowed are put back and parsed afresh.
"""

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Literal

from penchant_cli.importing.records import Problem, Record

_DELIMITERS = ",;\t|"
_SNIFF_LINES = 50


def read_csv(
    lines: Iterator[str], delimiter: str, header: bool, notes: Counter[str]
) -> tuple[str, tuple[str, ...], Iterator[Record | Problem]]:
    """Return the delimiter, the column names and the records. No names: the file is empty."""
    start = list(islice(lines, _SNIFF_LINES))
    delimiter = delimiter or sniff(start)
    source = _Lines(chain(start, lines))
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    names: tuple[str, ...] = ()
    if header:
        names = tuple(name.strip() or f"column {i}" for i, name in enumerate(_first(reader), 1))
    elif start:
        names = tuple(str(i) for i in range(1, 1 + len(_first(csv.reader(start, delimiter=delimiter)))))
    return delimiter, names, _records(reader, source, names, notes)


def sniff(lines: list[str]) -> str:
    """Return the delimiter under which most of *lines* have as many fields as the first one; comma when none fits."""
    best, delimiter = (0.0, 0), ","
    for candidate in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=candidate) if row]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
            if score > best:
                best, delimiter = score, candidate
    return delimiter


def _first(rows: Iterable[list[str]]) -> list[str]:
    try:
        return next((row for row in rows if row), [])
    except csv.Error:
        return []


class _Lines:
    """Lines that remember which of them the current record has taken, and take them back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.before = 0
        """Lines before those of the current record."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return line

    def next_record(self) -> None:
        self.before += len(self.taken)
        self.taken.clear()

    def give_back(self) -> str:
        """Return the current record's first line; the others will be read again."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        self.taken[1:] = []
        return first


def _records(
    reader: Iterator[list[str]], source: _Lines, names: tuple[str, ...], notes: Counter[str]
) -> Iterator[Record | Problem]:
    delimiter: str = reader.dialect.delimiter  # type: ignore[attr-defined]
    width = len(names)
    while True:
        source.next_record()
        reason = f"the number of fields is not the header's {width}"
        try:
            row = next(reader)
            if not row:
                continue
        except StopIteration:
            return
        except csv.Error:
            row, reason = [], "broken quotes"
        row = _fitted(row, width)
        if not row:
            first = source.give_back()
            row = _second_chance(first, delimiter, width)
            if not row:
                yield Problem(source.before + 1, reason, first.rstrip("\r\n")[:120])
                continue
            notes["lines with loose quotes, mended"] += 1
        yield Record(source.before + 1, dict(zip(names, row, strict=True)))


def _fitted(row: list[str], width: int) -> list[str]:
    """Return *row* when it has the right width, or would without empty fields at its end; else nothing."""
    return row[:width] if len(row) >= width and not any(row[width:]) else []


def _second_chance(line: str, delimiter: str, width: int) -> list[str]:
    # Tab-separated files are often written without any quoting at all.
    for unquoted in (True, False) if delimiter == "\t" else (False,):
        mode: Literal[0, 3] = csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL
        try:
            rows = list(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, quoting=mode))
        except csv.Error:
            continue
        if '"' in line and rows and (row := _fitted(rows[0], width)):
            return row
    return []

"""One reader per format; every reader gives the same records, one at a time."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from penchant_cli.importing.csv_reader import read_csv
from penchant_cli.importing.errors import FileRefused
from penchant_cli.importing.opening import inner_name, text_lines
from penchant_cli.importing.options import Options
from penchant_cli.importing.records import Problem, Record

_BY_SUFFIX = {
    "csv": "csv", "txt": "csv", "dat": "csv", "tsv": "tsv", "tab": "tsv",
    "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet", "pq": "parquet", "seq": "sequence",
}  # fmt: skip
_VECTOR = re.compile(r"(fixed_size_|large_)?list<\w+: (halffloat|float|double)")
_PEEK = 1_000
_BATCH_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Table:
    """A file opened for one reading."""

    format: str
    """What it was taken for, in words."""
    columns: tuple[str, ...]
    """Names that ``--map`` may use."""
    records: Iterator[Record | Problem]


def open_table(path: Path, options: Options, notes: Counter[str]) -> Table:
    """Open *path* for one reading from its beginning; *notes* counts what had to be mended on the way.

    Raises FileRefused when the file is missing, damaged or in no format known here.
    """
    suffix = inner_name(path).rpartition(".")[2].lower()
    kind = options.format or _BY_SUFFIX.get(suffix, "")
    reader = _READERS.get(kind)
    if reader is None:
        raise FileRefused(f"{path}: format {kind or suffix!r} is unknown; use --format with one of {sorted(_READERS)}")
    return reader(path, options, notes)


def _csv(path: Path, options: Options, notes: Counter[str]) -> Table:
    lines = text_lines(path, options.encoding, notes)
    delimiter, columns, records = read_csv(lines, options.delimiter, options.header, notes)
    if not columns:
        raise FileRefused(f"{path}: is empty")
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise FileRefused(f"{path}: column {repeated[0]!r} appears twice in the header; rename one of them")
    return Table(f"CSV, delimiter {delimiter!r}", columns, records)


def _tsv(path: Path, options: Options, notes: Counter[str]) -> Table:
    lines = text_lines(path, options.encoding, notes)
    _, columns, records = read_csv(lines, options.delimiter or "\t", options.header, notes)
    if not columns:
        raise FileRefused(f"{path}: is empty")
    return Table("TSV", columns, records)


def _jsonl(path: Path, options: Options, notes: Counter[str]) -> Table:
    records = _json_records(text_lines(path, options.encoding, notes))
    start = list(islice(records, _PEEK))
    names = dict.fromkeys(name for record in start if isinstance(record, Record) for name in record.values)
    return Table("JSON Lines", tuple(names), chain(start, records))


def _json_records(lines: Iterator[str]) -> Iterator[Record | Problem]:
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Problem(number, "not JSON", f"{error}: {line[:80]!r}")
            continue
        if isinstance(value, dict):
            yield Record(number, dict(_flat(value, "")))
        else:
            yield Problem(number, "not a JSON object", line[:80])


def _flat(value: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, inner


def _parquet(path: Path, options: Options, notes: Counter[str]) -> Table:  # noqa: ARG001 - one signature for all
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - heavy, and only this format needs it
    except ImportError as error:
        raise FileRefused("reading Parquet needs pyarrow: pip install 'penchant[server]'") from error
    try:
        file = parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise FileRefused(f"{path}: is not a readable Parquet file: {error}") from error
    # Vectors are no words, and turning them into Python objects would cost more than all the rest.
    names = [f.name for f in file.schema_arrow if not _VECTOR.match(str(f.type))]
    return Table("Parquet", tuple(names), _parquet_records(file, names, path))


def _parquet_records(file: Any, names: list[str], path: Path) -> Iterator[Record]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
            for values in batch.to_pylist():
                number += 1
                yield Record(number, values)
    except (OSError, ValueError) as error:
        raise FileRefused(f"{path}: damaged after row {number}: {error}") from error
    finally:
        file.close()


def _sequence(path: Path, options: Options, notes: Counter[str]) -> Table:
    lines = text_lines(path, options.encoding, notes)
    return Table("sequences", ("user_id", "item_id"), _steps(lines))


def _steps(lines: Iterator[str]) -> Iterator[Record | Problem]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) == 1:
            yield Problem(number, "a user without items", words[0])
        for item in words[1:]:
            yield Record(number, {"user_id": words[0], "item_id": item})


_READERS: dict[str, Callable[[Path, Options, Counter[str]], Table]] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "sequence": _sequence,
}

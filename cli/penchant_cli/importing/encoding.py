"""Vectors of a file's texts, in parts that are kept, so that what was stopped goes on where it was."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap
from penchant_adapters.encoders.worker import MAX_CHARACTERS
from penchant_adapters.wholefiles import write_whole
from penchant_core.ports import TextEncoder
from penchant_core.vectors import Matrix

from penchant_cli.importing.columns import resolve
from penchant_cli.importing.errors import FileRefused
from penchant_cli.importing.options import Options
from penchant_cli.importing.progress import import_name
from penchant_cli.importing.records import Problem
from penchant_cli.importing.tables import open_table

PART = 4_096
"""Rows of a part: so many are encoded again, at most, after a stop."""
GUESSES = {
    "text": ("text", "title", "name", "description", "query", "review", "content"),
    "id": ("id", "itemid", "productid", "asin", "sku"),
}
SUFFIXES = (".parquet", ".npy")
Told = Callable[[int], None]
"""Hears how many rows are done."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a file has to encode."""

    path: Path
    options: Options
    """``columns`` say which column is the text, and which the id."""

    def count(self) -> tuple[int, Counter[str]]:
        """Return how many rows there are, and what is not as it should be, by reason. Raises ``FileRefused``."""
        notes: Counter[str] = Counter()
        found = 0
        for _, _, text in self.read(notes):
            found += 1
            if len(text) > MAX_CHARACTERS:
                notes[f"texts are longer than {MAX_CHARACTERS:,} characters; what is behind them was not read"] += 1
            elif not text.strip():
                notes["texts are empty; their vectors say nothing"] += 1
        return found, notes

    def read(self, notes: Counter[str] | None = None) -> Iterator[tuple[int, str, str]]:
        """Yield place in the file, id and text of each row. Raises ``FileRefused``."""
        notes = Counter() if notes is None else notes
        table = open_table(self.path, self.options, notes)
        for field, said in self.options.columns:
            if said not in table.columns and not set(said.split("+")) <= set(table.columns):
                told = f"{self.path}: --{field} {said}: there is no such column; there are {', '.join(table.columns)}"
                raise FileRefused(told)
        sources = resolve(GUESSES, self.options.columns, table.columns)
        if "text" not in sources:
            told = f"{self.path}: which column is the text? Say --text COLUMN; there are {', '.join(table.columns)}"
            raise FileRefused(told)
        for record in table.records:
            if isinstance(record, Problem):
                notes[f"records were left out: {record.reason}"] += 1
                continue
            named = sources["id"](record.values) if "id" in sources else ""
            yield record.line, _joined(named), _joined(sources["text"](record.values))


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(each) for each in value)
    return "" if value is None else str(value)


async def encoded(rows: Rows, encoder: TextEncoder, out: Path, told: Told) -> int:
    """Write the vectors of *rows* into *out*, Parquet or npy by its name; return how many. What is done is kept.

    Raises ``FileRefused``, ``EncoderFailed`` and ``OSError``; the same call again goes on then.
    """
    name = import_name(rows.path, "encode", f"{rows.options.fingerprint()}{PART}", encoder.name)[:16]
    folder = out.with_name(f"{out.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    parts, done = [], 0
    reading = rows.read()
    for number, part in enumerate(iter(lambda: list(islice(reading, PART)), [])):
        path = folder / f"{number:06}-{name}.parquet"
        if not path.exists():
            write_whole(path, _part(part, await encoder.encode([text for _, _, text in part])))
        parts.append(path)
        done += len(part)
        told(done)
    _join(parts, done, encoder.dim, out)
    shutil.rmtree(folder)
    return done


def _part(rows: Sequence[tuple[int, str, str]], vectors: Matrix) -> bytes:
    table = pa.table(
        {
            "row": pa.array([row for row, _, _ in rows], pa.int64()),
            "id": pa.array([named for _, named, _ in rows], pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1]),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _join(parts: Sequence[Path], count: int, dim: int, out: Path) -> None:
    draft = out.with_name(f".{out.name}.new")
    if out.suffix == ".npy":
        whole = open_memmap(draft, mode="w+", dtype=np.float32, shape=(count, dim))
        start = 0
        for path in parts:
            rows = pq.read_table(path, columns=["vector"])["vector"].combine_chunks().flatten().to_numpy()
            whole[start : start + len(rows) // dim] = rows.reshape(-1, dim)
            start += len(rows) // dim
        whole.flush()
        del whole
    else:
        with pq.ParquetWriter(draft, pq.read_schema(parts[0])) as writer:
            for path in parts:
                writer.write_table(pq.read_table(path))
    draft.replace(out)

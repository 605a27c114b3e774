"""The comparison as rows of words, for a terminal and for a page."""

from collections.abc import Mapping, Sequence
from typing import Any


def measure_of(row: Mapping[str, Any]) -> str:
    """Return the name of the measure that rows are compared by."""
    return next(name for name, value in row.items() if isinstance(value, Mapping) and "cost" in value)


def header(measure: str) -> list[str]:
    """Return the names of the columns."""
    return ["recipe", measure, "cost (95 %)", "words alone", "texts/s", "memory", "weights", "a vector", "a search"]


def cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return what stands in the columns of each row; the first row is what the others are set against."""
    measure = measure_of(rows[0])
    found = []
    for row in rows:
        cost, first = row[measure]["cost"], row is rows[0]
        found.append(
            [
                row["recipe"],
                f"{row[measure]['mean']:.4f}",
                "" if first else f"{cost['mean']:+.4f} ({cost['low']:+.4f} to {cost['high']:+.4f})",
                f"{row[f'{measure} of words alone']['mean']:.4f}",
                f"{row['texts_per_second']:,.0f}" + ("" if first else f" ({row['times_as_fast']:.1f}×)"),
                f"{row['peak_bytes'] / 2**20:,.0f} MiB",
                "" if row["model_bytes"] is None else f"{row['model_bytes'] / 2**20:,.1f} MiB",
                f"{row['vector_bytes']:,.0f} B",
                f"{row['search_seconds'] * 1e3:.2f} ms",
            ]
        )
    return found

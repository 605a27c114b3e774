"""What readers hand on: a record with its place in the file, or what is wrong with that place."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Record(NamedTuple):
    """One row of a file."""

    line: int
    """Where it begins: line number from 1; row number from 1 in Parquet files."""
    values: Mapping[str, Any]
    """By column name. Text files give strings; JSON Lines and Parquet give their own types."""


class Problem(NamedTuple):
    """A place in the file that is no record."""

    line: int
    reason: str
    example: str


Rule = Callable[[Record], Record]
"""Changes a record before it is mapped, or raises ``Skip`` to leave it out."""

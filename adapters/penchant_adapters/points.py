"""Points of a Qdrant engine, embedded or not: their ids, their sparse vectors, and sums that must be exact in these."""

from collections.abc import Mapping
from dataclasses import dataclass

from penchant_core.sequence import number
from penchant_core.vectors import Vector

META = 0
"""Point that holds what belongs to a collection as a whole."""

BASE = 1 << 20
"""A float32 holds whole numbers up to 2²⁴, hence two of them for a greater one: the upper and the lower digit."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector."""

    dims: list[int]
    values: list[float]


Vectors = Mapping[str, Vector | Sparse]
"""Vectors of a point by name."""


def point_id(name: str) -> int:
    """Return the point of a user or item id; two of n ids share one with probability n² / 2⁶⁵."""
    return number(name) or 1


def digits(number: int) -> list[float]:
    """Return the upper and the lower digit of a number below 2⁴⁴."""
    return [float(number // BASE), float(number % BASE)]


def number_of(upper: float, lower: float) -> int:
    """Return the number of two digits."""
    return int(upper) * BASE + int(lower)

"""What stands in the tables of figures, in the terminal and on the page of results."""

from collections.abc import Mapping
from typing import Any


def measures(models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of the measures that have intervals."""
    return [
        name for name, figure in next(iter(models.values())).items() if isinstance(figure, Mapping) and "low" in figure
    ]


def cell(estimate: Mapping[str, float]) -> str:
    """Return a mean with its interval."""
    return f"{estimate['mean']:.4f} ({estimate['low']:.4f}–{estimate['high']:.4f})"


def asked(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how much was asked, and by how many where one may ask twice."""
    first = next(iter(models.values()))
    return f"{first['asks']:,} asks" + (f" of {first['users']:,} users" if "users" in first else "")


def covered(models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the name of the coverage where lists are of a catalogue, else nothing."""
    return [name for name in ("coverage@10",) if name in next(iter(models.values()))]


def lead_of(difference: Mapping[str, float]) -> str:
    """Return a paired difference with its interval."""
    return f"{difference['mean']:+.4f} ({difference['low']:+.4f} to {difference['high']:+.4f})"

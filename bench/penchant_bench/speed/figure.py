"""Figures: what a measurement found, each with its unit and, where there is one, its physical limit and its aim."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen for a measurement."""

    items: int | None = None
    """Items of the catalogue; none: what the measurement is defined on."""
    seconds: float | None = None
    """Seconds for each timed part; none: what the measurement is defined on."""
    quick: bool = False
    """A small run that shows that everything works; its figures mean little."""
    plot: Path | None = None
    """Where ``growth`` and ``catchup`` draw their curves."""
    hourly: float = 0.05
    """Price of a core for an hour, in any currency: what ``cost`` reckons with."""

    def size(self, usual: int, quick: int) -> int:
        """Return the items to use."""
        return self.items or (quick if self.quick else usual)

    def duration(self, usual: float, quick: float) -> float:
        """Return the seconds to spend."""
        return self.seconds or (quick if self.quick else usual)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number."""

    value: float
    unit: str
    limit: float | None = None
    """The same number for the bare parts that no service could do without, from the same run."""
    limit_is: str = ""
    """What was measured as the limit."""
    aim: float | None = None
    """What the project wants: at most this ``value``, or at least it when ``more_is_better``."""
    ratio_aim: float | None = None
    """What the project wants of the ratio to the limit, in the same sense."""
    more_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """The value in limits; above 1 is the price of the service, below 1 where more is better."""
        return self.value / self.limit if self.limit else None

    @property
    def reached(self) -> bool | None:
        """Tell whether every aim is reached; none where there is no aim."""
        pairs = [(self.value, self.aim), (self.ratio, self.ratio_aim)]
        kept = [
            got >= aim if self.more_is_better else got <= aim
            for got, aim in pairs
            if got is not None and aim is not None
        ]
        return all(kept) if kept else None

    def as_json(self) -> dict[str, Any]:
        """Return what stands in the results: what is not there is left out."""
        plain = {name: value for name, value in asdict(self).items() if value not in (None, "", False)}
        return plain | {"value": self.value} | ({} if self.ratio is None else {"ratio": self.ratio})

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> "Figure":
        """Read back what ``as_json`` laid out."""
        return Figure(**{name: value for name, value in plain.items() if name != "ratio"})


Figures: TypeAlias = dict[str, Figure]


@dataclass(slots=True)
class Latencies:
    """How long something took, again and again."""

    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time the block; one that raises does not count."""
        start = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - start)

    def quantile(self, share: float) -> float:
        """Return the milliseconds that *share* (0–1) of the times do not exceed: the next one up, never between two."""
        return quantile(self.seconds, share) * 1e3

    def figures(self, name: str, limit: float | None = None, limit_is: str = "", aim: float | None = None) -> Figures:
        """Return p50 and p99 in milliseconds; *limit* belongs to p50, *aim* to p99."""
        return {
            f"{name} p50": Figure(self.quantile(0.5), "ms", limit, limit_is),
            f"{name} p99": Figure(self.quantile(0.99), "ms", aim=aim),
        }


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least *share* (0–1) of *values* do not exceed. Raises without values."""
    if not values:
        raise ValueError("nothing was measured, so there is no quantile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return by how much a value grows for each unit of size: the least-squares line's."""
    return float(np.polyfit(np.asarray(sizes, float), np.asarray(values, float), 1)[0])

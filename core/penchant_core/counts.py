"""What an item knows of its visitors: how many came, where they came from, how much they went on.

An item's counts are laid out as one sparse vector, so that a vector store adds up a user's score by itself: dimension
``dimension(source)`` holds c_source,item / visits^g. Two reserved dimensions, which no source can have, hold the
item's own visits; popularity is thereby a dimension of the same product.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from penchant_core.covisitation import Flow
from penchant_core.tuning import Covisitation

VISITS = 1
"""Dimension of the visits, which orders items by popularity."""
POPULARITY = 2
"""Dimension of ln(1 + visits), the score's popularity term."""
RESERVED = 16

Dimensions = NDArray[np.uint32]
Values = NDArray[np.float32]


@lru_cache(maxsize=200_000)
def dimension(item_id: str) -> int:
    """Return the sparse dimension of a source item: the same on every machine, without a table to agree on.

    Two of n items share one with probability n² / 2³³; their counts are then read as one source's.
    """
    digest = blake2b(item_id.encode(), digest_size=4).digest()
    return RESERVED + int.from_bytes(digest, "little") % (2**32 - RESERVED)


@dataclass(slots=True)
class Change:
    """What an item's counts gain."""

    sources: dict[int, float] = field(default_factory=dict)
    """Dimension of the source → weight."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Gains of n and of the visits."""


def changes_of(flow: Flow) -> dict[str, Change]:
    """Tell every item what a flow means to it: to a target a source's count, to a source more evidence."""
    changes: defaultdict[str, Change] = defaultdict(Change)
    for (source, target), weight in flow.pairs.items():
        sources, dim = changes[target].sources, dimension(source)
        sources[dim] = sources.get(dim, 0.0) + weight
        changes[source].sums[0] += weight
    for item_id, weight in flow.visits.items():
        changes[item_id].sums[1] += weight
    return changes


@dataclass(frozen=True, slots=True)
class Counts:
    """An item's counts; ``dims`` ascending and unique, ``values`` > 0, both of shape (n,)."""

    dims: Dimensions = field(default_factory=lambda: np.empty(0, np.uint32))
    values: Values = field(default_factory=lambda: np.empty(0, np.float32))
    out: float = 0.0
    visits: float = 0.0

    def with_change(self, change: Change, settings: Covisitation) -> "Counts":
        """Add a change; of more sources than ``settings.width`` the strongest stay.

        Where no source changes, ``dims`` and ``values`` are the same arrays as before.
        """
        out, visits = max(0.0, self.out + change.sums[0]), max(0.0, self.visits + change.sums[1])
        if not change.sources:
            return Counts(self.dims, self.values, out, visits)
        arrived = np.fromiter(change.sources.keys(), np.uint32, len(change.sources))
        added = np.fromiter(change.sources.values(), np.float32, len(change.sources))
        at = np.searchsorted(self.dims, arrived)
        # A place behind the last one holds nobody; the reserved dimension 0 is no source.
        there = np.append(self.dims, np.uint32(0))[at] == arrived
        values = self.values.copy()
        values[at[there]] += added[there]
        dims = self.dims
        if not there.all():
            dims = np.concatenate((dims, arrived[~there]))
            values = np.concatenate((values, added[~there]))
            order = np.argsort(dims)
            dims, values = dims[order], values[order]
        if len(dims) > settings.width or min(change.sources.values()) < 0.0:
            dims, values = _kept(dims, values, settings.width)
        return Counts(dims, values, out, visits)

    def weighted(self, settings: Covisitation) -> Values:
        """Return the values divided by visits^g, as the score reads them: float32, shape (n,)."""
        if not settings.popularity_exponent or self.visits <= 0.0:
            return self.values
        return self.values * np.float32(self.visits**-settings.popularity_exponent)

    def as_sparse(self, settings: Covisitation) -> tuple[list[int], list[float]]:
        """Return the sparse vector that a store keeps: dimensions and values. ``out`` is kept beside it."""
        if self.visits <= 0.0:
            return self.dims.tolist(), self.values.tolist()
        dims = [VISITS, POPULARITY]
        values = [self.visits, math.log1p(self.visits)]
        return dims + self.dims.tolist(), values + self.weighted(settings).tolist()

    @staticmethod
    def from_sparse(dims: list[int], values: list[float], out: float, settings: Covisitation) -> "Counts":
        """Read back what ``as_sparse`` laid out."""
        all_dims, all_values = np.array(dims, np.uint32), np.array(values, np.float32)
        order = np.argsort(all_dims)
        all_dims, all_values = all_dims[order], all_values[order]
        first = int(np.searchsorted(all_dims, RESERVED))
        sums: Mapping[int, float] = dict(zip(all_dims[:first].tolist(), all_values[:first].tolist(), strict=True))
        visits = sums.get(VISITS, 0.0)
        raw = all_values[first:]
        if settings.popularity_exponent and visits > 0.0:
            raw = raw * np.float32(visits**settings.popularity_exponent)
        return Counts(all_dims[first:], raw, out, visits)


def _kept(dims: Dimensions, values: Values, width: int) -> tuple[Dimensions, Values]:
    # A pair taken back leaves the rounding error of its sum, a millionth of what was there; it is no evidence.
    keep = np.flatnonzero(values > 1e-6 * values.max(initial=0.0))
    if len(keep) > width:
        keep = np.sort(keep[np.argsort(-values[keep], kind="stable")[:width]])
    return dims[keep], values[keep]

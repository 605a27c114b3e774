"""Learned together: weights between items, fitted on a log beforehand, added to the live counts.

A target i keeps its strongest sources k with a weight B_ki each, which may be below 0. With what a user liked,
weighted by a decay of its own, the score gains, δ being as loud as the log had it::

    score(i) += δ · Σ_k u_k · B_ki        u_k ≥ 0, Σ u_k = 1, u_k ∝ weight · r^rank over the newest 200 things

Recency is earned, not given: r is chosen on the log and may be 1, where the oldest thing says as much as the newest.

An item's weights are a sparse vector of their own beside that of its counts, B_ki in the dimension ``source(k)``, so
the sum is one more product of the vector store. They are a function of the item's id: live counts change beside them,
and another model has another vector.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penchant_core.counts import RESERVED, Dimensions, Values, dimension
from penchant_core.errors import InvalidSetting
from penchant_core.ledger import WINDOW
from penchant_core.model import Event
from penchant_core.sequence import number
from penchant_core.tuning import Scoring, Weights
from penchant_core.voices import Source, voices_of

FIELD = "together_model"
DTYPES = {"targets.number": np.uint64, "targets.first": np.int64,
          "sources.dimension": np.uint32, "sources.weight": np.float32}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AboutTogether:
    """What such weights are, beside their numbers."""

    name: str
    version: str
    """Changes with every number of them."""
    weight: float
    """δ: how loudly they speak in the score, as the log had it."""
    rank_decay: float
    """r, 0–1: weight kept for each newer moment."""

    @property
    def label(self) -> str:
        """What people know them by: ``name@version``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Share:
    """How loudly one item that a user liked speaks through its weights."""

    event: Event
    weight: float
    """δ · u_k, times the service's own ``scoring.fitted``."""


def source(item_id: str) -> int:
    """Return the sparse dimension of a source's learned weights."""
    return dimension(f"learned:{item_id}")


def reading(scoring: Scoring, rank_decay: float) -> Scoring:
    """Return the settings by which ``voices_of`` reads a ledger for learned weights: all of it, with a decay r."""
    return replace(scoring, rank_decay=rank_decay, recent=WINDOW, half_life_days=None)


class TogetherModel:
    """Frozen weights. Raises ``InvalidSetting`` for arrays that do not fit together, or are not finite."""

    def __init__(self, about: AboutTogether, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """*arrays*: those of ``DTYPES``; the sources of target n lie between its place in ``first`` and the next."""
        _check(about, arrays)
        self.about, self.arrays = about, arrays
        self._numbers: NDArray[np.uint64] = np.asarray(arrays["targets.number"], np.uint64)
        self._first: NDArray[np.int64] = np.asarray(arrays["targets.first"], np.int64)
        self._dims: Dimensions = np.asarray(arrays["sources.dimension"], np.uint32)
        self._values: Values = np.asarray(arrays["sources.weight"], np.float32)

    def of(self, item_id: str) -> tuple[Dimensions, Values]:
        """Return the dimensions and weights of an item as a target, shape (n,) each; none of one it never saw."""
        at = int(np.searchsorted(self._numbers, np.uint64(number(item_id))))
        if at == len(self._numbers) or int(self._numbers[at]) != number(item_id):
            return self._dims[:0], self._values[:0]
        span = slice(int(self._first[at]), int(self._first[at + 1]))
        return self._dims[span], self._values[span]

    def shares(self, events: Iterable[Event], scoring: Scoring, weights: Weights) -> tuple[Share, ...]:
        """Return how loudly each item of a ledger's events speaks, newest first; nothing where none is approved of."""
        loudness = self.about.weight * scoring.fitted
        if not loudness:
            return ()
        voices = voices_of(events, reading(scoring, self.about.rank_decay), weights)
        liked = [voice for voice in voices if voice.weight > 0.0]
        total = sum(voice.weight for voice in liked)
        return tuple(
            Share(voice.event, loudness * voice.weight / total) for voice in liked if voice.source is Source.ITEM
        )


def _check(about: AboutTogether, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    place = f"model {about.name}"
    for name, dtype in DTYPES.items():
        if name not in arrays or arrays[name].dtype != dtype or arrays[name].ndim != 1:
            raise InvalidSetting(f"{place}: {name} is missing or no row of {dtype.__name__}; train it again", FIELD)
    numbers, first = np.asarray(arrays["targets.number"]), np.asarray(arrays["targets.first"])
    dims, values = np.asarray(arrays["sources.dimension"]), np.asarray(arrays["sources.weight"])
    spans = len(first) == len(numbers) + 1 and first[0] == 0 and first[-1] == len(dims) == len(values)
    if not spans or np.any(first[1:] < first[:-1]) or np.any(numbers[1:] <= numbers[:-1]):
        raise InvalidSetting(f"{place}: its targets and sources do not fit together; train it again", FIELD)
    if np.any(dims < RESERVED) or not np.isfinite(values).all() or not np.isfinite(about.weight):
        raise InvalidSetting(f"{place}: some of its numbers are out of range; train it again", FIELD)
    if not 0.0 <= about.rank_decay <= 1.0:
        raise InvalidSetting(f"{place}: rank_decay {about.rank_decay} is not within 0 and 1; train it again", FIELD)

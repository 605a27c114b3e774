"""Ranking metrics over full rankings, and bootstrap intervals that resample users."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1_000
SEED = 20_260_101


def ranks(scores: NDArray[np.float32], targets: NDArray[np.int64]) -> Floats:
    """Return the rank of every target, from 0, among *scores*, shape (items,); ties share their middle rank."""
    own = scores[targets][:, None]
    above, level = (scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1
    return np.asarray(above + level / 2.0, np.float64)


def recall(found: Floats, size: int) -> float:
    """Return the part of the targets, by their ranks from 0, that a list of *size* shows."""
    return float((found < size).mean())


def ndcg(found: Floats, size: int) -> float:
    """Return the discounted gain of the targets, by their ranks from 0, against that of the best list of *size*."""
    gain = (1.0 / np.log2(found[found < size] + 2.0)).sum()
    return float(gain / (1.0 / np.log2(np.arange(min(len(found), size)) + 2.0)).sum())


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap(values: Floats, groups: NDArray[np.int64], seed: int = SEED, resamples: int = RESAMPLES) -> Estimate:
    """Return the mean of *values* with its 95 % interval over resampled *groups* (users), which may hold several."""
    _, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, values), np.bincount(group).astype(np.float64)
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    for turn in range(resamples):
        chosen = np.bincount(random.integers(0, len(sums), len(sums)), minlength=len(sums))
        means[turn] = (chosen @ sums) / (chosen @ sizes)
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high))

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


def hit(found: Floats, size: int) -> float:
    """Return 1 where a list of *size* shows any of the targets, by their ranks from 0; else 0."""
    return float((found < size).any())


def every(found: Floats, size: int) -> float:
    """Return 1 where a list of *size* shows all of the targets, by their ranks from 0; else 0."""
    return float((found < size).all())


def ndcg(found: Floats, size: int) -> float:
    """Return the discounted gain of the targets, by their ranks from 0, against that of the best list of *size*."""
    gain = (1.0 / np.log2(found[found < size] + 2.0)).sum()
    return float(gain / (1.0 / np.log2(np.arange(min(len(found), size)) + 2.0)).sum())


def mrr(found: Floats, size: int) -> float:
    """Return one over the place, from 1, of the first target in a list of *size*; 0 where it shows none."""
    first = float(found.min())
    return 1.0 / (first + 1.0) if first < size else 0.0


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """Means of several columns of values, over resampled groups: the same for all, so columns can be compared."""

    means: Floats
    """Shape (columns,)."""
    samples: Floats
    """Shape (resamples, columns)."""

    def estimate(self, column: int) -> Estimate:
        """Return a column's mean with its interval."""
        low, high = np.quantile(self.samples[:, column], (0.025, 0.975))
        return Estimate(float(self.means[column]), float(low), float(high))

    def difference(self, column: int, other: int) -> Estimate:
        """Return by how much a column's mean is above another's."""
        low, high = np.quantile(self.samples[:, column] - self.samples[:, other], (0.025, 0.975))
        return Estimate(float(self.means[column] - self.means[other]), float(low), float(high))

    def ratio(self, column: int, other: int) -> Estimate:
        """Return a column's mean over another's, which must not be 0 in any draw."""
        low, high = np.quantile(self.samples[:, column] / self.samples[:, other], (0.025, 0.975))
        return Estimate(float(self.means[column] / self.means[other]), float(low), float(high))


def bootstrap(values: Floats, groups: NDArray[np.int64], seed: int = SEED, resamples: int = RESAMPLES) -> Bootstrap:
    """Resample *groups* (users), which may hold several rows of *values*, shape (rows, columns) or (rows,)."""
    table = values.reshape(len(values), -1).astype(np.float64)
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group).astype(np.float64)
    sums = np.stack([np.bincount(group, column) for column in table.T])
    random = np.random.default_rng(seed)
    samples = np.empty((resamples, table.shape[1]))
    for turn in range(resamples):
        chosen = np.bincount(random.integers(0, len(sizes), len(sizes)), minlength=len(sizes)).astype(np.float64)
        # Row by row, where a matrix product would add equal columns up in different orders.
        samples[turn] = (sums * chosen).sum(axis=1) / (sizes @ chosen)
    return Bootstrap(table.mean(axis=0), samples)

"""Simple models that get the same events: popularity, item–item co-occurrence, and a linear autoencoder."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.tuning import DAY
from scipy.linalg import lapack

from penchant_relevance.asks import Ask
from penchant_relevance.counting import Floats32, PairCounts
from penchant_relevance.log import Indices

DENSE_ITEMS = 15_000
"""Items up to which baselines may keep a dense (items, items) array: 900 MB."""


def histories(asks: Sequence[Ask], n_items: int) -> sp.csr_matrix:
    """Return 1 where a user approved of an item, shape (asks, items)."""
    liked = [np.unique(ask.items) for ask in asks]
    columns = np.concatenate(liked)
    ends = np.cumsum([0, *map(len, liked)])
    return sp.csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape=(len(asks), n_items))


def interactions(items: Indices, users: Indices, n_items: int) -> sp.csr_matrix:
    """Return 1 where a user approved of an item, shape (users, items)."""
    matrix = sp.csr_matrix(
        (np.ones(len(items), np.float32), (users, items)), shape=(int(users.max(initial=-1)) + 1, n_items)
    )
    matrix.data[:] = 1.0
    return matrix


@dataclass(frozen=True)
class Popularity:
    """Everybody gets what most users approved of."""

    counts: PairCounts

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items)."""
        return np.repeat(self.counts.visits[None, :], len(asks), axis=0)


class RecentPopularity:
    """Everybody gets what users approved of lately: visits that halve in *half_life_days*."""

    def __init__(self, n_items: int, half_life_days: float) -> None:
        self._rate = 1.0 / (half_life_days * DAY)
        self._visits = np.zeros(n_items, np.float64)
        self._now = 0

    def learn(self, item: int, time: int) -> None:
        """Learn from an approving event."""
        if time > self._now:
            self._visits *= 2.0 ** (-self._rate * (time - self._now))
            self._now = time
        self._visits[item] += 1.0

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items)."""
        return np.repeat(self._visits[None, :].astype(np.float32), len(asks), axis=0)


@dataclass
class ItemKnn:
    """Items that share users with those of the history: cosine of co-occurrence, summed over the history."""

    together: Any
    """Users of both, shape (items, items), the diagonal 0: dense or sparse."""
    users: Floats32
    """Users of each item, shape (items,)."""

    @staticmethod
    def fitted(matrix: sp.csr_matrix) -> "ItemKnn":
        """Learn from all users at once."""
        together = (matrix.T @ matrix).tocsr()
        users = together.diagonal()
        together.setdiag(0.0)
        return ItemKnn(together, users)

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items)."""
        scale = np.maximum(self.users, 1.0) ** -0.5
        found: Any = (histories(asks, len(scale)) @ sp.diags(scale)).tocsr() @ self.together
        rows: NDArray[np.float32] = found if isinstance(found, np.ndarray) else found.toarray()
        return np.asarray(rows * scale, np.float32)


class LiveItemKnn(ItemKnn):
    """The same, learning one event after the other; for up to ``DENSE_ITEMS``."""

    def __init__(self, n_items: int) -> None:
        super().__init__(np.zeros((n_items, n_items), np.float32), np.zeros(n_items, np.float32))
        self._liked: dict[int, list[int]] = defaultdict(list)

    def learn(self, user: int, item: int) -> None:
        """Learn from a user's newest approving event."""
        liked = self._liked[user]
        if item in liked:
            return
        self.together[item, liked] += 1.0
        self.together[liked, item] += 1.0
        self.users[item] += 1.0
        liked.append(item)


@dataclass(frozen=True)
class Ease:
    """Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data": the best linear item–item weights."""

    weights: Floats32
    """Shape (items, items), the diagonal 0."""

    @staticmethod
    def fitted(matrix: sp.csr_matrix, penalty: float) -> "Ease":
        """Learn from all users at once; *penalty* is λ. Takes memory of three dense (items, items) arrays."""
        gram = np.asfortranarray((matrix.T @ matrix).toarray())
        gram[np.diag_indices_from(gram)] += np.float32(penalty)
        factor, problem = lapack.spotrf(gram, lower=1, overwrite_a=1)
        half, trouble = lapack.spotri(factor, lower=1, overwrite_c=1)
        if problem or trouble:
            raise ArithmeticError(f"the co-occurrence with λ = {penalty} has no inverse; take a larger λ")
        inverse = np.tril(half) + np.tril(half, -1).T
        weights = inverse / -np.diag(inverse)
        weights[np.diag_indices_from(weights)] = 0.0
        return Ease(np.ascontiguousarray(weights, np.float32))

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items)."""
        return np.asarray(histories(asks, len(self.weights)) @ self.weights, np.float32)

"""The counts behind the score for whole data sets: all paths at once, or live, event by event, over dense rows.

Both give what ``penchant_core.covisitation`` and ``penchant_core.counts`` give; a test compares them.
"""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.counts import dimension
from penchant_core.covisitation import aged
from penchant_core.ledger import CAPACITY
from penchant_core.tuning import Covisitation

from penchant_bench.quality.datasets import Indices

Floats32 = NDArray[np.float32]


@dataclass
class PairCounts:
    """The counts of all items."""

    pairs: Any
    """c, shape (source, target): a dense array or a sparse matrix, float32."""
    out: Floats32
    """n, shape (items,)."""
    visits: Floats32
    """v, shape (items,)."""


def dense(matrix: Any) -> Floats32:
    """Return a product of the counts as an array, whichever way they are kept."""
    rows: Floats32 = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    return rows


def counted(items: Indices, users: Indices, times: Indices, n_items: int, settings: Covisitation) -> PairCounts:
    """Count all paths at once; *items*, *users*, *times* are approving events, user by user, oldest first.

    An item that a user comes to again counts the first time only.
    """
    _, first = np.unique(users * n_items + items, return_index=True)
    first.sort()
    items, users, times = items[first], users[first], times[first]
    weight = np.array([aged(int(time), settings) for time in times]) if settings.half_life_days else np.ones(len(items))
    shape = (n_items, n_items)
    pairs = sp.csr_matrix(shape, dtype=np.float64)
    for step in range(1, settings.reach + 1):
        same = users[step:] == users[:-step]
        source, target = items[:-step][same], items[step:][same]
        strength = weight[step:][same] * settings.step_decay ** (step - 1)
        ahead = sp.csr_matrix((strength, (source, target)), shape=shape)
        pairs = pairs + ahead
        if step <= settings.reverse_reach:
            pairs = pairs + ahead.T * settings.reverse
    out = np.asarray(pairs.sum(axis=1)).ravel()
    visits = np.bincount(items, weight, minlength=n_items)
    return PairCounts(_strongest(pairs, settings.width), out.astype(np.float32), visits.astype(np.float32))


def _strongest(pairs: sp.csr_matrix, width: int) -> sp.csr_matrix:
    """Keep the *width* strongest sources of every target."""
    columns = pairs.tocsc()
    for target in np.flatnonzero(np.diff(columns.indptr) > width):
        span = slice(columns.indptr[target], columns.indptr[target + 1])
        values = columns.data[span]
        values[np.argsort(-values, kind="stable")[width:]] = 0.0
    columns.eliminate_zeros()
    return columns.tocsr().astype(np.float32)


class LiveCounts(PairCounts):
    """Counts that learn one event after the other, as the service does."""

    def __init__(self, item_ids: list[str], settings: Covisitation) -> None:
        n_items = len(item_ids)
        super().__init__(
            np.zeros((n_items, n_items), np.float32), np.zeros(n_items, np.float32), np.zeros(n_items, np.float32)
        )
        self._settings = settings
        self._ledgers: dict[int, deque[tuple[int, bool]]] = defaultdict(lambda: deque(maxlen=CAPACITY))
        self._kept: list[dict[int, float]] = [{} for _ in item_ids]
        self._dimensions = [dimension(item_id) for item_id in item_ids]

    def learn(self, user: int, item: int, time: int, *, approving: bool) -> None:
        """Learn from a user's newest event."""
        ledger = self._ledgers[user]
        path = list(dict.fromkeys(item for item, liked in ledger if liked))
        ledger.append((item, approving))
        if not approving or item in path:
            return
        weight = aged(time, self._settings)
        self.visits[item] += weight
        for step, source in enumerate(reversed(path[-self._settings.reach :])):
            self._add(source, item, weight)
            if self._settings.reverse and step < self._settings.reverse_reach:
                self._add(item, source, weight * self._settings.reverse)
            weight *= self._settings.step_decay

    def _add(self, source: int, target: int, weight: float) -> None:
        self.out[source] += weight
        kept = self._kept[target]
        kept[source] = kept.get(source, 0.0) + weight
        self.pairs[source, target] = kept[source]
        if len(kept) > self._settings.width:
            weakest = min(kept, key=lambda one: (kept[one], -self._dimensions[one]))
            del kept[weakest]
            self.pairs[weakest, target] = 0.0

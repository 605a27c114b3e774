"""The counts behind the score for whole logs: all paths at once, or live, event by event.

Both give what ``penchant_core.covisitation`` and ``penchant_core.counts`` give; a test compares them.
"""

from collections import defaultdict, deque
from copy import copy
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.counts import dimension
from penchant_core.covisitation import aged
from penchant_core.ledger import CAPACITY
from penchant_core.tuning import Covisitation

from penchant_relevance.log import Indices

Floats32 = NDArray[np.float32]


class PairCounts(Protocol):
    """The counts of all items."""

    @property
    def out(self) -> Floats32:
        """n, shape (items,)."""

    @property
    def visits(self) -> Floats32:
        """v, shape (items,)."""

    def flow(self, sources: sp.csr_matrix) -> Floats32:
        """Return Σ_k w_k · c_ki for rows of weighted sources: shape (rows, items) from (rows, items)."""

    def into(self, target: int) -> tuple[Indices, Floats32]:
        """Return the sources k of one target i, and c_ki, shape (n,) each."""


class CountsAtOnce:
    """Counts of a log that goes no further.

    *items*, *users*, *times* are approving events, user by user, oldest first. An item that a user comes to again
    counts the first time only.
    """

    def __init__(self, items: Indices, users: Indices, times: Indices, n_items: int, settings: Covisitation) -> None:
        _, first = np.unique(users * n_items + items, return_index=True)
        first.sort()
        items, users, times = items[first], users[first], times[first]
        ages = settings.half_life_days is not None
        weight = np.array([aged(int(time), settings) for time in times]) if ages else np.ones(len(items))
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
        self.out: Floats32 = np.asarray(pairs.sum(axis=1)).ravel().astype(np.float32)
        self.visits: Floats32 = np.bincount(items, weight, minlength=n_items).astype(np.float32)
        self.pairs = _strongest(pairs, settings.width)
        """c, shape (source, target)."""

    def flow(self, sources: sp.csr_matrix) -> Floats32:
        """Return Σ_k w_k · c_ki; see ``PairCounts``."""
        found: Floats32 = (sources @ self.pairs).toarray()
        return found

    def into(self, target: int) -> tuple[Indices, Floats32]:
        """Return the sources of one target; see ``PairCounts``."""
        column = self.pairs[:, [target]].tocoo()
        return column.row.astype(np.int64), column.data


def _strongest(pairs: sp.csr_matrix, width: int) -> sp.csr_matrix:
    """Keep the *width* strongest sources of every target."""
    columns = pairs.tocsc()
    for target in np.flatnonzero(np.diff(columns.indptr) > width):
        span = slice(columns.indptr[target], columns.indptr[target + 1])
        values = columns.data[span]
        values[np.argsort(-values, kind="stable")[width:]] = 0.0
    columns.eliminate_zeros()
    return columns.tocsr().astype(np.float32)


class LiveCounts:
    """Counts that learn one event after the other, as the service does."""

    def __init__(self, item_ids: list[str], settings: Covisitation) -> None:
        self.out: Floats32 = np.zeros(len(item_ids), np.float32)
        self.visits: Floats32 = np.zeros(len(item_ids), np.float32)
        self._settings = settings
        self._ledgers: dict[int, deque[tuple[int, bool]]] = defaultdict(lambda: deque(maxlen=CAPACITY))
        self._of_target: list[dict[int, float]] = [{} for _ in item_ids]
        self._of_source: list[dict[int, float]] = [{} for _ in item_ids]
        self._dimensions = [dimension(item_id) for item_id in item_ids]
        self._rows: dict[int, tuple[Indices, Floats32]] = {}
        """Source → targets and counts as arrays, until it changes."""

    def learn(self, user: int, item: int, time: int, *, approving: bool) -> None:
        """Learn from a user's newest event; *item* is −1 for words alone, which fill a place of the ledger too."""
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
                self._cut(source)
            weight *= self._settings.step_decay
        # Only now: a weak source may have grown by this very event.
        self._cut(item)

    def __deepcopy__(self, _: dict[int, object]) -> "LiveCounts":
        """Return counts that go on from here on their own; without this, copying would look at every number twice."""
        twin = copy(self)
        twin.out, twin.visits = self.out.copy(), self.visits.copy()
        twin._ledgers = self._ledgers.copy()  # noqa: SLF001 our own
        twin._ledgers.update((user, ledger.copy()) for user, ledger in self._ledgers.items())  # noqa: SLF001
        twin._of_target = [kept.copy() for kept in self._of_target]  # noqa: SLF001
        twin._of_source = [kept.copy() for kept in self._of_source]  # noqa: SLF001
        twin._rows = self._rows.copy()  # noqa: SLF001
        return twin

    def flow(self, sources: sp.csr_matrix) -> Floats32:
        """Return Σ_k w_k · c_ki; see ``PairCounts``."""
        found = np.zeros(sources.shape, np.float32)
        for row in range(sources.shape[0]):
            span = slice(sources.indptr[row], sources.indptr[row + 1])
            for source, weight in zip(sources.indices[span], sources.data[span], strict=True):
                targets, values = self._row(int(source))
                found[row, targets] += weight * values
        return found

    def into(self, target: int) -> tuple[Indices, Floats32]:
        """Return the sources of one target; see ``PairCounts``."""
        kept = self._of_target[target]
        return np.fromiter(kept.keys(), np.int64, len(kept)), np.fromiter(kept.values(), np.float32, len(kept))

    def _row(self, source: int) -> tuple[Indices, Floats32]:
        if source not in self._rows:
            targets = self._of_source[source]
            self._rows[source] = (
                np.fromiter(targets.keys(), np.int64, len(targets)),
                np.fromiter(targets.values(), np.float32, len(targets)),
            )
        return self._rows[source]

    def _add(self, source: int, target: int, weight: float) -> None:
        self.out[source] += weight
        self._rows.pop(source, None)
        kept = self._of_target[target]
        kept[source] = self._of_source[source][target] = kept.get(source, 0.0) + weight

    def _cut(self, target: int) -> None:
        kept = self._of_target[target]
        while len(kept) > self._settings.width:
            # One key after the other: most often there is one least count, and it is found without asking each source.
            least = min(kept.values())
            weakest = max((one for one, count in kept.items() if count == least), key=self._dimensions.__getitem__)
            del kept[weakest], self._of_source[weakest][target]
            self._rows.pop(weakest, None)

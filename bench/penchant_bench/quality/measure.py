"""Runs models over a protocol's asks and sums up what their lists were worth."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penchant_bench.quality.datasets import Indices
from penchant_bench.quality.metrics import bootstrap, ndcg, ranks, recall
from penchant_bench.quality.protocols import Asked, blocks
from penchant_bench.quality.scoring import Ask


class Model(Protocol):
    """Scores items."""

    def scores(self, asks: Sequence[Ask]) -> NDArray[np.float32]:
        """Return the score of every item, shape (asks, items); asks of one call share the moment of the counts."""


@dataclass(frozen=True)
class Measure:
    """What is asked of a list."""

    name: str
    size: int
    """Items of the list."""

    def of(self, found: NDArray[np.float64]) -> float:
        """Return what a full ranking is worth, by the ranks of its targets from 0."""
        return (ndcg if self.name.startswith("NDCG") else recall)(found, self.size)


MEASURES: Mapping[str, tuple[Measure, ...]] = {
    "amazon_beauty": (Measure("NDCG@10", 10), Measure("Recall@10", 10)),
    "movielens_small": (Measure("NDCG@10", 10), Measure("Recall@20", 20)),
    "online_retail": (Measure("NDCG@20", 20), Measure("Recall@20", 20)),
}


@dataclass
class Outcome:
    """What one model's lists were worth, ask by ask."""

    measures: tuple[Measure, ...]
    users: list[int] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)
    """Items that came up in any list of 10."""

    def add(self, user: int, found: NDArray[np.float64], shown: Iterable[int]) -> None:
        """Add an ask: the ranks of its targets from 0, and the first 10 items of its list."""
        self.users.append(user)
        self.values.append([measure.of(found) for measure in self.measures])
        self.shown.update(shown)

    def figures(self, n_items: int) -> dict[str, Any]:
        """Return every measure with its interval, the coverage, and the number of asks and users."""
        values, users = np.array(self.values), np.array(self.users)
        estimates = {m.name: asdict(bootstrap(values[:, at], users)) for at, m in enumerate(self.measures)}
        counts = {"asks": len(users), "users": len(np.unique(users))}
        return {**estimates, "coverage@10": len(self.shown) / n_items, **counts}


def measured(
    asked: Asked,
    models: Mapping[str, Model],
    learn: Callable[[Indices], None],
    progress: Callable[[int], None],
) -> dict[str, Outcome]:
    """Ask every model everything; *learn* gets the events in between, *progress* hears how many asks are done."""
    outcomes = {name: Outcome(MEASURES[asked.data.name]) for name in models}
    done = 0
    for asks in blocks(asked):
        if not isinstance(asks, list):
            learn(asks)
            continue
        for name, model in models.items():
            for ask, scores in zip(asks, model.scores(asks), strict=True):
                scores[ask.seen] = -np.inf
                outcomes[name].add(ask.user, ranks(scores, ask.targets), np.argpartition(-scores, 10)[:10].tolist())
        done += len(asks)
        progress(done)
    return outcomes

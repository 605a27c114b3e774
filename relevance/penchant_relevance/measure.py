"""Runs models over asks and sums up what their lists were worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penchant_relevance.asks import Ask, Asks
from penchant_relevance.log import Indices
from penchant_relevance.metrics import bootstrap, every, hit, mrr, ndcg, ranks, recall

SHOWN = 10
"""Items of a list that coverage, novelty and diversity look at."""
NEW_ITEM = 5
"""Users who came to an item before it counts as known."""
SLICE_RESAMPLES = 300
HISTORIES = {
    "0": (0, 0),
    "1": (1, 1),
    "2": (2, 2),
    "3–5": (3, 5),
    "6–10": (6, 10),
    "11–50": (11, 50),
    "51+": (51, 10**9),
}
"""Slices by the number of events that are known of a user: first and last."""


class Model(Protocol):
    """Scores items."""

    def scores(self, asks: Sequence[Ask]) -> NDArray[np.float32]:
        """Return the score of every item, shape (asks, items); asks of one call share the moment of the counts."""


@dataclass(frozen=True)
class Measure:
    """What is asked of a list."""

    name: str
    """Kind and size: NDCG@10, Recall@20, MRR@10."""

    def of(self, found: NDArray[np.float64]) -> float:
        """Return what a full ranking is worth, by the ranks of its targets from 0."""
        return _KINDS[self.name.partition("@")[0]](found, self.size)

    @property
    def size(self) -> int:
        """Items of the list."""
        return int(self.name.partition("@")[2])


_KINDS = {"NDCG": ndcg, "Recall": recall, "HR": hit, "All": every, "MRR": mrr}


@dataclass(frozen=True)
class Look:
    """What lists are looked at with besides their targets."""

    visits: Callable[[], NDArray[np.float32]]
    """Users who came to each item so far, shape (items,)."""
    vectors: NDArray[np.float32]
    """Of the items, shape (items, dim), unit rows."""


@dataclass
class Outcome:
    """What one model's lists were worth, ask by ask."""

    measures: tuple[Measure, ...]
    users: list[int] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)
    """Items that came up in any list of ``SHOWN``."""
    known: list[int] = field(default_factory=list)
    """Events known of the user who asked."""
    newest: list[bool] = field(default_factory=list)
    """Whether all targets were new items."""
    novelty: list[float] = field(default_factory=list)
    """Mean of −log₂ of the shown items' part of all visits, in bits."""
    diversity: list[float] = field(default_factory=list)
    """Mean of 1 − cosine over the pairs of shown items."""
    fresh: list[float] = field(default_factory=list)
    """Part of the shown items that are new ones."""

    def add(self, ask: Ask, found: NDArray[np.float64], shown: Sequence[int], look: Look | None = None) -> None:
        """Add an ask: the ranks of its targets from 0, and the first items of its list."""
        self.users.append(ask.user)
        self.values.append([measure.of(found) for measure in self.measures])
        self.shown.update(shown)
        if look is None:
            return
        visits = look.visits()
        self.known.append(len(ask.past))
        self.newest.append(bool((visits[ask.targets] < NEW_ITEM).all()))
        if shown:
            part = (visits[list(shown)] + 1.0) / (visits.sum() + len(visits))
            self.novelty.append(float(-np.log2(part).mean()))
            self.fresh.append(float((visits[list(shown)] < NEW_ITEM).mean()))
        if len(shown) > 1:
            rows = look.vectors[list(shown)]
            count = len(shown)
            self.diversity.append(float(1.0 - ((rows @ rows.T).sum() - count) / (count * (count - 1))))

    def looks(self) -> dict[str, float]:
        """Return novelty, diversity and the part of new items, where lists were looked at."""
        looked = {"novelty": self.novelty, "diversity": self.diversity, "new": self.fresh}
        return {f"{name}@{SHOWN}": float(np.mean(values)) for name, values in looked.items() if values}


def figures(outcomes: Mapping[str, Outcome], n_items: int, ours: str) -> dict[str, Any]:
    """Return by model: every measure with its 95 % interval and its lead of *ours*, coverage and the other looks."""
    first = next(iter(outcomes.values()))
    users, names = np.array(first.users), [measure.name for measure in first.measures]
    # Columns: model by model, measure by measure.
    table = np.concatenate([np.array(outcome.values) for outcome in outcomes.values()], axis=1)
    whole = bootstrap(table, users)
    sliced = {name: (chosen, bootstrap(table[chosen], users[chosen], resamples=SLICE_RESAMPLES))
              for name, chosen in _slices(first).items() if chosen.any()}  # fmt: skip
    own = list(outcomes).index(ours) * len(names)
    found: dict[str, dict[str, Any]] = {}
    for position, (model, outcome) in enumerate(outcomes.items()):
        columns = {name: position * len(names) + at for at, name in enumerate(names)}
        found[model] = {name: asdict(whole.estimate(column)) for name, column in columns.items()}
        found[model] |= {"asks": len(users), "users": len(np.unique(users))}
        found[model] |= {f"coverage@{SHOWN}": len(outcome.shown) / n_items, **outcome.looks()}
        if model != ours:
            found[model]["behind"] = {
                name: asdict(whole.difference(own + at, columns[name])) for at, name in enumerate(names)
            }
        found[model]["slices"] = {
            name: {"asks": int(chosen.sum()), **{m: asdict(part.estimate(column)) for m, column in columns.items()}}
            for name, (chosen, part) in sliced.items()
        }
    return found


def _slices(outcome: Outcome) -> dict[str, NDArray[np.bool_]]:
    known, newest = np.array(outcome.known), np.array(outcome.newest, np.bool_)
    if not len(known):
        return {}
    slices = {f"{name} events known": (known >= first) & (known <= last) for name, (first, last) in HISTORIES.items()}
    return slices | {"new items": newest, "known items": ~newest}


def measured(
    asks: Asks,
    models: Mapping[str, Model],
    measures: tuple[Measure, ...],
    learn: Callable[[Indices], None],
    progress: Callable[[int], None],
    look: Look | None = None,
) -> dict[str, Outcome]:
    """Ask every model everything; *learn* gets the events in between, *progress* hears how many asks are done."""
    outcomes = {name: Outcome(measures) for name in models}
    done = 0
    for block in asks.blocks():
        if not isinstance(block, list):
            learn(block)
            continue
        for name, model in models.items():
            for ask, scores in zip(block, model.scores(block), strict=True):
                scores[ask.seen] = -np.inf
                outcomes[name].add(ask, ranks(scores, ask.targets), best(scores, SHOWN), look)
        done += len(block)
        progress(done)
    return outcomes


def worths(model: Model, asks: Sequence[Ask], measure: Measure) -> list[float]:
    """Return what a model's lists are worth, ask by ask; all are scored at once."""
    found = []
    for ask, scores in zip(asks, model.scores(asks), strict=True):
        scores[ask.seen] = -np.inf
        found.append(measure.of(ranks(scores, ask.targets)))
    return found


def best(scores: NDArray[np.float32], count: int) -> list[int]:
    """Return up to *count* items with the greatest scores, best first; of equal scores the first items, never −∞."""
    # Of items level with the last one a partition keeps any; so all of them are sorted.
    least = np.partition(scores, -count)[-count] if len(scores) > count else -np.inf
    top = np.flatnonzero((scores >= least) & (scores > -np.inf))
    found: list[int] = top[np.argsort(-scores[top], kind="stable")][:count].tolist()
    return found

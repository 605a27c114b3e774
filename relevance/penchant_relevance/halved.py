"""The asks of a validation window in two halves of its users: one searches, the other judges what was found."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from penchant_core.errors import InvalidSetting

from penchant_relevance.asks import Ask, Asks
from penchant_relevance.counting import Floats32
from penchant_relevance.evaluation import Learners
from penchant_relevance.measure import Measure, Model, worths
from penchant_relevance.metrics import SEED, Bootstrap, bootstrap, ranks
from penchant_relevance.tune import halves

MOST_ASKS, MOST_SCORES = 3_000, 50_000_000
"""Asks that search, and scores kept of them, 4 bytes each: of more asks, as many are drawn."""
MOST_JUDGES = 10_000
"""Asks that judge."""


@dataclass(frozen=True)
class Sample:
    """Asks with the score that ships, at their moment."""

    asks: list[Ask]
    scores: Floats32
    """Shape (asks, items)."""

    def worth(self, scores: Floats32, measure: Measure) -> float:
        """Return the mean of a measure with *scores*, shape (asks, items), in place of their own."""
        found = []
        for ask, row in zip(self.asks, scores, strict=True):
            shown = row.copy()
            shown[ask.seen] = -np.inf
            found.append(measure.of(ranks(shown, ask.targets)))
        return float(np.mean(found))


def halved(asks: Asks) -> tuple[set[int], set[int]]:
    """Return the numbers of asks that search and of those that judge, as many as are wanted of each.

    Raises ``InvalidSetting`` where nobody asks.
    """
    if not asks.size():
        raise InvalidSetting("nobody turns to a new item in the validation window; the log is too short", "events")
    users = np.array([step.user for step in asks.steps() if isinstance(step, Ask)])
    random = np.random.default_rng(SEED)
    n_items = len(asks.log.items)
    mosts = min(MOST_ASKS, max(200, MOST_SCORES // n_items)), MOST_JUDGES
    found = []
    for half, most in zip(halves(asks.log, users), mosts, strict=True):
        there = np.flatnonzero(half)
        found.append(set(random.choice(there, min(len(there), most), replace=False).tolist()))
    return found[0], found[1]


def sampled(asks: Asks, wanted: set[int], learners: Learners, model: Model) -> Sample:
    """Return the asks of these numbers with the scores of *model*, which reads what *learners* count."""
    blocks = [(block, model.scores(block)) for block in _blocks(asks, wanted, learners)]
    return Sample([ask for block, _ in blocks for ask in block], np.concatenate([scores for _, scores in blocks]))


@dataclass(frozen=True)
class Verdict:
    """What the judging half says of the score with something learnt beside it."""

    measure: str
    default: float
    """Mean of the measure without it."""
    mixed: float
    """With it."""
    lead: dict[str, float]
    """Of the second over the first: mean, low and high of its 95 % interval, paired."""
    halves: tuple[int, int]
    """Asks that searched and asks that judged."""

    @property
    def better(self) -> bool:
        """Tell whether it gains something; what has no weight gains nothing."""
        return self.lead["mean"] > 0.0

    @property
    def clear(self) -> bool:
        """Tell whether that is more than chance."""
        return self.better and self.lead["low"] > 0.0

    def figures(self) -> dict[str, Any]:
        """Return all of it as it is written."""
        return asdict(self) | {"better": self.better, "clear": self.clear}


def judged(
    asks: Asks, halves: tuple[set[int], set[int]], learners: Learners, both: tuple[Model, Model], measure: Measure
) -> Verdict:
    """Return what the score without and the score with something learnt are worth on the asks that judge."""
    searching, judging = halves
    found = worth(asks, judging, learners, both, measure)
    return Verdict(
        measure=measure.name,
        default=float(found.means[0]),
        mixed=float(found.means[1]),
        lead=asdict(found.difference(1, 0)),
        halves=(len(searching), len(judging)),
    )


def worth(asks: Asks, wanted: set[int], learners: Learners, models: Sequence[Model], measure: Measure) -> Bootstrap:
    """Return what models, a column each, are worth on the asks of these numbers; they read what *learners* count."""
    users: list[int] = []
    values: list[list[float]] = []
    for block in _blocks(asks, wanted, learners):
        users += [ask.user for ask in block]
        values += np.array([worths(model, block, measure) for model in models]).T.tolist()
    return bootstrap(np.array(values), np.array(users))


def _blocks(asks: Asks, wanted: set[int], learners: Learners) -> Iterator[list[Ask]]:
    """Yield the asks of these numbers, with everything learnt that is known at their moment."""
    number = 0
    for block in asks.blocks():
        if not isinstance(block, list):
            learners.learn(block)
            continue
        if part := [ask for position, ask in enumerate(block, number) if position in wanted]:
            yield part
        number += len(block)

"""How each data set is asked: the last item of every user, or a replay in which everybody asks before they act.

Both are steps: an ask, or events to learn from before the next ask.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from penchant_core.tuning import Weights

from penchant_bench.quality.datasets import DataSet, Indices
from penchant_bench.quality.scoring import Ask

BLOCK = 512
LIKED_STARS = 4.0
"""Ratings from here on are targets."""


@dataclass(frozen=True)
class LastItem:
    """Every user's last item but *held_out* − 1 is the target; counts do not see the last *unseen* items of anybody."""

    data: DataSet
    weights: NDArray[np.float64]
    """Of the events."""
    held_out: int = 1
    unseen: int = 1

    def before(self) -> Indices:
        """Return the positions of the events that models may see, user by user, oldest first."""
        return np.concatenate([steps[: len(steps) - self.unseen] for steps in self.data.sequences])

    def size(self) -> int:
        """Return the number of asks."""
        return len(self.data.users)

    def steps(self) -> Iterator[Ask | Indices]:
        """Yield what models may see, then all asks."""
        yield self.before()
        for steps in self.data.sequences:
            at = len(steps) - self.held_out
            yield _ask(self.data, self.weights, steps[:at], steps[at : at + 1])


@dataclass(frozen=True)
class Replay:
    """All events in the order of their time; in the window, users ask before each basket, and it is learnt then.

    Targets are the liked items of the basket that the user has not met; a basket without one does not ask.
    """

    data: DataSet
    weights: NDArray[np.float64]
    """Of the events."""
    start: float = 0.9
    """Quantile of the events' time at which the window begins, 0–1."""
    stop: float = 1.0

    def before(self) -> Indices:
        """Return the positions of the events before the window."""
        return np.flatnonzero(self.data.time <= np.quantile(self.data.time, self.start))

    def size(self) -> int:
        """Return the number of asks."""
        return sum(isinstance(step, Ask) for step in self.steps())

    def steps(self) -> Iterator[Ask | Indices]:
        """Yield an ask, then the events that happen until the next one, and so on."""
        data = self.data
        start, stop = np.quantile(data.time, (self.start, self.stop))
        past: list[list[int]] = [[] for _ in data.users]
        new: list[int] = []
        for basket in self._baskets():
            user, time = int(data.user[basket[0]]), int(data.time[basket[0]])
            if time > stop:
                return
            targets = self._targets(basket, past[user]) if time > start else []
            if targets:
                yield np.array(new, np.int64)
                yield _ask(data, self.weights, np.array(past[user], np.int64), np.array(targets))
                new = []
            past[user] += basket
            new += basket

    def _targets(self, basket: Sequence[int], past: Sequence[int]) -> list[int]:
        met = set(self.data.item[past].tolist())
        return [position for position in basket if self._liked(position) and self.data.item[position] not in met]

    def _liked(self, position: int) -> bool:
        return self.data.value is None or bool(self.data.value[position] >= LIKED_STARS)

    def _baskets(self) -> Iterator[list[int]]:
        basket = self.data.basket
        for _, positions in groupby(range(len(self.data)), key=lambda p: p if basket is None else int(basket[p])):
            yield list(positions)


def _ask(data: DataSet, weights: NDArray[np.float64], past: Indices, targets: Indices) -> Ask:
    return Ask(
        user=int(data.user[targets[0]]),
        items=data.item[past],
        weights=weights[past],
        times=data.time[past],
        targets=np.unique(data.item[targets]),
        now=int(data.time[targets[0]]),
    )


Asked = LastItem | Replay


def blocks(asked: Asked) -> Iterator[list[Ask] | Indices]:
    """Yield events to learn from, and blocks of asks between which nothing is learnt."""
    waiting: list[Ask] = []
    for step in asked.steps():
        if isinstance(step, Ask):
            waiting.append(step)
        if waiting and (not isinstance(step, Ask) or len(waiting) == BLOCK):
            yield waiting
            waiting = []
        if not isinstance(step, Ask):
            yield step
    if waiting:
        yield waiting


def variants(data: DataSet, *, validation: bool = False) -> dict[str, Asked]:
    """Return the ways in which a data set is asked, for the test or for choosing settings; the first is the main one.

    ``live``: the counts see everything before the target. ``frozen``: not the step before it either.
    """
    weights = data.weights(Weights())
    if data.name == "amazon_beauty":
        held_out = 2 if validation else 1
        frozen = LastItem(data, weights, held_out, unseen=held_out + 1)
        return {"live": LastItem(data, weights, held_out, unseen=held_out), "frozen": frozen}
    return {"replay": Replay(data, weights, *((0.8, 0.9) if validation else (0.9, 1.0)))}

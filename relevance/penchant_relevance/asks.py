"""What is asked of models, and when: the last item of every user, or a replay in which everybody asks before they act.

Both are steps: an ask, or events to learn from before the next ask.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from penchant_core.ledger import CAPACITY, WINDOW
from penchant_core.model import Event
from penchant_core.tuning import Weights

from penchant_relevance.log import Indices, Log

BLOCK = 512
"""Asks that are scored at once."""
LIKED = 0.5
"""Weight, of 1, from which an event on an item is a target: four stars of five."""
FROZEN = -1
"""Delay after which nothing of the window is known."""


@dataclass(frozen=True)
class Ask:
    """A user at the moment of asking."""

    user: int
    past: Indices
    """Positions of the user's events that are known, oldest first."""
    events: tuple[Event, ...]
    """The newest of them, which interests are made of, oldest first."""
    items: Indices
    """Items that ``past`` approves of, oldest first; some more than once."""
    seen: Indices
    """Items that are not listed again."""
    targets: Indices
    """Items that the user turns to next."""
    now: int
    """Milliseconds."""


class Asks:
    """How a log is asked. Subclasses yield its steps."""

    def __init__(self, log: Log, weights: Weights) -> None:
        self.log = log
        self.weights = log.weights(weights)

    def before(self) -> Indices:
        """Return the positions of the events that models may see before the first ask."""
        raise NotImplementedError

    def steps(self) -> Iterator[Ask | Indices]:
        """Yield asks, and between them positions of events to learn from."""
        raise NotImplementedError

    def size(self) -> int:
        """Return the number of asks."""
        raise NotImplementedError

    def liked(self, positions: Indices) -> Indices:
        """Return those of the events that approve of an item."""
        return positions[(self.weights[positions] > 0.0) & (self.log.item[positions] >= 0)]

    def blocks(self) -> Iterator[list[Ask] | Indices]:
        """Yield events to learn from, and blocks of asks between which nothing is learnt."""
        waiting: list[Ask] = []
        for step in self.steps():
            if isinstance(step, Ask):
                waiting.append(step)
            if waiting and (not isinstance(step, Ask) or len(waiting) == BLOCK):
                yield waiting
                waiting = []
            if not isinstance(step, Ask):
                yield step
        if waiting:
            yield waiting

    def _wanted(self, position: int, met: set[int]) -> bool:
        item = int(self.log.item[position])
        return item >= 0 and bool(self.weights[position] >= LIKED) and item not in met

    def _ask(self, past: Indices, met: Indices, targets: Indices) -> Ask:
        log = self.log
        on_items = log.item[met[-CAPACITY:]]
        return Ask(
            user=int(log.user[targets[0]]),
            past=past,
            events=tuple(log.events[position] for position in past[-WINDOW:]),
            items=log.item[self.liked(past)],
            seen=on_items[on_items >= 0],
            targets=np.unique(log.item[targets]),
            now=int(log.time[targets[0]]),
        )


class LastItem(Asks):
    """Every user's last target but *held_out* − 1 is asked for; models see nothing from the last *unseen* targets on.

    Targets are the liked items that the user has not met. Of somebody with fewer than *unseen* models see nothing.
    """

    def __init__(self, log: Log, weights: Weights, held_out: int = 1, unseen: int = 1) -> None:
        super().__init__(log, weights)
        self._held_out, self._unseen = held_out, unseen
        self._turns = [self._turns_of(steps) for steps in log.sequences]

    def before(self) -> Indices:
        """Return the positions of the events that models may see, user by user, oldest first."""
        return np.concatenate(
            [steps[: _last(turns, self._unseen)] for steps, turns in zip(self.log.sequences, self._turns, strict=True)]
        )

    def size(self) -> int:
        """Return the number of asks."""
        return sum(len(turns) >= self._held_out for turns in self._turns)

    def steps(self) -> Iterator[Ask | Indices]:
        """Yield what models may see, then all asks."""
        yield self.before()
        for steps, turns in zip(self.log.sequences, self._turns, strict=True):
            if len(turns) >= self._held_out:
                at = _last(turns, self._held_out)
                yield self._ask(steps[:at], steps[:at], steps[at : at + 1])

    def _turns_of(self, steps: Indices) -> list[int]:
        """Return which of a user's steps turn to a target."""
        met: set[int] = set()
        turns = []
        for at, position in enumerate(steps.tolist()):
            if self._wanted(position, met):
                turns.append(at)
            met.add(int(self.log.item[position]))
        return turns


def _last(turns: Sequence[int], count: int) -> int:
    return turns[-count] if len(turns) >= count else 0


class Replay(Asks):
    """All events in the order of their time; in the window, users ask before they act, and it is learnt then.

    Targets are the liked items, of the event or the basket, that the user has not met; without one nobody asks. With a
    *delay* in milliseconds models, and the user's own interests, know only what is older; with ``FROZEN`` nothing of
    the window. What was met is hidden at once in any case.
    """

    def __init__(
        self, log: Log, weights: Weights, start: float = 0.9, stop: float = 1.0, delay: int = 0, most: int | None = None
    ) -> None:
        """*start* and *stop* are quantiles of the events' times, 0–1; of more asks than *most* every n-th is asked."""
        super().__init__(log, weights)
        self._start, self._stop = (int(each) for each in np.quantile(log.time, (start, stop)))
        self._delay, self._every = delay, 1
        if most is not None:
            self._every = max(1, -(-sum(1 for _ in self._found()) // most))

    def before(self) -> Indices:
        """Return the positions of the events before the window."""
        return np.flatnonzero(self.log.time <= self._start)

    def size(self) -> int:
        """Return the number of asks."""
        return -(-sum(1 for _ in self._found()) // self._every)

    def steps(self) -> Iterator[Ask | Indices]:
        """Yield an ask, then the events that happen until the next one, and so on."""
        log, told = self.log, 0
        for number, (met, basket, targets) in enumerate(self._found()):
            if number % self._every:
                continue
            now = int(log.time[basket[0]])
            # Events of the moment itself are not known; those of a basket stand together in the log.
            known = basket[0] if not self._delay else int(np.searchsorted(log.time, self._known_until(now), "right"))
            if known > told:
                yield np.arange(told, known)
                told = known
            past = np.array(met, np.int64)
            yield self._ask(past[past < known], past, np.array(targets, np.int64))

    def _known_until(self, now: int) -> int:
        return self._start if self._delay == FROZEN else max(self._start, now - self._delay)

    def _found(self) -> Iterator[tuple[list[int], Sequence[int], list[int]]]:
        """Yield what a user met before, what comes, and the targets of it, wherever there are any in the window."""
        log = self.log
        past: list[list[int]] = [[] for _ in log.users]
        met: list[set[int]] = [set() for _ in log.users]
        for basket in self._baskets():
            user, time = int(log.user[basket[0]]), int(log.time[basket[0]])
            if time > self._stop:
                return
            if time > self._start and (targets := [p for p in basket if self._wanted(p, met[user])]):
                yield past[user], basket, targets
            past[user] += basket
            met[user].update(int(log.item[position]) for position in basket)

    def _baskets(self) -> Iterator[Sequence[int]]:
        baskets = self.log.baskets
        if baskets is None:
            return ([position] for position in range(len(self.log)))
        return (list(found) for _, found in groupby(range(len(self.log)), key=lambda p: int(baskets[p])))


class Kept(Asks):
    """Those of other asks that are wanted; what is learnt in between stays the same."""

    def __init__(self, asks: Asks, wanted: Callable[[int, Ask], bool]) -> None:
        """*wanted* is told the number of an ask, from 0, and the ask."""
        self.log, self.weights = asks.log, asks.weights
        self._asks, self._wanted_of = asks, wanted

    def before(self) -> Indices:
        """Return the positions of the events that models may see before the first ask."""
        return self._asks.before()

    def steps(self) -> Iterator[Ask | Indices]:
        """Yield the asks that are wanted, and between them positions of events to learn from."""
        number = 0
        for step in self._asks.steps():
            if not isinstance(step, Ask):
                yield step
                continue
            if self._wanted_of(number, step):
                yield step
            number += 1

    def size(self) -> int:
        """Return the number of asks that are wanted."""
        return sum(isinstance(step, Ask) for step in self.steps())

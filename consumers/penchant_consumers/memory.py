"""What the owner of partitions remembers of the store between two batches."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from penchant_adapters.lru import Recent

V = TypeVar("V")


class Epochs:
    """Counts the assignments of partitions to this process."""

    def __init__(self) -> None:
        self.now = 0

    def end(self) -> None:
        """Begin the next one: partitions moved."""
        self.now += 1


class Memory(Generic[V]):
    """States as this process left them, good for as long as the assignment lasts.

    While a partition is ours, every state remembered is the fold of the log up to where we are, whoever else writes to
    the store. After it was somebody else's it may lack what they learnt meanwhile, and folding on would lose that. So
    a batch may recall and keep only within the epoch in which it was fetched; any other reads the store.
    """

    def __init__(self, epochs: Epochs, capacity: int, weigh: Callable[[V], int] = lambda _: 1) -> None:
        self._epochs = epochs
        self._weigh = weigh
        self._capacity = capacity
        self._epoch = epochs.now
        self._states: Recent[str, V] = Recent(capacity)

    def recall(self, names: Iterable[str], epoch: int | None) -> dict[str, V]:
        """Return those of the states that are remembered and good for a batch of that epoch."""
        if not self._good(epoch):
            return {}
        return {name: state for name in names if (state := self._states.get(name)) is not None}

    def keep(self, states: Mapping[str, V], epoch: int | None) -> None:
        """Remember what a batch of that epoch led to."""
        if self._good(epoch):
            for name, state in states.items():
                self._states.put(name, state, weight=self._weigh(state))

    def _good(self, epoch: int | None) -> bool:
        if self._epoch != self._epochs.now:
            self._epoch, self._states = self._epochs.now, Recent(self._capacity)
        return epoch == self._epoch

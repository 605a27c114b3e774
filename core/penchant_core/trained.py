"""What was learnt from a log beforehand and is frozen: models beside what is counted live."""

from collections.abc import Iterable
from dataclasses import dataclass

from penchant_core.model import Event
from penchant_core.sequence import SequenceModel
from penchant_core.together import Share, TogetherModel
from penchant_core.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Trained:
    """The models that a service scores with; it does without those that are none."""

    sequence: SequenceModel | None = None
    together: TogetherModel | None = None

    def shares(self, events: Iterable[Event], tuning: Tuning) -> tuple[Share, ...]:
        """Return how loudly the items of a ledger's events speak through weights between items."""
        return () if self.together is None else self.together.shares(events, tuning.scoring, tuning.weights)


UNTRAINED = Trained()
"""No model."""

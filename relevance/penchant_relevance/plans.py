"""How a log is asked, for choosing settings and for the test, and what its lists are measured by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from penchant_core.tuning import Weights

from penchant_relevance.asks import FROZEN, Asks, LastItem, Replay
from penchant_relevance.log import Log
from penchant_relevance.measure import Measure

LIVE = "live"
DELAYS: Mapping[str, int] = {"30 s late": 30_000, "1 h late": 3_600_000, "1 day late": 86_400_000, "frozen": FROZEN}
"""Variants of a replay in which nothing is known before so many milliseconds have gone by."""
WINDOWS = {"validation": (0.8, 0.9), "test": (0.9, 1.0)}
"""Quantiles of the events' times between which a replay asks."""


@dataclass(frozen=True)
class Plan:
    """How a log is asked."""

    kind: Literal["last item", "replay"] = "replay"
    measures: tuple[Measure, ...] = (Measure("NDCG@10"), Measure("Recall@10"), Measure("MRR@10"))
    most: int | None = None
    """Asks of a replay; of more, every n-th is asked."""

    def asks(self, log: Log, weights: Weights, *, validation: bool = False) -> Asks:
        """Return the asks of the main variant: everything is known that happened before."""
        return self.variants(log, weights, validation=validation)[LIVE]

    def variants(self, log: Log, weights: Weights, *, validation: bool = False, late: bool = False) -> dict[str, Asks]:
        """Return the ways in which the log is asked; with *late* also those of a replay that learn later."""
        if self.kind == "last item":
            held_out = 2 if validation else 1
            live = LastItem(log, weights, held_out, unseen=held_out)
            return {LIVE: live, "frozen": LastItem(log, weights, held_out, unseen=held_out + 1)}
        window = WINDOWS["validation" if validation else "test"]
        delays = DELAYS if late else {}
        return {
            name: Replay(log, weights, *window, delay=delay, most=self.most)
            for name, delay in {LIVE: 0, **delays}.items()
        }

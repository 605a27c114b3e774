"""Cold start: what lists are worth to somebody of whom little is known, and how soon they get better.

The same asks are answered several times, each time with the newest events of who asks and nothing before them. So the
figures differ by what is known, not by who asks: people with long histories are other people. What was met stays
hidden, and what everybody did stays counted, the asker's own paths included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penchant_core.errors import InvalidSetting

from penchant_relevance.asks import Ask, Asks, Kept
from penchant_relevance.baselines import Popularity
from penchant_relevance.counting import Floats32
from penchant_relevance.evaluation import OURS, Evaluation, Learners
from penchant_relevance.measure import Model, figures, measured
from penchant_relevance.plans import LIVE
from penchant_relevance.scoring import Mixture

KNOWN = (0, 1, 2, 5, 10)
"""Events of a user that are known."""
LEAST = max(KNOWN)
"""Events that a user must have for being asked for."""


@dataclass(frozen=True)
class Forgetful:
    """A model that is told no more than the newest *known* events of who asks."""

    model: Model
    known: int
    asks: Asks

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items)."""
        return self.model.scores([newest(ask, self.known, self.asks) for ask in asks])


def newest(ask: Ask, known: int, asks: Asks) -> Ask:
    """Return an ask of which no more than the newest *known* events are known; what was met stays hidden."""
    past = ask.past[len(ask.past) - min(known, len(ask.past)) :]
    events = ask.events[len(ask.events) - min(known, len(ask.events)) :]
    return replace(ask, past=past, events=events, items=asks.log.item[asks.liked(past)])


def cold_start(evaluation: Evaluation) -> dict[str, Any]:
    """Return by number of known events the figures of the score and of baselines that need no more than that.

    Raises ``InvalidSetting`` where nobody asks of whom ``LEAST`` events are known.
    """
    asks = Kept(evaluation.variants()[LIVE], lambda _, ask: len(ask.past) >= LEAST)
    size = asks.size()
    if not size:
        problem = f"nobody asks of whom {LEAST} events are known; give a longer log"
        raise InvalidSetting(problem, field="cold_start")
    learners = Learners(evaluation.variants()[LIVE], evaluation.tuning)
    models = _models(evaluation, learners)
    outcomes = measured(
        asks,
        {f"{name}, {known} known": Forgetful(models[name], known, asks) for known in KNOWN for name in models},
        evaluation.plan.measures,
        learners.learn,
        lambda done: evaluation.progress("cold start", done, size),
    )
    n_items = len(asks.log.items)
    found = {
        str(known): figures({name: outcomes[f"{name}, {known} known"] for name in models}, n_items, OURS)
        for known in KNOWN
    }
    return {"least_known": LEAST, "figures": found}


def _models(evaluation: Evaluation, learners: Learners) -> Mapping[str, Model]:
    counts = learners.counts
    models: dict[str, Model] = {
        OURS: Mixture(evaluation.tuning, evaluation.content, counts),
        "ItemKNN": learners.item_knn(),
        "popularity": Popularity(counts),
    }
    if evaluation.half_life is not None:
        models["recent popularity"] = learners.recent_popularity(evaluation.half_life)
    return models

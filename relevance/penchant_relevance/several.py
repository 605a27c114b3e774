"""What several interests are worth against one: on users made of two unlike ones, and on real ones by their spread.

The score is the same sum however it is taken apart; several interests decide which candidates are looked for, and with
a balance how a list is shared out. So lists are made here as a service makes them: the best candidates of each
interest's words and of the counts, scored exactly, then ranked or shared out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from penchant_core.counts import Counts
from penchant_core.interests import Interests, Known, interests_said
from penchant_core.ports import Candidate
from penchant_core.ranking import balanced, interests_served, ranked
from penchant_core.tuning import Scoring
from penchant_core.vectors import Vector
from penchant_core.voices import Source, voices_of

from penchant_relevance.asks import Ask, Asks, Kept, LastItem
from penchant_relevance.counting import Floats32
from penchant_relevance.evaluation import Evaluation, Learners
from penchant_relevance.log import Log
from penchant_relevance.measure import SHOWN, Measure, Outcome, best, figures, measured
from penchant_relevance.mixed import MixedUsers
from penchant_relevance.plans import LIVE
from penchant_relevance.scoring import Mixture

MOST = 1_000
"""Asks of real users; of more, every n-th is asked."""
SEVERAL, ONE = "several interests", "one interest"
BALANCES = (0.1, 0.3, 0.5)
"""With which a list is shared out too."""
BOTH = (Measure("All@10"), Measure("HR@10"), Measure("NDCG@10"))
"""Both targets of a made-up user in the list, or either; and how far up."""
REAL = (Measure("NDCG@10"), Measure("Recall@10"))
SPREADS = ("alike", "in between", "spread")
"""Thirds of the real users, by the mean cosine of what they liked, the greatest first."""


def ways(scoring: Scoring) -> dict[str, Scoring]:
    """Return how lists are made, by name: with several interests, with one, and shared out between several."""
    several = replace(scoring, interests=max(2, scoring.interests), balance=0.0)
    shared = {f"{SEVERAL}, balance {one:g}": replace(several, balance=one) for one in BALANCES}
    return {SEVERAL: several, ONE: replace(several, interests=1), **shared}


Looked = tuple[Interests, list[int]]
"""What somebody wants, and the candidates that are found for it."""


class Candidates:
    """The score of a block of asks and the candidates of each, found once for all ways of making a list of them."""

    def __init__(self, log: Log, exact: Mixture) -> None:
        self.exact = exact
        self._log = log
        counted = replace(exact.tuning.scoring, content=0.0, dislike=0.0)
        self._counted = replace(exact, tuning=replace(exact.tuning, scoring=counted))
        self._block: Sequence[Ask] = ()
        self._scores = self._by_counts = exact.content.items
        self._looked: dict[int, list[Looked]] = {}

    def of(self, block: Sequence[Ask], scoring: Scoring) -> tuple[Floats32, list[Looked]]:
        """Return the exact score, shape (asks, items), −∞ for what was met, and what is found with *scoring*."""
        if block is not self._block:
            self._block, self._looked = block, {}
            self._scores, self._by_counts = self.exact.scores(block), self._counted.scores(block)
            for row, ask in enumerate(block):
                self._scores[row, ask.seen] = self._by_counts[row, ask.seen] = -np.inf
        if scoring.interests not in self._looked:
            told = [self._interests(ask, scoring) for ask in block]
            self._looked[scoring.interests] = [
                (interests, self._pool(row, interests, scoring.depth)) for row, interests in enumerate(told)
            ]
        return self._scores, self._looked[scoring.interests]

    def _interests(self, ask: Ask, scoring: Scoring) -> Interests:
        content, counts = self.exact.content, self.exact.counts
        tuning = replace(self.exact.tuning, scoring=scoring)
        voices = voices_of(ask.events, scoring, tuning.weights)
        positions = {v.key: content.item_index[v.key] for v in voices if v.source is Source.ITEM}
        known = {
            item: Known(self._log.items[at], content.items[at], Counts(out=float(counts.out[at])))
            for item, at in positions.items()
        }
        texts = {v.key: content.texts[content.text_index[v.key]] for v in voices if v.source is Source.TEXT}
        return interests_said(voices, known, texts, tuning, ask.now)

    def _pool(self, row: int, interests: Interests, depth: int) -> list[int]:
        if interests.empty:
            return best(self._scores[row], depth)
        searches = np.stack(directions_of(interests)) @ self.exact.content.items.T
        searches[:, np.isneginf(self._scores[row])] = -np.inf
        return sorted({item for search in (*searches, self._by_counts[row]) for item in best(search, depth)})


def directions_of(interests: Interests) -> tuple[Vector, ...]:
    """Return where candidates are looked for, as ``Recommender`` does."""
    return interests.directions if len(interests.directions) > 1 else (interests.content,)


@dataclass(frozen=True)
class Listed:
    """Lists of ``SHOWN`` items as a service makes them: what is not on the list has no score."""

    candidates: Candidates
    scoring: Scoring

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items): places of the list, −∞ elsewhere."""
        exact, looked = self.candidates.of(asks, self.scoring)
        found = np.full_like(exact, -np.inf)
        for row, (interests, pool) in enumerate(looked):
            chosen = self._chosen(
                [Candidate(str(item), float(exact[row, item]), 0.0) for item in pool], interests, pool
            )
            found[row, chosen] = np.arange(len(chosen), 0, -1)
        return found

    def _chosen(self, candidates: Sequence[Candidate], interests: Interests, pool: list[int]) -> list[int]:
        """Return a list's items, best first, as ``Recommender`` does."""
        if self.scoring.balance > 0.0 and len(interests.directions) > 1:
            served = interests_served(self.candidates.exact.content.items[pool], interests.directions)
            chosen = balanced(candidates, served, interests.shares, SHOWN, self.scoring.balance)
        else:
            chosen = ranked(candidates, SHOWN)
        return [int(candidate.item_id) for candidate in chosen]


def several_interests(evaluation: Evaluation) -> dict[str, Any]:
    """Return by group of users the figures of each of the ``ways``; leads are those of several interests."""
    log, tuning = evaluation.log, evaluation.tuning
    # Made-up users have no time of their own, so all that comes before everybody's last item is known.
    held_out = 2 if evaluation.validation else 1
    last = LastItem(log, tuning.weights, held_out, unseen=held_out)
    mixed = MixedUsers(last, evaluation.content, tuning)
    found = {}
    if mixed.size():
        made = _asked("mixed users", mixed, Learners(last, tuning), BOTH, evaluation)
        found["users made of two"] = figures(made, len(log.items), SEVERAL)
    asks = evaluation.variants()[LIVE]
    every = -(-asks.size() // MOST)
    real = Kept(asks, lambda number, _: number % every == 0)
    outcomes = _asked("real users", real, Learners(asks, tuning), REAL, evaluation)
    spreads = [_spread(ask, evaluation) for ask in real.steps() if isinstance(ask, Ask)]
    found["real users"] = figures(outcomes, len(log.items), SEVERAL)
    return {"balances": BALANCES, "figures": found | _by_spread(outcomes, np.array(spreads), len(log.items))}


def _asked(
    title: str, asks: Asks, learners: Learners, measures: tuple[Measure, ...], evaluation: Evaluation
) -> dict[str, Outcome]:
    size = asks.size()
    candidates = Candidates(evaluation.log, Mixture(evaluation.tuning, evaluation.content, learners.counts))
    models = {name: Listed(candidates, way) for name, way in ways(evaluation.tuning.scoring).items()}
    told = lambda done: evaluation.progress(f"interests, {title}", done, size)  # noqa: E731 shorter than a function
    return measured(asks, models, measures, learners.learn, told)


def _spread(ask: Ask, evaluation: Evaluation) -> float:
    """Return the mean cosine between the things that speak for a user; NaN of fewer than two."""
    tuning, content = evaluation.tuning, evaluation.content
    voices = voices_of(ask.events, tuning.scoring, tuning.weights)
    liked = [content.item_index[v.key] for v in voices if v.source is Source.ITEM and v.weight > 0.0]
    if len(liked) < 2:  # noqa: PLR2004 a pair
        return float("nan")
    rows = content.items[liked]
    return float(((rows @ rows.T).sum() - len(rows)) / (len(rows) * (len(rows) - 1)))


def _by_spread(outcomes: Mapping[str, Outcome], likeness: Any, n_items: int) -> dict[str, Any]:
    there = likeness[np.isfinite(likeness)]
    if len(there) < len(SPREADS):
        return {}
    low, high = np.quantile(there, (1 / 3, 2 / 3))
    masks = (likeness > high, (likeness > low) & (likeness <= high), likeness <= low)
    return {
        f"real users, {name}": figures({way: _part(one, mask) for way, one in outcomes.items()}, n_items, SEVERAL)
        for name, mask in zip(SPREADS, masks, strict=True)
        if mask.any()
    }


def _part(outcome: Outcome, mask: Any) -> Outcome:
    rows = np.flatnonzero(mask).tolist()
    users, values = [outcome.users[row] for row in rows], [outcome.values[row] for row in rows]
    # Which lists showed an item is not kept: the coverage is that of all.
    return Outcome(outcome.measures, users, values, outcome.shown)

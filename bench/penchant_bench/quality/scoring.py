"""The score that ships, over all items at once: ``penchant_core.interests`` and ``counts`` as matrix products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.covisitation import aged
from penchant_core.ledger import CAPACITY, WINDOW
from penchant_core.tuning import DAY, Scoring, Tuning

from penchant_bench.quality.counting import Floats32, PairCounts, dense


@dataclass(frozen=True)
class Ask:
    """A user at the moment of asking."""

    user: int
    items: NDArray[np.int64]
    """Of the user's events, oldest first."""
    weights: NDArray[np.float64]
    """Of the same events, signed; 0 says nothing."""
    times: NDArray[np.int64]
    """Of the same events, milliseconds."""
    targets: NDArray[np.int64]
    """Items that the user turns to next."""
    now: int
    """Milliseconds."""

    @property
    def seen(self) -> NDArray[np.int64]:
        """Items that are not listed again."""
        return self.items[-CAPACITY:]


def voices(ask: Ask, scoring: Scoring) -> dict[int, float]:
    """Return the signed, decayed weight w of the newest distinct items, newest first.

    The approving ones add up to 1; the disapproving ones are divided by the size of all.
    """
    said: dict[int, list[float]] = {}
    newest: dict[int, int] = {}
    for position in range(len(ask.items) - 1, max(-1, len(ask.items) - 1 - WINDOW), -1):
        item, weight = int(ask.items[position]), float(ask.weights[position])
        if weight and (item in said or len(said) < scoring.recent):
            said.setdefault(item, []).append(weight)
            newest.setdefault(item, int(ask.times[position]))
    moments = sorted(set(newest.values()), reverse=True)
    ranks = {moment: rank for rank, moment in enumerate(moments)}
    found = {}
    for item, weights in said.items():
        decay = scoring.rank_decay ** ranks[newest[item]]
        if scoring.half_life_days is not None:
            decay *= 2.0 ** ((newest[item] - moments[0]) / (scoring.half_life_days * DAY))
        found[item] = decay * max((w for w in weights if w * weights[0] > 0.0), key=abs)
    approval = sum(weight for weight in found.values() if weight > 0.0)
    total = sum(abs(weight) for weight in found.values())
    return {item: weight / (approval if weight > 0.0 else total) for item, weight in found.items()}


def factors(counts: PairCounts, tuning: Tuning, now: int) -> tuple[Floats32, Floats32]:
    """Return content_k and together_k of every item as a source, shape (items,) each."""
    scoring, counting = tuning.scoring, tuning.covisitation
    scale = aged(now, counting)
    if scoring.evidence > 0.0:
        prior = scoring.evidence * scale
        content = scoring.content * prior / (counts.out + prior)
        together = scoring.together / (counts.out + prior) * scale**counting.popularity_exponent
    else:
        content = np.full(len(counts.out), scoring.content)
        together = scoring.together * np.maximum(counts.visits, scale) ** -scoring.source_exponent
        together = together * scale ** (scoring.source_exponent + counting.popularity_exponent - 1.0)
    return content.astype(np.float32), together.astype(np.float32)


@dataclass(frozen=True)
class Mixture:
    """A model that scores as the service does."""

    tuning: Tuning
    vectors: Floats32
    """Of the items, shape (items, dim), unit rows."""
    counts: PairCounts

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items); asks of one call share the moment of the counts."""
        scoring, counts = self.tuning.scoring, self.counts
        content, together = factors(counts, self.tuning, asks[0].now)
        rows = [voices(ask, scoring) for ask in asks]
        weights = sp.csr_matrix(
            (
                np.array([weight for row in rows for weight in row.values()], np.float32),
                np.array([item for row in rows for item in row], np.int64),
                np.cumsum([0, *map(len, rows)]),
            ),
            shape=(len(rows), len(content)),
        )
        liked, disliked = weights.maximum(0), weights.minimum(0)
        taste = liked @ sp.diags(content) + disliked * np.float32(scoring.dislike)
        found = (taste @ self.vectors) @ self.vectors.T
        if scoring.together:
            pairs: Any = (liked @ sp.diags(together)).tocsr() @ counts.pairs
            found += dense(pairs) * self._against_popularity()
        if scoring.popularity:
            found += np.float32(scoring.popularity) * np.log1p(counts.visits)
        # Somebody of whom nothing is known gets what is popular.
        found[liked.getnnz(axis=1) == 0] = np.log1p(counts.visits)
        return np.asarray(found, np.float32)

    def _against_popularity(self) -> Floats32:
        visits = self.counts.visits
        scale: Floats32 = np.where(visits > 0.0, visits, 1.0).astype(np.float32)
        return scale ** np.float32(-self.tuning.covisitation.popularity_exponent)

"""Learned together: whether weights between items, fitted on a log, are worth their place beside the live counts.

They are EASE's (see ``baselines.Ease``), of every target the strongest ones, fitted on what comes before the validation
asks. Penalty λ, decay r and weight δ (see ``penchant_core.together``) are chosen on one half of the users who ask
there, and judged on the other half (see ``halved``).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import number, version_of
from penchant_core.together import AboutTogether, TogetherModel, source
from penchant_core.tuning import Tuning

from penchant_relevance.asks import Asks
from penchant_relevance.baselines import DENSE_ITEMS, Ease, interactions
from penchant_relevance.counting import Floats32
from penchant_relevance.evaluation import PENALTIES, Learners
from penchant_relevance.halved import Verdict, halved, judged, sampled
from penchant_relevance.log import Indices
from penchant_relevance.measure import Measure
from penchant_relevance.scoring import Content, Fitted, Mixture, shares

KEPT = 100
"""Sources kept for a target. On Online Retail all of them gained no more."""
DECAYS = (0.7, 0.9, 1.0)
"""r that are tried."""
WEIGHTS = (0.1, 0.3, 1.0)
"""δ that are tried."""


@dataclass(frozen=True)
class TogetherSettings:
    """What is chosen."""

    penalty: float
    """λ of EASE."""
    rank_decay: float
    """r, 0–1."""
    weight: float
    """δ; 0 where the score is best without."""

    def read(self, pairs: sp.csr_matrix) -> Fitted:
        """Return weights between items, shape (sources, targets), that are read so."""
        return Fitted(pairs, self.rank_decay, self.weight)


@dataclass(frozen=True)
class TogetherChoice:
    """What did best on the validation asks."""

    settings: TogetherSettings
    verdict: Verdict
    tried: dict[str, float]
    """Settings → the measure on the half that searches."""

    def figures(self) -> dict[str, Any]:
        """Return all of it as it is written."""
        return {**self.verdict.figures(), "settings": asdict(self.settings), "tried": self.tried, "kept": KEPT}

    def fitted(self, asks: Asks) -> Fitted:
        """Return weights chosen so, fitted on what models may see before the first of *asks*."""
        return self.settings.read(fitted(asks, asks.before(), self.settings.penalty))


def fitted(asks: Asks, positions: Indices, penalty: float) -> sp.csr_matrix:
    """Return B, shape (sources, targets), of the events at *positions*: of every target the strongest ``KEPT``.

    Raises ``InvalidSetting`` for more than ``DENSE_ITEMS`` items.
    """
    log = asks.log
    if len(log.items) > DENSE_ITEMS:
        problem = f"{len(log.items):,} items, at most {DENSE_ITEMS:,} fit in memory squared; give fewer items"
        raise InvalidSetting(problem, field="together")
    liked = asks.liked(positions)
    weights = Ease.fitted(interactions(log.item[liked], log.user[liked], len(log.items)), penalty).weights
    return strongest(weights, KEPT)


def strongest(weights: Floats32, kept: int) -> sp.csr_matrix:
    """Return *weights*, shape (sources, targets), without all but the *kept* greatest by size of every target."""
    if kept >= len(weights):
        return sp.csr_matrix(weights)
    chosen = np.argpartition(np.abs(weights), -kept, axis=0)[-kept:]
    columns = np.broadcast_to(np.arange(weights.shape[1]), chosen.shape)
    values = weights[chosen, columns].ravel()
    found = sp.csr_matrix((values, (chosen.ravel(), columns.ravel())), shape=weights.shape)
    found.eliminate_zeros()
    return found


def choose(
    asks: Asks, content: Content, tuning: Tuning, measure: Measure, progress: Callable[[int, int], None]
) -> TogetherChoice:
    """Choose on validation *asks*; *progress* hears how many fits are done, and of how many.

    Raises ``InvalidSetting`` where nobody asks, or there are too many items.
    """
    halves = halved(asks)
    tried = _tried(asks, halves[0], content, tuning, measure, progress)
    # Of equals the first, which is the score without.
    best = max(tried, key=lambda settings: tried[settings])
    learners = Learners(asks, tuning)
    plain = Mixture(tuning, content, learners.counts)
    with_them = replace(plain, fitted=best.read(fitted(asks, asks.before(), best.penalty)))
    return TogetherChoice(
        settings=best,
        verdict=judged(asks, halves, learners, (plain, with_them), measure),
        tried={f"λ = {s.penalty:g}, r = {s.rank_decay:g}, δ = {s.weight:g}": value for s, value in tried.items()},
    )


def _tried(
    asks: Asks,
    searching: set[int],
    content: Content,
    tuning: Tuning,
    measure: Measure,
    progress: Callable[[int, int], None],
) -> dict[TogetherSettings, float]:
    """Return settings and what the score is worth with them; first those without the weights."""
    learners = Learners(asks, tuning)
    sample = sampled(asks, searching, learners, Mixture(tuning, content, learners.counts))
    tried = {TogetherSettings(PENALTIES[0], DECAYS[0], 0.0): sample.worth(sample.scores, measure)}
    liked = {decay: shares(sample.asks, content, tuning, decay) for decay in DECAYS}
    for done, penalty in enumerate(PENALTIES, 1):
        pairs = fitted(asks, asks.before(), penalty)
        for decay in DECAYS:
            learnt = (liked[decay] @ pairs).toarray()
            for weight in WEIGHTS:
                value = sample.worth(sample.scores + np.float32(weight) * learnt, measure)
                tried[TogetherSettings(penalty, decay, weight)] = value
        progress(done, len(PENALTIES))
    return tried


def frozen(pairs: sp.csr_matrix, name: str, item_ids: Sequence[str], settings: TogetherSettings) -> TogetherModel:
    """Return weights, shape (sources, targets), for items of these ids in their order, as they are written."""
    columns = pairs.tocsc()
    numbers = np.array([number(item_id) for item_id in item_ids], np.uint64)
    order = np.argsort(numbers)
    columns = columns[:, order].tocsc()
    dims = np.array([source(item_id) for item_id in item_ids], np.uint32)
    arrays: dict[str, NDArray[np.generic]] = {
        "targets.number": numbers[order],
        "targets.first": columns.indptr.astype(np.int64),
        "sources.dimension": dims[columns.indices],
        "sources.weight": columns.data.astype(np.float32),
    }
    return TogetherModel(AboutTogether(name, version_of(arrays), settings.weight, settings.rank_decay), arrays)

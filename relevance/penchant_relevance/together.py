"""Learned together: whether weights between items, fitted on a log, are worth their place beside the live counts.

They are EASE's (see ``baselines.Ease``), of every target the strongest ones, fitted on what comes before the validation
asks. Penalty λ, decay r and weight δ (see ``penchant_core.together``) are chosen on one half of the users who ask
there, and judged on the other half (see ``tune.halves``).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.interests import Source, voices_of
from penchant_core.sequence import number, version_of
from penchant_core.together import AboutTogether, TogetherModel, reading, source
from penchant_core.tuning import Tuning

from penchant_relevance.asks import Ask, Asks
from penchant_relevance.baselines import DENSE_ITEMS, Ease, interactions
from penchant_relevance.counting import Floats32
from penchant_relevance.evaluation import PENALTIES, Learners
from penchant_relevance.halved import halved, judged, sampled
from penchant_relevance.log import Indices
from penchant_relevance.measure import Measure, Model
from penchant_relevance.scoring import Content, Mixture

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


@dataclass(frozen=True)
class TogetherChoice:
    """What did best on the validation asks."""

    settings: TogetherSettings
    measure: str
    default: float
    """Mean of the measure without the weights, on the half that judges."""
    mixed: float
    """With them."""
    lead: dict[str, float]
    """Of the second over the first: mean, low and high of its 95 % interval, paired."""
    tried: dict[str, float]
    """Settings → the measure on the half that searches."""
    halves: tuple[int, int]
    """Asks that searched and asks that judged."""

    @property
    def better(self) -> bool:
        """Tell whether the weights gain something on the half that judges."""
        return self.settings.weight > 0.0 and self.lead["mean"] > 0.0

    @property
    def clear(self) -> bool:
        """Tell whether that is more than chance."""
        return self.better and self.lead["low"] > 0.0

    def figures(self) -> dict[str, Any]:
        """Return all of it as it is written."""
        return asdict(self) | {"better": self.better, "clear": self.clear, "kept": KEPT}

    def beside(self, score: Mixture, asks: Asks) -> "WithTogether":
        """Return the score with weights chosen so, fitted on what models may see before the first of *asks*."""
        return WithTogether(score, fitted(asks, asks.before(), self.settings.penalty), self.settings)


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


def shares(asks: Sequence[Ask], content: Content, tuning: Tuning, rank_decay: float) -> sp.csr_matrix:
    """Return u, shape (asks, items): of what everybody approved of, the items' parts."""
    scoring = reading(tuning.scoring, rank_decay)
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for row, ask in enumerate(asks):
        liked = [voice for voice in voices_of(ask.events, scoring, tuning.weights) if voice.weight > 0.0]
        total = sum(voice.weight for voice in liked)
        for voice in liked:
            if voice.source is Source.ITEM:
                rows.append(row)
                columns.append(content.item_index[voice.key])
                values.append(voice.weight / total)
    shape = (len(asks), len(content.item_index))
    return sp.csr_matrix((np.array(values, np.float32), (rows, columns)), shape=shape)


@dataclass(frozen=True)
class WithTogether:
    """The score that ships, and learned weights on top."""

    score: Mixture
    pairs: sp.csr_matrix
    """B, shape (sources, targets)."""
    settings: TogetherSettings

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items); asks of one call share the moment of the counts."""
        found = self.score.scores(asks)
        if self.settings.weight:
            said = shares(asks, self.score.content, self.score.tuning, self.settings.rank_decay)
            found += np.float32(self.settings.weight) * (said @ self.pairs).toarray()
        return found


def choose(
    asks: Asks, content: Content, tuning: Tuning, measure: Measure, progress: Callable[[int, int], None]
) -> TogetherChoice:
    """Choose on validation *asks*; *progress* hears how many fits are done, and of how many.

    Raises ``InvalidSetting`` where nobody asks, or there are too many items.
    """
    if not asks.size():
        raise InvalidSetting("nobody turns to a new item in the validation window; the log is too short", "events")
    searching, judging = halved(asks)
    tried = _tried(asks, searching, content, tuning, measure, progress)
    # Of equals the first, which is the score without.
    best = max(tried, key=lambda settings: tried[settings])
    learners = Learners(asks, tuning)
    plain = Mixture(tuning, content, learners.counts)
    both: list[Model] = [plain, WithTogether(plain, fitted(asks, asks.before(), best.penalty), best)]
    found = judged(asks, judging, learners, both, measure)
    return TogetherChoice(
        settings=best,
        measure=measure.name,
        default=float(found.means[0]),
        mixed=float(found.means[1]),
        lead=asdict(found.difference(1, 0)),
        tried={f"λ = {s.penalty:g}, r = {s.rank_decay:g}, δ = {s.weight:g}": value for s, value in tried.items()},
        halves=(len(searching), len(judging)),
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
    said = {decay: shares(sample.asks, content, tuning, decay) for decay in DECAYS}
    for done, penalty in enumerate(PENALTIES, 1):
        pairs = fitted(asks, asks.before(), penalty)
        for decay in DECAYS:
            learnt = (said[decay] @ pairs).toarray()
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

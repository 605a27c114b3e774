"""The score that ships, over all items at once: ``penchant_core.interests`` and ``counts`` as matrix products."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.covisitation import aged
from penchant_core.sequence import SequenceModel
from penchant_core.together import reading
from penchant_core.tuning import Scoring, Tuning
from penchant_core.voices import Source, voices_of

from penchant_relevance.asks import Ask
from penchant_relevance.counting import PairCounts
from penchant_relevance.log import Indices

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Content:
    """What a model reads in a log's words."""

    items: Floats32
    """Shape (items, dim), unit rows in the order of the log's items."""
    texts: Floats32
    """Shape (texts, dim), unit rows in the order of the log's texts."""
    item_index: Mapping[str, int]
    text_index: Mapping[str, int]


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
class Said:
    """What the ledgers of a block of asks say: signed weights that add up to 1 a row (see ``interests.Signal``)."""

    items: sp.csr_matrix
    """Shape (asks, items)."""
    praise: sp.csr_matrix
    """Approving words, shape (asks, texts); the same words may praise one thing and blame another."""
    blame: sp.csr_matrix
    """Disapproving words, shape (asks, texts)."""

    @property
    def nothing(self) -> NDArray[np.bool_]:
        """Of whom nothing is known that speaks for anything, shape (asks,)."""
        approving = self.items.maximum(0).getnnz(axis=1) + self.praise.getnnz(axis=1)
        return np.asarray(approving == 0)


def said(asks: Sequence[Ask], content: Content, tuning: Tuning) -> Said:
    """Return what the ledgers of *asks* say."""
    items, n_texts = _Rows(len(content.item_index)), len(content.text_index)
    praise, blame = _Rows(n_texts), _Rows(n_texts)
    for ask in asks:
        voices = voices_of(ask.events, tuning.scoring, tuning.weights)
        approval = sum(voice.weight for voice in voices if voice.weight > 0.0)
        total = sum(abs(voice.weight) for voice in voices)
        for voice in voices:
            weight = voice.weight / (approval if voice.weight > 0.0 else total)
            if voice.source is Source.ITEM:
                items.add(content.item_index[voice.key], weight)
            else:
                (praise if weight > 0.0 else blame).add(content.text_index[voice.key], weight)
        for rows in (items, praise, blame):
            rows.end()
    return Said(items.matrix(), praise.matrix(), blame.matrix())


def tastes(spoken: Said, content: Floats32, scoring: Scoring) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Return the signed weights of the vectors behind the content part: (asks, items) and (asks, texts).

    *content*: content_k of every item as a source, shape (items,), as ``factors`` gives it.
    """
    dislike = np.float32(scoring.dislike)
    items = spoken.items.maximum(0) @ sp.diags(content) + spoken.items.minimum(0) * dislike
    return items.tocsr(), (spoken.praise * np.float32(scoring.content) + spoken.blame * dislike).tocsr()


class _Rows:
    """A sparse matrix that is written row by row."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._columns: list[int] = []
        self._values: list[float] = []
        self._ends = [0]

    def add(self, column: int, value: float) -> None:
        self._columns.append(column)
        self._values.append(value)

    def end(self) -> None:
        self._ends.append(len(self._columns))

    def matrix(self) -> sp.csr_matrix:
        values, columns = np.array(self._values, np.float32), np.array(self._columns, np.int64)
        return sp.csr_matrix((values, columns, self._ends), shape=(len(self._ends) - 1, self._width))


def histories(asks: Sequence[Ask], content: Content, tuning: Tuning) -> list[Indices]:
    """Return the items that a sequence model reads of each ask, oldest first: see ``interests.expectation``."""
    return [
        np.array(
            [
                content.item_index[voice.key]
                for voice in reversed(voices_of(ask.events, tuning.scoring, tuning.weights))
                if voice.source is Source.ITEM and voice.weight > 0.0
            ],
            np.int64,
        )
        for ask in asks
    ]


@dataclass(frozen=True)
class Learned:
    """A sequence model and where it sees the items."""

    model: SequenceModel
    embeddings: Floats32
    """Shape (items, width), unit rows."""

    @classmethod
    def of(cls, model: SequenceModel, content: Content) -> "Learned":
        """Return a model with its embeddings of all items."""
        return cls(model, model.embed(list(content.item_index), content.items))

    def scores(self, read: Sequence[Indices]) -> Floats32:
        """Return the cosine of every item, shape (asks, items); 0 for who has read nothing."""
        states = np.zeros((len(read), self.model.width), np.float32)
        for row, items in enumerate(read):
            if len(items):
                states[row] = self.model.state(self.embeddings[items])
        found: Floats32 = states @ self.embeddings.T
        return found


def shares(asks: Sequence[Ask], content: Content, tuning: Tuning, rank_decay: float) -> sp.csr_matrix:
    """Return u, shape (asks, items): of what everybody approved of, the items' parts (see ``core/…/together.py``)."""
    return said(asks, content, replace(tuning, scoring=reading(tuning.scoring, rank_decay))).items.maximum(0)


@dataclass(frozen=True)
class Fitted:
    """Weights between items, how they are read, and how loudly they speak."""

    pairs: sp.csr_matrix
    """B, shape (sources, targets)."""
    rank_decay: float
    """r, 0–1."""
    weight: float
    """δ."""

    def scores(self, asks: Sequence[Ask], content: Content, tuning: Tuning) -> Floats32:
        """Return what they add to the score of every item, shape (asks, items)."""
        loudness = np.float32(self.weight * tuning.scoring.fitted)
        found: Floats32 = loudness * (shares(asks, content, tuning, self.rank_decay) @ self.pairs).toarray()
        return found


@dataclass(frozen=True)
class Mixture:
    """A model that scores as the service does."""

    tuning: Tuning
    content: Content
    counts: PairCounts
    learned: Learned | None = None
    fitted: Fitted | None = None

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item, shape (asks, items); asks of one call share the moment of the counts."""
        scoring, counts = self.tuning.scoring, self.counts
        spoken = said(asks, self.content, self.tuning)
        found = self.taste(spoken, asks[0].now) @ self.content.items.T
        if scoring.together:
            _, together = factors(counts, self.tuning, asks[0].now)
            liked = spoken.items.maximum(0)
            found += counts.flow((liked @ sp.diags(together)).tocsr()) * self._against_popularity()
        if self.learned is not None and (weight := self.learned.model.about.weight * scoring.learned):
            found += np.float32(weight) * self.learned.scores(histories(asks, self.content, self.tuning))
        if self.fitted is not None and self.fitted.weight * scoring.fitted:
            found += self.fitted.scores(asks, self.content, self.tuning)
        if scoring.popularity:
            found += np.float32(scoring.popularity) * np.log1p(counts.visits)
        # Somebody of whom nothing is known gets what is popular.
        found[spoken.nothing] = np.log1p(counts.visits)
        return np.asarray(found, np.float32)

    def taste(self, spoken: Said, now: int) -> Floats32:
        """Return what the ledgers of a block say of content, shape (asks, dim): see ``Interests.content``."""
        content, _ = factors(self.counts, self.tuning, now)
        items, texts = tastes(spoken, content, self.tuning.scoring)
        found = items @ self.content.items
        if texts.nnz:
            found = found + texts @ self.content.texts
        return np.asarray(found)

    def _against_popularity(self) -> Floats32:
        visits = self.counts.visits
        scale: Floats32 = np.where(visits > 0.0, visits, 1.0).astype(np.float32)
        return scale ** np.float32(-self.tuning.covisitation.popularity_exponent)

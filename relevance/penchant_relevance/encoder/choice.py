"""Whether a fine-tuned encoder is worth its place, and for how many epochs to train it.

It is trained on what comes before the validation asks. After every epoch the catalogue is encoded anew, and the whole
score of one half of the users there, with the new vectors in place of the old, says which epoch is best; the other half
says what that is worth (see ``halved``). What is written is what was judged: an encoder that had seen the rest of the
log would look better than it is to whoever measures with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from penchant_core.tuning import Tuning

from penchant_relevance.asks import Ask, Asks
from penchant_relevance.counting import Floats32
from penchant_relevance.encoder.checkpoint import Checkpoints
from penchant_relevance.encoder.examples import Batch, Examples
from penchant_relevance.encoder.objective import validation_loss
from penchant_relevance.encoder.settings import EncoderSettings
from penchant_relevance.encoder.training import Stopped, Training
from penchant_relevance.encoding import content_of
from penchant_relevance.evaluation import Learners
from penchant_relevance.halved import Sample, Verdict, halved, judged, sampled
from penchant_relevance.measure import Measure
from penchant_relevance.scoring import Content, Mixture, factors, said, tastes

Told = Callable[[str, int, int], None]
"""Hears what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class EncoderChoice:
    """What did best on the validation asks."""

    settings: EncoderSettings
    epochs: int
    """After so many it was best; 0: as it came."""
    verdict: Verdict
    curve: tuple[dict[str, float], ...]
    pairs: int
    """That were learnt from."""
    seconds: float
    """That took, without measuring."""

    def figures(self) -> dict[str, Any]:
        """Return all of it as it is written."""
        found = {"settings": asdict(self.settings) | {"epochs": self.epochs}, "curve": list(self.curve)}
        speed = {"pairs": self.pairs, "pairs_per_second": round(self.pairs / max(self.seconds, 1e-9), 1)}
        return {**self.verdict.figures(), **found, **speed}


@dataclass(frozen=True)
class Apart:
    """The score of asks, its content part apart: it alone depends on the encoder."""

    sample: Sample
    """With all other parts of the score."""
    items: sp.csr_matrix
    """Weights of the items' vectors, (asks, items)."""
    texts: sp.csr_matrix
    """Weights of the texts' vectors, (asks, texts)."""

    @classmethod
    def of(cls, asks: Asks, wanted: set[int], tuning: Tuning, content: Content) -> "Apart":
        """Take the score of the asks of these numbers apart."""
        learners = Learners(asks, tuning)
        model = _Apart(tuning, content, learners)
        sample = sampled(asks, wanted, learners, model)
        return cls(sample, sp.vstack(model.items, format="csr"), sp.vstack(model.texts, format="csr"))

    def contents(self, content: Content) -> Floats32:
        """Return the content part by other vectors, (asks, items)."""
        taste = self.items @ content.items
        if self.texts.nnz:
            taste = taste + self.texts @ content.texts
        return np.asarray(taste @ content.items.T, np.float32)


class _Apart:
    """A model that scores without content, and keeps what the content part is made of."""

    def __init__(self, tuning: Tuning, content: Content, learners: Learners) -> None:
        silent = replace(tuning, scoring=replace(tuning.scoring, content=0.0, dislike=0.0))
        self._rest = Mixture(silent, content, learners.counts)
        self._tuning, self._content, self._counts = tuning, content, learners.counts
        self.items: list[sp.csr_matrix] = []
        self.texts: list[sp.csr_matrix] = []

    def scores(self, asks: Sequence[Ask]) -> Floats32:
        """Return the score of every item without what words say, shape (asks, items)."""
        spoken = said(asks, self._content, self._tuning)
        items, texts = tastes(spoken, factors(self._counts, self._tuning, asks[0].now)[0], self._tuning.scoring)
        # Who likes nothing gets what is popular, whatever they dislike.
        liked = spoken.items.maximum(0).getnnz(axis=1) + spoken.praise.getnnz(axis=1) > 0
        known = sp.diags(liked.astype(np.float32))
        self.items.append((known @ items).tocsr())
        self.texts.append((known @ texts).tocsr())
        return self._rest.scores(asks)


@dataclass(frozen=True)
class Judging:
    """What an encoder is measured by."""

    asks: Asks
    content: Content
    """As the encoder was before."""
    tuning: Tuning
    measure: Measure

    def chosen(
        self,
        training: Training,
        checkpoints: Checkpoints | None,
        told: Told = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> EncoderChoice | None:
        """Train for as many epochs as the score grows better by; none where another process says it.

        Raises ``Stopped`` between two steps where *stop* says so, and ``InvalidSetting`` where nobody asks.
        """
        halves = halved(self.asks)
        first, measured = training.processes.first, None
        if first:
            # Of several processes the others would wait for ever for one that left.
            alone = training.processes.count == 1
            measured = _Measured(self, halves[0], training.examples, told, stop if alone else lambda: False)
        settings = training.settings
        while training.epoch < settings.epochs:
            title = f"epoch {training.epoch + 1} of {settings.epochs}"
            loss = training.run(lambda done, total, title=title: told(title, done, total), stop)  # type: ignore[misc]
            row, best, ended = {}, False, False
            if measured is not None:
                row = {"loss": loss, **measured.of(training)}
                best = row["mixed"] > max([measured.plain, *(epoch["mixed"] for epoch in training.curve)])
                measured.best = measured.newest if best else measured.best
                ended = _ended([*training.curve, row], measured.plain, settings.patience)
            row, best, ended = training.processes.told((row, best, ended))
            training.end(row, best=best)
            training.save(checkpoints)
            if ended:
                break
        if measured is None:
            return None
        training.tower.set(training.best)
        after = measured.best or self.content
        if training.best_epoch and measured.best is None:
            after = measured.content(training)
        learners = Learners(self.asks, self.tuning)
        both = tuple(Mixture(self.tuning, content, learners.counts) for content in (self.content, after))
        verdict = judged(self.asks, halves, learners, (both[0], both[1]), self.measure)
        curve = tuple(training.curve)
        return EncoderChoice(settings, training.best_epoch, verdict, curve, training.pairs, training.seconds)


class _Measured:
    """Measures an encoder after an epoch."""

    def __init__(
        self, judging: Judging, searching: set[int], examples: Examples, told: Told, stop: Callable[[], bool]
    ) -> None:
        self._judging, self._examples, self._told, self._stop = judging, examples, told, stop
        self._apart = Apart.of(judging.asks, searching, judging.tuning, judging.content)
        self._held_out: Batch = examples.validation()
        self.best: Content | None = None
        """The vectors of the best epoch, where this process measured it."""
        self.newest = judging.content
        self.plain = self._worth(judging.content)[1]
        """The measure with the encoder as it came."""

    def of(self, training: Training) -> dict[str, float]:
        self.newest = content = self.content(training)
        alone, mixed = self._worth(content)
        temperature = training.settings.temperature
        loss = validation_loss(content.items, self._held_out, self._examples, temperature)
        return {"validation_loss": loss, "alone": alone, "mixed": mixed}

    def content(self, training: Training) -> Content:
        """Return all vectors as the encoder gives them now. Raises ``Stopped`` where somebody wants to stop."""

        def told(done: int, total: int) -> None:
            self._told("measuring", done, total)
            if self._stop():
                raise Stopped

        log = self._judging.asks.log
        texts = [item.words for item in log.items] + list(log.texts)
        return content_of(log, training.tower.encode(texts, told))

    def _worth(self, content: Content) -> tuple[float, float]:
        """Return the measure of the content part by itself, and of the whole score."""
        sample, measure = self._apart.sample, self._judging.measure
        scores = self._apart.contents(content)
        return sample.worth(scores, measure), sample.worth(sample.scores + scores, measure)


def _ended(curve: list[dict[str, float]], plain: float, patience: int) -> bool:
    """Tell whether neither the score nor the validation loss got better for so many epochs."""
    mixed = 1 + int(np.argmax([epoch["mixed"] for epoch in curve]))
    best = mixed if curve[mixed - 1]["mixed"] > plain else 0
    lost = 1 + int(np.argmin([epoch["validation_loss"] for epoch in curve]))
    return len(curve) - max(best, lost) >= patience

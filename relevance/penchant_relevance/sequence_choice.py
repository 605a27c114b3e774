"""Whether a sequence model is worth its place beside the score, for how many epochs to train it, and how loud it is.

It is trained on what comes before the validation asks. After every epoch its cosines, times each of some weights, are
added to the score of the asks; one half of the users says when to stop and which weight is best, the other half what
that is worth (see ``halved``).
"""

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from penchant_core.tuning import Tuning

from penchant_relevance.asks import Asks
from penchant_relevance.counting import Floats32
from penchant_relevance.evaluation import Learners
from penchant_relevance.halved import Sample, Verdict, halved, judged, sampled
from penchant_relevance.log import Indices
from penchant_relevance.measure import Measure
from penchant_relevance.sasrec import all_candidates, epochs, newest_states, paths_of
from penchant_relevance.sasrec_choice import device_of
from penchant_relevance.scoring import Content, Learned, Mixture, histories
from penchant_relevance.sequences import SequenceNetwork, SequenceSettings, fresh, frozen

WEIGHTS = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)
"""That are tried for the model's cosine in the score."""


@dataclass(frozen=True)
class Epoch:
    """How far training was after one pass over all paths."""

    loss: float
    """Mean cross-entropy of what was trained on, over drawn candidates."""
    validation_loss: float
    """Mean cross-entropy of the targets of all asks, over all items."""
    alone: float
    """The measure of the model by itself, on the half that searches."""
    mixed: float
    """Of the score with the model at its best weight, on the same half."""
    weight: float
    """That weight; 0 where the score is best without the model."""


@dataclass(frozen=True)
class SequenceChoice:
    """What did best on the validation asks."""

    settings: SequenceSettings
    """With the number of epochs after which it was best."""
    weight: float
    """Of the model's cosine in the score; 0 where the score is best without it."""
    verdict: Verdict
    curve: tuple[Epoch, ...]
    network: SequenceNetwork
    before: Indices
    """Positions of the events that ``network`` was trained on."""
    pairs_per_second: float = 0.0
    """Items that were asked for by what was liked before them, while it was trained."""

    def figures(self) -> dict[str, Any]:
        """Return all of it as it is written."""
        found = {"settings": asdict(self.settings), "curve": [asdict(epoch) for epoch in self.curve]}
        speed = {"pairs_per_second": round(self.pairs_per_second, 1)}
        return {"weight": self.weight, **self.verdict.figures(), **found, **speed}

    def fitted(self, asks: Asks, content: Content, progress: Callable[[int, int], None]) -> SequenceNetwork:
        """Return a network that is trained so on what models may see before the first of *asks*."""
        if np.array_equal(asks.before(), self.before):
            return self.network
        return trained(asks, asks.before(), content, self, progress)


def choose(
    asks: Asks,
    content: Content,
    tuning: Tuning,
    measure: Measure,
    progress: Callable[[int, int, float, float], None],
    settings: SequenceSettings | None = None,
    device: str = "auto",
) -> SequenceChoice:
    """Train for as many epochs as the score with the model grows better on validation *asks*.

    *progress* hears epochs done, epochs at most, the measure without the model and the best with it so far. *device* is
    ``auto`` (CUDA, else CPU) or one that torch knows. Raises ``InvalidSetting`` when it is not usable, or nobody asks.
    """
    settings, place = settings or SequenceSettings(), device_of(device)
    halves = halved(asks)
    learners = Learners(asks, tuning)
    sample = sampled(asks, halves[0], learners, Mixture(tuning, content, learners.counts))
    read = histories(sample.asks, content, tuning)
    plain = sample.worth(sample.scores, measure)
    paths = paths_of(asks)
    network = fresh(content.items, paths, settings, place)
    curve: list[Epoch] = []
    at, best, kept = 0, plain, copy.deepcopy(network.state_dict())
    pairs, seconds, begun = sum(int((path.before >= 0).sum()) for path in paths), 0.0, time.monotonic()
    for loss in epochs(network, paths, settings):
        seconds += time.monotonic() - begun
        learnt, validation_loss = _cosines(network.eval(), sample, read, settings)
        tried = [plain, *(sample.worth(sample.scores + np.float32(weight) * learnt, measure) for weight in WEIGHTS)]
        top = int(np.argmax(tried))
        curve.append(Epoch(loss, validation_loss, sample.worth(learnt, measure), tried[top], (0.0, *WEIGHTS)[top]))
        if tried[top] > best:
            at, best, kept = len(curve), tried[top], copy.deepcopy(network.state_dict())
        progress(len(curve), settings.epochs, plain, best)
        # A model that still gets better by itself may yet become worth having.
        if len(curve) - max(at, _top(curve)) >= settings.patience:
            break
        begun = time.monotonic()
    network.load_state_dict(kept)
    settings, weight = replace(settings, epochs=max(1, at)), curve[at - 1].weight if at else 0.0
    item_ids = [item.item_id for item in asks.log.items]
    learned = Learned.of(frozen(network, "", "", item_ids, weight, settings.heads), content)
    learners = Learners(asks, tuning)
    both = Mixture(tuning, content, learners.counts), Mixture(tuning, content, learners.counts, learned)
    verdict = judged(asks, halves, learners, both, measure)
    speed = pairs * len(curve) / max(seconds, 1e-9)
    return SequenceChoice(settings, weight, verdict, tuple(curve), network.eval(), asks.before(), speed)


def _top(curve: list[Epoch]) -> int:
    """Return the epoch, from 1, after which the model was best by itself."""
    return 1 + int(np.argmax([epoch.alone for epoch in curve]))


def trained(
    asks: Asks,
    positions: Indices,
    content: Content,
    choice: SequenceChoice,
    progress: Callable[[int, int], None],
) -> SequenceNetwork:
    """Return a network that is trained as was chosen, on the events of the log at *positions*."""
    paths, settings = paths_of(asks, positions), choice.settings
    network = fresh(content.items, paths, settings, choice.network.items.weight.device)
    for done, _ in enumerate(epochs(network, paths, settings), 1):
        progress(done, settings.epochs)
    return network.eval()


def _cosines(
    network: SequenceNetwork, sample: Sample, read: list[Indices], settings: SequenceSettings
) -> tuple[Floats32, float]:
    """Return the cosine of every item, shape (asks, items), 0 for who has read nothing; and the mean loss."""
    found = np.zeros_like(sample.scores)
    reading = np.array([position for position, items in enumerate(read) if len(items)])
    candidates = all_candidates(network)
    losses = []
    with torch.inference_mode():
        for rows, states in newest_states(network, [read[one][-settings.length :] for one in reading]):
            cosines = states @ candidates.T  # (B, I)
            shares = torch.log_softmax(cosines / settings.temperature, dim=-1).cpu().numpy()
            found[reading[rows]] = cosines.cpu().numpy()
            for share, position in zip(shares, reading[rows], strict=True):
                losses.append(-float(share[sample.asks[position].targets].mean()))
    return found, float(np.mean(losses)) if losses else float("nan")

"""The whole measurement offline: the score that ships and its baselines over one log, exactly, in memory."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from penchant_core.errors import InvalidSetting
from penchant_core.trained import Trained
from penchant_core.tuning import Tuning

from penchant_relevance.asks import Asks, LastItem
from penchant_relevance.baselines import (
    DENSE_ITEMS,
    Ease,
    ItemKnn,
    LiveItemKnn,
    Popularity,
    RecentPopularity,
    interactions,
)
from penchant_relevance.counting import CountsAtOnce, LiveCounts, PairCounts
from penchant_relevance.explaining import SAMPLE, Explaining
from penchant_relevance.exploring import Explored
from penchant_relevance.log import Indices, Log, lately
from penchant_relevance.measure import SHOWN, Look, Model, Outcome, figures, measured
from penchant_relevance.parts import parts
from penchant_relevance.plans import LIVE, Plan
from penchant_relevance.scoring import Content, Fitted, Learned, Mixture

if TYPE_CHECKING:  # torch is an extra
    from penchant_relevance.sasrec_choice import Choice
    from penchant_relevance.sequence_choice import SequenceChoice
    from penchant_relevance.together import TogetherChoice

OURS = "Penchant"
TRAINED = "Penchant, trained"
"""With a sequence model beside the score."""
TOGETHER = "Penchant, learned together"
"""With weights between items, fitted on the log, on top of the counts."""
EXPLORED = "Penchant, exploring"
"""With a share of every list given to little-known items."""
Progress = Callable[[str, int, int], None]
"""Hears what is measured or trained, how many asks or epochs are done, and of how many."""
Learn = Callable[[Indices], None]
"""Takes positions of events."""

PENALTIES = (30.0, 100.0, 300.0, 1_000.0)
"""λ of EASE that are tried on the validation targets."""
HALF_LIVES = (1.0, 7.0, 30.0, 90.0)
"""Days of recent popularity that are tried on the validation targets."""


class Learners:
    """Models that learn events as they come, and what all of them are told."""

    def __init__(self, asks: Asks, tuning: Tuning, counts: PairCounts | None = None) -> None:
        """*counts* have learnt already what comes before the first ask."""
        self._asks = asks
        self._log = asks.log
        self._items = len(self._log.items)
        self._told: list[Callable[[int, int, int, bool], None]] = []
        self.counts = self._counts(tuning, counts)

    def _counts(self, tuning: Tuning, counts: PairCounts | None) -> PairCounts:
        if isinstance(self._asks, LastItem):
            if counts is not None:
                return counts
            seen = self._asks.liked(self._asks.before())
            log = self._log
            return CountsAtOnce(log.item[seen], log.user[seen], log.time[seen], self._items, tuning.covisitation)
        live = counts
        if not isinstance(live, LiveCounts):
            live = LiveCounts([item.item_id for item in self._log.items], tuning.covisitation)
        self._told.append(lambda user, item, time, liked: live.learn(user, item, time, approving=liked))
        return live

    def item_knn(self) -> ItemKnn:
        """Return the item-to-item baseline; of a great catalogue it learns nothing after the first ask."""
        if isinstance(self._asks, LastItem) or self._items > DENSE_ITEMS:
            return ItemKnn.fitted(matrix(self._asks))
        knn = LiveItemKnn(self._items)
        self._told.append(lambda user, item, _, liked: knn.learn(user, item) if liked else None)
        return knn

    def recent_popularity(self, half_life_days: float) -> RecentPopularity:
        """Return what is popular lately."""
        recent = RecentPopularity(self._items, half_life_days)
        self._told.append(lambda _, item, time, liked: recent.learn(item, time) if liked else None)
        return recent

    def learn(self, positions: Indices) -> None:
        """Tell everybody about events."""
        log, weights = self._log, self._asks.weights
        for position in positions if self._told else ():
            item = int(log.item[position])
            liked = item >= 0 and bool(weights[position] > 0.0)
            for tell in self._told:
                tell(int(log.user[position]), item, int(log.time[position]), liked)


@contextmanager
def needing(what: str, option: str, extra: str = "torch") -> Iterator[None]:
    """Say which extra brings what cannot be imported inside the block. Raises ``InvalidSetting``."""
    try:
        yield
    except ImportError as error:
        missing = f"{what} needs {error.name}; run pip install 'penchant[{extra}]', or leave it out"
        raise InvalidSetting(missing, field=option) from error


def matrix(asks: Asks) -> sp.csr_matrix:
    """Return what models may see before the first ask, shape (users, items)."""
    liked = asks.liked(asks.before())
    return interactions(asks.log.item[liked], asks.log.user[liked], len(asks.log.items))


@dataclass(frozen=True)
class Chosen:
    """What is chosen on the validation targets; none: the baseline is left out."""

    penalty: float | None
    half_life: float | None
    sasrec: "Choice | None"
    sequence: "SequenceChoice | None"
    together: "TogetherChoice | None"

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return by model what is written of it."""
        found: dict[str, dict[str, Any]] = {}
        if self.penalty is not None:
            found["EASE"] = {"penalty": self.penalty}
        if self.half_life is not None:
            found["recent popularity"] = {"half_life_days": self.half_life}
        if self.sasrec is not None:
            found["SASRec"] = self.sasrec.figures()
        if self.sequence is not None:
            found[TRAINED] = {"chosen": self.sequence.figures()}
        if self.together is not None:
            found[TOGETHER] = {"chosen": self.together.figures()}
        return found


@dataclass(frozen=True)
class Evaluation:
    """One log measured with one tuning."""

    log: Log
    content: Content
    tuning: Tuning
    plan: Plan
    progress: Progress
    with_ease: bool = False
    validation: bool = False
    """Ask for the validation targets, on which settings are chosen."""
    late: bool = False
    """Ask a replay also with what is learnt late."""
    with_sasrec: bool = False
    with_sequence: bool = False
    """Measure the score with a sequence model too, trained on what comes before the asks."""
    encoder: str = ""
    """The model that read the words."""
    with_together: bool = False
    """Measure the score with learned weights between items too, fitted on what comes before the asks."""
    explore: float = 0.0
    """Measure lists with this share of places explored too, 0–.5; 0: not."""
    explanations: bool = False
    """Look also whether the explanations of the score hold."""
    trained: dict[tuple[str, str], Trained] = field(default_factory=dict, init=False)
    """Variant and row → the models that ``run`` trained for it, as a service reads them."""
    explained: dict[str, Explaining] = field(default_factory=dict, init=False)
    """Variant → what ``run`` saw of its explanations."""

    def run(self) -> dict[str, dict[str, Any]]:
        """Return figures by variant (``live``, ``frozen`` and others), model and measure.

        Raises ``InvalidSetting`` where something is to be trained without torch.
        """
        found: dict[str, dict[str, Any]] = {}
        chosen = Chosen(
            sasrec=self._sasrec() if self.with_sasrec else None,
            sequence=self._sequence() if self.with_sequence else None,
            together=self._together() if self.with_together else None,
            penalty=self._penalty() if self.with_ease else None,
            half_life=self.half_life,
        )
        for variant, asks in self.variants().items():
            # What learning later costs is ours to know; baselines stand beside the main variant, and a frozen one.
            all_models = self.plan.kind == "last item" or variant == LIVE
            outcomes = self._outcomes(variant, asks, chosen, all_models=all_models)
            found[variant] = figures(outcomes, len(self.log.items), OURS)
            for name, figure in chosen.figures().items():
                if name in outcomes:
                    found[variant][name] |= figure
            if EXPLORED in outcomes:
                found[variant][EXPLORED]["share"] = self.explore
            if variant in self.explained and (seen := self.explained[variant].figures()):
                found[variant][OURS]["explanations"] = seen
        return found

    def variants(self) -> dict[str, Asks]:
        """Return the ways in which the log is asked."""
        log = self.log if self.tuning.covisitation.half_life_days is None else lately(self.log)
        return self.plan.variants(log, self.tuning.weights, validation=self.validation, late=self.late)

    def _outcomes(self, variant: str, asks: Asks, chosen: Chosen, *, all_models: bool) -> dict[str, Outcome]:
        learners = Learners(asks, self.tuning)
        counts = learners.counts
        models: dict[str, Model] = {
            name: Mixture(tuning, self.content, counts)
            for name, tuning in {OURS: self.tuning, **(parts(self.tuning, self.log) if all_models else {})}.items()
        }
        if all_models and self.explanations:
            every = max(1, -(-asks.size() // SAMPLE))
            self.explained[variant] = Explaining(Mixture(self.tuning, self.content, counts), self.log, every)
            models[OURS] = self.explained[variant]
        if chosen.sequence is not None:
            learned = self._learned(variant, asks, chosen.sequence)
            models[TRAINED] = Mixture(self.tuning, self.content, counts, learned)
        if chosen.together is not None:
            models[TOGETHER] = Mixture(
                self.tuning, self.content, counts, fitted=self._fitted(variant, asks, chosen.together)
            )
        if all_models and self.explore:
            size = max(SHOWN, *(measure.size for measure in self.plan.measures))
            models[EXPLORED] = Explored(Mixture(self.tuning, self.content, counts), self.explore, size)
        if all_models:
            models |= {"popularity": Popularity(counts), "ItemKNN": learners.item_knn()}
            if chosen.half_life is not None:
                models["recent popularity"] = learners.recent_popularity(chosen.half_life)
            if chosen.penalty is not None:
                models["EASE"] = Ease.fitted(matrix(asks), chosen.penalty)
            if chosen.sasrec is not None:
                models["SASRec"] = chosen.sasrec.fitted(asks, self.progress)
        return self._measured(variant, asks, models, learners)

    @cached_property
    def _choosing(self) -> Asks:
        """The validation asks, on which settings are chosen."""
        return self.plan.asks(self.log, self.tuning.weights, validation=True)

    def _learned(self, variant: str, asks: Asks, choice: "SequenceChoice") -> Learned:
        from penchant_relevance.sequences import frozen  # noqa: PLC0415 torch is an extra

        told = f"sequence model, {variant}"
        network = choice.fitted(asks, self.content, lambda done, total: self.progress(told, done, total))
        ids = [item.item_id for item in self.log.items]
        model = frozen(network, self.log.name, self.encoder, ids, choice.weight, choice.settings.heads)
        self.trained[variant, TRAINED] = Trained(sequence=model)
        return Learned.of(model, self.content)

    def _fitted(self, variant: str, asks: Asks, choice: "TogetherChoice") -> Fitted:
        from penchant_relevance.together import frozen  # noqa: PLC0415 it reads this module

        found = choice.fitted(asks)
        if found.weight:
            ids = [item.item_id for item in self.log.items]
            model = frozen(found.pairs, self.log.name, ids, choice.settings)
            self.trained[variant, TOGETHER] = Trained(together=model)
        return found

    def _sequence(self) -> "SequenceChoice":
        """Return for how long a sequence model does best on the validation targets, and how loud it is then."""
        with needing("a sequence model", "with_sequence"):
            from penchant_relevance.sequence_choice import choose  # noqa: PLC0415 torch is an extra
        told = "sequence model, how long"
        heard = lambda done, total, *_: self.progress(told, done, total)  # noqa: E731 shorter than a function
        return choose(self._choosing, self.content, self.tuning, self.plan.measures[0], heard)

    def _together(self) -> "TogetherChoice":
        from penchant_relevance.together import choose  # noqa: PLC0415 it reads this module

        heard = lambda done, total: self.progress("learned together", done, total)  # noqa: E731 as above
        return choose(self._choosing, self.content, self.tuning, self.plan.measures[0], heard)

    def _sasrec(self) -> "Choice":
        """Return the settings and epochs with which SASRec does best on the validation targets."""
        with needing("SASRec", "with_sasrec"):
            from penchant_relevance.sasrec_choice import choose  # noqa: PLC0415 torch is an extra
        return choose(self._choosing, self.plan.measures[0], self.progress)

    def _penalty(self) -> float:
        """Return the λ with which EASE does best on the validation targets."""
        liked = matrix(self._choosing)
        return self._best(
            {
                penalty: self._measured(
                    f"EASE, λ = {penalty:g}", self._choosing, {"EASE": Ease.fitted(liked, penalty)}, None
                )
                for penalty in PENALTIES
            }
        )

    @cached_property
    def half_life(self) -> float | None:
        """Days, with which recent popularity does best on the validation targets; none where a log has only order."""
        if self.plan.kind != "replay":
            return None
        learners = Learners(self._choosing, self.tuning)
        models = {f"{days:g}": learners.recent_popularity(days) for days in HALF_LIVES}
        found = self._measured("recent popularity", self._choosing, models, learners)
        return self._best({days: {"": found[f"{days:g}"]} for days in HALF_LIVES})

    @staticmethod
    def _best(outcomes: Mapping[float, Mapping[str, Outcome]]) -> float:
        means = {
            setting: float(np.mean([values[0] for values in next(iter(outcome.values())).values]))
            for setting, outcome in outcomes.items()
        }
        return max(means, key=lambda setting: means[setting])

    def _measured(
        self, title: str, asks: Asks, models: Mapping[str, Model], learners: Learners | None
    ) -> dict[str, Outcome]:
        size = asks.size()
        if not size:
            problem = f"{title}: in this part of the log nobody turns to an item that they like and have not met"
            raise InvalidSetting(f"{problem}; give a longer log", field="events")
        self.progress(title, 0, size)
        look = None if learners is None else Look(lambda: learners.counts.visits, self.content.items)
        learn: Learn = (lambda _: None) if learners is None else learners.learn
        return measured(asks, models, self.plan.measures, learn, lambda done: self.progress(title, done, size), look)

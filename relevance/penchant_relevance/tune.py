"""Finds the settings of the score that suit a log, on its validation window, and tells what each of them is worth.

Users are parted in two halves by their id: settings are searched on one and judged on the other, so that what is said
of them is not what they were chosen by. The search is Optuna's tree-structured Parzen estimator (Bergstra et al. 2011,
"Algorithms for Hyper-Parameter Optimization"), begun with the default.
"""

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.tuning import Covisitation, Tuning

from penchant_relevance.asks import Asks
from penchant_relevance.counting import PairCounts
from penchant_relevance.evaluation import Learners
from penchant_relevance.log import Indices, Log, lately
from penchant_relevance.measure import Measure, worths
from penchant_relevance.metrics import Bootstrap, bootstrap
from penchant_relevance.plans import Plan
from penchant_relevance.scoring import Content, Mixture
from penchant_relevance.space import GROUPS, Space

AT_ONCE = 8
"""Settings that are tried in one pass over the asks."""
LEAST_USERS = 40
"""Users who ask, below which halves of them say nothing and the same asks serve for both."""


@dataclass(frozen=True)
class Budget:
    """How long to search."""

    trials: int = 120
    minutes: float | None = None
    patience: int = 48
    """Trials without a gain after which the search ends."""
    seed: int = 20_260_101


@dataclass(frozen=True)
class Tuned:
    """What was found."""

    best: Tuning
    measure: str
    trials: int
    default: float
    """Mean of the measure with the default, on the half that judges."""
    tuned: float
    lead: Mapping[str, float]
    """Of the best over the default on the half that judges: mean, low and high of its 95 % interval, paired."""
    history: Sequence[float]
    """The measure of each trial on the half that searches."""
    ablation: Mapping[str, float]
    """Group of settings → what the measure loses when they are the default again, on the half that judges."""
    halves: tuple[int, int]
    """Asks that searched and asks that judged."""

    @property
    def better(self) -> bool:
        """Tell whether the best is above the default on the half that judges."""
        return self.lead["mean"] > 0.0

    @property
    def clear(self) -> bool:
        """Tell whether that is more than chance."""
        return self.lead["low"] > 0.0

    def figures(self) -> dict[str, Any]:
        """Return all of it as it is written."""
        found = asdict(self)
        found["best"] = {"scoring": asdict(self.best.scoring), "covisitation": asdict(self.best.covisitation)}
        return found | {"weights": dict(self.best.weights.by_type), "better": self.better, "clear": self.clear}


class Judge:
    """Measures settings on the same asks."""

    def __init__(self, asks: Asks, content: Content, measure: Measure) -> None:
        self._asks = asks
        self._content = content
        self._measure = measure
        self._blocks = list(asks.blocks())
        self._begun: dict[Covisitation, PairCounts] = {}
        """What comes before the first ask, counted once for every way of counting."""
        self.users = np.array([ask.user for block in self._blocks if isinstance(block, list) for ask in block])

    def values(self, tunings: Sequence[Tuning]) -> NDArray[np.float64]:
        """Return the measure of every ask with every tuning, shape (asks, tunings)."""
        learners = {tuning.covisitation: self._learners(tuning) for tuning in tunings}
        models = [Mixture(tuning, self._content, learners[tuning.covisitation].counts) for tuning in tunings]
        rows: list[list[float]] = []
        for block in self._blocks[1:]:
            if not isinstance(block, list):
                for each in learners.values():
                    each.learn(block)
                continue
            rows += np.array([worths(model, block, self._measure) for model in models]).T.tolist()
        return np.array(rows)

    def _learners(self, tuning: Tuning) -> Learners:
        if tuning.covisitation not in self._begun:
            made = Learners(self._asks, tuning)
            before = self._blocks[0]
            assert not isinstance(before, list), "the first step of every protocol is what happened before"
            made.learn(before)
            self._begun[tuning.covisitation] = made.counts
        begun = self._begun[tuning.covisitation]
        return Learners(self._asks, tuning, deepcopy(begun))


def halves(log: Log, users: Indices) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which asks search and which judge, by who asks: *users*, positions in those of *log*, one an ask."""
    if len(np.unique(users)) < LEAST_USERS:
        everybody = np.ones(len(users), np.bool_)
        return everybody, everybody
    half = np.array([zlib.crc32(user.encode()) % 2 for user in log.users], np.bool_)[users]
    return half, ~half


@dataclass
class Search:
    """One search from its log to what was found."""

    log: Log
    content: Content
    default: Tuning
    plan: Plan
    budget: Budget = field(default_factory=Budget)
    counts: bool = False
    """Search also how pairs are counted; what is found needs the counts anew."""

    def run(self, progress: Callable[[int, int, float, float], None]) -> Tuned:
        """Search and judge; *progress* hears trials done, trials at most, the default's figure and the best so far.

        Raises ``InvalidSetting`` where the validation window has no asks.
        """
        judge = self._judge()
        searching, judging = halves(self.log, judge.users)
        space = Space.of(self.log, self.default, counts=self.counts)
        history, best = self._searched(judge, space, searching, progress)
        chosen = [self.default, best, *(space.reverted(best, group) for group in GROUPS)]
        values = judge.values(chosen)[judging]
        judged = bootstrap(values, judge.users[judging])
        return self._told(judged, best, history, space, (int(searching.sum()), int(judging.sum())))

    def _judge(self) -> Judge:
        # Counts may be made to age, whatever the age of the log.
        asks = self.plan.asks(lately(self.log), self.default.weights, validation=True)
        if not asks.size():
            raise InvalidSetting("nobody turns to a new item in the validation window; the log is too short", "events")
        return Judge(asks, self.content, self.plan.measures[0])

    def _searched(
        self,
        judge: Judge,
        space: Space,
        half: NDArray[np.bool_],
        progress: Callable[[int, int, float, float], None],
    ) -> tuple[list[float], Tuning]:
        # It takes a second to import, and only this needs it.
        import optuna  # noqa: PLC0415

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=self.budget.seed, multivariate=True, constant_liar=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.enqueue_trial(space.parameters(self.default))
        history: list[float] = []
        ends = time.monotonic() + 60.0 * self.budget.minutes if self.budget.minutes else float("inf")
        best, at = self.default, 0
        while len(history) < self.budget.trials and len(history) - at <= self.budget.patience:
            if history and time.monotonic() > ends:
                break
            trials = [study.ask() for _ in range(min(AT_ONCE, self.budget.trials - len(history)))]
            # The default is tried as it is, not as the nearest point of the space.
            tunings = [space.tuning(trial) for trial in trials]
            tunings[0] = tunings[0] if history else self.default
            for trial, tuning, value in zip(trials, tunings, judge.values(tunings)[half].mean(axis=0), strict=True):
                study.tell(trial, float(value))
                if not history or value > max(history):
                    best, at = tuning, len(history)
                history.append(float(value))
            progress(len(history), self.budget.trials, history[0], max(history))
        return history, best

    def _told(
        self, judged: Bootstrap, best: Tuning, history: Sequence[float], space: Space, halves: tuple[int, int]
    ) -> Tuned:
        groups = [group for group in GROUPS if space.reverted(best, group) != best]
        return Tuned(
            best=best,
            measure=self.plan.measures[0].name,
            trials=len(history),
            default=float(judged.means[0]),
            tuned=float(judged.means[1]),
            lead=asdict(judged.difference(1, 0)),
            history=list(history),
            ablation={group: float(judged.means[1] - judged.means[2 + list(GROUPS).index(group)]) for group in groups},
            halves=halves,
        )

"""The whole measurement offline: the score that ships and its baselines over one data set, exactly, in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from penchant_core.tuning import REFERENCE_COVISITATION, REFERENCE_SCORING, Tuning

from penchant_bench.quality.baselines import Ease, ItemKnn, LiveItemKnn, Popularity, interactions
from penchant_bench.quality.counting import Floats32, LiveCounts, PairCounts, counted
from penchant_bench.quality.datasets import DataSet, Indices
from penchant_bench.quality.measure import Model, Outcome, measured
from penchant_bench.quality.protocols import Asked, LastItem, variants
from penchant_bench.quality.scoring import Mixture

Progress = Callable[[str, int, int], None]
"""Hears what is measured, how many asks are done, and of how many."""

Learn = Callable[[Indices], None]
"""Takes positions of events."""

PENALTIES = (100.0, 300.0, 1_000.0)
"""λ of EASE that are tried on the validation targets."""


def _nothing(positions: Indices) -> None:
    """Learn nothing: all was counted beforehand."""
    del positions


def mixtures(tuning: Tuning) -> dict[str, Tuning]:
    """Return the tuning under measurement, each of its parts alone, and the fixed mixture."""
    scoring = tuning.scoring
    fixed = replace(tuning.covisitation, popularity_exponent=REFERENCE_COVISITATION.popularity_exponent)
    return {
        "Penchant": tuning,
        "together only": replace(tuning, scoring=replace(scoring, content=0.0, dislike=0.0)),
        "text only": replace(tuning, scoring=replace(scoring, together=0.0, evidence=0.0, content=1.0, dislike=0.0)),
        "fixed mixture": Tuning(tuning.weights, fixed, REFERENCE_SCORING),
    }


@dataclass(frozen=True)
class Measurement:
    """One data set measured with one tuning."""

    data: DataSet
    vectors: Floats32
    """Of the items, shape (items, dim), unit rows."""
    tuning: Tuning
    progress: Progress
    with_ease: bool = False
    validation: bool = False
    """Ask for the validation targets, on which settings are chosen."""

    def run(self) -> dict[str, dict[str, Any]]:
        """Return figures by variant (``live`` and ``frozen``, or ``replay``), model and measure."""
        n_items = len(self.data.items)
        found: dict[str, dict[str, Any]] = {}
        penalty = self._penalty() if self.with_ease else None
        for variant, asked in variants(self.data, validation=self.validation).items():
            outcomes = self._outcomes(variant, asked, penalty)
            found[variant] = {name: outcome.figures(n_items) for name, outcome in outcomes.items()}
            if penalty is not None:
                found[variant]["EASE"]["penalty"] = penalty
        return found

    def _outcomes(self, variant: str, asked: Asked, penalty: float | None) -> dict[str, Outcome]:
        counts, knn, learn = self._learnt(asked)
        models: dict[str, Model] = {
            name: Mixture(tuning, self.vectors, counts) for name, tuning in mixtures(self.tuning).items()
        }
        models |= {"popularity": Popularity(counts), "ItemKNN": knn}
        if penalty is not None:
            models["EASE"] = Ease.fitted(self._matrix(asked), penalty)
        return self._measured(variant, asked, models, learn)

    def _learnt(self, asked: Asked) -> tuple[PairCounts, ItemKnn, Learn]:
        """Return the counts, the item-to-item baseline, and what they do with events between two asks."""
        data, settings = self.data, self.tuning.covisitation
        if isinstance(asked, LastItem):
            seen = self._liked(asked)
            counts = counted(data.item[seen], data.user[seen], data.time[seen], len(data.items), settings)
            return counts, ItemKnn.fitted(self._matrix(asked)), _nothing
        live, knn = LiveCounts([item.item_id for item in data.items], settings), LiveItemKnn(len(data.items))

        def learn(positions: Indices) -> None:
            for position in positions:
                user, item, time = int(data.user[position]), int(data.item[position]), int(data.time[position])
                approving = bool(asked.weights[position] > 0.0)
                live.learn(user, item, time, approving=approving)
                knn.learn(user, item, approving=approving)

        return live, knn, learn

    def _liked(self, asked: Asked) -> Indices:
        before = asked.before()
        return before[asked.weights[before] > 0.0]

    def _matrix(self, asked: Asked) -> sp.csr_matrix:
        liked = self._liked(asked)
        return interactions(self.data.item[liked], self.data.user[liked], len(self.data.items))

    def _penalty(self) -> float:
        """Return the λ with which EASE does best on the validation targets."""
        asked = next(iter(variants(self.data, validation=True).values()))
        found = {}
        for penalty in PENALTIES:
            models = {"EASE": Ease.fitted(self._matrix(asked), penalty)}
            outcome = self._measured(f"EASE, λ = {penalty:g}", asked, models, _nothing)["EASE"]
            found[penalty] = float(np.mean([values[0] for values in outcome.values]))
        return max(found, key=lambda penalty: found[penalty])

    def _measured(self, title: str, asked: Asked, models: Mapping[str, Model], learn: Learn) -> dict[str, Outcome]:
        size = asked.size()
        self.progress(title, 0, size)
        return measured(asked, models, learn, lambda done: self.progress(title, done, size))

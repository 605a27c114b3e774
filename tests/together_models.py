"""Weights between items made up for tests."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from penchant_core.sequence import number, version_of
from penchant_core.together import AboutTogether, TogetherModel, source


def arrays(weights: Mapping[str, Mapping[str, float]]) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of weights: target → source → weight."""
    targets = sorted(weights, key=number)
    spans = [weights[target] for target in targets]
    return {
        "targets.number": np.array([number(target) for target in targets], np.uint64),
        "targets.first": np.cumsum([0, *map(len, spans)]).astype(np.int64),
        "sources.dimension": np.array([source(each) for span in spans for each in span], np.uint32),
        "sources.weight": np.array([value for span in spans for value in span.values()], np.float32),
    }


def drawn(ids: Sequence[str], *, seed: int = 1, kept: int = 8) -> dict[str, dict[str, float]]:
    """Return weights drawn for all of *ids* as targets, of sources among them; some are below 0."""
    random = np.random.default_rng(seed)
    found: dict[str, dict[str, float]] = {}
    for target in ids:
        chosen = random.choice(len(ids), size=min(kept, len(ids)), replace=False)
        found[target] = {ids[at]: float(random.normal(loc=0.2, scale=0.3)) for at in chosen if ids[at] != target}
    return found


def together(
    weights: Mapping[str, Mapping[str, float]], *, weight: float = 2.0, rank_decay: float = 0.5, name: str = "made-up"
) -> TogetherModel:
    """Return a model of some weights."""
    made = arrays(weights)
    return TogetherModel(AboutTogether(name, version_of(made), weight, rank_decay), made)

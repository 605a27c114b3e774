"""Sequence models made up for tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from penchant_core.sequence import About, SequenceModel, number, shapes, version_of

HEADS = 2


def arrays(
    width: int = 8,
    dim: int = 8,
    length: int = 5,
    blocks: int = 2,
    items: int = 20,
    seed: int = 1,
    ids: Sequence[str] = (),
) -> dict[str, NDArray[np.generic]]:
    """Random numbers that make a model which knows *ids*, or ``item-0`` …, by what is their own."""
    ids = ids or [f"item-{n}" for n in range(items)]
    random = np.random.default_rng(seed)
    found: dict[str, NDArray[np.generic]] = {
        name: random.normal(scale=0.4, size=shape).astype(np.float32)
        for name, shape in shapes(width, dim, length, blocks, len(ids)).items()
        if name != "items.number"
    }
    numbers = np.array([number(item_id) for item_id in ids], np.uint64)
    return found | {"items.number": np.sort(numbers)}


def model(encoder: str = "model", weight: float = 0.5, name: str = "made-up", **given: Any) -> SequenceModel:
    """A model of random numbers; *given* are those of ``arrays``."""
    made = arrays(**given)
    return SequenceModel(About(name, version_of(made), encoder, HEADS, weight), made)

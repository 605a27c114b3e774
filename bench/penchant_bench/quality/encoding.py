"""Vectors of a data set's items, from the encoder that ships, remembered on disk for the next run."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from penchant_adapters.encoders import CachedEncoder, VectorFile, open_encoder

from penchant_bench.quality.counting import Floats32
from penchant_bench.quality.datasets import DataSet

STEP = 512
"""Texts between two reports of progress."""


def cache_folder() -> Path:
    """Return where vectors are remembered: penchant/ in $XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penchant"


async def encode_items(data: DataSet, encoder: str, progress: Callable[[int], None]) -> tuple[Floats32, str]:
    """Return unit rows, shape (items, dim), and the model's name; *encoder* is a URL such as ``builtin:``.

    *progress* hears how many texts are done. Raises ``InvalidSetting`` and ``EncoderFailed``.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    texts = [item.words for item in data.items]
    async with open_encoder(encoder) as inner, VectorFile(folder / "vectors.sqlite") as store:
        cached = CachedEncoder(inner, store)
        parts = []
        for start in range(0, len(texts), STEP):
            parts.append(await cached.encode(texts[start : start + STEP]))
            progress(min(len(texts), start + STEP))
        return np.concatenate(parts), cached.name

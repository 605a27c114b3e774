"""Vectors of a log's words, from the encoder that ships, remembered on disk for the next run."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from penchant_adapters.encoders import CachedEncoder, VectorFile, open_encoder
from penchant_core.ports import TextEncoder

from penchant_relevance.log import Log
from penchant_relevance.scoring import Content, Floats32

STEP = 512
"""Texts between two reports of progress."""


def cache_folder() -> Path:
    """Return where vectors are remembered: penchant/ in $XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penchant"


async def encode(log: Log, encoder: str, progress: Callable[[int, int], None]) -> tuple[Content, str]:
    """Return the vectors of items and texts, and the model's name; *encoder* is a URL such as ``builtin:``.

    *progress* hears how many texts are done, and of how many. Raises ``InvalidSetting`` and ``EncoderFailed``.
    """
    vectors, model = await encode_texts(words_of(log), log.texts, encoder, progress)
    return content_of(log, vectors), model


def words_of(log: Log) -> list[str]:
    """Return the words of each item."""
    return [item.words for item in log.items]


async def encode_texts(
    items: Sequence[str], said: Sequence[str], encoder: str, progress: Callable[[int, int], None]
) -> tuple[Floats32, str]:
    """Return one unit row per text, shape (texts, dim), of *items* and what users *said*; otherwise as ``encode``."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    async with open_encoder(encoder) as inner, VectorFile(folder / "vectors.sqlite") as store:
        cached = CachedEncoder(inner, store)
        return await in_steps(items, said, cached, progress), cached.name


async def in_steps(
    items: Sequence[str], said: Sequence[str], encoder: TextEncoder, progress: Callable[[int, int], None]
) -> Floats32:
    """Return one unit row per text, shape (texts, dim); *progress* hears of every step."""
    parts: list[Floats32] = []
    done, total = 0, len(items) + len(said)
    for texts, by_users in ((items, False), (said, True)):
        for start in range(0, len(texts), STEP):
            step = texts[start : start + STEP]
            parts.append(await encoder.encode(step, said=by_users))
            done += len(step)
            progress(done, total)
    return np.concatenate(parts)


def content_of(log: Log, vectors: Floats32) -> Content:
    """Return the content of a log from the vectors of its items and texts, one after the other."""
    count = len(log.items)
    texts = {text: position for position, text in enumerate(log.texts)}
    return Content(vectors[:count], vectors[count:], log.index, texts)

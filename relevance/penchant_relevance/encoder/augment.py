"""Texts made a little different every time, so that no text is learnt by heart."""

import re

import numpy as np

from penchant_relevance.encoder.settings import EncoderSettings

LEAST_KEPT = 0.5
"""Part of the words that a crop leaves, at least."""
_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Runs between blanks; of scripts without blanks, every character."""


def augmented(text: str, settings: EncoderSettings, mask: str | None, random: np.random.Generator) -> str:
    """Return a text cropped, shuffled and masked as *settings* say; *mask* stands for a word.

    Without a mask the word is left out. At least one stays as it is.
    """
    if not (settings.crop or settings.reorder or settings.mask):
        return text
    words = _WORDS.findall(text)
    if len(words) < 2:  # noqa: PLR2004 nothing to take away
        return text
    if random.random() < settings.crop:
        size = int(random.integers(max(1, int(len(words) * LEAST_KEPT)), len(words) + 1))
        start = int(random.integers(0, len(words) - size + 1))
        words = words[start : start + size]
    if random.random() < settings.reorder:
        start, end = sorted(random.integers(0, len(words) + 1, 2).tolist())
        words[start:end] = [words[start + place] for place in random.permutation(end - start)]
    if settings.mask:
        gone = random.random(len(words)) < settings.mask
        gone[random.integers(0, len(words))] = False
        shown = [mask if away else word for word, away in zip(words, gone, strict=True)]
        words = [word for word in shown if word is not None]
    return " ".join(words)

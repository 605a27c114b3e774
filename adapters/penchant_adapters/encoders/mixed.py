"""What has words and pictures is encoded part by part, and its vector is made of theirs."""

from collections.abc import Sequence

import numpy as np
from penchant_core.model import Content, Pictured
from penchant_core.vectors import Matrix

Part = str | bytes
"""A text, or the file of a picture."""


def parts_of(contents: Sequence[Content], *, sees: bool) -> tuple[list[Part], list[int]]:
    """Return all parts in order, and of how many each of the contents is; pictures only for a model that *sees*."""
    parts: list[Part] = []
    sizes = []
    for content in contents:
        if isinstance(content, Pictured):
            own: tuple[Part, ...] = (content.words, *content.images) if sees else (content.words,)
        else:
            own = (content,)
        parts += own
        sizes.append(len(own))
    return parts, sizes


def whole(rows: Matrix, sizes: Sequence[int]) -> Matrix:
    """Return one unit vector per content, shape (len(sizes), dim), from those of its parts, shape (sum(sizes), dim).

    Words and pictures have one half each, however many pictures there are. Texts and pictures lie apart in the spaces
    of such models (Liang et al. 2022, Mind the Gap, arXiv:2203.02053); a sum of both is found from either side.
    """
    if len(rows) == len(sizes):
        return rows
    found = np.empty((len(sizes), rows.shape[1]), np.float32)
    start = 0
    for position, size in enumerate(sizes):
        found[position] = rows[start]
        if size > 1:
            seen = rows[start + 1 : start + size].sum(axis=0)
            both = rows[start] + seen / (np.linalg.norm(seen) or 1.0)
            length = np.linalg.norm(both)
            found[position] = both / length if length else rows[start]
        start += size
    return found

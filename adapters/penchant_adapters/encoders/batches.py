"""How texts are cut into batches: pure rules, the same for every model."""

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from penchant_core.vectors import Matrix

_log = logging.getLogger(__name__)


def cut(sizes: Sequence[int], most_texts: int, most_bytes: int) -> Iterator[range]:
    """Cut texts of so many bytes into runs of positions within both limits; a text that is too long comes alone."""
    start = total = 0
    for position, size in enumerate(sizes):
        if position > start and (position - start == most_texts or total + size > most_bytes):
            yield range(start, position)
            start, total = position, 0
        total += size
    if sizes:
        yield range(start, len(sizes))


def padded_batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Group the positions of texts of so many tokens, longest first.

    No batch exceeds *most_tokens* once padded to its longest text; a longer text comes alone.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > most_tokens:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def in_halves(batch: Sequence[int], encode: Callable[[Sequence[int]], Matrix], exhausted: type[Exception]) -> Matrix:
    """Return ``encode(batch)``; where it raises *exhausted*, encode the halves, and their halves, down to one text."""
    try:
        return encode(batch)
    except exhausted:
        if len(batch) == 1:
            raise
    # Outside of the handler: the failed attempt's tensors live as long as its traceback.
    _log.warning("out of memory with %d texts at once; trying halves", len(batch))
    middle = len(batch) // 2
    parts = [in_halves(part, encode, exhausted) for part in (batch[:middle], batch[middle:])]
    return np.concatenate(parts)

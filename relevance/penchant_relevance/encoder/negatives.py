"""Hard negatives: items that the model takes for alike and that no user liked together.

Source: Xiong et al. 2021, "Approximate Nearest Neighbor Negative Contrastive Learning"; here the neighbours are those
of the model before its first step.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from penchant_relevance.counting import Floats32
from penchant_relevance.encoder.examples import Batch, Examples
from penchant_relevance.log import Indices

NEAREST = 30
"""Neighbours of an item that are looked at."""
AT_ONCE = 512


class HardNegatives:
    """For every item some that are near it and were never liked together with it."""

    def __init__(self, examples: Examples, vectors: Floats32) -> None:
        """*vectors*: of the items by the model as it was, shape (items, dim), unit rows."""
        count, most = len(vectors), min(NEAREST, len(vectors) - 1)
        by_item = examples.liked.T.tocsr()
        self._near = np.full((count, max(1, most)), -1, np.int64)
        """Per item the positions of those, −1 behind the last."""
        for start in range(0, count, AT_ONCE):
            rows = np.arange(start, min(count, start + AT_ONCE))
            found = vectors[rows] @ vectors.T
            found[(by_item[rows] @ examples.liked).toarray() > 0] = -np.inf
            found[:, ~examples.words] = -np.inf
            found[examples.same[rows][:, None] == examples.same[None, :]] = -np.inf
            near = np.argpartition(-found, most - 1, axis=1)[:, :most]
            self._near[rows, :most] = np.where(np.take_along_axis(found, near, axis=1) > -np.inf, near, -1)

    def added(self, batch: Batch, most: int, random: np.random.Generator) -> Batch:
        """Return a batch with up to *most* of them, each of one of its items, that no pair speaks of."""
        chosen = random.permutation(batch.items)[:most]
        drawn = self._near[chosen, random.integers(0, self._near.shape[1], len(chosen))]
        extra: Indices = np.setdiff1d(drawn[drawn >= 0], batch.items)
        before = sp.csr_matrix(
            (batch.before.data, batch.before.indices, batch.before.indptr), (len(batch), len(batch.items) + len(extra))
        )
        return replace(batch, items=np.concatenate([batch.items, extra]), before=before)

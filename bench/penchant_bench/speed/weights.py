"""Weights between the items of a made-up shop: as many of every item as ``penchant train together`` keeps."""

import numpy as np
import scipy.sparse as sp
from penchant_core.together import TogetherModel
from penchant_relevance.together import KEPT, TogetherSettings, frozen

from penchant_bench.speed.catalogue import Shop, item_id


def made_up(shop: Shop) -> TogetherModel:
    """Return weights from all over the shop, and no decay: everything that a user did is asked for."""
    random = np.random.default_rng((shop.seed, 3))
    kept = min(KEPT, shop.items)
    # A source that is drawn twice has the sum of both.
    sources = random.integers(0, shop.items, (shop.items, kept)).ravel()
    targets = np.repeat(np.arange(shop.items), kept)
    values = random.normal(0.05, 0.05, len(sources)).astype(np.float32)
    pairs = sp.csr_matrix((values, (sources, targets)), shape=(shop.items, shop.items))
    ids = [item_id(number) for number in range(shop.items)]
    return frozen(pairs, "made-up", ids, TogetherSettings(penalty=1.0, rank_decay=1.0, weight=0.3))

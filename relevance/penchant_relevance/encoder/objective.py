"""What an encoder is pulled towards: InfoNCE over the texts of a batch.

Sources: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding"; Henderson et al. 2017,
"Efficient Natural Language Response Suggestion": the other targets of a batch as negatives; Yi et al. 2019,
"Sampling-Bias-Corrected Neural Modeling": popular items are drawn more often, and weigh the less for it.

Shapes: P pairs, N texts, C numbers of a vector.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 its usual name
from numpy.typing import NDArray
from torch import Tensor

from penchant_relevance.counting import Floats32
from penchant_relevance.encoder.examples import Batch, Examples


def pulled(vectors: Tensor, batch: Batch, examples: Examples, temperature: float, popularity: float) -> Tensor:
    """Return the mean cross-entropy of a batch's targets among all its texts, whose unit *vectors* are (N, C).

    What the user likes besides the target, and texts that say the same, are no candidates.
    """
    device = vectors.device
    before = torch.from_numpy(batch.before.toarray()).to(device)  # (P, N)
    asking = F.normalize(before @ vectors, dim=-1)  # (P, C)
    logits = asking @ vectors.T / temperature  # (P, N)
    if popularity:
        logits = logits + popularity * torch.from_numpy(_log_weights(batch, examples)).to(device)
    logits = logits.masked_fill(torch.from_numpy(no_candidates(batch, examples)).to(device), float("-inf"))
    return F.cross_entropy(logits, torch.from_numpy(batch.target).to(device))


def no_candidates(batch: Batch, examples: Examples) -> NDArray[np.bool_]:
    """Return which texts are not held against the target of a pair, shape (P, N)."""
    same = examples.same[batch.items]
    found = examples.liked[batch.users][:, batch.items].toarray() > 0
    found |= same[None, :] == same[batch.target][:, None]
    found[np.arange(len(batch)), batch.target] = False
    return np.asarray(found, np.bool_)


def _log_weights(batch: Batch, examples: Examples) -> Floats32:
    """Return −log of how probable it is that a text stands in a batch of this size, shape (P, N); 0 for the target."""
    expected = len(batch.items) * examples.visits[batch.items] / examples.visits.sum()
    # What nobody liked is here as a hard negative: by no draw of this kind.
    inside = np.where(expected > 0.0, -np.log(-np.expm1(-np.maximum(expected, 1e-9))), 0.0).astype(np.float32)
    rows = np.repeat(inside[None, :], len(batch), axis=0)
    rows[np.arange(len(batch)), batch.target] = 0.0
    return rows


def validation_loss(vectors: Floats32, batch: Batch, examples: Examples, temperature: float) -> float:
    """Return the mean cross-entropy of the targets of *batch* among all items, whose unit *vectors* are (items, C)."""
    everything = torch.from_numpy(vectors)
    losses = []
    for start in range(0, len(batch), 256):
        rows = slice(start, start + 256)
        before = torch.from_numpy(batch.before[rows].toarray())
        logits = F.normalize(before @ everything[batch.items], dim=-1) @ everything.T / temperature  # (P, I)
        target = batch.items[batch.target[rows]]
        hidden = examples.liked[batch.users[rows]].toarray() > 0
        hidden[np.arange(len(target)), target] = False
        logits = logits.masked_fill(torch.from_numpy(hidden), float("-inf"))
        losses.append(F.cross_entropy(logits, torch.from_numpy(target), reduction="none"))
    return float(torch.cat(losses).mean())

"""The network behind a sequence model, while it is trained. Needs penchant[torch].

SASRec's, but an item is what its words say and, where training sees the item, what is its own (see
``penchant_core.sequence``). For every batch some items show their words only, so that the words alone learn to carry
what an item that nobody touched yet will need.

Shapes as in ``sasrec``; D numbers of a vector of words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 its usual name
from numpy.typing import NDArray
from penchant_core.sequence import About, SequenceModel, number, version_of
from torch import Tensor, nn

from penchant_relevance.counting import Floats32
from penchant_relevance.sasrec import Network, Path, TrainingSettings, seeded

SPREAD = 1.1
"""Of what a fresh network reads of an item, against its places' 0.02 a number."""


@dataclass(frozen=True)
class SequenceSettings(TrainingSettings):
    """What a sequence model is like, and how it is trained."""

    length: int = 30
    """Newest items that are read; a service's ``scoring.recent`` bounds them too."""
    dropout: float = 0.3
    hidden: float = 0.3
    """Part of the items, 0–1, drawn anew for every batch, that show their words only."""
    patience: int = 4


class SequenceNetwork(Network):
    """A network over items whose words have vectors."""

    def __init__(self, words: Floats32, seen: NDArray[np.bool_], settings: SequenceSettings) -> None:
        """*words*: (I, D); *seen*: which items training sees, shape (I,)."""
        super().__init__(len(words), settings)
        self.words = nn.Linear(words.shape[1], settings.width, bias=False)
        nn.init.normal_(self.words.weight, std=0.02)
        self.scale = nn.Parameter(torch.tensor(SPREAD))
        self.register_buffer("vectors", torch.from_numpy(words), persistent=False)
        self.register_buffer("own", torch.from_numpy(seen.astype(np.float32)), persistent=False)
        self.vectors: Tensor
        self.own: Tensor
        self._hidden = settings.hidden
        self._shown = self.own

    def read(self, items: Tensor) -> Tensor:
        """Return what is read of items (B, T): (B, T, C)."""
        return self.scale * self.candidates(items)

    def candidates(self, items: Tensor) -> Tensor:
        """Return unit embeddings (…, C) of items (…)."""
        own = self.items(items) * (self._shown if self.training else self.own)[items][..., None]
        return F.normalize(own + self.words(self.vectors[items]), dim=-1)

    def loss(self, batch: Sequence[Path], settings: TrainingSettings) -> Tensor:
        """Return the mean cross-entropy; some items show their words only."""
        self._shown = self.own * (torch.rand_like(self.own) >= self._hidden)
        return super().loss(batch, settings)


def fresh(words: Floats32, paths: Sequence[Path], settings: SequenceSettings, device: torch.device) -> SequenceNetwork:
    """Return a network before its first epoch on *paths*."""
    seen = np.zeros(len(words), np.bool_)
    seen[np.concatenate([path.items for path in paths])] = True
    with seeded(settings.seed, device):
        return SequenceNetwork(words, seen, settings).to(device)


def frozen(
    network: SequenceNetwork, name: str, encoder: str, item_ids: Sequence[str], weight: float, heads: int
) -> SequenceModel:
    """Return the model of a network, for items of these ids in the network's order."""
    network.eval()
    arrays = {key: value.detach().cpu().numpy() for key, value in network.state_dict().items()}
    seen = np.flatnonzero(network.own.cpu().numpy())
    numbers = np.array([number(item_ids[position]) for position in seen.tolist()], np.uint64)
    order = np.argsort(numbers)
    arrays |= {"items.number": numbers[order], "items.weight": arrays["items.weight"][seen[order]]}
    return SequenceModel(About(name, version_of(arrays), encoder, heads, weight), arrays)

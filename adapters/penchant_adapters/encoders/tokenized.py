"""Models that read tokens: a tokenizer, a network over token ids, and how the states of tokens become one vector."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from penchant_core.vectors import Matrix

from penchant_adapters.encoders.batches import in_halves, padded_batches
from penchant_adapters.encoders.layout import Layout
from penchant_adapters.encoders.projection import Projection

_PADDED_TOKENS = {"cuda": 65_536, "mps": 16_384, "cpu": 2_048}
_SLICE_TEXTS = {"cuda": 1_024, "mps": 256, "cpu": 16}
DEVICES = tuple(_SLICE_TEXTS)
"""Kinds of devices that a network can run on."""

Tokens = Mapping[str, NDArray[np.int64]]
"""What a tokenizer gives (``input_ids``, ``attention_mask``, …), each of shape (B, T)."""


class Network(Protocol):
    """What turns tokens into vectors."""

    device: str
    """One of ``DEVICES``."""
    exhausted: type[Exception]
    """What it raises when a batch is too large for its memory."""

    def pooled(self, tokens: Tokens) -> Matrix:
        """Return one row per text, shape (B, width): the states of its tokens, pooled."""


class TokenizedModel:
    """A tokenizer and a network, whose rows go through *projections*; keeps what ``TextModel`` promises."""

    def __init__(
        self,
        name: str,
        tokenizer: Any,
        network: Network,
        layout: Layout,
        most_tokens: int,
        projections: Sequence[Projection] = (),
    ) -> None:
        """*most_tokens* of a text are read."""
        self.name = name
        self.slice_texts = _SLICE_TEXTS[network.device]
        self.slice_bytes = 128 * self.slice_texts
        self._tokenizer, self._network, self._layout = tokenizer, network, layout
        self._projections = projections
        self._most_tokens = most_tokens
        self._padded_tokens = _PADDED_TOKENS[network.device]
        # A model that cannot pad, or wants more than token ids, shows at start, not at a user's search.
        self.dim = self._forward(tokenizer(["ready", "ready to encode"]), [0, 1]).shape[1]

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, shape (len(texts), dim), not yet of unit length."""
        if self._layout.lowercase:
            texts = [text.lower() for text in texts]
        tokens = self._tokenizer(list(texts), truncation=True, max_length=self._most_tokens)
        lengths = [len(ids) for ids in tokens["input_ids"]]
        rows = np.empty((len(texts), self.dim), np.float32)
        for batch in padded_batches(lengths, self._padded_tokens):
            rows[batch] = in_halves(batch, lambda part: self._forward(tokens, part), self._network.exhausted)
        return rows

    def _forward(self, tokens: Any, batch: Sequence[int]) -> Matrix:
        rows = {key: [values[i] for i in batch] for key, values in tokens.items()}
        found = self._network.pooled(self._tokenizer.pad(rows, return_tensors="np"))
        for projection in self._projections:
            found = projection.of(found)
        return found


def most_tokens(tokenizer: Any, layout: Layout, config: Any) -> int:
    """Return how many tokens of a text a model reads; *config* is that of its network."""
    positions = getattr(config, "max_position_embeddings", None) or layout.max_tokens
    return min(layout.max_tokens, int(tokenizer.model_max_length), positions)


def pool(states: Matrix, mask: NDArray[np.int64], how: str) -> Matrix:
    """Return one vector per text (B, dim) from the token states (B, T, dim) that *mask* (B, T) marks as real.

    *how* is ``cls``, ``mean``, ``max`` or ``lasttoken``; padding may stand on either side.
    """
    if how == "mean":
        weights = mask[:, :, None].astype(np.float32)  # (B, T, 1)
        mean: Matrix = (states * weights).sum(1) / np.maximum(weights.sum(1), 1.0)
        return mean
    if how == "max":
        most: Matrix = np.where(mask[:, :, None] == 0, -np.inf, states).max(1)
        return most
    positions = np.arange(mask.shape[1]) * mask  # (B, T)
    chosen = positions.argmax(1) if how == "lasttoken" else mask.argmax(1)
    one: Matrix = states[np.arange(len(states)), chosen]
    return one

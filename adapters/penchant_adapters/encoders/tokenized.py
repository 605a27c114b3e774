"""Models that read tokens: a tokenizer, a network over token ids, and how the states of tokens become one vector."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from penchant_core.vectors import Matrix

from penchant_adapters.encoders.batches import padded_batches
from penchant_adapters.encoders.layout import Layout
from penchant_adapters.encoders.projection import Projection
from penchant_adapters.encoders.schedule import Room

Tokens = Mapping[str, NDArray[np.int64]]
"""What a network takes (``input_ids``, ``attention_mask``, …), each of shape (B, T)."""


class TokensRead(NamedTuple):
    """The tokens of one text."""

    arrays: Mapping[str, Sequence[int]]
    """By the names that the network knows them by; all are as long."""
    length: int


class Network(Protocol):
    """What turns tokens into vectors."""

    room: Room
    """Most texts and most tokens, padded, that are worth a batch."""
    exhausted: type[Exception]
    """What it raises when a batch is too large for its memory."""

    def pooled(self, tokens: Tokens) -> Matrix:
        """Return one row per text, shape (B, width): the states of its tokens, pooled."""


class Tokenizer:
    """A tokenizer of transformers, as a model wants its texts read."""

    # Some milliseconds of reading: an urgent text waits for no more.
    room = Room(64, 1 << 14)

    def __init__(self, tokenizer: Any, layout: Layout, most_tokens: int, *, filled: bool = False) -> None:
        """*most_tokens* of a text are read; *filled*: a text of fewer is as long, for models that learnt it so.

        Raises ``ValueError`` if texts cannot be padded.
        """
        if tokenizer.pad_token_id is None:
            raise ValueError("its tokenizer has no token to pad with")
        self._tokenizer, self._lowercase, self._most_tokens = tokenizer, layout.lowercase, most_tokens
        self._nothing = TokensRead({"input_ids": [tokenizer.pad_token_id], "attention_mask": [1]}, 1)
        self._filler = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
        self._padding = "max_length" if filled else False
        self._left = tokenizer.padding_side == "left"

    def read(self, texts: Sequence[str]) -> list[TokensRead]:
        """Return the tokens of each text."""
        texts = [text.lower() for text in texts] if self._lowercase else list(texts)
        found = self._tokenizer(texts, truncation=True, max_length=self._most_tokens, padding=self._padding)
        names = [name for name in found if name in _ARRAYS]
        rows = zip(*(found[name] for name in names), strict=True)
        # Some mark neither end, and read nothing in an empty text.
        return [
            TokensRead(dict(zip(names, row, strict=True)), len(row[0])) if row[0] else self._nothing for row in rows
        ]

    def padded(self, read: Sequence[TokensRead]) -> Tokens:
        """Return the tokens of some texts as arrays, padded to the longest."""
        longest = max(one.length for one in read)
        arrays = {}
        for name in max(read, key=lambda one: len(one.arrays)).arrays:
            array = np.full((len(read), longest), self._filler.get(name, 0), np.int64)
            for row, one in zip(array, read, strict=True):
                start = longest - one.length if self._left else 0
                row[start : start + one.length] = one.arrays.get(name, 0)
            arrays[name] = array
        return arrays


_ARRAYS = ("input_ids", "attention_mask", "token_type_ids")


class TokenizedModel:
    """A tokenizer and a network, whose rows go through *projections*; keeps what ``TextModel`` promises."""

    padded, sees = True, False

    def __init__(
        self, name: str, layout: Layout, reader: Tokenizer, network: Network, projections: Sequence[Projection] = ()
    ) -> None:
        self.name, self.prompts = layout.named(name), layout.prompts
        self.reader = reader
        self.room = network.room
        self.exhausted = network.exhausted
        self.network, self._projections = network, projections
        # A model that wants more than token ids shows at start, not at a user's search.
        self.dim = self.vectors(reader.read(["ready", "ready to encode"])).shape[1]

    def vectors(self, given: Sequence[TokensRead]) -> Matrix:
        """Return one row per text, shape (len(given), dim), not yet of unit length."""
        found = self.network.pooled(self.reader.padded(given))
        for projection in self._projections:
            found = projection.of(found)
        return found

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, in order, from the thread that asks; for those who do nothing else meanwhile."""
        read = self.reader.read(texts)
        rows = np.empty((len(texts), self.dim), np.float32)
        for batch in padded_batches([one.length for one in read], self.room.length):
            rows[batch] = self.vectors([read[position] for position in batch])
        return rows


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

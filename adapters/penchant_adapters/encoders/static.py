"""Models that look tokens up and take the mean: no network, hundreds of times as fast on a CPU, no word order.

``StaticEmbedding`` of sentence-transformers and the models of model2vec (Tulkens and van Dongen 2024). Weights come
from safetensors only. Needs transformers, for the hub and the tokenizer, and no torch.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from penchant_adapters.encoders.projection import Projection
from penchant_adapters.encoders.source import ModelSource


def load_model(place: str, *, threads: int | None, device: str) -> "StaticModel":
    """Load the model *place*: a folder, a hub name, or ``NAME@REVISION``. Raises ``InvalidSetting`` when it cannot."""
    del threads  # it has one
    if device not in {"auto", "cpu"}:
        raise InvalidSetting(f"hf:{place} looks words up, which a CPU does; {device!r} would not be faster", "device")
    source = ModelSource(place)
    try:
        layout = source.layout()
        tokenizer = Tokenizer.from_file(str(source.file(layout.inside("tokenizer.json"))))
        weights = source.file(layout.inside("model.safetensors"))
        table = _table(load_file(weights), str(weights))
        return StaticModel(source.identity(source.commit(weights)), tokenizer, table, source.projections(layout))
    except (OSError, ValueError, KeyError) as error:
        raise InvalidSetting(
            f"hf:{place} cannot be used: {error}; name a model that has tokenizer.json and safetensors weights",
            field="encoder",
        ) from error


class StaticModel:
    """A table of tokens' vectors; keeps what ``TextModel`` promises."""

    # So many take some milliseconds.
    slice_texts = 256
    slice_bytes = 1 << 16

    def __init__(self, name: str, tokenizer: Tokenizer, table: Matrix, projections: Sequence[Projection] = ()) -> None:
        """*table*: shape (tokens, width)."""
        self.name = name
        self._tokenizer, self._projections = tokenizer, projections
        # Texts are cut before, and padding would be part of the mean.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        # What has no token says nothing in particular.
        self._table = np.concatenate([table, table.mean(axis=0, keepdims=True)])
        self.dim = self.encode(["ready"]).shape[1]

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, shape (len(texts), dim), not yet of unit length."""
        nothing = [len(self._table) - 1]
        read = [each.ids or nothing for each in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        counts = np.array([len(ids) for ids in read])
        tokens = np.fromiter(chain.from_iterable(read), np.int64, int(counts.sum()))
        sums = np.add.reduceat(self._table[tokens], np.cumsum(counts) - counts, axis=0)
        found: Matrix = (sums / counts[:, None]).astype(np.float32)
        for projection in self._projections:
            found = projection.of(found)
        return found


def _table(arrays: Mapping[str, Any], path: str) -> Matrix:
    """Return a vector for each token, as sentence-transformers or model2vec wrote them. Raises ``InvalidSetting``."""
    rows = arrays.get("embedding.weight", arrays.get("embeddings"))
    if rows is None or rows.ndim != 2:  # noqa: PLR2004 a matrix
        told = {name: array.shape for name, array in arrays.items()}
        raise InvalidSetting(f"{path} holds no table of tokens' vectors: {told}", "encoder")
    rows = rows.astype(np.float32)
    if (mapping := arrays.get("mapping")) is not None:  # several tokens may share a row
        rows = rows[mapping]
    if (weights := arrays.get("weights")) is not None:
        rows = rows * weights.astype(np.float32)[:, None]
    table: Matrix = np.ascontiguousarray(rows)
    return table

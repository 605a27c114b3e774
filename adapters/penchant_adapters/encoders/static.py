"""Models that look tokens up and take the mean: no network, hundreds of times as fast on a CPU, no word order.

``StaticEmbedding`` of sentence-transformers and the models of model2vec (Tulkens and van Dongen 2024). Weights come
from safetensors only. Needs transformers, for the hub and the tokenizer, and no torch.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from penchant_adapters.encoders.layout import Layout
from penchant_adapters.encoders.projection import Projection
from penchant_adapters.encoders.schedule import Room
from penchant_adapters.encoders.source import ModelSource
from penchant_adapters.vectortypes import Precision, Runtime


def load_models(
    place: str, *, threads: int | None, device: str, precision: Precision, runtime: Runtime
) -> tuple[list["StaticModel"], str]:
    """Load the model *place*, a folder, a hub name, or ``NAME@REVISION``, and say how it runs.

    Raises ``InvalidSetting`` when it cannot.
    """
    del threads  # it has one
    if runtime != "auto":
        raise InvalidSetting(f"hf:{place} is a table of tokens; leave out {runtime!r}", "encoder runtime")
    if precision not in {"auto", "float32"}:
        raise InvalidSetting(
            f"hf:{place} adds up float32 numbers; {precision} would not be faster", "encoder precision"
        )
    if device not in {"auto", "cpu"}:
        raise InvalidSetting(f"hf:{place} looks words up, which a CPU does; {device!r} would not be faster", "device")
    source = ModelSource(place)
    try:
        layout = source.layout()
        tokenizer = Tokenizer.from_file(str(source.file(layout.inside("tokenizer.json"))))
        weights = source.file(layout.inside("model.safetensors"))
        table = _table(load_file(weights), str(weights))
        name = source.identity(source.commit(weights))
        return [StaticModel(name, layout, tokenizer, table, source.projections(layout))], "cpu, a table of tokens"
    except (OSError, ValueError, KeyError) as error:
        raise InvalidSetting(
            f"hf:{place} cannot be used: {error}; name a model that has tokenizer.json and safetensors weights",
            field="encoder",
        ) from error


class StaticTokens(NamedTuple):
    """The tokens of one text."""

    ids: Sequence[int]
    length: int


class StaticTokenizer:
    """Reads texts for a table of tokens' vectors, whole and without tokens that mark their ends."""

    room = Room(256, 1 << 16)

    def __init__(self, tokenizer: Tokenizer, nothing: int) -> None:
        """*nothing* is the token of a text that has none."""
        # Texts are cut before, and padding would be part of the mean.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer, self._nothing = tokenizer, nothing

    def read(self, texts: Sequence[str]) -> list[StaticTokens]:
        """Return the tokens of each text."""
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [StaticTokens(ids, len(ids)) for ids in (each.ids or [self._nothing] for each in found)]


class StaticModel:
    """A table of tokens' vectors; keeps what ``TextModel`` promises."""

    # So many take some milliseconds.
    room = Room(256, 1 << 16)
    padded, sees = False, False
    exhausted = MemoryError

    def __init__(
        self, name: str, layout: Layout, tokenizer: Tokenizer, table: Matrix, projections: Sequence[Projection] = ()
    ) -> None:
        """*table*: shape (tokens, width)."""
        self.name, self.prompts = layout.named(name), layout.prompts
        self.reader = StaticTokenizer(tokenizer, nothing=len(table))
        self._projections = projections
        # What has no token says nothing in particular.
        self._table = np.concatenate([table, table.mean(axis=0, keepdims=True)])
        self.dim = self.vectors(self.reader.read(["ready"])).shape[1]

    def vectors(self, given: Sequence[StaticTokens]) -> Matrix:
        """Return one row per text, shape (len(given), dim), not yet of unit length."""
        counts = np.array([one.length for one in given])
        tokens = np.fromiter(chain.from_iterable(one.ids for one in given), np.int64, int(counts.sum()))
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

"""A table of tokens' vectors in place of a network: hundreds of times as fast, and deaf to the order of words.

A token's vector is what the network says of it alone. Frequent tokens weigh less, by how often the texts have them
(Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings"); what all have in common is taken
away. The idea is model2vec's (Tulkens and van Dongen 2024).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from penchant_adapters.encoders.huggingface import Parts, TorchNetwork
from penchant_core.vectors import Matrix
from safetensors.numpy import save_file

from penchant_relevance.compressing.axes import longest
from penchant_relevance.compressing.pruning import Progress

SMOOTHING = 1e-3
"""Part of all tokens at which one weighs half."""
STEP = 256
_MODULES = [
    {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
    for number, (path, kind) in enumerate((("", "StaticEmbedding"), ("1_Normalize", "Normalize")))
]


def write_table(folder: Path, parts: Parts, dim: int | None, texts: Sequence[str], progress: Progress) -> None:
    """Write a table for every token of a model's tokenizer into a folder; *dim* numbers that *texts* need most.

    *progress* hears how many tokens are done, and of how many.
    """
    backend: Any = parts.tokenizer.backend_tokenizer
    weights = _weights(backend, texts)
    table = _vectors(parts, len(weights), progress)
    common = (table * weights[:, None]).sum(axis=0) / weights.sum()
    table = (table - common) * weights[:, None]
    if dim is not None:
        seen = np.concatenate([each.ids for each in backend.encode_batch(list(texts), add_special_tokens=False)])
        table = table @ longest(table[seen.astype(np.int64)], dim).T
    save_file({"embedding.weight": np.ascontiguousarray(table, np.float32)}, folder / "model.safetensors")
    backend.save(str(folder / "tokenizer.json"))
    (folder / "modules.json").write_text(json.dumps(_MODULES, indent=2), encoding="utf-8")


def _weights(backend: Any, texts: Sequence[str]) -> Matrix:
    """Return a weight, 0–1, for every token by its number."""
    counts = np.zeros(backend.get_vocab_size(), np.float64)
    for each in backend.encode_batch(list(texts), add_special_tokens=False):
        np.add.at(counts, each.ids, 1)
    found: Matrix = (SMOOTHING / (SMOOTHING + counts / max(1.0, counts.sum()))).astype(np.float32)
    return found


def _vectors(parts: Parts, count: int, progress: Progress) -> Matrix:
    """Return the unit vector of each token alone, shape (count, dim)."""
    network, tokenizer = TorchNetwork(parts.model, parts.layout.pooling), parts.tokenizer
    before, after = _frame(tokenizer)
    found = []
    for start in range(0, count, STEP):
        alone = [[*before, token, *after] for token in range(start, min(count, start + STEP))]
        rows = network.pooled(tokenizer.pad({"input_ids": alone}, return_tensors="np"))
        for projection in parts.projections:
            rows = projection.of(rows)
        found.append(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
        progress(min(count, start + STEP), count)
    return np.concatenate(found)


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return what the tokenizer puts before and behind a text."""
    tokens = tokenizer("a", return_special_tokens_mask=True)
    own = [at for at, special in enumerate(tokens["special_tokens_mask"]) if not special]
    ids: list[int] = tokens["input_ids"]
    return (ids[: own[0]], ids[own[-1] + 1 :]) if own else (ids, [])

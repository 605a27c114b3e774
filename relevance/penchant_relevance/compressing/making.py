"""A model's folder, made by a recipe from another model. Needs penchant[compress]."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from penchant_adapters.encoders.huggingface import Parts, load_parts
from penchant_adapters.encoders.layout import Dense, written_layout
from penchant_adapters.encoders.precision import SAMPLE, likeness
from penchant_adapters.encoders.projection import WEIGHT, Projection
from penchant_adapters.encoders.source import SAMPLED
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix
from safetensors.numpy import save_file

from penchant_relevance.compressing.axes import longest
from penchant_relevance.compressing.pruning import Progress, Recovered, Recovery, layers_of, pruned, recovered
from penchant_relevance.compressing.quantising import write_quantised
from penchant_relevance.compressing.recipes import Recipe
from penchant_relevance.compressing.tabling import write_table

MOST_TEXTS = 20_000
"""Texts at most that a recipe looks at."""
_TOLERANCE = 0.02  # of a cosine, between one CPU and another
_IDENTITY = "torch.nn.modules.linear.Identity"


@dataclass(frozen=True)
class Original:
    """The model that others are made from, and the texts that it is asked about."""

    parts: Parts
    texts: list[str]
    fewer: dict[tuple[int, Recovery], Recovered] = field(default_factory=dict)
    """What is left of it with so many layers, trained so: recipes share it."""

    @cached_property
    def rows(self) -> Matrix:
        """What the model says of the texts, shape (texts, numbers): asked once for all recipes."""
        return self.parts.encoder.encode(self.texts)

    @classmethod
    def of(cls, place: str, texts: Sequence[str], seed: int) -> "Original":
        """Load a model (what comes after ``hf:``). Raises ``InvalidSetting``."""
        distinct = sorted(set(filter(None, texts)))
        drawn = np.random.default_rng(seed).permutation(len(distinct))[:MOST_TEXTS]
        return cls(load_parts(place, torch.device("cpu"), torch.float32), [distinct[each] for each in drawn])

    @property
    def layers(self) -> int | None:
        """Layers of the network, where some can be left out."""
        try:
            return len(layers_of(self.parts.model))
        except InvalidSetting:
            return None


def make(original: Original, recipe: Recipe, folder: Path, recovery: Recovery, progress: Progress) -> dict[str, Any]:
    """Write the model that *recipe* makes into a new *folder*; return figures of its making.

    Raises ``InvalidSetting`` where the recipe does not suit the model or the texts, and ``OSError``.
    """
    parts, figures = original.parts, dict[str, Any]()
    if recipe.layers is not None:
        if (found := original.fewer.get((recipe.layers, recovery))) is None:
            found = recovered(parts, pruned(parts, recipe.layers), original.texts, recovery, progress)
            original.fewer[recipe.layers, recovery] = found
        parts, figures = found.parts, {"recovery": found.curve}
    folder.mkdir(parents=True)
    if recipe.weights == "static":
        write_table(folder, parts, recipe.dim, original.texts, progress)
        return figures
    if recipe.dim is not None:
        axes = None
        if recipe.dim >= (width := parts.encoder.dim):
            raise InvalidSetting(f"{recipe.dim} is not below the {width} numbers that there are", "dim")
        if recipe.principal:
            rows = original.rows if parts is original.parts else parts.encoder.encode(original.texts)
            axes = _axes(rows, recipe.dim)
        parts = _projected(parts, recipe.dim, axes)
    _write_layout(folder, parts)
    parts.tokenizer.save_pretrained(folder)
    if recipe.weights == "int8":
        parts.model.config.save_pretrained(folder)
        write_quantised(folder, parts, original.texts)
        _sample(folder, parts)
    else:
        model = deepcopy(parts.model).to(torch.bfloat16) if recipe.weights == "bfloat16" else parts.model
        model.save_pretrained(folder)
    return figures


def _sample(folder: Path, parts: Parts) -> None:
    """Write what fixed texts are in full precision: another CPU may do the same with whole numbers, or not."""
    from penchant_adapters.encoders.compiled import load_models  # noqa: PLC0415 with OpenVINO

    (quantised, *_), _ = load_models(str(folder), threads=None, device="cpu", precision="auto", runtime="auto")
    full = parts.encoder.encode(SAMPLE)
    found = likeness(quantised.encode(SAMPLE), full)
    save_file({"full": full, "least": np.array(found - _TOLERANCE, np.float32)}, folder / SAMPLED)


def _projected(parts: Parts, dim: int, axes: Matrix | None) -> Parts:
    """Return the parts with a layer behind them that leaves *dim* numbers: those along *axes*, or the first ones."""
    weight = np.eye(dim, parts.encoder.dim, dtype=np.float32) if axes is None else axes
    dense = Dense(f"{len(parts.projections) + 2}_Dense", tanh=False)
    layout = replace(parts.layout, dense=(*parts.layout.dense, dense))
    return replace(parts, layout=layout, projections=[*parts.projections, Projection(weight, None, tanh=False)])


def _axes(rows: Matrix, dim: int) -> Matrix:
    """Return the directions in which the unit vectors of texts are longest, shape (dim, numbers)."""
    if len(rows) < dim:
        raise InvalidSetting(f"{len(rows)} texts are too few to choose {dim} directions by", "pca")
    return longest(rows / np.linalg.norm(rows, axis=1, keepdims=True), dim)


def _write_layout(folder: Path, parts: Parts) -> None:
    width = int(parts.model.config.hidden_size)
    files = written_layout(parts.layout, width)
    for dense, layer in zip(parts.layout.dense, parts.projections, strict=True):
        out, inside = layer.weight.shape
        files[f"{dense.folder}/config.json"] = {
            "in_features": inside,
            "out_features": out,
            "bias": layer.bias is not None,
            "activation_function": "torch.nn.modules.activation.Tanh" if layer.tanh else _IDENTITY,
        }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    for dense, layer in zip(parts.layout.dense, parts.projections, strict=True):
        arrays = {WEIGHT: layer.weight} if layer.bias is None else {WEIGHT: layer.weight, "linear.bias": layer.bias}
        save_file(arrays, folder / dense.folder / "model.safetensors")

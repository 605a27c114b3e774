"""Layers behind the pooling that map a vector to another, often shorter, one: ``Dense`` of sentence-transformers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from penchant_core.errors import InvalidSetting
from penchant_core.vectors import Matrix, Vector
from safetensors.numpy import load_file

WEIGHT, BIAS = "linear.weight", "linear.bias"
"""Names of a layer's arrays in its file."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear map, and what is done with its result."""

    weight: Matrix
    """Shape (out, in)."""
    bias: Vector | None
    """Shape (out,)."""
    tanh: bool

    def of(self, rows: Matrix) -> Matrix:
        """Return *rows*, shape (n, in), mapped: shape (n, out)."""
        found: Matrix = rows @ self.weight.T
        if self.bias is not None:
            found += self.bias
        return np.tanh(found) if self.tanh else found


def read_projection(path: Path, *, tanh: bool) -> Projection:
    """Read a layer's weights. Raises ``InvalidSetting`` where the file holds something else."""
    arrays = load_file(path)
    weight, bias = arrays.get(WEIGHT), arrays.get(BIAS)
    if weight is None or weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):  # noqa: PLR2004 a matrix
        told = {name: array.shape for name, array in arrays.items()}
        raise InvalidSetting(f"{path} holds no linear layer: {told}", "encoder")
    return Projection(weight.astype(np.float32), None if bias is None else bias.astype(np.float32), tanh)

"""Shapes of the numbers that pass through the ports."""

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""Shape (dim,)."""
Matrix = NDArray[np.float32]
"""Shape (rows, dim)."""


def unit(vector: Vector) -> Vector:
    """Return the vector at length 1; a zero vector stays zero."""
    length = math.sqrt(float(vector @ vector))
    return vector / np.float32(length) if length > 0.0 else vector

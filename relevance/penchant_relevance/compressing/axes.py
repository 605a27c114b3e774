"""The directions of a space that matter most to some vectors."""

import numpy as np
from penchant_core.vectors import Matrix


def longest(rows: Matrix, count: int) -> Matrix:
    """Return the *count* orthogonal directions in which *rows* (n, numbers) are longest: shape (count, numbers).

    Not centred: products are to stay, not variances (Eckart and Young: no other *count* keep all of them as well).
    """
    _, vectors = np.linalg.eigh(rows.T @ rows)
    axes: Matrix = np.ascontiguousarray(vectors[:, ::-1][:, :count].T)
    return axes

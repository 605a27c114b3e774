"""Rows of numbers, sparse or dense, and how alike they are."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def unit_rows(matrix: Any) -> sp.csr_matrix:
    """Return a sparse matrix's rows at length 1; rows of zeros stay."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(1.0 / np.where(lengths > 0.0, lengths, 1.0)) @ matrix)


def products(left: Any, right: Any) -> NDArray[np.float32]:
    """Return the inner products of rows, dense, shape (rows of *left*, rows of *right*)."""
    found: Any = left @ right.T
    return np.asarray(found if isinstance(found, np.ndarray) else found.toarray(), np.float32)

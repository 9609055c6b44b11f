"""Choosing the ridge by closed-form leave-one-out error.

With K = U diag(s) U^T every ridge costs one diagonal: G = U diag(1 / (s + ridge)) U^T, of which only a = G r and the
k x k diagonal blocks are formed. The error of sample i when left out is (E_i^T G E_i)^-1 a_i (see ``linearized``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from sampleinfo.errors import NumericalError
from sampleinfo.linearized import leave_one_out_errors
from sampleinfo.types import FloatArray

#: The grid, as multiples of the kernel's mean diagonal: half decades.
GRID = 10.0 ** np.arange(-6, 2.01, 0.5)


@dataclass(frozen=True)
class RidgeChoice:
    """The grid of ridges, the mean squared leave-one-out error of each, and the best."""

    ridge: float
    grid: tuple[float, ...]
    errors: tuple[float, ...]


def choose_ridge(gram: FloatArray, residual: FloatArray) -> RidgeChoice:
    """The ridge with the least mean squared leave-one-out error.

    Args:
        gram: (nk, nk) kernel of the training images.
        residual: (n, k) targets minus initial outputs.

    Raises:
        NumericalError: a kernel that is zero.
    """
    scale = float(np.trace(gram)) / len(gram)
    if not scale > 0:
        raise NumericalError("the kernel is zero: the network's outputs do not depend on its weights.")
    eigenvalues, vectors = linalg.eigh(gram, driver="evd", check_finite=False)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    grid = tuple(float(x) for x in GRID * scale)
    errors = tuple(_mean_squared_error(eigenvalues, vectors, residual, ridge) for ridge in grid)
    return RidgeChoice(grid[int(np.argmin(errors))], grid, errors)


def _mean_squared_error(eigenvalues: FloatArray, vectors: FloatArray, residual: FloatArray, ridge: float) -> float:
    n, k = residual.shape
    weights = 1.0 / (eigenvalues + ridge)
    coefficients = vectors @ (weights * (vectors.T @ residual.ravel()))
    rows = vectors.reshape(n, k, -1)
    blocks = (rows * weights) @ rows.transpose(0, 2, 1)
    errors = leave_one_out_errors(blocks, coefficients.reshape(n, k))
    return float(np.mean(np.sum(errors**2, axis=1)))

"""Rows, blocks and products of sample-major kernels, and the checks every result passes."""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, lapack

from sampleinfo.errors import NumericalError
from sampleinfo.types import FloatArray, IntArray


def rows_of(samples: IntArray, q: int) -> IntArray:
    """The kernel rows of samples."""
    return np.asarray((samples[:, None] * q + np.arange(q)).ravel(), dtype=np.int64)


def others(samples: IntArray, n: int, q: int) -> IntArray:
    """The kernel rows of all other samples."""
    return rows_of(np.delete(np.arange(n), samples), q)


def square(matrix: FloatArray, rows: IntArray) -> FloatArray:
    """The rows and columns ``rows`` of a square matrix, as a copy."""
    return np.asarray(matrix.take(rows, axis=0).take(rows, axis=1))


def product(first: FloatArray, second: FloatArray) -> FloatArray:
    """(r, c) first second, C-ordered, by the matrix library that factors kernels as well.

    NumPy and SciPy bring one each, whose waiting threads keep the other's from the cores: a product by NumPy right
    after a factorisation by SciPy takes several times as long (benchmarks/solvers.py).
    """
    if first.size == 0 or second.size == 0:
        return np.zeros((len(first), second.shape[1]))
    right, transposed_right = _for_blas(first.T)
    if second.shape[1] == 1:
        return np.asarray(blas.dgemv(1.0, right, second[:, 0], trans=not transposed_right))[:, None]
    left, transposed_left = _for_blas(second.T)
    return np.asarray(blas.dgemm(1.0, left, right, trans_a=transposed_left, trans_b=transposed_right)).T


def _for_blas(matrix: FloatArray) -> tuple[FloatArray, bool]:
    """The matrix in column order, without a copy where it or its transpose lies so."""
    return (matrix.T, True) if matrix.flags.c_contiguous and not matrix.flags.f_contiguous else (matrix, False)


def norm(matrix: FloatArray) -> float:
    """The largest absolute row sum of a symmetric matrix, an upper bound of its eigenvalues; without a copy of it."""
    return float(lapack.dlange("1", _for_blas(matrix)[0])) if matrix.size else 0.0  # type: ignore[call-arg]


def is_symmetric(matrix: FloatArray) -> bool:
    """Whether a square matrix equals its transpose to 1e-6, tried on one random vector: two products with it."""
    if matrix.size == 0:
        return True
    largest = float(np.abs(matrix.diagonal()).max())
    probe = np.random.default_rng(0).normal(size=(len(matrix), 1)) / (largest if largest > 0 else 1.0)
    rows, columns = product(matrix, probe), product(matrix.T, probe)
    return bool(np.abs(rows - columns).max() <= 1e-6 * np.abs(rows).max())


def diagonal_blocks(matrix: FloatArray, q: int) -> FloatArray:
    """(n, q, q) the q x q blocks on the diagonal of an (nq, nq) matrix."""
    n = len(matrix) // q
    return matrix.reshape(n, q, n, q)[np.arange(n), :, np.arange(n), :]


def finite(values: FloatArray, what: str) -> FloatArray:
    """``values``, all of them finite.

    Raises:
        NumericalError: they are not.
    """
    if not np.isfinite(values).all():
        raise NumericalError(f"the {what} are not finite; use a larger ridge, or another scale of the kernel.")
    return values


def leave_one_out_errors(blocks: FloatArray, coefficients: FloatArray) -> FloatArray:
    """(n, q, c) y_i - f_-i(x_i) = (E_i^T G E_i)^-1 a_i from G's diagonal blocks (n, q, q) and a (n, q, c)."""
    with np.errstate(all="ignore"):
        try:
            solved = coefficients / blocks if blocks.shape[1] == 1 else np.linalg.solve(blocks, coefficients)
        except np.linalg.LinAlgError as error:
            raise NumericalError("a leave-one-out problem is singular; use a larger ridge.") from error
    return finite(np.asarray(solved, dtype=np.float64), "leave-one-out errors")

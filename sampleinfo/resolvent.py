"""Training to convergence, and leaving samples out of it.

Leaving the samples B out changes the coefficients a = G r, G = (K + ridge I)^-1, by (block inverse; E_B selects their
rows)

    a - a_-B = c_B = G E_B (E_B^T G E_B)^-1 E_B^T a.

For a single sample i the by-product e_i = (E_i^T G E_i)^-1 E_i^T a is the error y_i - f_-i(x_i) of the network that has
not seen it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import linalg

from sampleinfo.blocks import diagonal_blocks, finite, leave_one_out_errors, norm, others, product, rows_of, square
from sampleinfo.errors import NumericalError
from sampleinfo.filters import Filters
from sampleinfo.types import FloatArray, IntArray


class Resolvent:
    """Training to convergence: G = (K + ridge I)^-1 by Cholesky, then potri in the same memory when its columns count.

    The matrix held is the factor until the inverse is asked for, and the inverse from then on.
    """

    def __init__(self, gram: FloatArray, q: int, filters: Filters) -> None:
        self._gram, self._q, self._filters = gram, q, filters
        self._n = len(gram) // q
        self._ridge = filters(max(self._n, 1)).ridge
        self._inverse: FloatArray | None = None
        self._solved: tuple[FloatArray, FloatArray] | None = None

    @cached_property
    def _factor(self) -> FloatArray:
        """(N, N) Cholesky factor of K + ridge I, lower triangle of a Fortran-ordered array."""
        shifted = np.array(self._gram, order="C").T
        size = len(shifted)
        if size == 0:
            return shifted
        shifted.flat[:: size + 1] += self._ridge
        largest = norm(shifted)
        factor, info = linalg.lapack.dpotrf(shifted, lower=1, overwrite_a=1, clean=0)
        if info == 0:
            reciprocal_condition, info = linalg.lapack.dpocon(factor, largest, uplo="L")
        if info != 0 or not reciprocal_condition > size * np.finfo(float).eps:
            raise self._singular()
        return np.asarray(factor)

    def _singular(self) -> NumericalError:
        scale = float(np.trace(self._gram)) / max(len(self._gram), 1)
        if self._ridge == 0:
            return NumericalError(
                "the kernel is singular, so training to convergence without a ridge has no unique leave-one-out "
                "results (duplicate images, or more samples x outputs than parameters); use a ridge above 0 "
                f"(the kernel's mean diagonal is {scale:.3g}) or a finite number of steps."
            )
        return NumericalError(
            f"the kernel with ridge {self._ridge:.3g} is not positive definite to working precision; use a larger "
            f"ridge (the kernel's mean diagonal is {scale:.3g})."
        )

    def inverse(self) -> FloatArray:
        """(N, N) G."""
        if self._inverse is None:
            inverse, info = linalg.lapack.dpotri(self._factor, lower=1, overwrite_c=1)
            del self._factor
            if info != 0:
                raise self._singular()
            self._inverse = _mirror(np.asarray(inverse).T)
        return self._inverse

    def coefficients(self, residual: FloatArray) -> FloatArray:
        """(N, c) G r; kept for the residual last asked for, since every set left out starts from it."""
        if self._solved is None or not np.array_equal(self._solved[0], residual):
            self._solved = (residual.copy(), finite(self._solve(residual), "weights"))
        return self._solved[1]

    def _solve(self, residual: FloatArray) -> FloatArray:
        """By the factor; with the inverse, one step of refinement against K + ridge I."""
        if self._inverse is None:
            return np.asarray(linalg.cho_solve((self._factor, True), residual, check_finite=False))
        first = product(self._inverse, residual)
        rest = residual - product(self._gram, first) - self._ridge * first
        return np.asarray(first + product(self._inverse, rest))

    def errors(self, residual: FloatArray) -> FloatArray:
        """(n, q, c) (E_i^T G E_i)^-1 a_i."""
        a = self.coefficients(residual).reshape(self._n, self._q, -1)
        return leave_one_out_errors(diagonal_blocks(self.inverse(), self._q), a)

    def changes(self, residual: FloatArray) -> FloatArray:
        """(N, c, n) G E_i e_i with the leave-one-out errors e_i."""
        return self._columns(self.inverse(), residual)

    def predicted_changes(self, cross: FloatArray, residual: FloatArray) -> FloatArray:
        """(M, c, n): the product with ``cross`` before or after the columns, whichever has fewer of them."""
        if residual.shape[1] > self._q:
            return self._columns(product(cross, self.inverse()), residual)
        changes = self.changes(residual)
        return product(cross, changes.reshape(len(changes), -1)).reshape(len(cross), *changes.shape[1:])

    def _columns(self, matrix: FloatArray, residual: FloatArray) -> FloatArray:
        """(R, c, n) matrix E_i e_i."""
        errors = self.errors(residual)
        if self._q == 1:
            return np.asarray(matrix[:, None, :] * errors[:, 0, :].T)
        columns = matrix.reshape(len(matrix), self._n, self._q)
        return np.asarray(np.einsum("riq,iqc->rci", columns, errors, optimize=True))

    def without(self, samples: IntArray, residual: FloatArray) -> FloatArray:
        """(N, c): from the inverse where few go (it is formed once), else by a factorisation of what stays."""
        removed, stay = len(samples) * self._q, len(self._gram) - len(samples) * self._q
        if removed > stay or (self._inverse is None and removed > stay / 4):
            return self._on_others(samples, residual)
        inverse, a = self.inverse(), self.coefficients(residual)
        rows = rows_of(samples, self._q)
        strip = inverse[rows]
        out = a - product(strip.T, linalg.solve(strip[:, rows], a[rows], assume_a="pos", check_finite=False))
        out[rows] = 0.0
        return finite(np.asarray(out), "weights")

    def _on_others(self, samples: IntArray, residual: FloatArray) -> FloatArray:
        """(N, c) coefficients without ``samples`` by solving the problem of the others."""
        rest, out = others(samples, self._n, self._q), np.zeros_like(residual)
        if len(rest):
            out[rest] = Resolvent(square(self._gram, rest), self._q, self._filters).coefficients(residual[rest])
        return out


def _mirror(upper: FloatArray) -> FloatArray:
    """Copy the upper triangle of a C-ordered matrix onto the lower one, block by block and in place."""
    size, step = len(upper), 512
    for start in range(0, size, step):
        stop = min(start + step, size)
        block = upper[start:stop, start:stop]
        block[:] = np.triu(block) + np.triu(block, 1).T
        upper[stop:, start:stop] = upper[start:stop, stop:].T
    return upper

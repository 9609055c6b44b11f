"""Any training by one eigendecomposition of the kernel, and leaving samples out of it through poles.

A finite training has no resolvent, but its filter is h(x) ~ c + Re sum_j rho_j / (x - z_j) (``filters``), and for each
pole the block inverse identity holds with G_j = (K - z_j I)^-1 = U diag(1 / (s - z_j)) U^T: without the samples B,

    a_-B = c r + Re sum_j rho_j (G_j r - G_j E_B (E_B^T G_j E_B)^-1 E_B^T G_j r)    outside the rows of B, 0 in them.

A rate on the mean loss grows when samples go: h is then that of the smaller problem. The eigenvalues of its kernel
interlace with those of K, so the poles are fitted on the spectrum of K.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from sampleinfo.blocks import diagonal_blocks, finite, others, product, rows_of, square
from sampleinfo.errors import NumericalError
from sampleinfo.filters import TOLERANCE, ComplexArray, Filter, Filters, Poles, Unstable, fit_poles
from sampleinfo.types import FloatArray, IntArray

#: Eigenvalues below 0, relative to the largest, that are taken for rounding errors: products are in float32.
ROUNDING = 1e-4
#: An eigendecomposition costs about as much as this many times N^3 multiply-adds of a matrix product.
_EIGEN = 12.0
#: And leaving out a set of b rows through the poles as many times b^2 N.
_POLES = 24.0


@dataclass(frozen=True, eq=False)
class Spectrum:
    """K = U diag(s) U^T: eigenvalues s (N,) ascending and not negative, vectors U (N, N) in columns."""

    eigenvalues: FloatArray
    vectors: FloatArray

    @classmethod
    def of(cls, gram: FloatArray) -> Spectrum:
        """The eigendecomposition; eigenvalues below 0, which are rounding errors of a kernel, become 0.

        Raises:
            NumericalError: eigenvalues far below 0, which no kernel has, or no convergence.
        """
        try:
            eigenvalues, vectors = linalg.eigh(gram, driver="evd", check_finite=False)
        except linalg.LinAlgError as error:
            raise NumericalError("the kernel's eigendecomposition did not converge; check its scale.") from error
        if eigenvalues[0] < -ROUNDING * abs(eigenvalues[-1]):
            raise NumericalError(
                f"gram is not a kernel: its eigenvalues go from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}; "
                "those of products of gradients are 0 or above."
            )
        return cls(np.maximum(eigenvalues, 0.0), np.ascontiguousarray(vectors))

    @property
    def largest(self) -> float:
        """The largest eigenvalue."""
        return float(self.eigenvalues[-1])


class Spectral:
    """Any other training: one eigendecomposition, and the poles of the filter."""

    def __init__(
        self, gram: FloatArray, q: int, filters: Filters, spectrum: Spectrum, tolerance: float = TOLERANCE
    ) -> None:
        self._gram, self._q, self._filters, self._tolerance = gram, q, filters, tolerance
        self._n = len(gram) // q
        self.spectrum = spectrum
        self._eigenvalues, self._vectors, self._largest = spectrum.eigenvalues, spectrum.vectors, spectrum.largest
        self._poles: dict[int, Poles] = {}
        self._slowly: tuple[FloatArray, FloatArray] | None = None
        if not filters(self._n).is_stable(self._largest):
            raise Unstable(self._n, self._largest)

    def coefficients(self, residual: FloatArray) -> FloatArray:
        """(N, c) U h(s) U^T r."""
        return finite(self._apply(self._filters(self._n), residual), "weights")

    def _apply(self, function: Filter, residual: FloatArray) -> FloatArray:
        values = function(self._eigenvalues)
        return product(self._vectors, values[:, None] * product(self._vectors.T, residual))

    def poles(self, samples: int) -> Poles | None:
        """The poles for training on ``samples`` samples; None where they would not be accurate."""
        function = self._filters(samples)
        if samples not in self._poles:
            usable = function.is_stable(self._largest)
            nothing = Poles(0.0, np.zeros(0, complex), np.zeros(0, complex), np.inf)
            self._poles[samples] = fit_poles(function, self._eigenvalues) if usable else nothing
        found = self._poles[samples]
        return found if found.error <= self._tolerance else None

    def errors(self, residual: FloatArray) -> FloatArray:
        """(n, q, c) r_i - K_i a_-i; with the poles K_i a_-i = c (K r - K_ii r)_i + Re sum_j rho_j (r_i - M_ji^-1 a_ji).

        M_ji = E_i^T G_j E_i; it follows from K G_j = I + z_j G_j.
        """
        if self._n == 1 or (poles := self.poles(self._n - 1)) is None:
            changes = self.changes(residual)
            own = np.empty((self._n, self._q, residual.shape[1]))
            a = self.coefficients(residual)
            for i in range(self._n):
                rows = slice(i * self._q, (i + 1) * self._q)
                own[i] = residual[rows] - self._gram[rows] @ (a - changes[:, :, i])
            return finite(own, "leave-one-out errors")
        r = residual.reshape(self._n, self._q, -1)
        fitted = poles.constant * (
            product(self._gram, residual).reshape(r.shape) - diagonal_blocks(self._gram, self._q) @ r
        )
        solutions = self._own_solutions(poles.places, residual)
        fitted += np.einsum("j,jiqc->iqc", poles.residues, r - solutions).real
        return finite(r - fitted, "leave-one-out errors")

    def _own_solutions(self, places: ComplexArray, residual: FloatArray) -> ComplexArray:
        """(J, n, q, c) M_ji^-1 (G_j r)_i for each of J poles."""
        weights = 1.0 / (self._eigenvalues[:, None] - places)  # (N, J)
        terms = weights[:, :, None] * product(self._vectors.T, residual)[:, None, :]
        solved = self._product(self._vectors, terms.reshape(len(terms), -1))
        shape = (self._n, self._q, len(places), residual.shape[1])
        own = solved.reshape(shape).transpose(2, 0, 1, 3)
        if self._q == 1:
            return np.asarray(own / self._product(self._vectors**2, weights).T[:, :, None, None])
        out = np.empty(own.shape, dtype=np.complex128)
        for number in range(len(places)):
            blocks: Any = self._blocks(weights[:, number])
            out[number] = np.linalg.solve(blocks, own[number])
        return out

    @staticmethod
    def _product(matrix: FloatArray, columns: ComplexArray) -> ComplexArray:
        """matrix columns: real times complex as one real product."""
        both = product(matrix, np.concatenate([columns.real, columns.imag], axis=1))
        return np.asarray(both[:, : columns.shape[1]] + 1j * both[:, columns.shape[1] :])

    def _blocks(self, weights: ComplexArray) -> ComplexArray:
        """(n, q, q) E_i^T U diag(weights) U^T E_i, some samples at a time."""
        q, step = self._q, max(1, 2**22 // (self._q * len(self._gram)))
        out = np.empty((self._n, q, q), dtype=np.complex128)
        for start in range(0, self._n, step):
            rows = self._vectors[start * q : (start + step) * q].reshape(-1, q, len(self._gram))
            turned = rows.transpose(0, 2, 1)
            out[start : start + step] = (rows * weights.real) @ turned + 1j * ((rows * weights.imag) @ turned)
        return out

    def changes(self, residual: FloatArray) -> FloatArray:
        """(N, c, n) through the poles: U sum_q U_iq * Re(D diag(rho) M_i^-1 a_i), plus the change of rate."""
        full = self.coefficients(residual)
        if self._n == 1:
            return full[:, :, None]
        poles = self.poles(self._n - 1)
        if poles is None:
            return self._one_by_one(residual)
        n, q, c = self._n, self._q, residual.shape[1]
        size = len(self._gram)
        spectral = 1.0 / (self._eigenvalues[:, None] - poles.places) * poles.residues  # (N, J)
        weights = np.concatenate([spectral.real, -spectral.imag], axis=1)
        solutions = self._own_solutions(poles.places, residual)  # (J, n, q, c)
        parts = np.concatenate([solutions.real, solutions.imag])
        remaining = full - self._apply(self._filters(n - 1), residual)
        out = np.empty((size, c, n))
        for output in range(c):
            inner = np.zeros((size, n))
            for row in range(q):
                inner += self._vectors[row::q].T * product(weights, parts[:, :, row, output])
            out[:, output, :] = product(self._vectors, inner) + remaining[:, output, None]
        for i in range(n):
            rows = slice(i * q, (i + 1) * q)
            out[rows, :, i] = full[rows]
        return finite(out, "weight changes")

    def _one_by_one(self, residual: FloatArray) -> FloatArray:
        """(N, c, n) by definition; kept, because it is slow."""
        if self._slowly is not None and self._slowly[0] is residual:
            return self._slowly[1]
        warnings.warn(
            f"the poles do not reach an error of {self._tolerance:.0e} for this training; every leave-one-out "
            "problem is solved by an eigendecomposition of its own, which takes far longer.",
            RuntimeWarning,
            stacklevel=2,
        )
        full = self.coefficients(residual)
        each = [full - self._on_others(np.array([i]), residual) for i in range(self._n)]
        self._slowly = (residual, np.stack(each, axis=2))
        return self._slowly[1]

    def predicted_changes(self, cross: FloatArray, residual: FloatArray) -> FloatArray:
        """(M, c, n) cross (a - a_-i)."""
        changes = self.changes(residual)
        return product(cross, changes.reshape(len(changes), -1)).reshape(len(cross), *changes.shape[1:])

    def without(self, samples: IntArray, residual: FloatArray) -> FloatArray:
        """(N, c): through the poles, or by an eigendecomposition of what stays where that is cheaper or needed."""
        removed, size = len(samples) * self._q, len(self._gram)
        stay = size - removed
        if stay == 0:
            return np.zeros_like(residual)
        if _EIGEN * stay**3 < _POLES * removed * removed * size:
            return self._on_others(samples, residual)
        poles = self.poles(self._n - len(samples))
        if poles is None:
            return self._on_others(samples, residual)
        rows = rows_of(samples, self._q)
        strip, weighted = self._vectors[rows], np.empty((2 * removed, size))
        rotated = product(self._vectors.T, residual)
        inner = self._filters(self._n - len(samples))(self._eigenvalues)[:, None] * rotated
        for place, rho in zip(poles.places, poles.residues, strict=True):
            weights = 1.0 / (self._eigenvalues - place)
            np.multiply(strip, weights.real, out=weighted[:removed])
            np.multiply(strip, weights.imag, out=weighted[removed:])
            parts = product(weighted, strip.T)
            right = self._product(strip, weights[:, None] * rotated)
            solved = linalg.solve(parts[:removed] + 1j * parts[removed:], right, check_finite=False)
            inner -= (rho * weights[:, None] * self._product(strip.T, solved)).real
        out = product(self._vectors, inner)
        out[rows] = 0.0
        return finite(np.asarray(out), "weights")

    def _on_others(self, samples: IntArray, residual: FloatArray) -> FloatArray:
        """(N, c) coefficients without ``samples`` by solving the problem of the others."""
        rest, out = others(samples, self._n, self._q), np.zeros_like(residual)
        if len(rest):
            part = square(self._gram, rest)
            solver = Spectral(part, self._q, self._filters, Spectrum.of(part))
            out[rest] = solver.coefficients(residual[rest])
        return out

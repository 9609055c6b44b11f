"""Leaving samples out in feature space: the algebra of one block of rows.

With rows Phi (N, D), A = Phi^T Phi = Q diag(s) Q^T, t = Q^T Phi^T r and the rotated rows F_i = Phi_i Q (q, D) of sample
i, a resolvent of A is a diagonal: R_j = Q W_j Q^T, W_j = diag(1 / (s - z_j)). Without sample i the matrix is
A - Phi_i^T Phi_i and the right side Phi^T r - Phi_i^T r_i, so that by Woodbury's identity

    (A_-i - z_j I)^-1 Phi_-i^T r_-i = R_j Phi^T r - R_j Phi_i^T u_ij,
    u_ij = (I - P_ij)^-1 e_ij,    P_ij = F_i W_j F_i^T,    e_ij = r_i - F_i W_j t.

For the training h(x) = c + Re sum_j rho_j / (x - z_j) without sample i (``filters``; to convergence c = 0, one pole at
-ridge) the weights and the error of that sample follow:

    Q^T (w - w_-i) = drift + c F_i^T r_i + Re sum_j rho_j W_j F_i^T u_ij
    y_i - f_-i(x_i) = r_i - c (F_i t - F_i F_i^T r_i) - Re sum_j rho_j (r_i - u_ij)

``drift`` is the difference of the two filters, of n and of n - 1 samples, applied to t: a rate on the mean loss grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg import blas

from sampleinfo.blocks import product
from sampleinfo.errors import NumericalError
from sampleinfo.filters import Poles
from sampleinfo.types import FloatArray

Precision = Literal["float32", "float64"]
#: Rows of float32 or of float64, (R, D).
Rows = npt.NDArray[np.floating[Any]]
#: float64, or complex128 where a pole is.
Numbers = npt.NDArray[Any]
#: Rows handled at once: their products fill the cores and stay near them.
ROWS = 1024
#: Least eigenvalue of I - P_i that the products can tell from 0.
LEAST: dict[Precision, float] = {"float32": 1e-5, "float64": 1e-10}


@dataclass(frozen=True, eq=False)
class Resolvents:
    """h(x) ~ constant + Re sum_j residues_j / (x - z_j) on the spectrum of A.

    ``weights`` (D, J) are 1 / (s - z_j), and ``residues`` (J,); both real where all poles are.
    """

    constant: float
    residues: Numbers
    weights: Numbers

    @classmethod
    def of(cls, poles: Poles, eigenvalues: FloatArray, null: float) -> Resolvents:
        """The resolvents at the poles; at a pole of 0, eigenvalues up to ``null`` are left out (pseudo-inverse)."""
        distance = eigenvalues[:, None] - poles.places
        outside = (poles.places == 0) & (eigenvalues[:, None] <= null)
        weights = np.divide(1.0, distance, out=np.zeros_like(distance), where=~outside)
        if np.all(poles.places.imag == 0):
            return cls(poles.constant, poles.residues.real, weights.real)
        return cls(poles.constant, poles.residues, weights)

    @property
    def single(self) -> bool:
        """Whether there is but one real pole and no constant: training to convergence."""
        return self.constant == 0 and len(self.residues) == 1 and not np.iscomplexobj(self.weights)

    def columns(self) -> FloatArray:
        """(D, C) real: the weights' real parts, their imaginary ones if there are any, and ones for the constant."""
        parts = [self.weights.real] + [self.weights.imag] * np.iscomplexobj(self.weights)
        return np.hstack([*parts, np.ones((len(self.weights), int(self.constant != 0)))])

    def joined(self, values: FloatArray) -> Numbers:
        """(..., J) of (..., C) values linear in the columns."""
        count = len(self.residues)
        if not np.iscomplexobj(self.weights):
            return values[..., :count]
        return np.asarray(values[..., :count] + 1j * values[..., count : 2 * count])


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Of b samples: P of all columns (b, q, q, C), u (b, J, q, c) and the errors y_i - f_-i(x_i) (b, q, c)."""

    products: FloatArray
    solutions: Numbers
    errors: FloatArray


def times(rows: Rows, matrix: Rows) -> Rows:
    """(R, P) rows matrix, both C-ordered and of one dtype, by the matrix library of ``blocks.product``."""
    multiply: Any = blas.sgemm if rows.dtype == np.float32 else blas.dgemm
    return np.asarray(multiply(1.0, matrix.T, rows.T)).T


def pair_products(rotated: FloatArray, columns: FloatArray) -> FloatArray:
    """(b, q, q, C) F_i diag(column) F_i^T of rotated rows (b, q, D) for each of C columns (D, C)."""
    count, q, _ = rotated.shape
    out = np.empty((count, q, q, columns.shape[1]))
    for first in range(q):
        for second in range(first, q):
            out[:, first, second] = product(rotated[:, first] * rotated[:, second], columns)
            out[:, second, first] = out[:, first, second]
    return out


def leave_each_out(rotated: FloatArray, residual: FloatArray, target: FloatArray, how: Resolvents) -> LeftOut:
    """Leave out each of b samples with the rotated rows (b, q, D) and residuals (b, q, c); ``target`` (D, c) is t."""
    columns, shape = how.columns(), residual.shape
    products = pair_products(rotated, columns)
    right = (columns[:, :, None] * target[:, None, :]).reshape(len(columns), -1)
    fitted = product(rotated.reshape(-1, len(columns)), right).reshape(*shape[:2], -1, shape[2])
    errors = residual[:, None] - how.joined(fitted.swapaxes(2, 3)).transpose(0, 3, 1, 2)
    solutions = solve(how.joined(products).transpose(0, 3, 1, 2), errors)
    if how.single:
        return LeftOut(products, solutions, solutions[:, 0])
    held_out = residual - np.einsum("j,bjqc->bqc", how.residues, residual[:, None] - solutions).real
    if how.constant != 0:
        held_out -= how.constant * (fitted[:, :, -1] - products[..., -1] @ residual)
    return LeftOut(products, solutions, held_out)


def solve(products: Numbers, errors: Numbers) -> Numbers:
    """(I - P)^-1 e of products (..., q, q) and errors (..., q, c); not finite where I - P is singular."""
    q = products.shape[-1]
    with np.errstate(all="ignore"):
        if q == 1:
            return np.asarray(errors / (1.0 - products))
        try:
            return np.asarray(np.linalg.solve(np.eye(q) - products, errors))
        except np.linalg.LinAlgError:  # of one of them: the others have their solutions
            if products.ndim == 2:
                return np.full_like(errors, np.nan)
            return np.stack([solve(*each) for each in zip(products, errors, strict=True)])


def least_eigenvalues(products: FloatArray) -> FloatArray:
    """(...) the least eigenvalue of I - P, P (..., q, q) symmetric; 1 - trace P, which is not above it, if that is .1.

    The trace is enough to tell most samples from those that the others do not determine.
    """
    bound = 1.0 - np.trace(products, axis1=-2, axis2=-1)
    if products.shape[-1] > 1 and np.any(doubtful := bound < 0.1):
        bound[doubtful] = 1.0 - np.linalg.eigvalsh(products[doubtful])[..., -1]
    return np.asarray(bound)


def changes(rotated: FloatArray, residual: FloatArray, found: LeftOut, how: Resolvents, output: int) -> FloatArray:
    """(b, D) Q^T (w - w_-i) of one of the c columns of weights, without the drift."""
    parts = found.solutions[:, :, :, output] * how.residues[:, None]  # (b, J, q)
    rows = [parts.real] + [-parts.imag] * np.iscomplexobj(how.weights)
    if how.constant != 0:
        rows.append(how.constant * residual[:, None, :, output])
    coefficients, columns = np.concatenate(rows, axis=1), how.columns()
    out = np.zeros((len(rotated), len(columns)))
    for row in range(rotated.shape[1]):
        out += rotated[:, row] * product(coefficients[:, :, row], columns.T)
    return out


@dataclass(frozen=True, eq=False)
class Plan:
    """What leaving each sample out needs, the same for every block.

    ``vectors`` (D, D) is Q and ``factor`` (D, R) turns Q^T (w - w_-i) into a vector as long as the change of the
    validation outputs, both in the dtype of the products; ``target`` and ``drift`` (D, c); ``gain`` (D,) is the filter
    of all samples.
    """

    vectors: Rows
    factor: Rows
    target: FloatArray
    drift: FloatArray
    gain: FloatArray
    how: Resolvents

    def rotated(self, rows: Rows) -> FloatArray:
        """(b, q, D) F of rows (b, q, D): a product in the dtype of ``vectors``, float64 from here on."""
        flat = rows.reshape(-1, rows.shape[2]).astype(self.vectors.dtype, copy=False)
        return np.asarray(times(flat, self.vectors), dtype=np.float64).reshape(rows.shape)

    def energies(self, directions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(b,) each: ||d||^2 and the squared change of the validation outputs of d (b, D)."""
        moved = times(directions.astype(self.factor.dtype), self.factor)
        return np.einsum("bd,bd->b", directions, directions), np.einsum("br,br->b", moved, moved, dtype=np.float64)

    @property
    def precision(self) -> Precision:
        """The dtype of the products."""
        return "float32" if self.vectors.dtype == np.float32 else "float64"


@dataclass(frozen=True, eq=False)
class Scores:
    """Of b samples: errors left out (b, q, c), ||w - w_-i||^2 and ||f - f_-i||^2 (b,), F_i diag(gain) F_i^T (b, q, q).

    ``least`` is the least eigenvalue of I - P_i over all of them where training goes to convergence.
    """

    errors: FloatArray
    weights: FloatArray
    outputs: FloatArray
    leverage: FloatArray
    least: float


def score(rows: Rows, residual: FloatArray, plan: Plan) -> Scores:
    """All scores of a block of rows (b, q, D) with residuals (b, q, c)."""
    rotated, how = plan.rotated(rows), plan.how
    found = leave_each_out(rotated, residual, plan.target, how)
    if how.single:
        leverage, least = found.products[..., 0], float(least_eigenvalues(found.products[..., 0]).min(initial=1.0))
    else:
        leverage, least = pair_products(rotated, plan.gain[:, None])[..., 0], 1.0
    if how.single and rotated.shape[1] == 1:  # all columns of weights move along one direction
        lengths, outputs = plan.energies(rotated[:, 0] * how.weights[:, 0])
        size = np.einsum("bqc,bqc->b", found.errors, found.errors)
        return Scores(found.errors, lengths * size, outputs * size, leverage, least)
    lengths, outputs = np.zeros(len(rows)), np.zeros(len(rows))
    for output in range(residual.shape[2]):
        change = changes(rotated, residual, found, how, output) + plan.drift[:, output]
        both = plan.energies(change)
        lengths, outputs = lengths + both[0], outputs + both[1]
    return Scores(found.errors, lengths, outputs, leverage, least)


def check_solvable(least: float, ridge: float, scale: float, precision: Precision) -> None:
    """Refuse a sample whose rows the others do not determine, or only within rounding errors.

    Raises:
        NumericalError: the least eigenvalue of I - P_i is too small.
    """
    if least > LEAST[precision]:
        return
    finer = "" if precision == "float64" else " or products in float64"
    raise NumericalError(
        f"some sample's own features are not determined by the others' (least eigenvalue of I - P {least:.1g}, ridge "
        f"{ridge:.3g}), so training to convergence without it is not settled; use a larger ridge (the kernel's mean "
        f"diagonal is {scale:.3g}){finer}, or a finite number of steps."
    )

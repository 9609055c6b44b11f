"""The linearized network in closed form: training it, and leaving each sample out.

Notation (Harutyunyan et al. 2021, section 4). J stacks the Jacobians of the n training images at the initial weights
w0, k rows per image (sample-major); K = J J^T is the neural tangent kernel and K_val = J_val J^T. Training
w0 + J^T a on the summed squared loss with ridge / 2 ||w - w0||^2 to convergence gives

    a = G r,    G = (K + ridge I)^-1,    f(x_val) = f_0(x_val) + K_val a.

Leaving sample i out changes a by (block inverse; E_i selects the k rows of sample i)

    a - a_-i = c_i = G E_i (E_i^T G E_i)^-1 E_i^T a,

so one factorisation serves all n problems. Its by-product e_i = (E_i^T G E_i)^-1 E_i^T a is the error
y_i - f_-i(x_i) of the network that has not seen sample i.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.types import FloatArray


@dataclass(frozen=True, eq=False)
class Problem:
    """One linearized training problem; float64, sample-major rows.

    Args:
        gram: (nk, nk) kernel between training images, symmetric.
        cross: (mk, nk) kernel between validation and training images.
        residual: (n, k) targets minus initial outputs.
        val_outputs: (m, k) initial outputs on the validation images.
        val_targets: (m, k) or None.

    Raises:
        InvalidSetting: shapes that do not fit each other.
        NumericalError: a value that is not finite.
    """

    gram: FloatArray
    cross: FloatArray
    residual: FloatArray
    val_outputs: FloatArray
    val_targets: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("residual", "val_outputs"):
            if getattr(self, name).ndim != 2:
                raise InvalidSetting(f"{name} must have two dimensions, got shape {getattr(self, name).shape}.")
        (n, k), m = self.residual.shape, len(self.val_outputs)
        expected = {"gram": (n * k, n * k), "cross": (m * k, n * k), "val_outputs": (m, k), "val_targets": (m, k)}
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is None and name == "val_targets":
                continue
            if value.shape != shape:
                raise InvalidSetting(f"{name} must have shape {shape}, got {value.shape}.")
        for name in ("gram", "cross", "residual", "val_outputs", "val_targets"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                raise NumericalError(f"{name} holds values that are not finite.")

    @property
    def n(self) -> int:
        """Training images."""
        return len(self.residual)

    @property
    def k(self) -> int:
        """Outputs per image."""
        return int(self.residual.shape[1])

    @property
    def m(self) -> int:
        """Validation images."""
        return len(self.val_outputs)


@dataclass(frozen=True)
class Training:
    """How the linearized network is trained.

    ``steps`` None trains to convergence, which needs ``ridge`` > 0 (on the summed loss). ``lr`` is on the mean loss.
    Finite ``steps`` are not available yet: ``fit`` says so.
    """

    steps: int | None = None
    lr: float = 1e-3
    ridge: float = 0.0
    continuous: bool = False


@dataclass(frozen=True, eq=False)
class LeaveEachOut:
    """What leaving out each training image changes: the result on all samples minus the result without sample i.

    ``coefficient_change`` (nk, n), ``val_change`` (m, k, n), ``errors`` (n, k): y_i - f_-i(x_i).
    """

    coefficient_change: FloatArray
    val_change: FloatArray
    errors: FloatArray


@dataclass(frozen=True, eq=False)
class Fit:
    """The linearized network trained on every sample of ``problem``."""

    problem: Problem
    training: Training

    @cached_property
    def _factor(self) -> FloatArray:
        """(nk, nk) lower Cholesky factor of K + ridge I."""
        shifted = self.problem.gram.copy()
        shifted.flat[:: len(shifted) + 1] += self.training.ridge
        try:
            return np.asarray(linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False))
        except linalg.LinAlgError as error:
            raise NumericalError(
                f"the kernel with ridge {self.training.ridge:.3g} is not positive definite; use a larger ridge "
                f"(the kernel's mean diagonal is {np.trace(self.problem.gram) / len(shifted):.3g})."
            ) from error

    @cached_property
    def coefficients(self) -> FloatArray:
        """(nk,) a = (K + ridge I)^-1 r."""
        solved = linalg.cho_solve((self._factor, True), self.problem.residual.ravel(), check_finite=False)
        return _finite(np.asarray(solved), "coefficients")

    @cached_property
    def val_outputs(self) -> FloatArray:
        """(m, k) outputs on the validation images after training on everything."""
        change = self.problem.cross @ self.coefficients
        return self.problem.val_outputs + change.reshape(self.problem.val_outputs.shape)

    @cached_property
    def _inverse(self) -> FloatArray:
        """(nk, nk) G, from the factor (LAPACK potri): all of its columns are needed."""
        inverse, info = linalg.lapack.dpotri(self._factor, lower=1)
        if info != 0:
            raise NumericalError(f"the kernel with ridge {self.training.ridge:.3g} is singular; use a larger ridge.")
        return _mirror(np.asarray(inverse))

    def leave_each_out(self) -> LeaveEachOut:
        """All n leave-one-out problems; computed once."""
        return self._leave_each_out

    @cached_property
    def _leave_each_out(self) -> LeaveEachOut:
        n, k, m = self.problem.n, self.problem.k, self.problem.m
        errors = leave_one_out_errors(diagonal_blocks(self._inverse, k), self.coefficients.reshape(n, k))
        columns = self._inverse.reshape(n * k, n, k)
        change = np.einsum("rik,ik->ri", columns, errors, optimize=True)
        val_change = (self.problem.cross @ change).reshape(m, k, n)
        return LeaveEachOut(_finite(change, "coefficient change"), _finite(val_change, "prediction change"), errors)


def fit(problem: Problem, training: Training) -> Fit:
    """Train the linearized network in closed form.

    Raises:
        InvalidSetting: a ridge that is not above 0, or finite ``steps`` (not available yet).
    """
    if training.steps is not None:
        raise InvalidSetting("training for a finite number of steps is not available yet; use steps=None.")
    if not (np.isfinite(training.ridge) and training.ridge > 0):
        raise InvalidSetting(f"training to convergence needs a finite ridge above 0, got {training.ridge}.")
    return Fit(problem, training)


def diagonal_blocks(matrix: FloatArray, k: int) -> FloatArray:
    """(n, k, k) the k x k blocks on the diagonal of an (nk, nk) matrix."""
    n = len(matrix) // k
    blocks = matrix.reshape(n, k, n, k)
    return blocks[np.arange(n), :, np.arange(n), :]


def leave_one_out_errors(blocks: FloatArray, coefficients: FloatArray) -> FloatArray:
    """(n, k) y_i - f_-i(x_i) = (E_i^T G E_i)^-1 a_i from G's diagonal blocks (n, k, k) and a (n, k)."""
    solved = np.asarray(np.linalg.solve(blocks, coefficients[:, :, None])[:, :, 0], dtype=np.float64)
    return _finite(solved, "leave-one-out errors")


def _mirror(lower: FloatArray) -> FloatArray:
    """Copy the lower triangle onto the upper one, block by block and in place."""
    size, step = len(lower), 512
    for start in range(0, size, step):
        stop = min(start + step, size)
        block = lower[start:stop, start:stop]
        block[:] = np.tril(block) + np.tril(block, -1).T
        lower[start:stop, stop:] = lower[stop:, start:stop].T
    return lower


def _finite(values: FloatArray, what: str) -> FloatArray:
    if not np.isfinite(values).all():
        raise NumericalError(f"the {what} are not finite; use a larger ridge.")
    return values

"""The linearized network in closed form: training it, and training it again with samples left out, kept or relabelled.

Notation (Harutyunyan et al. 2021, section 4). J stacks the Jacobians of the n training images at the initial weights
w0, k rows per image (sample-major); K = J J^T is the neural tangent kernel and K_val = J_val J^T. With the residual
r = Y - f_0(X), training by gradient descent gives

    w = w0 + J^T a,    f(x_val) = f_0(x_val) + K_val a,    a = h(K) r,

h set by how one trains (``filters``). Leaving samples out has a closed form as well, so that one factorisation serves
every question about the same kernel (``solvers``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sampleinfo import solvers
from sampleinfo.blocks import finite, product
from sampleinfo.errors import InvalidSetting
from sampleinfo.problem import Problem, Training, checked_indices, columns, explained, sample_major
from sampleinfo.solvers import Solver
from sampleinfo.types import FloatArray, IntArray

__all__ = ["Fit", "LeaveEachOut", "Problem", "Training", "fit"]


@dataclass(frozen=True, eq=False)
class LeaveEachOut:
    """What leaving out each training image changes: the result on all samples minus the result without sample i.

    Each is computed when first asked for, and kept.
    """

    problem: Problem
    solver: Solver
    training: Training

    @cached_property
    def coefficient_change(self) -> FloatArray:
        """(nk, n) a - a_-i; a_-i is zero in the rows of sample i."""
        problem = self.problem
        with explained(self.training):
            changes = self.solver.changes(self._residual)
        return sample_major(changes, problem.rows).reshape(problem.n * problem.k, problem.n)

    @cached_property
    def val_change(self) -> FloatArray:
        """(m, k, n) f - f_-i on the validation images."""
        problem = self.problem
        with explained(self.training):
            changes = self.solver.predicted_changes(problem.cross, self._residual)
        return finite(sample_major(changes, problem.rows), "prediction changes")

    @cached_property
    def errors(self) -> FloatArray:
        """(n, k) y_i - f_-i(x_i)."""
        with explained(self.training):
            return self.solver.errors(self._residual).reshape(self.problem.residual.shape)

    @cached_property
    def _residual(self) -> FloatArray:
        return columns(self.problem.residual, self.problem.rows)


@dataclass(frozen=True, eq=False)
class Fit:
    """The linearized network trained on the samples ``kept`` of ``whole``, with the residuals ``residual`` there.

    Made by ``fit`` and by the methods here; all fits of one kernel share one solver, so that a question about some
    samples costs a small correction instead of another factorisation.
    """

    whole: Problem
    training: Training
    solver: Solver
    kept: IntArray
    residual: FloatArray

    @cached_property
    def problem(self) -> Problem:
        """The problem of exactly the samples trained on."""
        whole = self.whole
        if self.residual is not whole.residual:
            targets = None if whole.targets is None else whole.targets + (self.residual - whole.residual)
            whole = replace(whole, residual=self.residual, targets=targets)
        return whole if self._complete else whole.subset(self.kept)

    @property
    def _complete(self) -> bool:
        return len(self.kept) == self.whole.n and bool(np.array_equal(self.kept, np.arange(self.whole.n)))

    @cached_property
    def _embedded(self) -> FloatArray:
        """(N, c) coefficients on all samples of ``whole``, zero for those not trained on."""
        residual = columns(self.residual, self.whole.rows)
        with explained(self.training):
            if len(self.kept) == self.whole.n:
                return self.solver.coefficients(residual)
            return self.solver.without(self._left_out, residual)

    @property
    def _left_out(self) -> IntArray:
        return np.setdiff1d(np.arange(self.whole.n), self.kept, assume_unique=True)

    @cached_property
    def coefficients(self) -> FloatArray:
        """(nk,) a of the n samples trained on."""
        return self.embedded_coefficients.reshape(self.whole.n, -1)[self.kept].ravel()

    @property
    def embedded_coefficients(self) -> FloatArray:
        """(nk,) a on all samples of ``whole``, zero for those not trained on."""
        return self._embedded.reshape(-1)

    @cached_property
    def val_outputs(self) -> FloatArray:
        """(m, k) outputs on the validation images after training."""
        change = product(self.whole.cross, self._embedded)
        return finite(self.whole.val_outputs + change.reshape(self.whole.val_outputs.shape), "predictions")

    @cached_property
    def train_errors(self) -> FloatArray:
        """(n, k) y - f(x) of the samples trained on, after training."""
        fitted = product(self.whole.gram, self._embedded).reshape(self.residual.shape)
        return np.asarray((self.residual - fitted)[self.kept])

    def leave_each_out(self) -> LeaveEachOut:
        """All n leave-one-out problems; each part is computed once."""
        return self._leave_each_out

    @cached_property
    def _leave_each_out(self) -> LeaveEachOut:
        if self._complete:
            return LeaveEachOut(self.problem, self.solver, self.training)
        return LeaveEachOut(self.problem, _solver(self.problem, self.training), self.training)

    def without(self, indices: npt.ArrayLike) -> Fit:
        """The fit on the other samples, exact. ``indices`` count this fit's samples.

        Raises:
            InvalidSetting: an index out of range or given twice; a learning rate that diverges on the others.
        """
        return replace(self, kept=np.delete(self.kept, checked_indices(indices, len(self.kept))))

    def keep(self, indices: npt.ArrayLike) -> Fit:
        """The fit on these samples alone, in their order, exact.

        Raises:
            InvalidSetting: an index out of range or given twice; a learning rate that diverges on them.
        """
        return replace(self, kept=self.kept[checked_indices(indices, len(self.kept))])

    def relabel(self, indices: npt.ArrayLike, targets: npt.ArrayLike) -> Fit:
        """The fit with other targets (b, k) for these b samples, exact: the coefficients are linear in the residual.

        Raises:
            InvalidSetting: an index out of range or given twice, targets of another shape or not finite, or a problem
                that was made without ``targets``.
        """
        if self.whole.targets is None:
            raise InvalidSetting("relabel needs the training targets; make the problem with Problem(..., targets=Y).")
        rows = self.kept[checked_indices(indices, len(self.kept))]
        wanted = np.asarray(targets, dtype=np.float64)
        if wanted.shape != (len(rows), self.whole.k):
            raise InvalidSetting(f"targets must have shape {(len(rows), self.whole.k)}, got {wanted.shape}.")
        if not np.isfinite(wanted).all():
            raise InvalidSetting("targets hold values that are not finite.")
        initial = self.whole.targets[rows] - self.whole.residual[rows]
        residual = self.residual.copy()
        residual[rows] = wanted - initial
        return replace(self, residual=residual)


def fit(problem: Problem, training: Training) -> Fit:
    """Train the linearized network in closed form.

    Raises:
        InvalidSetting: a learning rate that diverges; the message names the largest stable one.
    """
    return Fit(problem, training, _solver(problem, training), np.arange(problem.n), problem.residual)


def _solver(problem: Problem, training: Training) -> Solver:
    with explained(training):
        return solvers.make(problem.gram, problem.rows, training.filter)

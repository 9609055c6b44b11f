"""The linearized network in feature space: any number of samples, D x D matrices, rows streamed from shards.

With features Phi (n q, D) the kernel is K = Phi Phi^T and the network f(x) = f_0(x) + Phi(x) (w - w0). ``linearized``
works with K; here nothing larger than D x D and one block of rows is held. Three passes give every sample's scores: one
over the training rows for Phi^T Phi and Phi^T r, one over the validation rows, and one for the scores
(``primal_blocks`` has the identities, ``primal_sets`` those of sets). To convergence, A = Phi^T Phi + ridge I,

    e_i = r_i - Phi_i A^-1 Phi^T r,    P_i = Phi_i A^-1 Phi_i^T,    u_i = (I - P_i)^-1 e_i = y_i - f_-i(x_i),
    w - w_-i = A^-1 Phi_i^T u_i,       f - f_-i = Phi_val A^-1 Phi_i^T u_i.

Sums over rows run in float64, Phi^T Phi included. The two large products per row of the last pass are in float32 or in
float64 (``precision``). Measured, float32 costs less than 1e-5 of the largest score where rows outnumber features; up
to 4e-4 where they do not and a ridge of 1e-3 (of the kernel's mean diagonal) or 2000 steps all but interpolate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sampleinfo.blocks import finite, product
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.evaluation import evaluate_outputs
from sampleinfo.filters import Converged
from sampleinfo.information import GroupInformation
from sampleinfo.primal_blocks import (
    Plan,
    Precision,
    Resolvents,
    Scores,
    changes,
    check_solvable,
    least_eigenvalues,
    leave_each_out,
)
from sampleinfo.primal_passes import Mapper, Selection, gather, in_turn, outputs, ridge_errors, scores
from sampleinfo.primal_problem import PrimalProblem
from sampleinfo.primal_sets import Moments, Validation, plan, rotation, weights_of
from sampleinfo.problem import Training, checked_indices, explained
from sampleinfo.tuning import RIDGES, Choice
from sampleinfo.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Primal:
    """A problem whose rows are summed up: ready for any training on any of its samples. Made by ``prepare``."""

    problem: PrimalProblem
    moments: Moments
    validation: Validation
    precision: Precision

    def fit(self, training: Training) -> PrimalFit:
        """Train on all samples.

        Raises:
            InvalidSetting: a learning rate that diverges; the message names the largest stable one.
        """
        if training.steps is not None:
            with explained(training):
                self.moments.filtered(training.filter(self.problem.n))
        return PrimalFit(self, training, np.arange(self.problem.n))

    def relabelled(self, samples: IntArray, targets: FloatArray) -> Primal:
        """With other targets (b, k) for b samples.

        Raises:
            InvalidSetting: targets of another shape, or a problem that was made without them.
            NumericalError: targets that are not finite.
        """
        problem, moments = self.problem, self.moments
        if problem.targets is None:
            raise InvalidSetting("relabel needs the training targets; make the problem with targets=Y.")
        if targets.shape != (len(samples), problem.k):
            raise InvalidSetting(f"targets must have shape {(len(samples), problem.k)}, got {targets.shape}.")
        wanted, residual = problem.targets.copy(), problem.residual.copy()
        wanted[samples] = targets
        residual[samples] += targets - problem.targets[samples]
        changed = replace(problem, residual=residual, targets=wanted)
        return replace(self, problem=changed, moments=moments.relabelled(residual.reshape(moments.residual.shape)))

    def choose_ridge(self) -> Choice:
        """The ridge of ``tuning.RIDGES`` (times the kernel's mean diagonal) with the least leave-one-out error.

        One pass over the shards for all candidates. A ridge too small for the precision counts as infinitely bad.

        Raises:
            NumericalError: features that are all zero.
            InvalidSetting: no candidate has a finite error.
        """
        moments = self.moments
        if not moments.scale > 0:
            raise NumericalError("the features are zero: the network's outputs do not depend on its weights.")
        ridges, eigenvalues = RIDGES * moments.scale, moments.spectrum.eigenvalues
        nothing = Resolvents(0.0, np.zeros(0), np.zeros((len(eigenvalues), 0)))
        turned = rotation(moments, self.validation, self.precision, eigenvalues, moments.rotated_target, nothing)
        errors = ridge_errors(moments.selection, moments.residual, turned, ridges, eigenvalues, moments.map)
        best = float(ridges[int(np.argmin(errors))])
        return Choice(best, tuple(float(x) for x in ridges), tuple(float(x) for x in errors))


def prepare(problem: PrimalProblem, precision: Precision = "float32", map: Mapper = in_turn) -> Primal:
    """One pass over the training shards and one over the validation shards.

    Args:
        problem: the rows and their residuals.
        precision: of the products with the rows when scores are made.
        map: where the passes are done: ``map(work, numbers)`` gives ``work(number)`` for shards, in any order.

    Raises:
        NumericalError: features whose products are not finite.
        InvalidRun: a shard that is missing or damaged.
    """
    residual = problem.residual.reshape(problem.n, problem.q, -1)
    moments = Moments.of(Selection.everything(problem.train), residual, map)
    return Primal(problem, moments, Validation.of(Selection.everything(problem.val), map), precision)


def fit(
    problem: PrimalProblem, training: Training, precision: Precision = "float32", map: Mapper = in_turn
) -> PrimalFit:
    """Train the linearized network in closed form; see ``prepare`` for the arguments and ``Primal.fit`` for errors."""
    return prepare(problem, precision, map).fit(training)


@dataclass(frozen=True, eq=False)
class PrimalFit:
    """The linearized network trained on the samples ``kept`` of a problem; all fits of one problem share its sums."""

    solver: Primal
    training: Training
    kept: IntArray

    @property
    def whole(self) -> PrimalProblem:
        """The problem of all samples."""
        return self.solver.problem

    @property
    def n(self) -> int:
        """Samples trained on."""
        return len(self.kept)

    @property
    def k(self) -> int:
        """Outputs per image."""
        return self.whole.k

    @property
    def m(self) -> int:
        """Validation images."""
        return self.whole.m

    @cached_property
    def weights(self) -> FloatArray:
        """(D, c) w - w0, c = k / q columns."""
        with explained(self.training):
            if "moments" in vars(self):
                return self.moments.weights(self.training.filter(self.n))
            return weights_of(self.solver.moments, self.training, np.sort(self.kept))

    @cached_property
    def val_outputs(self) -> FloatArray:
        """(m, k) outputs on the validation images after training."""
        return self.whole.val_outputs + self.solver.validation.outputs(self.weights).reshape(self.m, self.k)

    @cached_property
    def train_errors(self) -> FloatArray:
        """(n, k) y - f(x) of the samples trained on, after training: one pass over their shards."""
        chosen = self.solver.moments.selection.only(self.kept)
        fitted = outputs(chosen, self.weights, self.solver.moments.map).reshape(self.n, self.k)
        return np.asarray(self.whole.residual[self.kept] - fitted[np.argsort(np.argsort(self.kept))])

    @cached_property
    def moments(self) -> Moments:
        """The sums over the samples trained on."""
        whole = self.solver.moments
        return whole if self.n == self.whole.n else whole.subset(np.sort(self.kept))

    def leave_each_out(self) -> PrimalLeaveEachOut:
        """All n leave-one-out problems; the pass over the shards is made once, when first needed."""
        return self._leave_each_out

    @cached_property
    def _leave_each_out(self) -> PrimalLeaveEachOut:
        return PrimalLeaveEachOut(self)

    def without(self, indices: npt.ArrayLike) -> PrimalFit:
        """The fit on the other samples, exact. ``indices`` count this fit's samples.

        Raises:
            InvalidSetting: an index out of range or given twice; a learning rate that diverges on the others.
        """
        return replace(self, kept=np.delete(self.kept, checked_indices(indices, self.n)))

    def keep(self, indices: npt.ArrayLike) -> PrimalFit:
        """The fit on these samples alone, in their order, exact.

        Raises:
            InvalidSetting: an index out of range or given twice; a learning rate that diverges on them.
        """
        return replace(self, kept=self.kept[checked_indices(indices, self.n)])

    def relabel(self, indices: npt.ArrayLike, targets: npt.ArrayLike) -> PrimalFit:
        """The fit with other targets (b, k) for these b samples, exact: Phi^T r is all that changes.

        Raises:
            InvalidSetting: an index out of range or given twice, targets of another shape or not finite, or a problem
                that was made without ``targets``.
        """
        rows = self.kept[checked_indices(indices, self.n)]
        return replace(self, solver=self.solver.relabelled(rows, np.asarray(targets, dtype=np.float64)))

    def between(self, other: PrimalFit, noise_variance: float = 1.0) -> tuple[float, float]:
        """Weight and functional information, in nats, between two fits of one problem.

        Raises:
            InvalidSetting: a noise variance that is not above 0.
        """
        if not (np.isfinite(noise_variance) and noise_variance > 0):
            raise InvalidSetting(f"noise_variance must be a finite number above 0, got {noise_variance}.")
        weight = float(np.sum((self.weights - other.weights) ** 2))
        moved = float(np.sum((self.val_outputs - other.val_outputs) ** 2))
        return weight / (2 * noise_variance), moved / (2 * noise_variance * self.m)


@dataclass(frozen=True, eq=False)
class PrimalLeaveEachOut:
    """What leaving out each training image changes: the result on all samples minus the result without sample i.

    Information is in nats, of isotropic smoothing with a noise variance of 1 (another one divides it).
    """

    fit: PrimalFit

    @property
    def errors(self) -> FloatArray:
        """(n, k) y_i - f_-i(x_i)."""
        return self._scores.errors.reshape(self.fit.n, self.fit.k)[self._places]

    @property
    def weight_information(self) -> FloatArray:
        """(n,) ||w - w_-i||^2 / 2."""
        return self._scores.weights[self._places] / 2

    @property
    def functional_information(self) -> FloatArray:
        """(n,) ||f - f_-i||^2 / (2 m) over the validation images."""
        return self._scores.outputs[self._places] / (2 * self.fit.m)

    @property
    def leverage(self) -> FloatArray:
        """(n, q, q) by how much the outputs of sample i move after training when its own targets grow by 1."""
        return self._scores.leverage[self._places]

    def val_change(self, rows: npt.ArrayLike) -> FloatArray:
        """(m, k, b) f - f_-i on the validation images for b samples of the fit.

        Raises:
            InvalidSetting: an index out of range or given twice.
            NumericalError: a sample whose features the others do not determine.
        """
        samples = self.fit.kept[checked_indices(rows, self.fit.n)]
        m, k, moments = self.fit.m, self.fit.k, self.fit.moments
        if len(samples) == 0:
            return np.zeros((m, k, 0))
        how, vectors = self.plan, moments.spectrum.vectors
        found = product(gather(moments.selection.only(samples), moments.map), vectors)
        rotated = found.reshape(len(samples), -1, len(vectors))[np.argsort(np.argsort(samples))]
        residual = moments.residual_of(samples)
        left_out = leave_each_out(rotated, residual, how.target, how.how)
        if how.how.single:
            least = float(least_eigenvalues(left_out.products[..., 0]).min())
            check_solvable(least, self.fit.training.ridge, moments.scale, "float64")
        columns = [
            changes(rotated, residual, left_out, how.how, output).T + how.drift[:, output, None]
            for output in range(residual.shape[2])
        ]  # c of (D, b)
        weights = product(vectors, np.stack(columns, axis=1).reshape(len(vectors), -1))
        return self.fit.solver.validation.outputs(finite(weights, "weight changes")).reshape(m, k, len(samples))

    @cached_property
    def _places(self) -> IntArray:
        """Of the fit's samples in the order of the passes."""
        return np.argsort(np.argsort(self.fit.kept))

    @cached_property
    def plan(self) -> Plan:
        """The fixed arrays of the pass.

        Raises:
            InvalidSetting: a learning rate that diverges without one sample.
            NumericalError: a training without accurate poles.
        """
        solver, training = self.fit.solver, self.fit.training
        with explained(training):
            return plan(self.fit.moments, solver.validation, training, solver.precision)

    @cached_property
    def _scores(self) -> Scores:
        moments, training = self.fit.moments, self.fit.training
        if self.fit.n == 0:
            empty, residual = np.zeros(0), moments.residual
            return Scores(residual, empty, empty, residual @ residual.swapaxes(1, 2), 1.0)
        found = scores(moments.selection, moments.residual, self.plan, moments.map)
        if isinstance(training.filter(self.fit.n), Converged):
            check_solvable(found.least, training.ridge, moments.scale, self.fit.solver.precision)
        for values in (found.errors, found.weights, found.outputs):
            finite(values, "scores")
        return found


def group_information(
    fit: PrimalFit, indices: npt.ArrayLike, noise_variance: float = 1.0, sources: Sequence[str] | None = None
) -> GroupInformation:
    """SI and F-SI of the samples ``indices`` of ``fit`` together, and its predicted accuracy without them.

    Raises:
        InvalidSetting: an index out of range or given twice, a noise variance that is not above 0.
    """
    rest = fit.without(indices)
    weight, functional = fit.between(rest, noise_variance)
    wanted = fit.whole.val_targets
    both = (None, None) if wanted is None else tuple(
        evaluate_outputs(each.val_outputs, wanted, sources) for each in (rest, fit)
    )  # fmt: skip
    return GroupInformation(fit.n - rest.n, weight, functional, both[0], both[1])

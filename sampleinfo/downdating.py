"""Training sets that grow and shrink sample by sample, without factoring a kernel again for each of them.

Training to convergence with a ridge > 0, on the samples T: f_T(x) = f_0(x) + K_xT (K_TT + ridge I)^-1 r_T. Three ways
to follow such sets, all by block inverses (Schur complements), exact up to rounding:

- ``prefix_outputs``: the predictions of every beginning of an order. One Cholesky factorisation L L^T of the ordered
  K + ridge I holds those of all leading blocks, so that with W = K_val L^-T and z = L^-1 r

      f_T(x_val) = f_0(x_val) + sum over the rows j of T of W_j z_j.

- ``Elimination``: samples are taken away. Without B, G becomes G - G_:B G_BB^-1 G_B:, and so does K_val G.
- ``Growth``: samples are added. The kernels given T, K - K_:T (K_TT + ridge I)^-1 K_T:, say what each further sample
  would change.

These identities are those of Gaussian process regression (Rasmussen and Williams 2006, appendix A.3); the greedy choice
by them is that of sparse approximation (Smola and Bartlett, "Sparse greedy Gaussian process regression", NeurIPS 2000),
here by the validation loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg

from sampleinfo.blocks import diagonal_blocks, finite, leave_one_out_errors, product, rows_of, square
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.filters import Converged
from sampleinfo.problem import Problem, checked_indices, columns
from sampleinfo.resolvent import Resolvent
from sampleinfo.types import FloatArray, IntArray


def prefix_outputs(problem: Problem, ridge: float, order: IntArray, sizes: Sequence[int]) -> FloatArray:
    """(len(sizes), m, k) predictions after training on the first so many samples of ``order``.

    All sizes together cost one factorisation: O(N^3 / 3 + M N^2).

    Raises:
        InvalidSetting: an order with a sample out of range or given twice; a size below 0 or above its length.
        NumericalError: a kernel that is not positive definite with this ridge.
    """
    order, q = checked_indices(order, problem.n), problem.rows
    if len(sizes) and not (min(sizes) >= 0 and max(sizes) <= len(order)):
        raise InvalidSetting(f"sizes must be between 0 and {len(order)}, got {min(sizes)} to {max(sizes)}.")
    rows = rows_of(order, q)
    factor = _factor(square(problem.gram, rows), ridge)
    moved = linalg.solve_triangular(factor, problem.cross[:, rows].T, lower=True, check_finite=False)
    z = linalg.solve_triangular(factor, columns(problem.residual[order], q), lower=True, check_finite=False)
    out, total, start = np.empty((len(sizes), *problem.val_outputs.shape)), problem.val_outputs.copy(), 0
    for place in np.argsort(sizes, kind="stable"):
        stop = sizes[place] * q
        total = total + product(moved[start:stop].T, z[start:stop]).reshape(total.shape)
        out[place], start = total, stop
    return finite(out, "predictions")


def _factor(gram: FloatArray, ridge: float) -> FloatArray:
    """Lower Cholesky factor of gram + ridge I; ``gram`` is overwritten."""
    gram.flat[:: len(gram) + 1] += ridge
    try:
        return np.asarray(linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False))
    except linalg.LinAlgError as error:
        raise NumericalError(
            f"the kernel with ridge {ridge:.3g} is not positive definite to working precision; use a larger ridge."
        ) from error


class Elimination:
    """A training set that shrinks. Start: O(N^3 + M N^2); removing b rows: O(b N (N + M)).

    ``left``: (s,) the samples that are still trained on, ascending.
    """

    def __init__(self, problem: Problem, ridge: float) -> None:
        resolvent = Resolvent(problem.gram, problem.rows, lambda _: Converged(ridge))
        self.left: IntArray = np.arange(problem.n)
        self._q, self._m = problem.rows, problem.m
        self._inverse = resolvent.inverse()
        self._coefficients = resolvent.coefficients(columns(problem.residual, problem.rows))
        self._cross = product(problem.cross, self._inverse)

    def functional_information(self) -> FloatArray:
        """(s,) nats that each sample left alone puts into the predictions of this set (eq. 16)."""
        count = len(self.left)
        blocks = diagonal_blocks(self._inverse, self._q)
        errors = leave_one_out_errors(blocks, self._coefficients.reshape(count, self._q, -1))
        if self._q == 1:
            energy = np.einsum("ri,ri->i", self._cross, self._cross) * np.einsum("iqc,iqc->i", errors, errors)
        else:
            moved = np.einsum("riq,iqc->ric", self._cross.reshape(-1, count, self._q), errors, optimize=True)
            energy = np.einsum("ric,ric->i", moved, moved)
        return finite(energy / (2 * self._m), "nats of functional information")

    def remove(self, places: IntArray) -> None:
        """Take the samples at these places of ``left`` away.

        Raises:
            InvalidSetting: a place out of range or given twice.
        """
        places = checked_indices(places, len(self.left))
        gone, stay = rows_of(places, self._q), rows_of(np.delete(np.arange(len(self.left)), places), self._q)
        strip = self._inverse[np.ix_(gone, stay)]
        solved = linalg.solve(
            square(self._inverse, gone), np.hstack([strip, self._coefficients[gone]]), assume_a="pos",
            check_finite=False,
        )  # fmt: skip
        correction, a = solved[:, : len(stay)], solved[:, len(stay) :]
        self._coefficients = self._coefficients[stay] - product(strip.T, a)
        self._cross = self._cross[:, stay] - product(self._cross[:, gone], correction)
        self._inverse = square(self._inverse, stay) - product(strip.T, correction)
        self.left = np.delete(self.left, places)


class Growth:
    """A training set that grows, and what each sample that is not in it would do to the validation loss.

    Start with t rows: O(t^3 + t M N); adding one sample: O(q M N + q t (N + M)). ``chosen``: the samples, as added.

    Args:
        problem: with ``val_targets``; its validation images are those whose loss counts.
        ridge: above 0.
        rows: samples of the set to start with.

    Raises:
        InvalidSetting: no validation targets, a ridge that is not above 0, rows out of range or given twice.
    """

    def __init__(self, problem: Problem, ridge: float, rows: Sequence[int] | IntArray = ()) -> None:
        if problem.val_targets is None or problem.m == 0:
            raise InvalidSetting("growing a set by its validation loss needs validation images and their targets.")
        if not ridge > 0:
            raise InvalidSetting(f"growing a set needs a ridge above 0, got {ridge}.")
        self._problem, self._ridge, self._q = problem, ridge, problem.rows
        self.chosen = [int(row) for row in checked_indices(np.asarray(rows, dtype=np.int64), problem.n)]
        taken = rows_of(np.asarray(self.chosen, dtype=np.int64), self._q)
        self._count = len(taken)
        capacity = max(64, 2 * self._count)
        self._left, self._val_left = (np.zeros((capacity, len(each))) for each in (problem.gram, problem.cross))
        self._error = columns(problem.val_targets - problem.val_outputs, self._q)
        self._residual = columns(problem.residual, self._q)
        cross, diagonal = problem.cross, diagonal_blocks(problem.gram, self._q)
        if self._count:
            factor = _factor(square(problem.gram, taken), ridge)
            z, left, val_left = (
                linalg.solve_triangular(factor, each, lower=True, check_finite=False)
                for each in (self._residual[taken], problem.gram[taken], problem.cross[:, taken].T)
            )
            self._left[: self._count], self._val_left[: self._count] = left, val_left
            self._error, self._residual = self._error - product(val_left.T, z), self._residual - product(left.T, z)
            cross = cross - product(val_left.T, left)
            by_sample = left.reshape(self._count, -1, self._q)
            diagonal = diagonal - np.einsum("tiq,tip->iqp", by_sample, by_sample, optimize=True)
        self._diagonal = diagonal.copy()
        self._slope = product(cross.T, self._error)
        blocks = cross.reshape(len(cross), -1, self._q)
        self._power = np.einsum("riq,rip->iqp", blocks, blocks, optimize=True)

    @property
    def loss(self) -> float:
        """Mean over the validation images of 1/2 ||y - f_T(x)||^2."""
        return float(np.sum(self._error**2) / (2 * self._problem.m))

    @property
    def outputs(self) -> FloatArray:
        """(m, k) f_T on the validation images."""
        return self._wanted - self._error.reshape(self._problem.val_outputs.shape)

    @property
    def _wanted(self) -> FloatArray:
        assert self._problem.val_targets is not None  # checked at the start
        return self._problem.val_targets

    def gains(self) -> FloatArray:
        """(n,) by how much each sample would lower ``loss`` if it were added; NaN for those in the set."""
        n, q = self._problem.n, self._q
        solved = leave_one_out_errors(self._diagonal + self._ridge * np.eye(q), self._residual.reshape(n, q, -1))
        linear = np.einsum("iqc,iqc->i", solved, self._slope.reshape(n, q, -1))
        quadratic = np.einsum("iqc,iqc->i", solved, np.einsum("iqp,ipc->iqc", self._power, solved))
        found = (2 * linear - quadratic) / (2 * self._problem.m)
        found[self.chosen] = np.nan
        return np.asarray(found)

    def add(self, sample: int) -> None:
        """Put a sample into the set.

        Raises:
            InvalidSetting: a sample out of range, or in the set already.
        """
        if not 0 <= sample < self._problem.n or sample in self.chosen:
            raise InvalidSetting(f"{sample} is no training sample, or in the set already.")
        q, problem = self._q, self._problem
        rows = slice(sample * q, (sample + 1) * q)
        left, val_left = self._left[: self._count], self._val_left[: self._count]
        # The kernels given T, at the columns of the sample, times a root of (V_jj + ridge I)^-1.
        own, val_own = (matrix.T - product(known.T, left[:, rows]) for matrix, known in (
            (problem.gram[rows], left), (problem.cross[:, rows].T, val_left)))  # fmt: skip
        root = linalg.inv(linalg.cholesky(own[rows] + self._ridge * np.eye(q), lower=True)).T
        fresh, val_fresh, z = own @ root, val_own @ root, root.T @ self._residual[rows]
        pulled = product(problem.cross.T, val_fresh) - product(left.T, product(val_left, val_fresh))
        inner = val_fresh.T @ val_fresh
        self._slope += fresh @ (inner @ z - val_fresh.T @ self._error) - pulled @ z
        blocks, pulled = fresh.reshape(-1, q, q), pulled.reshape(-1, q, q)
        mixed = pulled @ blocks.transpose(0, 2, 1)
        self._power += blocks @ inner @ blocks.transpose(0, 2, 1) - mixed - mixed.transpose(0, 2, 1)
        self._diagonal -= blocks @ blocks.transpose(0, 2, 1)
        self._error, self._residual = self._error - val_fresh @ z, self._residual - fresh @ z
        self._store(fresh, val_fresh)
        self.chosen.append(sample)

    def _store(self, fresh: FloatArray, val_fresh: FloatArray) -> None:
        stop = self._count + self._q
        if stop > len(self._left):
            self._left, self._val_left = (
                np.concatenate([each, np.zeros_like(each)]) for each in (self._left, self._val_left)
            )
        self._left[self._count : stop], self._val_left[self._count : stop] = fresh.T, val_fresh.T
        self._count = stop

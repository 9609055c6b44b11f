"""Training sets that grow and shrink sample by sample, without factoring a kernel again for each of them.

Training to convergence with a ridge > 0, on the samples T: f_T(x) = f_0(x) + K_xT (K_TT + ridge I)^-1 r_T. Four ways
to follow such sets, all by block inverses (Schur complements), exact up to rounding:

- ``prefix_outputs``: the predictions of every beginning of an order. One Cholesky factorisation L L^T of the ordered
  K + ridge I holds those of all leading blocks, so that with W = K_val L^-T and z = L^-1 r

      f_T(x_val) = f_0(x_val) + sum over the rows j of T of W_j z_j.

- ``Elimination``: samples are taken away. Without B, G becomes G - G_:B G_BB^-1 G_B:, and so does K_val G.
- ``Growth``: samples are added. The kernels given T, K - K_:T (K_TT + ridge I)^-1 K_T:, say what each further sample
  would change.
- ``move_gains``: any set at once, and the loss of every set that differs from it by one sample.

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

    It starts empty; adding one sample to t rows: O(q M N + q t (N + M)). ``chosen``: the samples, as added.

    Args:
        problem: with ``val_targets``; its validation images are those whose loss counts.
        ridge: above 0.

    Raises:
        InvalidSetting: no validation targets, or a ridge that is not above 0.
    """

    def __init__(self, problem: Problem, ridge: float) -> None:
        if problem.val_targets is None or problem.m == 0:
            raise InvalidSetting("growing a set by its validation loss needs validation images and their targets.")
        if not ridge > 0:
            raise InvalidSetting(f"growing a set needs a ridge above 0, got {ridge}.")
        self._problem, self._ridge, self._q = problem, ridge, problem.rows
        self.chosen: list[int] = []
        self._count, capacity = 0, 64
        self._left, self._val_left = (np.zeros((capacity, len(each))) for each in (problem.gram, problem.cross))
        self._error = columns(problem.val_targets - problem.val_outputs, self._q)
        self._residual = columns(problem.residual, self._q)
        self._diagonal = diagonal_blocks(problem.gram, self._q)
        self._slope = product(problem.cross.T, self._error)
        self._power = _squares(problem.cross, self._q)

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
        blocks = self._diagonal + self._ridge * np.eye(self._q)
        found = _gains(blocks, self._residual, self._slope, self._power) / self._problem.m
        found[self.chosen] = np.nan
        return found

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


def move_gains(problem: Problem, ridge: float, chosen: IntArray, inverse: FloatArray) -> FloatArray:
    """(n,) by how much the loss over all n training samples would fall if each changed sides: joined T, or left it.

    The loss is the mean of 1/2 ||y - f_T(x)||^2. With U the samples outside, R = (K_TT + ridge I)^-1, B = R K_TU,
    V = K_UU - K_UT B (the kernel given T) and a = R r_T, the errors y - f_T are ridge a on T and r_U - B^T r_T on U,
    and the predictions move, where

        x joins   by  [ridge B; V]_:x (V_xx + ridge I)^-1 (r_U - B^T r_T)_x    on [T; U],
        i leaves  by  -[I - ridge R; B^T]_:i R_ii^-1 a_i                       on [T; U].

    Cost, with t rows in T, u in U: O(t^2 (t + u) + t u^2) or, whichever is less, O(u^2 (t + u) + u t^2).

    Args:
        problem: whose training samples are chosen from.
        ridge: above 0.
        chosen: the samples of T.
        inverse: (nq, nq) G = (K + ridge I)^-1 of all samples.

    Raises:
        NumericalError: a kernel that is not positive definite with this ridge.
    """
    q, residual = problem.rows, columns(problem.residual, problem.rows)
    rest = np.delete(np.arange(problem.n), chosen)
    inside, outside = rows_of(chosen, q), rows_of(rest, q)
    solve = _given_set if len(chosen) < len(rest) else _given_others
    own, joint, left = solve(problem.gram, inverse, ridge, inside, outside)
    a = product(own, residual[inside])
    error, error_out = ridge * a, residual[outside] - product(joint.T, residual[inside])
    gains = np.empty(problem.n)
    gains[rest] = _gains(
        diagonal_blocks(left, q) + ridge * np.eye(q), error_out,
        ridge * product(joint.T, error) + product(left, error_out),
        ridge**2 * _squares(joint, q) + _squares(left, q),
    )  # fmt: skip
    blocks = diagonal_blocks(own, q)
    own *= -ridge
    own.flat[:: len(own) + 1] += 1.0  # K_TT R
    slope = -product(own, error) - product(joint, error_out)
    gains[chosen] = _gains(blocks, a, slope, _squares(own, q) + _squares(joint.T, q))
    return finite(gains / problem.n, "changes of the loss")


Parts = tuple[FloatArray, FloatArray, FloatArray]


def _given_set(gram: FloatArray, _: FloatArray, ridge: float, inside: IntArray, outside: IntArray) -> Parts:
    """R, B and V by a factorisation of K_TT + ridge I = L L^T: with W = L^-1 K_TU, B = L^-T W and V = K_UU - W^T W."""
    factor = _factor(square(gram, inside), ridge)
    strip = gram.take(inside, axis=0).take(outside, axis=1)
    half = linalg.solve_triangular(factor, strip, lower=True, check_finite=False)
    joint = linalg.solve_triangular(factor, half, lower=True, trans=1, check_finite=False)
    return _inverted(factor), joint, square(gram, outside) - product(half.T, half)


def _given_others(_: FloatArray, inverse: FloatArray, ridge: float, inside: IntArray, outside: IntArray) -> Parts:
    """The same by a factorisation of G_UU: V + ridge I = G_UU^-1, B = -G_TU G_UU^-1 and R = G_TT + B G_UT."""
    left = _inverted(_factor(square(inverse, outside), 0.0))
    strip = inverse.take(outside, axis=0).take(inside, axis=1)
    joint = -product(strip.T, left)
    left.flat[:: len(left) + 1] -= ridge
    return square(inverse, inside) + product(joint, strip), joint, left


def _inverted(factor: FloatArray) -> FloatArray:
    """(N, N) (L L^T)^-1."""
    if not factor.size:
        return factor
    lower = np.tril(linalg.lapack.dpotri(factor, lower=1)[0])
    return np.asarray(lower + np.tril(lower, -1).T)


def _squares(matrix: FloatArray, q: int) -> FloatArray:
    """(n, q, q) the product of each sample's columns of (R, nq) with themselves."""
    if q == 1:
        return np.asarray(np.einsum("ri,ri->i", matrix, matrix)[:, None, None])
    blocks = matrix.reshape(len(matrix), matrix.shape[1] // q, q)
    return np.asarray(np.einsum("riq,rip->iqp", blocks, blocks, optimize=True))


def _gains(blocks: FloatArray, error: FloatArray, slope: FloatArray, power: FloatArray) -> FloatArray:
    """(n,) e_i^T s_i - e_i^T P_i e_i / 2: by how much 1/2 ||y - f||^2 falls if f moves by D_i e_i.

    e_i = blocks_i^-1 error_i of (n, q, q) and (nq, c); ``slope`` (nq, c): s_i = D_i^T (y - f); ``power`` (n, q, q):
    P_i = D_i^T D_i.
    """
    shape = (*blocks.shape[:2], error.shape[1])
    solved = leave_one_out_errors(blocks, error.reshape(shape))
    linear = np.einsum("iqc,iqc->i", solved, slope.reshape(shape))
    return np.asarray(linear - np.einsum("iqc,iqc->i", solved, power @ solved) / 2)

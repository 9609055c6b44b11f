"""Information along the training: every leave-one-out from one recorded run of the real network.

The linearization at the initial weights fails where the network moves away from them. Here the network is trained once,
on all samples, and two things are noted: the residuals e(s) = f_w(s)(X) - Y of every step s, and the weights in the
middle of L segments of the run. J_l are the Jacobians at the weights of segment l, K_ll' = J_l J_l'^T. Without the
samples R the run would have ended elsewhere; the difference d = w_-R - w grows from 0 step by step as

    d <- (1 - delta') d - (delta' - delta) v - eta' J_l^T M_R (e(s) + J_l d) + eta J_l^T e(s),
    v <- (1 - delta) v - eta J_l^T e(s),                                        v = w - w0,

where M_R sets the rows of R to zero, eta and delta are the rates of step and ridge on all samples and eta' and delta'
those without R (``recipe``). This is the difference of the two runs' own steps, with f_{w+d}(X) - f_w(X) replaced by
J_l d and the Jacobian of each step by that of its segment. In the coordinates d = sum_l J_l^T c_l, v = sum_l J_l^T b_l
only kernels are needed, and many sets R are columns of one matrix.

Related: the segment-wise approximation of unrolled differentiation (Bae et al., "Training data attribution via
approximate unrolled differentiation", 2024); derived here for the exact recursion of the differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sampleinfo.blocks import finite
from sampleinfo.errors import InvalidSetting
from sampleinfo.recipe import Recipe
from sampleinfo.types import FloatArray, IntArray, Reporter, silent

#: Sets whose recursion runs at the same time.
COLUMNS = 1024


@dataclass(frozen=True, eq=False)
class Record:
    """One training run on all n samples.

    ``residuals``: (steps, b, k) f - y of the samples of each step's batch, in the batch's order; b is n for full
    batches.
    """

    recipe: Recipe
    n: int
    residuals: FloatArray

    @property
    def k(self) -> int:
        """Outputs."""
        return int(self.residuals.shape[2])


@dataclass(frozen=True, eq=False)
class Segments:
    """Kernels of the L segments of a run, N = n k rows each, in the precision that the recursion is to have.

    ``gram``: (L N, L N) J_l J_l'^T; ``cross``: (m k, L N) J_val J_l^T, J_val at the final weights. One kernel shared by
    all k outputs has (L n, L n) and (m, L n).
    """

    gram: FloatArray
    cross: FloatArray
    count: int


@dataclass(frozen=True, eq=False)
class Changes:
    """What leaving out each of S sets changes, as the result on all samples minus the result without the set.

    ``val_change``: (m, k, S) f - f_-R on the validation images; ``weight_change``: (S,) ||w - w_-R||^2.
    """

    val_change: FloatArray
    weight_change: FloatArray

    def functional_information(self, noise_variance: float = 1.0) -> FloatArray:
        """(S,) nats in the predictions: sum_j ||f - f_-R||^2 / (2 sigma^2 m) (Harutyunyan et al. 2021, eq. 16)."""
        energy = np.einsum("jks,jks->s", self.val_change, self.val_change)
        return np.asarray(energy / (2 * noise_variance * len(self.val_change)))

    def weight_information(self, noise_variance: float = 1.0) -> FloatArray:
        """(S,) nats in the weights: ||w - w_-R||^2 / (2 sigma^2) (eq. 5, isotropic smoothing)."""
        return np.asarray(self.weight_change / (2 * noise_variance))


def bounds(steps: int, segments: int) -> IntArray:
    """(L + 1,) first step of each segment, and the end: as equal as whole steps allow.

    Raises:
        InvalidSetting: more segments than steps, or none.
    """
    if not 1 <= segments <= steps:
        raise InvalidSetting(f"segments must be between 1 and the {steps} steps of the run, got {segments}.")
    return np.asarray(np.round(np.linspace(0, steps, segments + 1)), dtype=np.int64)


def middles(steps: int, segments: int) -> list[int]:
    """The steps before which the weights of each segment are noted."""
    edges = bounds(steps, segments)
    return [int(low + high) // 2 for low, high in pairwise(edges)]


def leave_each_out(record: Record, segments: Segments, report: Reporter = silent) -> Changes:
    """All n leave-one-outs; column i is without sample i."""
    return leave_out(record, segments, [np.array([i]) for i in range(record.n)], report)


def leave_out(record: Record, segments: Segments, sets: Sequence[IntArray], report: Reporter = silent) -> Changes:
    """Every set of ``sets`` (sample numbers) left out of the recorded run.

    Cost: per step one product (N, N) x (N, S); L + 1 of them more in all. Memory: (L + 2) N S numbers for at most
    ``COLUMNS`` sets at a time. Reports the stage ``along``.

    Raises:
        InvalidSetting: kernels of other sizes than the record, or sets that leave nothing to train on.
        NumericalError: a recursion that diverges.
    """
    for each in sets:
        if len(each) >= record.n:
            raise InvalidSetting("a set that holds every training image leaves nothing to train on.")
    parts = [sets[start : start + COLUMNS] for start in range(0, len(sets), COLUMNS)] or [sets]
    found = []
    for number, part in enumerate(parts):
        found.append(_solve(record, segments, part, None, _Share(report, number, len(parts))))
    return Changes(
        np.concatenate([each.val_change for each in found], axis=2),
        np.concatenate([each.weight_change for each in found]),
    )


def relabel(record: Record, segments: Segments, shift: FloatArray) -> Changes:
    """The run with ``shift`` (n, k) added to the targets; one column: the result before minus that after.

    Raises:
        InvalidSetting: a shift of another shape, or kernels of other sizes than the record.
    """
    if shift.shape != (record.n, record.k):
        raise InvalidSetting(f"shift must have shape {(record.n, record.k)}, got {shift.shape}.")
    return _solve(record, segments, [np.zeros(0, dtype=np.int64)], shift, _Share(silent, 0, 1))


@dataclass(frozen=True)
class _Share:
    """Reports the steps of one of several parts."""

    report: Reporter
    part: int
    parts: int

    def __call__(self, done: float) -> None:
        self.report("along", self.part + done, self.parts)


def _solve(
    record: Record, segments: Segments, sets: Sequence[IntArray], shift: FloatArray | None, progress: _Share
) -> Changes:
    """One part; with a kernel shared by all outputs each output is a problem of its own."""
    n, k, count = record.n, record.k, segments.count
    if segments.gram.shape == (count * n, count * n) and k > 1:
        each = []
        for o in range(k):
            own = Record(record.recipe, n, record.residuals[:, :, o : o + 1])
            part = _Share(progress.report, progress.part * k + o, progress.parts * k)
            each.append(_solve(own, segments, sets, None if shift is None else shift[:, o : o + 1], part))
        return Changes(
            np.concatenate([one.val_change for one in each], axis=1),
            np.sum([one.weight_change for one in each], axis=0),
        )
    if segments.gram.shape != (count * n * k, count * n * k) or segments.cross.shape[1] != count * n * k:
        raise InvalidSetting(
            f"{count} segments of {n} samples with {k} outputs need kernels of {count * n * k} columns, got "
            f"{segments.gram.shape} and {segments.cross.shape}."
        )
    return _changes(record, segments, _coefficients(record, segments, sets, shift, progress))


def _changes(record: Record, segments: Segments, coefficients: FloatArray) -> Changes:
    """From coefficients (L N, S) of w_-R - w."""
    moved, shape = segments.cross @ coefficients, (len(segments.cross) // record.k, record.k, coefficients.shape[1])
    lengths = np.einsum("rs,rs->s", coefficients, segments.gram @ coefficients, dtype=np.float64)
    return Changes(
        finite(-moved.reshape(shape).astype(np.float64), "prediction changes"),
        finite(np.maximum(lengths, 0.0), "weight changes"),
    )


def _coefficients(
    record: Record, segments: Segments, sets: Sequence[IntArray], shift: FloatArray | None, progress: _Share
) -> FloatArray:
    """(L N, S) coefficients c_l of d, one column for each set; ``shift`` (n, k) of the targets of all columns."""
    recipe, n, k, S = record.recipe, record.n, record.k, len(sets)
    N, L, dtype = n * k, segments.count, segments.gram.dtype
    removed = np.zeros((n, S), dtype=bool)
    for column, each in enumerate(sets):
        removed[each, column] = True
    whole, left = float(recipe.decay(n)), recipe.decay(n - removed.sum(axis=0)).astype(dtype)
    changes, moved = np.zeros((L * N, S), dtype=dtype), np.zeros(L * N, dtype=dtype)
    batches, edges = list(recipe.batches(n)), bounds(recipe.steps, L)
    for number, (first, last) in enumerate(pairwise(edges)):
        here, before = slice(number * N, (number + 1) * N), slice(0, number * N)
        start = segments.gram[here, before] @ changes[before] if number else None
        pulled = segments.gram[here, before] @ moved[before]
        segment = _Segment(segments.gram[here, here], start, pulled, changes[here], moved[here], whole, left)
        for step in range(first, last):
            batch = batches[step]
            moved_targets = None if shift is None else shift[batch].reshape(-1, 1).astype(dtype)
            segment.step(recipe, batch, record.residuals[step].astype(dtype), removed, moved_targets)
            progress((step + 1) / recipe.steps)
        kept, kept_left = (1 - whole) ** (last - first), (1 - left) ** (last - first)
        changes[before] = kept_left * changes[before] - (kept - kept_left) * moved[before, None]
        moved[before] *= kept
    return changes


@dataclass(eq=False)
class _Segment:
    """The recursion inside one segment, in place.

    ``start``: (N, S) J_l d of what earlier segments gave, None for the first; ``pulled``: (N,) J_l v of the same;
    ``c``: (N, S) and ``b``: (N,) this segment's own coefficients; ``whole``: decay of v; ``left``: (S,) decay of each
    run without its set.
    """

    gram: FloatArray
    start: FloatArray | None
    pulled: FloatArray
    c: FloatArray
    b: FloatArray
    whole: float
    left: FloatArray

    def step(
        self, recipe: Recipe, batch: IntArray, residual: FloatArray, removed: np.ndarray, shift: FloatArray | None
    ) -> None:
        """One step over ``batch``: its residuals (b, k) on all samples, ``removed`` (n, S), ``shift`` (b k, 1)."""
        k, full = residual.shape[1], len(batch) * residual.shape[1] == len(self.gram)
        rows = slice(None) if full else (batch[:, None] * k + np.arange(k)).ravel()
        e, gone = residual.reshape(-1, 1), removed[batch]
        rate = recipe.rate(len(batch)).astype(e.dtype)
        rates = recipe.rate(len(batch) - gone.sum(axis=0)).astype(e.dtype)
        error = self.gram[rows] @ self.c  # of the runs without their sets
        if self.start is not None:
            error += self.start[rows]
        error += e
        if shift is not None:
            error -= shift
        error *= -rates
        at = np.nonzero(np.repeat(gone, k, axis=0))
        error[at] = 0
        error += rate * e
        if recipe.ridge:
            self._decay()
        if full:
            self.c += error
        else:
            self.c[rows] += error
        self.b[rows] -= rate * e[:, 0]

    def _decay(self) -> None:
        """The ridge's pull on d and v, before the gradients' part of the step."""
        difference = self.left - self.whole
        self.c *= 1 - self.left
        self.c -= difference * self.b[:, None]
        self.b *= 1 - self.whole
        if self.start is not None:
            self.start *= 1 - self.left
            self.start -= difference * self.pulled[:, None]
            self.pulled *= 1 - self.whole

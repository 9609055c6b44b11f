"""What another label of each training image, or leaving it out, does to the predictions on the validation images.

Closed form on a fit (``linearized``); nothing is trained again. The coefficients a = h(K) r are linear in the residual,
so that another target of image i alone moves the validation outputs f = f_0 + K_val a by

    V E_i (y_new - y_i),    V = K_val h(K),

E_i selecting the columns of image i: k of them, or the one that a shared kernel has for all outputs. Leaving it out
moves them by -(f - f_-i) (``LeaveEachOut.val_change``). To convergence that is V E_i times -(y_i - f_-i(x_i)), as if
the image were labelled with what is predicted for it without it (``resolvent``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sampleinfo.blocks import product, rows_of
from sampleinfo.errors import InvalidSetting
from sampleinfo.linearized import Fit
from sampleinfo.problem import columns, explained, sample_major
from sampleinfo.targets import decode
from sampleinfo.types import FloatArray, IntArray

#: Bytes of an array that is made for some of the images at a time.
BLOCK = 2**26

#: Training rows (b,) -> by how much the validation outputs move, (m, k, b), each row's change made alone.
Moves = Callable[[IntArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Effect:
    """(n,) differences that a change of each image alone makes: after minus before.

    ``accuracy`` is the share of validation images predicted rightly, ``loss`` the mean of 1/2 ||y - f(x)||^2; negative
    is better there.
    """

    accuracy: FloatArray
    loss: FloatArray


@dataclass(frozen=True, eq=False)
class Effects:
    """Of the changes of single images on a fit of all samples of its problem.

    Raises:
        InvalidSetting: no validation images or targets, no training targets, or a fit of some samples only.
    """

    fit: Fit

    def __post_init__(self) -> None:
        whole = self.fit.whole
        if whole.val_targets is None or whole.targets is None or not whole.m:
            raise InvalidSetting("the effects are measured on validation images; this needs them, and all targets.")
        if not np.array_equal(self.fit.kept, np.arange(whole.n)):
            raise InvalidSetting("the effects are those on a fit of all samples; got one of some of them.")

    def relabelled(self, wanted: FloatArray) -> Effect:
        """What the targets ``wanted`` (n, k) change, one image at a time."""
        targets = self.fit.problem.targets
        assert targets is not None
        if wanted.shape != targets.shape:
            raise InvalidSetting(f"targets must have shape {targets.shape}, got {wanted.shape}.")
        return self._measured(self._shifted(wanted - targets))

    def left_out(self) -> Effect:
        """What training without it changes, one image at a time."""
        if self._shared and self.fit.training.steps is None:
            return self._measured(self._shifted(-self.fit.leave_each_out().errors))
        return self._measured(self._absent())

    @property
    def _shared(self) -> bool:
        return self.fit.whole.rows == 1

    @cached_property
    def _gain(self) -> FloatArray:
        """(m, n) V of a shared kernel, or of one output."""
        with explained(self.fit.training):
            return self.fit.solver.coefficients(np.ascontiguousarray(self.fit.whole.cross.T)).T

    def _shifted(self, shift: FloatArray) -> Moves:
        """Moves by ``shift`` (n, k) of the targets."""
        if self._shared:
            return lambda rows: self._gain[:, None, rows] * shift[rows].T
        whole = self.fit.whole

        def moves(rows: IntArray) -> FloatArray:
            moved = np.zeros((len(whole.gram), len(rows)))
            moved[rows_of(rows, whole.k), np.repeat(np.arange(len(rows)), whole.k)] = shift[rows].ravel()
            with explained(self.fit.training):
                changes = product(whole.cross, self.fit.solver.coefficients(moved))
            return changes.reshape(whole.m, whole.k, len(rows))

        return moves

    def _absent(self) -> Moves:
        """Moves by leaving out; the outputs of a shared kernel one by one, since their changes are n x n each."""
        problem, solver = self.fit.problem, self.fit.solver
        residual = columns(problem.residual, problem.rows)
        with explained(self.fit.training):
            parts = [
                solver.predicted_changes(problem.cross, residual[:, [column]])[:, 0]
                for column in range(residual.shape[1])
            ]
        return lambda rows: -sample_major(np.stack([part[:, rows] for part in parts], axis=1), problem.rows)

    def _measured(self, moves: Moves) -> Effect:
        """Of all images, some at a time."""
        whole, outputs = self.fit.whole, self.fit.val_outputs
        assert whole.val_targets is not None
        labels, errors = decode(whole.val_targets), whole.val_targets - outputs
        before = float(np.mean(decode(outputs) == labels))
        accuracy, loss = np.empty(whole.n), np.empty(whole.n)
        step = max(1, BLOCK // (8 * max(len(whole.gram), whole.m * whole.k)))
        for start in range(0, whole.n, step):
            rows = np.arange(start, min(start + step, whole.n))
            moved = moves(rows)
            loss[rows] = (np.sum(moved**2, axis=(0, 1)) / 2 - np.einsum("mk,mkb->b", errors, moved)) / whole.m
            moved += outputs[:, :, None]
            found = decode(moved.transpose(0, 2, 1).reshape(-1, whole.k)).reshape(whole.m, len(rows))
            accuracy[rows] = np.mean(found == labels[:, None], axis=0) - before
        return Effect(accuracy, loss)

"""The linearized training problem: kernels, residuals, and what training it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from sampleinfo import tuning
from sampleinfo.blocks import is_symmetric, rows_of, square
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.filters import Converged, Descent, Filter, Flow, Unstable
from sampleinfo.solvers import stability_error
from sampleinfo.tuning import Choice
from sampleinfo.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Problem:
    """One linearized training problem; sample-major rows, all turned into float64.

    Args:
        gram: (nk, nk) kernel between training images, symmetric; or (n, n), one kernel shared by all k outputs.
        cross: (mk, nk) kernel between validation and training images; (m, n) for a shared one.
        residual: (n, k) targets minus initial outputs.
        val_outputs: (m, k) initial outputs on the validation images.
        val_targets: (m, k) or None; predicted accuracy and loss need them.
        targets: (n, k) or None; relabelling needs them.

    Raises:
        InvalidSetting: shapes that do not fit each other, or a gram that is not symmetric.
        NumericalError: a value that is not finite.
    """

    gram: FloatArray
    cross: FloatArray
    residual: FloatArray
    val_outputs: FloatArray
    val_targets: FloatArray | None = None
    targets: FloatArray | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            if (value := getattr(self, each.name)) is not None:
                object.__setattr__(self, each.name, np.asarray(value, dtype=np.float64))
        for name in ("residual", "val_outputs"):
            if getattr(self, name).ndim != 2:
                raise InvalidSetting(f"{name} must have two dimensions, got shape {getattr(self, name).shape}.")
        (n, k), m = self.residual.shape, len(self.val_outputs)
        q = 1 if self.gram.shape == (n, n) else k
        expected = {
            "gram": (n * q, n * q), "cross": (m * q, n * q), "val_outputs": (m, k), "val_targets": (m, k),
            "targets": (n, k), "residual": (n, k),
        }  # fmt: skip
        check_arrays(self, expected)
        if not is_symmetric(self.gram):
            raise InvalidSetting("gram must be symmetric: entry (i, j) is the product of the gradients i and j.")

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

    @property
    def rows(self) -> int:
        """Kernel rows per image: k, or 1 where the kernel is shared."""
        return len(self.gram) // self.n if self.n else self.k

    def subset(self, samples: IntArray) -> Problem:
        """The same problem with these training samples only, in their order."""
        rows = rows_of(samples, self.rows)
        return replace(
            self,
            gram=square(self.gram, rows),
            cross=self.cross.take(rows, axis=1),
            residual=self.residual[samples],
            targets=None if self.targets is None else self.targets[samples],
        )


@dataclass(frozen=True)
class Training:
    """How the linearized network is trained.

    Args:
        steps: of full-batch gradient descent, a whole number; None trains to convergence.
        lr: learning rate on the *mean* loss over the samples trained on; unused at convergence.
        ridge: pull towards the initial weights, ridge / 2 ||w - w0||^2 on the *summed* loss.
        continuous: gradient flow for the time ``steps``, any number above 0, instead of ``steps`` steps.

    Raises:
        InvalidSetting: a value outside its range.
    """

    steps: float | None = None
    lr: float = 1e-3
    ridge: float = 0.0
    continuous: bool = False

    def __post_init__(self) -> None:
        if self.steps is not None and self.continuous and not (np.isfinite(self.steps) and self.steps > 0):
            raise InvalidSetting(f"steps of gradient flow must be a finite time above 0, got {self.steps}.")
        if self.steps is not None and not self.continuous and not (self.steps >= 1 and float(self.steps).is_integer()):
            raise InvalidSetting(
                f"steps must be a whole number, at least 1, or None for training to convergence; got {self.steps}."
            )
        if not (np.isfinite(self.lr) and self.lr > 0):
            raise InvalidSetting(f"lr must be a finite number above 0, got {self.lr}.")
        if not (np.isfinite(self.ridge) and self.ridge >= 0):
            raise InvalidSetting(f"ridge must be a finite number, 0 or above; got {self.ridge}.")

    def filter(self, samples: int) -> Filter:
        """The filter of training on that many samples: the only place where the mean loss meets the summed one."""
        if self.steps is None:
            return Converged(self.ridge)
        rate = self.lr / samples
        return Flow(self.ridge, rate, self.steps) if self.continuous else Descent(self.ridge, rate, int(self.steps))

    @classmethod
    def auto(
        cls,
        problem: Problem,
        choose: Literal["ridge", "steps"] = "ridge",
        by: Literal["leave-one-out", "validation"] = "leave-one-out",
        lr: float | None = None,
        ridge: float = 0.0,
        continuous: bool = False,
    ) -> Training:
        """The training with the least mean squared error; see ``choose_training``."""
        return choose_training(problem, choose, by, lr, ridge, continuous)[0]


def check_arrays(problem: object, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Turn the arrays of a problem into float64 and check them; those that are None are not there.

    Raises:
        InvalidSetting: another shape.
        NumericalError: a value that is not finite.
    """
    for name, shape in shapes.items():
        if (given := getattr(problem, name)) is None:
            continue
        value = np.asarray(given, dtype=np.float64)
        if value.shape != shape:
            raise InvalidSetting(f"{name} must have shape {shape}, got {value.shape}.")
        if not np.isfinite(value).all():
            raise NumericalError(f"{name} holds values that are not finite.")
        object.__setattr__(problem, name, value)


def choose_training(
    problem: Problem,
    choose: Literal["ridge", "steps"] = "ridge",
    by: Literal["leave-one-out", "validation"] = "leave-one-out",
    lr: float | None = None,
    ridge: float = 0.0,
    continuous: bool = False,
) -> tuple[Training, Choice]:
    """The training with the least mean squared error, and the candidates with theirs.

    Args:
        problem: the kernel and its residuals.
        choose: the best ``ridge`` at convergence, or the best ``steps`` of gradient descent at ``lr`` and ``ridge``.
        by: error of each sample when left out, in closed form, or error on the validation images.
        lr: on the mean loss; None takes half the largest stable one.
        ridge: of gradient descent; unused when it is itself chosen.
        continuous: gradient flow for that time.

    Raises:
        InvalidSetting: unknown words, an unstable ``lr``, or validation without targets.
    """
    data, validation = _data(problem), None
    if by == "validation":
        if problem.val_targets is None:
            raise InvalidSetting("choosing by validation error needs val_targets.")
        wanted = columns(problem.val_targets - problem.val_outputs, problem.rows)
        validation = tuning.Validation(problem.cross, wanted)
    elif by != "leave-one-out":
        raise InvalidSetting(f"by must be 'leave-one-out' or 'validation', got {by!r}.")
    if choose == "ridge":
        choice = tuning.choose_ridge(data, validation)
        return Training(ridge=choice.value), choice
    if choose != "steps":
        raise InvalidSetting(f"choose must be 'ridge' or 'steps', got {choose!r}.")
    rate = tuning.half_stable_lr(data, ridge) if lr is None else lr
    trial = Training(1, rate, ridge, continuous)
    with explained(trial):
        choice = tuning.choose_steps(data, validation, lambda steps: replace(trial, steps=int(steps)).filter)
    return replace(trial, steps=int(choice.value)), choice


def half_stable_lr(problem: Problem, ridge: float) -> float:
    """Half of the largest learning rate (on the mean loss) that is stable with one sample left out."""
    return tuning.half_stable_lr(_data(problem), ridge)


def _data(problem: Problem) -> tuning.Data:
    return tuning.Data(problem.gram, columns(problem.residual, problem.rows), problem.rows)


@contextmanager
def explained(training: Training) -> Iterator[None]:
    """Turn a diverging filter into the error that names the largest stable learning rate."""
    try:
        yield
    except Unstable as error:
        raise stability_error(error, training.lr, training.ridge) from error


def columns(values: FloatArray, rows: int) -> FloatArray:
    """(n, k) as (n rows, k / rows): one column for a full kernel, k for a shared one."""
    return values.reshape(len(values) * rows, values.shape[1] // rows)


def sample_major(changes: FloatArray, rows: int) -> FloatArray:
    """(R rows, c, n) as (R, k, n)."""
    return changes.reshape(len(changes) // rows, rows * changes.shape[1], changes.shape[2])


def checked_indices(indices: npt.ArrayLike, n: int) -> IntArray:
    """Sample numbers below ``n``, each once; a boolean mask of n entries is allowed."""
    given = np.asarray(indices)
    if given.dtype == bool:
        if given.shape != (n,):
            raise InvalidSetting(f"a mask must have {n} entries, one per training sample; got shape {given.shape}.")
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and not np.issubdtype(given.dtype, np.integer)):
        raise InvalidSetting(f"indices must be a list of whole numbers, got {given.dtype} of shape {given.shape}.")
    chosen = given.astype(np.int64)
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < n):
        raise InvalidSetting(f"indices must be between 0 and {n - 1}, got {chosen.min()} to {chosen.max()}.")
    if len(np.unique(chosen)) != len(chosen):
        raise InvalidSetting("an index is given twice.")
    return chosen

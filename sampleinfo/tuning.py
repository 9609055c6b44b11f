"""Choosing the ridge or the number of steps by closed-form leave-one-out error, or by validation error.

With K = U diag(s) U^T every candidate costs a diagonal: all are tried on one eigendecomposition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sampleinfo.blocks import product
from sampleinfo.errors import NumericalError
from sampleinfo.filters import Converged, Filters, Unstable
from sampleinfo.spectral import Spectral, Spectrum
from sampleinfo.types import FloatArray

#: Ridges tried, as multiples of the kernel's mean diagonal: half decades.
RIDGES = 10.0 ** np.arange(-6, 2.01, 0.5)
#: Numbers of steps tried: four a decade.
STEPS = tuple(dict.fromkeys(round(10.0 ** (x / 4)) for x in range(25)))
#: Error of the poles that a comparison of candidates can bear.
_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Choice:
    """The candidates tried, the mean squared error of each, and the best."""

    value: float
    grid: tuple[float, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Data:
    """A kernel (N, N) with ``rows`` rows per sample, and the residuals (N, c) on it.

    Raises:
        NumericalError: a kernel that is zero.
    """

    gram: FloatArray
    residual: FloatArray
    rows: int

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise NumericalError("the kernel is zero: the network's outputs do not depend on its weights.")

    @property
    def n(self) -> int:
        """Training samples."""
        return len(self.gram) // self.rows

    @property
    def scale(self) -> float:
        """The kernel's mean diagonal."""
        return float(np.trace(self.gram)) / max(len(self.gram), 1)

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of the kernel."""
        return Spectrum.of(self.gram)

    def leave_one_out_error(self, filters: Filters) -> float:
        """Mean over samples of ||y_i - f_-i(x_i)||^2."""
        solver = Spectral(self.gram, self.rows, filters, self.spectrum, _TOLERANCE)
        return float(np.sum(solver.errors(self.residual) ** 2) / self.n)


@dataclass(frozen=True, eq=False)
class Validation:
    """Kernel (M, N) of the validation images against the training images, and what is to be added (M, c) there."""

    cross: FloatArray
    residual: FloatArray

    def error_of(self, data: Data) -> Callable[[Filters], float]:
        """Mean over validation images of the squared error, as a function of the training."""
        spectrum = data.spectrum
        rotated, projected = product(self.cross, spectrum.vectors), product(spectrum.vectors.T, data.residual)
        images = len(self.residual) / data.rows

        def error(filters: Filters) -> float:
            values = filters(data.n)(spectrum.eigenvalues)
            return float(np.sum((self.residual - product(rotated, values[:, None] * projected)) ** 2) / images)

        return error


def choose_ridge(data: Data, validation: Validation | None = None) -> Choice:
    """The ridge at convergence with the least error: leave-one-out, or validation where it is given."""
    grid = [float(x) for x in RIDGES * data.scale]
    return _choose(data, validation, grid, lambda ridge: lambda _: Converged(ridge))


def choose_steps(data: Data, validation: Validation | None, filters_of: Callable[[float], Filters]) -> Choice:
    """The number of steps with the least error; ``filters_of`` gives the training of a number of steps.

    Raises:
        Unstable: gradient descent that diverges on all samples or without one.
    """
    for samples in (data.n, data.n - 1):
        if samples and not filters_of(1)(samples).is_stable(data.spectrum.largest):
            raise Unstable(samples, data.spectrum.largest)
    return _choose(data, validation, STEPS, filters_of)


def half_stable_lr(data: Data, ridge: float) -> float:
    """Half of the largest learning rate (on the mean loss) that is stable with one sample left out."""
    return half_stable(data.n, data.spectrum.largest, ridge)


def half_stable(samples: int, largest: float, ridge: float) -> float:
    """The same for so many samples and the ``largest`` eigenvalue of their kernel."""
    return max(samples - 1, 1) / (largest + ridge)


def _choose(
    data: Data, validation: Validation | None, grid: Sequence[float], filters_of: Callable[[float], Filters]
) -> Choice:
    error = data.leave_one_out_error if validation is None else validation.error_of(data)
    errors = tuple(error(filters_of(candidate)) for candidate in grid)
    return Choice(float(grid[int(np.argmin(errors))]), tuple(map(float, grid)), errors)

"""Training on a kernel and leaving samples out of it, in coefficients: one interface for every kind of training.

A solver owns one kernel ``gram`` (N, N), whose rows belong to n samples with q = N / n rows each (sample-major), and a
filter h for every number of samples: a rate on the mean loss depends on it. Residuals are (N, c): q = k, c = 1 for a
kernel between all outputs, q = 1, c = k for one kernel shared by k outputs.
"""

from __future__ import annotations

from typing import Protocol

from sampleinfo.errors import InvalidSetting
from sampleinfo.filters import Converged, Filters, Unstable
from sampleinfo.resolvent import Resolvent
from sampleinfo.spectral import Spectral, Spectrum
from sampleinfo.types import FloatArray, IntArray


class Solver(Protocol):
    """What both ways of solving offer; ``residual`` is (N, c)."""

    def coefficients(self, residual: FloatArray) -> FloatArray:
        """(N, c) a = h(K) r."""
        ...

    def errors(self, residual: FloatArray) -> FloatArray:
        """(n, q, c) y_i - f_-i(x_i) for every sample i."""
        ...

    def changes(self, residual: FloatArray) -> FloatArray:
        """(N, c, n) a - a_-i for every sample i; a_-i is zero in its own rows."""
        ...

    def predicted_changes(self, cross: FloatArray, residual: FloatArray) -> FloatArray:
        """(M, c, n) cross (a - a_-i) for every sample i."""
        ...

    def without(self, samples: IntArray, residual: FloatArray) -> FloatArray:
        """(N, c) coefficients after training without ``samples``, zero in their rows."""
        ...


def make(gram: FloatArray, q: int, filters: Filters) -> Solver:
    """The solver for a kernel (N, N) with q rows per sample.

    Raises:
        Unstable: gradient descent that diverges.
    """
    n = len(gram) // q
    if n == 0 or isinstance(filters(n), Converged):
        return Resolvent(gram, q, filters)
    return Spectral(gram, q, filters, Spectrum.of(gram))


def stability_error(error: Unstable, lr: float, ridge: float) -> InvalidSetting:
    """The error for a learning rate on the mean loss that does not converge; names the largest stable one."""
    stable = 2.0 * error.samples / (error.largest + ridge)
    return InvalidSetting(
        f"lr {lr:.4g} diverges: with {error.samples} training images and a largest kernel eigenvalue of "
        f"{error.largest:.4g} (ridge {ridge:.4g}) it must stay below {stable:.4g}."
    )

"""Spectral filters: what training does to each eigenvalue of the kernel, and the few poles that stand for it.

All rates and ridges here belong to the *summed* squared loss 1/2 ||f - y||^2 + ridge / 2 ||w - w0||^2. Training from
w0 gives the coefficients a = h(K) r with (z = x + ridge)

    to convergence                 h(x) = 1 / z
    t steps of gradient descent    h(x) = (1 - (1 - rate z)^t) / z
    gradient flow for time t       h(x) = (1 - exp(-rate t z)) / z

A finite training is no resolvent, but a few poles reproduce it to machine precision on the spectrum,

    h(x) ~ c + Re sum_j rho_j / (x - z_j),

and for each pole the block inverse identity of ``linearized`` holds. The z_j come from the AAA algorithm (Nakatsukasa,
Sete, Trefethen 2018), the residues from a least-squares fit on the same points: AAA's own lose six digits here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import linalg
from scipy.interpolate import AAA

from sampleinfo.blocks import product
from sampleinfo.types import FloatArray

ComplexArray = npt.NDArray[np.complex128]
#: Largest error of the poles, relative to the filter's natural size, at which they are used.
TOLERANCE = 1e-11
_GOOD_ENOUGH = 1e-13
#: In units of the largest eigenvalue.
_FAR = 30.0
#: Tried in turn (``_candidates``), in units of the largest eigenvalue; the second ones only where the first fail.
SHIFTS, MORE_SHIFTS = (1e-6, 1e-4, 0.0, 1e-2), (1e-3, 1e-1, 1e-8, 1e-5)


class Filter(Protocol):
    """h: what training does to a component of the residual with the kernel eigenvalue x >= 0."""

    @property
    def ridge(self) -> float:
        """Pull towards the initial weights, on the summed loss."""
        ...

    def __call__(self, x: FloatArray) -> FloatArray:
        """h(x), the shape of ``x``."""
        ...

    def size(self, x: FloatArray) -> FloatArray:
        """A smooth positive function of the same magnitude, which errors are measured against."""
        ...

    def is_stable(self, largest: float) -> bool:
        """Whether training converges for eigenvalues up to ``largest``."""
        ...


#: The filter of training on a number of samples.
Filters = Callable[[int], Filter]


class Unstable(Exception):
    """Gradient descent on ``samples`` samples diverges; ``largest`` is the kernel's largest eigenvalue."""

    def __init__(self, samples: int, largest: float) -> None:
        super().__init__(f"gradient descent on {samples} samples diverges")
        self.samples, self.largest = samples, largest


@dataclass(frozen=True)
class Converged:
    """Training to convergence."""

    ridge: float

    def __call__(self, x: FloatArray) -> FloatArray:
        """1 / (x + ridge)."""
        return 1.0 / (x + self.ridge)

    def size(self, x: FloatArray) -> FloatArray:
        """The filter itself."""
        return self(x)

    def is_stable(self, largest: float) -> bool:
        """Always."""
        return bool(np.isfinite(largest))


@dataclass(frozen=True)
class Descent:
    """``steps`` steps of gradient descent at ``rate``."""

    ridge: float
    rate: float
    steps: int

    def __call__(self, x: FloatArray) -> FloatArray:
        """(1 - (1 - rate z)^steps) / z, z = x + ridge; rate steps at z = 0."""
        z = x + self.ridge
        u = self.rate * z
        small = u < 0.5
        done = np.empty_like(z)
        done[small] = -np.expm1(self.steps * np.log1p(-u[small]))
        done[~small] = 1.0 - (1.0 - u[~small]) ** self.steps
        return _divided(done, z, self.rate * self.steps)

    def size(self, x: FloatArray) -> FloatArray:
        """1 / (z + 1 / (rate steps))."""
        return np.asarray(1.0 / (x + self.ridge + 1.0 / (self.rate * self.steps)))

    def is_stable(self, largest: float) -> bool:
        """rate (largest + ridge) < 2."""
        return bool(self.rate * (largest + self.ridge) < 2.0)


@dataclass(frozen=True)
class Flow:
    """Gradient flow for ``steps`` units of time at ``rate``: descent with infinitely small steps."""

    ridge: float
    rate: float
    steps: float

    def __call__(self, x: FloatArray) -> FloatArray:
        """(1 - exp(-rate steps z)) / z, z = x + ridge; rate steps at z = 0."""
        z = x + self.ridge
        return _divided(-np.expm1(-self.rate * self.steps * z), z, self.rate * self.steps)

    def size(self, x: FloatArray) -> FloatArray:
        """1 / (z + 1 / (rate steps))."""
        return np.asarray(1.0 / (x + self.ridge + 1.0 / (self.rate * self.steps)))

    def is_stable(self, largest: float) -> bool:
        """Always."""
        return bool(np.isfinite(largest))


def _divided(done: FloatArray, z: FloatArray, limit: float) -> FloatArray:
    """``done`` / z, ``limit`` where z is 0."""
    return np.divide(done, z, out=np.full_like(z, limit), where=z > 0)


@dataclass(frozen=True, eq=False)
class Poles:
    """h(x) ~ constant + Re sum_j residues_j / (x - places_j).

    Of each conjugate pair only the upper pole is kept, with twice its residue. ``error`` is the largest deviation
    found on the interval, relative to ``Filter.size``.
    """

    constant: float
    places: ComplexArray
    residues: ComplexArray
    error: float


def fit_poles(function: Filter, eigenvalues: FloatArray) -> Poles:
    """Poles that stand for ``function`` on the whole interval of the eigenvalues (>= 0), with their measured error.

    Eigenvalues of leave-one-out kernels interlace with the full kernel's, so the same interval serves them all.
    """
    if isinstance(function, Converged):
        return Poles(0.0, np.array([-function.ridge + 0j]), np.array([1.0 + 0j]), 0.0)
    low, high = float(eigenvalues.min()), float(eigenvalues.max())
    if not high > 0:
        value = float(function(np.zeros(1))[0])
        return Poles(value, np.zeros(0, complex), np.zeros(0, complex), 0.0)
    checks = _points(low, high, eigenvalues, 1201)
    best = Poles(0.0, np.zeros(0, complex), np.zeros(0, complex), np.inf)
    for count, shifts in ((250, SHIFTS), (700, SHIFTS), (400, MORE_SHIFTS), (1100, MORE_SHIFTS)):
        points = _points(low, high, eigenvalues, count)
        for places in _candidates(function, points, low, high, shifts):
            poles = _fit_residues(function, places, points, checks, high)
            if poles.error < best.error:
                best = poles
            if best.error < _GOOD_ENOUGH:
                return best
        if best.error < TOLERANCE:
            break
    return best


def _points(low: float, high: float, eigenvalues: FloatArray, count: int) -> FloatArray:
    """The ends, even steps, geometric steps towards both ends and the eigenvalues (at most ``count`` of them)."""
    away = max(low, 1e-14 * high)
    parts = [
        np.array([low, high]),
        np.geomspace(away, high, count),
        np.linspace(low, high, count // 2),
        np.maximum(high - np.geomspace(1e-9 * high, 0.5 * high, count // 2), low),
        np.sort(eigenvalues)[:: -(-len(eigenvalues) // count)],
    ]
    return np.unique(np.concatenate(parts))


def _candidates(
    function: Filter, points: FloatArray, low: float, high: float, shifts: Sequence[float]
) -> Iterator[ComplexArray]:
    """Sets of poles worth trying, in units of the largest eigenvalue: of h(x) (x + shift) for several shifts."""
    if np.all(np.abs(function(points) * (points + function.ridge) - 1.0) < 1e-15):
        yield np.array([-function.ridge / high + 0j])
    yield np.zeros(0, complex)
    values, x = function(points), points / high
    values = values / np.abs(values).max()
    for shift in shifts:
        yield _aaa(x, values * (x + shift) if shift else values, low / high)
    for count in (6, 10, 14):
        yield 0.5 + 1.5 * np.exp(1j * np.pi * (np.arange(count) + 0.5) / count)


def _aaa(points: FloatArray, values: FloatArray, low: float) -> ComplexArray:
    """Poles of the AAA approximant in the upper half plane or on the real axis outside of [low, 1].

    Far poles, which stand for polynomials, are left out: their huge residues would cancel each other.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            places = np.asarray(AAA(points, values, rtol=1e-13, max_terms=60, clean_up=False).poles(), dtype=complex)
        except linalg.LinAlgError:
            return np.zeros(0, complex)
    places = places[np.isfinite(places) & (places.imag >= 0) & (np.abs(places) < _FAR)]
    inside = (places.imag < 1e-13) & (places.real >= 0.999 * low) & (places.real <= 1.001)
    return np.asarray(places[~inside])


@np.errstate(all="ignore")
def _fit_residues(function: Filter, places: ComplexArray, points: FloatArray, checks: FloatArray, high: float) -> Poles:
    """Least squares for the constant and the residues, weighted by the filter's size; error on the check points."""
    pairs = places.imag > 0

    def basis(x: FloatArray) -> FloatArray:
        terms = 1.0 / (x[:, None] / high - places)
        return np.concatenate([np.ones((len(x), 1)), terms.real, -terms.imag[:, pairs]], axis=1)

    size, unit = function.size(points), float(function.size(points[:1])[0])
    design = basis(points) / (size / unit)[:, None]
    lengths = np.linalg.norm(design, axis=0)
    found = linalg.lstsq(design / lengths, function(points) / size, cond=1e-16, check_finite=False)[0]
    solution = found / lengths * unit
    error = float(
        np.max(np.abs(product(basis(checks), solution[:, None])[:, 0] - function(checks)) / function.size(checks))
    )
    residues = solution[1 : len(places) + 1].astype(complex)
    residues[pairs] += 1j * solution[len(places) + 1 :]
    return Poles(float(solution[0]), places * high, residues * high, error if np.isfinite(error) else np.inf)

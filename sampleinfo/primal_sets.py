"""Training in feature space, on all samples and on sets of them: sums over the rows instead of a kernel.

The weights of the training h on the samples T are w - w0 = h(A_T) Phi_T^T r_T, A_T = Phi_T^T Phi_T, and there are three
ways to them. Where few samples B are left out, Woodbury's identity with their |B| q rows (``primal_blocks``); where few
stay, their kernel: Phi_T^T h(Phi_T Phi_T^T) r_T; else A_T itself, from the smaller of B and T.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import linalg

from sampleinfo import solvers
from sampleinfo.blocks import finite, product
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.filters import TOLERANCE, Converged, Filter, Poles, Unstable, fit_poles
from sampleinfo.primal_blocks import Numbers, Plan, Precision, Resolvents, Rows, solve
from sampleinfo.primal_passes import Mapper, Selection, gather, outputs, precise, sums
from sampleinfo.problem import Training
from sampleinfo.spectral import Spectrum
from sampleinfo.types import FloatArray, IntArray

#: An eigendecomposition costs about as much as this many times D^3 multiply-adds of a matrix product.
_EIGEN = 12.0
#: And the poles of a finite training as much as this many real ones.
_POLES = 40.0
#: Error of the poles above which a finite training is refused.
_USELESS = 1e-8
#: Largest share of the filter that a pole must have, where the fit's own error is less.
_NOTHING = 1e-13
_NO_POLES = Poles(0.0, np.zeros(0, complex), np.zeros(0, complex), 0.0)


@dataclass(frozen=True, eq=False)
class Gram:
    """A = Phi^T Phi (D, D), and its eigendecomposition once it is needed.

    ``scale``: the trace of the sums that A was taken from, whose rounding errors it keeps.
    """

    matrix: FloatArray
    scale: float = 0.0

    @cached_property
    def spectrum(self) -> Spectrum:
        """A = Q diag(s) Q^T."""
        return Spectrum.of(self.matrix)

    @property
    def decomposed(self) -> bool:
        """Whether the eigendecomposition is known already."""
        return "spectrum" in vars(self)

    @property
    def null(self) -> float:
        """Eigenvalues up to here are rounding errors of 0."""
        return len(self.matrix) * float(np.finfo(float).eps) * max(self.spectrum.largest, self.scale)

    def solve(self, ridge: float, right: FloatArray) -> FloatArray:
        """(D, c) (A + ridge I)^-1 right, without the eigendecomposition.

        Raises:
            NumericalError: A + ridge I is singular to working precision.
        """
        shifted = self.matrix.copy()
        shifted.flat[:: len(shifted) + 1] += ridge
        try:
            factor = linalg.cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError as error:
            raise NumericalError(
                f"the features' products with ridge {ridge:.3g} are singular to working precision; use a larger ridge."
            ) from error
        return np.asarray(linalg.cho_solve(factor, right, check_finite=False))


@dataclass(frozen=True, eq=False)
class Moments:
    """What training needs of a selection of samples.

    ``residual`` (n, q, c), in the selection's order; ``gram`` of their rows, ``target`` (D, c) Phi^T r.
    """

    selection: Selection
    residual: FloatArray
    gram: Gram
    target: FloatArray
    map: Mapper

    @classmethod
    def of(cls, selection: Selection, residual: FloatArray, map: Mapper) -> Moments:
        """One pass over the shards."""
        gram, target = sums(selection, residual, map)
        for values, name in ((gram, "products"), (target, "products with the residual")):
            finite(values, f"features' {name}")
        return cls(selection, residual, Gram(gram), target, map)

    @classmethod
    def known(
        cls, selection: Selection, residual: FloatArray, gram: FloatArray, target: FloatArray, map: Mapper
    ) -> Moments:
        """The sums as an earlier ``of`` had them: ``gram`` (D, D), ``target`` (D, c).

        Raises:
            InvalidSetting: arrays of another shape.
            NumericalError: a value that is not finite.
        """
        size, count = selection.source.dimension, residual.shape[2]
        if (gram.shape, target.shape) != ((size, size), (size, count)):
            raise InvalidSetting(
                f"the sums must have shapes {(size, size)} and {(size, count)}, got {gram.shape} and {target.shape}."
            )
        return cls(selection, residual, Gram(finite(gram, "features' products")), finite(target, "targets"), map)

    @property
    def n(self) -> int:
        """Samples."""
        return len(self.selection)

    @property
    def scale(self) -> float:
        """The kernel's mean diagonal."""
        return float(np.trace(self.gram.matrix)) / max(self.n * self.selection.source.rows, 1)

    @property
    def spectrum(self) -> Spectrum:
        """A = Q diag(s) Q^T."""
        return self.gram.spectrum

    @cached_property
    def rotated_target(self) -> FloatArray:
        """(D, c) Q^T Phi^T r."""
        return product(self.spectrum.vectors.T, self.target)

    def subset(self, samples: IntArray) -> Moments:
        """Of some of the samples, ascending: summed up, or taken away from these sums, whichever reads fewer rows."""
        gone, selection = np.setdiff1d(self.selection.samples, samples), self.selection.only(samples)
        residual = self.residual_of(samples)
        if len(samples) <= len(gone):
            return Moments.of(selection, residual, self.map)
        gram, target = sums(self.selection.only(gone), self.residual_of(gone), self.map)
        scale = max(self.gram.scale, float(np.trace(self.gram.matrix)))
        return Moments(selection, residual, Gram(self.gram.matrix - gram, scale), self.target - target, self.map)

    def relabelled(self, residual: FloatArray) -> Moments:
        """With another residual (n, q, c): reads only the shards where it differs."""
        changed = np.any(residual != self.residual, axis=(1, 2))
        rows = gather(self.selection.only(self.selection.samples[changed]), self.map)
        moved = (residual - self.residual)[changed].reshape(len(rows), residual.shape[2])
        return Moments(self.selection, residual, self.gram, self.target + product(rows.T, moved), self.map)

    def residual_of(self, samples: IntArray) -> FloatArray:
        """(b, q, c)."""
        return np.asarray(self.residual[np.searchsorted(self.selection.samples, samples)])

    def filtered(self, function: Filter) -> FloatArray:
        """(D,) the filter at the eigenvalues; without a ridge, directions that no row has are left alone.

        Raises:
            Unstable: gradient descent that diverges.
        """
        eigenvalues = self.spectrum.eigenvalues
        if not function.is_stable(self.spectrum.largest):
            raise Unstable(self.n, self.spectrum.largest)
        if isinstance(function, Converged) and function.ridge == 0:
            return np.divide(1.0, eigenvalues, out=np.zeros_like(eigenvalues), where=eigenvalues > self.gram.null)
        return function(eigenvalues)

    def weights(self, function: Filter) -> FloatArray:
        """(D, c) w - w0 = h(A) Phi^T r."""
        if isinstance(function, Converged) and function.ridge > 0 and not self.gram.decomposed:
            return finite(self.gram.solve(function.ridge, self.target), "weights")
        turned = self.filtered(function)[:, None] * self.rotated_target
        return finite(product(self.spectrum.vectors, turned), "weights")


def weights_of(moments: Moments, training: Training, samples: IntArray) -> FloatArray:
    """(D, c) w - w0 after training on ``samples`` (ascending), exact, by the cheapest of the three ways.

    Raises:
        Unstable: gradient descent that diverges on them.
        NumericalError: without a solution.
    """
    if len(samples) == 0:
        return np.zeros_like(moments.target)
    function = training.filter(len(samples))
    if len(samples) == moments.n:
        return moments.weights(function)
    plain, size = isinstance(function, Converged), float(len(moments.target))
    if plain and function.ridge == 0:
        return moments.subset(samples).weights(function)
    q = moments.selection.source.rows
    stay, gone = float(len(samples) * q), float((moments.n - len(samples)) * q)
    once = 1 / 3 if plain else _EIGEN
    costs = {
        _left_out: (1.0 if plain else _POLES) * (gone**2 * size + gone**3) + gone * size**2,
        _kept: stay**2 * size + once * stay**3,
        _summed: min(gone, stay) * size**2 + once * size**3,
    }
    if not (moments.gram.decomposed if plain else function.is_stable(moments.spectrum.largest)):
        del costs[_left_out]
    return min(costs, key=lambda way: costs[way])(moments, training, samples)


def _summed(moments: Moments, training: Training, samples: IntArray) -> FloatArray:
    return moments.subset(samples).weights(training.filter(len(samples)))


def _kept(moments: Moments, training: Training, samples: IntArray) -> FloatArray:
    rows = gather(moments.selection.only(samples), moments.map)
    solver = solvers.make(product(rows, rows.T), moments.selection.source.rows, training.filter)
    residual = moments.residual_of(samples)
    return product(rows.T, solver.coefficients(residual.reshape(len(rows), -1)))


def _left_out(moments: Moments, training: Training, samples: IntArray) -> FloatArray:
    """Q (h(s) t - c F_B^T r_B - Re sum_j rho_j W_j F_B^T u_Bj) with the sums of ``primal_blocks`` for the set B."""
    gone = np.setdiff1d(moments.selection.samples, samples)
    rows = gather(moments.selection.only(gone), moments.map)
    vectors, target = moments.spectrum.vectors, moments.rotated_target
    rotated, residual = product(rows, vectors), moments.residual_of(gone).reshape(len(rows), -1)
    function = training.filter(len(samples))
    how = resolvents(moments, function)
    inner = moments.filtered(function)[:, None] * target - how.constant * product(rotated.T, residual)
    for number, residue in enumerate(how.residues):
        weights = how.weights[:, number]
        products, fitted = (_weighted(rotated, weights, right) for right in (rotated.T, target))
        solved = solve(products, residual - fitted)
        inner -= (residue * weights[:, None] * _weighted(rotated.T, np.ones(len(rotated)), solved)).real
    return finite(product(vectors, inner), "weights")


def _weighted(first: FloatArray, weights: Numbers, second: Numbers) -> Numbers:
    """(r, c) first diag(weights) second, with complex weights or a complex second factor: real products."""
    if np.isrealobj(weights) and np.isrealobj(second):
        return product(first * weights, second)
    right = weights[:, None] * second
    return np.asarray(product(first, right.real) + 1j * product(first, right.imag))


def resolvents(moments: Moments, function: Filter) -> Resolvents:
    """The poles of a training without some samples: without any row, A may lose an eigenvalue down to 0.

    Raises:
        NumericalError: poles that do not stand for the training.
    """
    poles = fit_poles(function, np.append(moments.spectrum.eigenvalues, 0.0))
    if not poles.error <= _USELESS:
        raise NumericalError(
            f"this training has no poles of sufficient accuracy (error {poles.error:.0e}, at most {_USELESS:.0e}); "
            "use fewer steps, a ridge, or training to convergence."
        )
    if poles.error > TOLERANCE:
        warnings.warn(
            f"the poles of this training reach an error of {poles.error:.0e} only, so that scores may be off by as "
            "much relative to the largest.", RuntimeWarning, stacklevel=2,
        )  # fmt: skip
    return Resolvents.of(_needed(poles, function, moments.spectrum), moments.spectrum.eigenvalues, moments.gram.null)


def _needed(poles: Poles, function: Filter, spectrum: Spectrum) -> Poles:
    """Without the poles that add no more than the fit's own error, which the rational fit leaves near 0.

    They could do harm: where n q < D, I - P all but vanishes there.
    """
    if isinstance(function, Converged):
        return poles
    nearest = np.clip(poles.places.real, 0.0, spectrum.largest)
    points = np.concatenate([spectrum.eigenvalues, [0.0], nearest])
    with np.errstate(all="ignore"):
        share = np.abs(poles.residues) / np.abs(points[:, None] - poles.places) / function.size(points)[:, None]
    kept = ~(share.max(axis=0) < max(_NOTHING, poles.error))
    return replace(poles, places=poles.places[kept], residues=poles.residues[kept])


@dataclass(frozen=True, eq=False)
class Validation:
    """The validation rows. ``factor`` (R, D) has factor^T factor = Phi_val^T Phi_val and at most D rows.

    Up to D rows it is Phi_val itself; then ``known``, and no pass is needed for outputs.
    """

    selection: Selection
    factor: FloatArray
    map: Mapper

    @classmethod
    def of(cls, selection: Selection, map: Mapper) -> Validation:
        """One pass over the validation shards."""
        if len(selection) * selection.source.rows <= selection.source.dimension:
            return cls(selection, gather(selection, map), map)
        gram, _ = sums(selection, np.zeros((len(selection), selection.source.rows, 0)), map)
        spectrum = Spectrum.of(gram)
        kept = spectrum.eigenvalues > len(gram) * np.finfo(float).eps * spectrum.largest
        return cls(selection, np.sqrt(spectrum.eigenvalues[kept])[:, None] * spectrum.vectors[:, kept].T, map)

    @property
    def known(self) -> bool:
        """Whether ``factor`` is Phi_val."""
        return len(self.selection) * self.selection.source.rows <= self.selection.source.dimension

    def outputs(self, weights: FloatArray) -> FloatArray:
        """(m, q, C) Phi_val w of weights (D, C)."""
        if self.known:
            return product(self.factor, weights).reshape(len(self.selection), -1, weights.shape[1])
        return outputs(self.selection, weights, self.map)


def plan(moments: Moments, validation: Validation, training: Training, precision: Precision) -> Plan:
    """The fixed arrays of leaving each sample out.

    Raises:
        Unstable: gradient descent that diverges.
        NumericalError: poles that do not stand for the training.
    """
    eigenvalues, target = moments.spectrum.eigenvalues, moments.rotated_target
    full = moments.filtered(training.filter(moments.n))
    if moments.n == 1:
        return rotation(moments, validation, precision, full, full[:, None] * target, _resolvents_of_nothing(moments))
    function = training.filter(moments.n - 1)
    if not function.is_stable(moments.spectrum.largest):
        raise Unstable(moments.n - 1, moments.spectrum.largest)
    rest = full if isinstance(function, Converged) else function(eigenvalues)
    how = resolvents(moments, function)
    return rotation(moments, validation, precision, full, (full - rest)[:, None] * target, how)


def _resolvents_of_nothing(moments: Moments) -> Resolvents:
    return Resolvents.of(_NO_POLES, moments.spectrum.eigenvalues, 0.0)


def rotation(
    moments: Moments, validation: Validation, precision: Precision, gain: FloatArray, drift: FloatArray, how: Resolvents
) -> Plan:
    """The plan in the eigenbasis of A, its products in ``precision``."""
    vectors = moments.spectrum.vectors
    factor: Rows = precise(product(vectors.T, validation.factor.T), precision)
    return Plan(precise(vectors, precision), factor, moments.rotated_target, drift, gain, how)

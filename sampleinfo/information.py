"""Unique information of samples and of sets of samples, in nats.

With w the weights (f the network) trained on all samples and w_-i (f_-i) without sample i:

    weight information      SI_i   = (w - w_-i)^T Sigma^-1 (w - w_-i) / 2                  (eq. 5)
    functional information  F-SI_i = sum_j ||f(x'_j) - f_-i(x'_j)||^2 / (2 sigma^2 m)      (eq. 8 and 16)

Sigma = sigma^2 I is the isotropic smoothing, which only rescales; ``smoothing`` has the one of SGD. A set B of samples
in the place of i gives the unique information of the set.

Source: Harutyunyan et al., ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sampleinfo.blocks import finite, norm, product
from sampleinfo.errors import InvalidSetting
from sampleinfo.evaluation import Evaluation, evaluate
from sampleinfo.linearized import Fit
from sampleinfo.smoothing import sgd_smoothing
from sampleinfo.spectral import Spectrum
from sampleinfo.types import FloatArray

#: Share of the largest weight information that rounding errors of the kernel may make up.
DOUBT = 1e-8


def weight_information(fit: Fit, noise_variance: float = 1.0) -> FloatArray:
    """(n,) nats that each sample alone puts into the weights: c_i^T K c_i / (2 sigma^2).

    Raises:
        InvalidSetting: a noise variance that is not above 0.
    """
    problem = fit.problem
    change = fit.leave_each_out().coefficient_change
    lengths = _squared_lengths(problem.gram, change.reshape(len(problem.gram), -1))
    energy = lengths.reshape(-1, problem.n).sum(axis=0)
    return finite(energy / (2 * _checked(noise_variance)), "nats of weight information")


def _squared_lengths(gram: FloatArray, columns: FloatArray) -> FloatArray:
    """(C,) ||J^T c||^2 = c^T K c of coefficients c in columns (N, C).

    A kernel without full rank and with a tiny ridge has huge coefficients that move no weight; rounding errors of K
    then count as much as the rest. Where they might, the sum runs over the eigenvalues that are not rounding errors.
    """
    lengths = np.einsum("rc,rc->c", columns, product(gram, columns))
    epsilon = float(np.finfo(float).eps)
    doubt = epsilon * norm(gram) * np.einsum("rc,rc->c", columns, columns)
    if doubt.max(initial=0.0) > DOUBT * lengths.max(initial=0.0):
        spectrum = Spectrum.of(gram)
        kept = spectrum.eigenvalues > len(gram) * epsilon * spectrum.largest
        inside = product(spectrum.vectors[:, kept].T, columns)
        lengths = np.einsum("l,lc,lc->c", spectrum.eigenvalues[kept], inside, inside)
    return np.asarray(np.maximum(lengths, 0.0))


def functional_information(fit: Fit, noise_variance: float = 1.0) -> FloatArray:
    """(n,) nats that each sample alone puts into the predictions: ||K_val c_i||^2 / (2 sigma^2 m).

    Raises:
        InvalidSetting: a noise variance that is not above 0, or no validation images.
    """
    change = fit.leave_each_out().val_change
    energy = np.einsum("jki,jki->i", change, change)
    return finite(energy / (2 * _checked(noise_variance) * _images(fit)), "nats of functional information")


def sgd_information(fit: Fit, batch_size: int, floor: float = 1e-10) -> FloatArray:
    """(n,) nats that each sample alone puts into the weights, smoothed by the noise of SGD (eq. 5 and 14).

    See ``smoothing.sgd_smoothing``, which also says how much of the covariance the floor had to fill.

    Raises:
        InvalidSetting: a batch size or floor outside its range, or training without a learning rate.
    """
    change = fit.leave_each_out().coefficient_change
    return sgd_smoothing(fit, batch_size, floor).information(change)


@dataclass(frozen=True)
class GroupInformation:
    """Unique information of a set, in nats, and what the network is predicted to reach without it and with it.

    The evaluations are None where the problem has no validation targets.
    """

    samples: int
    weight: float
    functional: float
    without: Evaluation | None
    full: Evaluation | None


def group_information(
    fit: Fit, indices: npt.ArrayLike, noise_variance: float = 1.0, sources: Sequence[str] | None = None
) -> GroupInformation:
    """SI and F-SI of the samples ``indices`` of ``fit`` together, and its predicted accuracy without them.

    Raises:
        InvalidSetting: an index out of range or given twice, a noise variance that is not above 0.
    """
    rest = fit.without(indices)
    weight, functional = between(fit, rest, noise_variance)
    known = fit.whole.val_targets is not None
    return GroupInformation(
        len(fit.kept) - len(rest.kept), weight, functional,
        evaluate(rest, sources) if known else None, evaluate(fit, sources) if known else None,
    )  # fmt: skip


@dataclass(frozen=True)
class Interaction:
    """I(A and B together) - I(A) - I(B), in nats, of what leaving each out changes.

    Above 0 for redundant sets (of two equal images each alone is hardly missed, both together are), below 0 for sets
    that are of use only together (leaving out either loses what both give).
    """

    weight: float
    functional: float


def interaction(fit: Fit, first: npt.ArrayLike, second: npt.ArrayLike, noise_variance: float = 1.0) -> Interaction:
    """The interaction of two disjoint sets of samples.

    Raises:
        InvalidSetting: sets that share a sample, indices out of range, a noise variance that is not above 0.
    """
    a, b = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    shared = np.intersect1d(a, b)
    if len(shared):
        raise InvalidSetting(f"the two sets share {len(shared)} samples, the first is {shared[0]}; make them disjoint.")
    both, one, other = (
        np.array(between(fit, fit.without(part), noise_variance)) for part in (np.concatenate([a, b]), a, b)
    )
    return Interaction(*(float(x) for x in both - one - other))


def between(fit: Fit, other: Fit, noise_variance: float = 1.0) -> tuple[float, float]:
    """Weight and functional information between two fits of one kernel: of samples left out, kept or relabelled.

    Raises:
        InvalidSetting: a noise variance that is not above 0, or no validation images.
    """
    variance, gram = _checked(noise_variance), fit.whole.gram
    change = (fit.embedded_coefficients - other.embedded_coefficients).reshape(len(gram), -1)
    energy = float(_squared_lengths(gram, change).sum())
    moved = float(np.sum((fit.val_outputs - other.val_outputs) ** 2))
    both = np.array([energy / (2 * variance), moved / (2 * variance * _images(fit))])
    weight, functional = finite(both, "nats between the two fits")
    return float(weight), float(functional)


def _images(fit: Fit) -> int:
    if fit.whole.m == 0:
        raise InvalidSetting("functional information needs at least one validation image.")
    return fit.whole.m


def _checked(noise_variance: float) -> float:
    if not (np.isfinite(noise_variance) and noise_variance > 0):
        raise InvalidSetting(f"noise_variance must be a finite number above 0, got {noise_variance}.")
    return noise_variance

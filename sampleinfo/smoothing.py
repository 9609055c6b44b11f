"""The smoothing that SGD itself gives the weights, in the span of the gradients.

Near the end of training SGD with batches of b samples and learning rate lr moves around the optimum with the
covariance Sigma that solves (Harutyunyan et al. 2021, eq. 14)

    H Sigma + Sigma H = (lr / b) Lambda,

H = J^T J + ridge I, Lambda the covariance of the single samples' gradients. All gradients and all weight changes lie in
the row space of J. With K = U diag(s) U^T the coordinates u = diag(s)^(1/2) U^T c of the weights J^T c are orthonormal
there, H is diag(s + ridge), the gradient of sample i is diag(s)^(1/2) U_i^T e_i (e_i its error after training), and

    Sigma_ab = (lr / b) Lambda_ab / (s_a + s_b + 2 ridge),

so that the number of weights does not matter. H is that of the summed loss, as everywhere here; for the mean loss
Sigma would be n times larger and every score n times smaller.

Lambda has a rank below n and vanishes where the samples are interpolated, so ``floor`` is added in every direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from sampleinfo.blocks import finite, product
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.linearized import Fit
from sampleinfo.spectral import Spectrum
from sampleinfo.types import FloatArray


@dataclass(frozen=True, eq=False)
class SgdSmoothing:
    """Sigma + floor I = V diag(variances + floor) V^T in the span of the gradients.

    ``variances`` (D,) ascending and ``axes`` (D, D) in the coordinates above; ``to_span`` (r, N) maps a column of
    coefficients there, D = r c for c columns.
    """

    variances: FloatArray
    axes: FloatArray
    to_span: FloatArray
    floor: float

    @property
    def directions(self) -> int:
        """Dimension of the span of the gradients."""
        return len(self.variances)

    @property
    def filled_directions(self) -> float:
        """Share of the directions where the floor is larger than the variance of SGD: 0 is best, 1 means isotropic."""
        return float(np.mean(self.variances < self.floor))

    @property
    def filled_variance(self) -> float:
        """Share of the total variance that comes from the floor."""
        total = self.floor * self.directions
        return float(total / (total + self.variances.sum()))

    def information(self, coefficient_change: FloatArray) -> FloatArray:
        """(n,) nats: u^T (Sigma + floor I)^-1 u / 2 for the weight changes J^T c, c (nk, n) in columns."""
        columns = coefficient_change.shape[1]
        inside = product(self.to_span, coefficient_change.reshape(self.to_span.shape[1], -1))
        turned = product(self.axes.T, inside.reshape(-1, columns))
        with np.errstate(over="ignore"):
            nats = np.sum(turned**2 / (self.variances + self.floor)[:, None], axis=0) / 2
        return finite(nats, "nats of SGD information")


def sgd_smoothing(fit: Fit, batch_size: int, floor: float = 1e-10) -> SgdSmoothing:
    """The steady state of SGD around ``fit``, with the learning rate of its training.

    Args:
        fit: whose training errors make the noise of the gradients.
        batch_size: samples in a batch, drawn with replacement.
        floor: variance added in every direction, in squared weights.

    Raises:
        InvalidSetting: a batch size below 1 or above n, or a floor that is not above 0.
        NumericalError: a kernel that is zero.
    """
    problem = fit.problem
    n, q = problem.n, problem.rows
    if not 1 <= batch_size <= n:
        raise InvalidSetting(f"batch_size must be between 1 and the {n} training images, got {batch_size}.")
    if not (np.isfinite(floor) and floor > 0):
        raise InvalidSetting(f"floor must be a finite number above 0, got {floor}.")
    spectrum = Spectrum.of(problem.gram)
    kept = spectrum.eigenvalues > spectrum.largest * len(problem.gram) * np.finfo(float).eps
    if not kept.any():
        raise NumericalError("the kernel is zero: the network's outputs do not depend on its weights.")
    s = spectrum.eigenvalues[kept]
    to_span = np.sqrt(s)[:, None] * spectrum.vectors[:, kept].T
    errors = fit.train_errors.reshape(n, q, -1)
    gradients = np.einsum("liq,iqc->ilc", to_span.reshape(len(s), n, q), errors, optimize=True).reshape(n, -1)
    gradients -= gradients.mean(axis=0)
    columns = problem.k // q
    curvature = np.repeat(s + fit.training.ridge, columns)
    covariance = product(gradients.T, gradients) * (fit.training.lr / batch_size / n)
    covariance /= curvature[:, None] + curvature
    variances, axes = linalg.eigh(finite(covariance, "SGD covariance"), driver="evd", check_finite=False)
    return SgdSmoothing(np.maximum(variances, 0.0), axes, to_span, floor)

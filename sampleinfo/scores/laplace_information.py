"""LSI: how much one image changes what is believed about the weights of the head.

Source: Kaiser, Schwethelm, Rueckert and Kaissis, "Laplace sample information", ICLR 2025: the KL divergence between the
Laplace approximations of the weight posterior with and without a sample; as there for large networks, of the last layer
alone. Here it is KL(with || without) for the squared loss, whose posterior is Gaussian: nothing is approximated.

Rows z_i = (x_i, 1) (D = d + 1): frozen features and bias; R (n, k): the residuals that the network is trained on; prior
ridge on the weights, none on the bias; noise variance s2 on every output. All k outputs share

    H = Z^T Z + ridge diag(1, ..., 1, 0),    posterior of each output o: N(W_o, s2 H^-1),    W = H^-1 Z^T R.

Without sample i: H_-i = H - z_i z_i^T and W - W_-i = H^-1 z_i e_i^T / (1 - h_i), with the leverage h_i = z_i^T H^-1 z_i
and the error e_i = r_i - W^T z_i (k,). Then tr(H_-i H^-1) = D - h_i, det H_-i = (1 - h_i) det H, and

    LSI_i = k/2 (-h_i - log(1 - h_i)) + ||e_i||^2 h_i / (2 s2 (1 - h_i)).

The downdate has rank one for any k, since the curvature of the squared loss is the same for every output. The ridge is
that with the least leave-one-out error e_i / (1 - h_i), s2 the mean square of those errors.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from sampleinfo.blocks import finite, product
from sampleinfo.errors import NumericalError
from sampleinfo.scores.base import FEATURES, INFORMATION, Score
from sampleinfo.tuning import RIDGES
from sampleinfo.types import FloatArray


@dataclass(frozen=True, eq=False)
class Head:
    """A linear head with its ridge and noise variance; (n,) leverages and (n, k) errors of its samples."""

    ridge: float
    noise_variance: float
    leverages: FloatArray
    errors: FloatArray


def laplace_information(features: FloatArray | None, residual: FloatArray) -> FloatArray:
    """(n,) nats between the posteriors of the head with and without each sample.

    Args:
        features: (n, d) of the frozen network.
        residual: (n, k) targets minus initial outputs.

    Raises:
        NumericalError: features that are not finite.
    """
    assert features is not None
    head = fit_head(np.asarray(features, dtype=np.float64), residual)
    h, squared = head.leverages, np.sum(head.errors**2, axis=1)
    spread = head.errors.shape[1] * (-h - np.log1p(-h))
    moved = squared * h / (head.noise_variance * (1 - h))
    return finite((spread + moved) / 2, "nats of Laplace information")


def fit_head(features: FloatArray, residual: FloatArray) -> Head:
    """The head with the least leave-one-out error; ridges are tried relative to the mean squared norm of the features.

    With features X and residuals centred, which is what a bias without a ridge does, X^T X = V diag(t) V^T and P = X V,
    the leverages are 1/n + sum_l P_il^2 / (t_l + ridge).

    Raises:
        NumericalError: features that are not finite.
    """
    if not np.isfinite(features).all():
        raise NumericalError("the features hold values that are not finite.")
    wanted = residual - residual.mean(axis=0)
    axes = _axes(features - features.mean(axis=0))
    squares, inside = np.square(axes), product(axes.T, wanted)
    t = squares.sum(axis=0)
    ridges = RIDGES * (float(t.sum()) / len(axes) or 1.0)
    leverages = 1 / len(axes) + product(squares, 1 / (t[:, None] + ridges))

    def head(number: int) -> Head:
        errors = wanted - product(axes, inside / (t + ridges[number])[:, None])
        own = leverages[:, number]
        noise = float(np.mean((errors / (1 - own)[:, None]) ** 2))
        return Head(float(ridges[number]), max(noise, float(np.finfo(float).tiny)), own, errors)

    return min(map(head, range(len(ridges))), key=lambda each: each.noise_variance)


def _axes(centred: FloatArray) -> FloatArray:
    """(n, min(n, d)) P, orthogonal columns with P P^T = X X^T, by the smaller of the two products of X (n, d)."""
    n, d = centred.shape
    if d <= n:
        return product(centred, linalg.eigh(product(centred.T, centred), driver="evd")[1])
    t, vectors = linalg.eigh(product(centred, centred.T), driver="evd")
    return np.asarray(vectors * np.sqrt(np.maximum(t, 0.0)))


SCORE = Score(
    name="laplace_information",
    title="Laplace information (LSI)",
    unit="nats",
    sentence="How much the belief about the head's weights would change if this image were left out of training.",
    assumes="Trains the head alone on the features of the frozen network; instant.",
    compute=lambda evidence: laplace_information(evidence.features, evidence.fit.problem.residual),
    kind=INFORMATION,
    needs=FEATURES,
)

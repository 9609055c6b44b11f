"""Unique information of samples, in nats.

With w the weights (f the network) trained on all samples and w_-i (f_-i) without sample i:

    weight information      SI_i   = ||w - w_-i||^2 / (2 sigma^2)                          (eq. 5, Sigma = sigma^2 I)
    functional information  F-SI_i = sum_j ||f(x'_j) - f_-i(x'_j)||^2 / (2 sigma^2 m)      (eq. 8 and 16)

Source: Harutyunyan et al., ICLR 2021. sigma^2 only rescales.
"""

from __future__ import annotations

import numpy as np

from sampleinfo.errors import InvalidSetting
from sampleinfo.linearized import Fit
from sampleinfo.types import FloatArray


def weight_information(fit: Fit, noise_variance: float = 1.0) -> FloatArray:
    """(n,) nats that each sample alone puts into the weights: c_i^T K c_i / (2 sigma^2).

    Raises:
        InvalidSetting: a noise variance that is not above 0.
    """
    change = fit.leave_each_out().coefficient_change
    energy = np.einsum("ri,ri->i", change, fit.problem.gram @ change)
    return np.asarray(np.maximum(energy, 0.0) / (2 * _checked(noise_variance)))


def functional_information(fit: Fit, noise_variance: float = 1.0) -> FloatArray:
    """(n,) nats that each sample alone puts into the predictions: ||K_val c_i||^2 / (2 sigma^2 m).

    Raises:
        InvalidSetting: a noise variance that is not above 0.
    """
    change = fit.leave_each_out().val_change
    energy = np.einsum("jki,jki->i", change, change)
    return np.asarray(energy / (2 * _checked(noise_variance) * fit.problem.m))


def _checked(noise_variance: float) -> float:
    if not (np.isfinite(noise_variance) and noise_variance > 0):
        raise InvalidSetting(f"noise_variance must be a finite number above 0, got {noise_variance}.")
    return noise_variance

"""A head trained on frozen features, in closed form. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampleinfo.errors import InvalidData
from sampleinfo.types import FloatArray

#: Ridges tried, relative to the mean squared norm of the centred features: half decades.
GRID = tuple(10.0 ** (exponent / 2) for exponent in range(-12, 9))


@dataclass(frozen=True, eq=False)
class Head:
    """weight (k, d), bias (k,), the ridge chosen, and its mean squared leave-one-out error."""

    weight: FloatArray
    bias: FloatArray
    ridge: float
    error: float


def closed_form_head(features: FloatArray, targets: FloatArray) -> Head:
    """Ridge regression of ``targets`` (n, k) on ``features`` (n, d), the ridge by exact leave-one-out error.

    min_{W, b} sum_i |W x_i + b - y_i|^2 + ridge |W|^2; the bias b is not penalised, so that adding a constant to
    features or targets changes nothing else. With the hat matrix H of the centred features at that ridge plus 1/n, the
    error on sample i of the fit without it is

        y_i - f_{-i}(x_i) = (y_i - f(x_i)) / (1 - H_ii)

    (Allen, "The relationship between variable selection and data augmentation and a method for prediction",
    Technometrics 1974: PRESS), which is exact for an unpenalised bias, too. One ridge serves all outputs: the one with
    the least mean over samples and outputs. scikit-learn's ``RidgeCV`` computes it from one decomposition.

    Raises:
        InvalidData: fewer than two samples, shapes that do not agree, or values that are not finite.
    """
    from sklearn.linear_model import RidgeCV

    x, y = np.asarray(features, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 2:
        raise InvalidData(
            f"a head needs features (n, d) and targets (n, k), n at least 2; got {x.shape} and {y.shape}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidData("a head needs features and targets that are finite numbers.")
    spread = float(np.mean(np.sum((x - x.mean(axis=0)) ** 2, axis=1)))
    fit = RidgeCV(alphas=[each * (spread or 1.0) for each in GRID]).fit(x, y)
    weight = np.asarray(fit.coef_, dtype=np.float64).reshape(y.shape[1], x.shape[1])
    bias = np.broadcast_to(np.asarray(fit.intercept_, dtype=np.float64), y.shape[1]).copy()
    return Head(weight, bias, float(fit.alpha_), -float(fit.best_score_))

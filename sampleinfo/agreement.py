"""How well an estimate agrees with the truth, with intervals."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from sampleinfo.errors import InvalidSetting
from sampleinfo.types import FloatArray

RESAMPLES, LEVEL, LEAST = 2000, 0.95, 4


@dataclass(frozen=True)
class Agreement:
    """Correlations of ``count`` pairs with their 95 % intervals; None where they do not exist.

    ``pearson`` of the values themselves, ``spearman`` of their ranks; ``ratio``: the median of estimate / truth.
    """

    count: int
    pearson: float | None
    pearson_interval: tuple[float, float] | None
    spearman: float | None
    spearman_interval: tuple[float, float] | None
    ratio: float | None

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Agreement:
        """The inverse of ``as_dict``."""
        pairs = {
            name: tuple(values[name]) if values[name] else None for name in ("pearson_interval", "spearman_interval")
        }
        return cls(**{**values, **pairs})


def agreement(estimate: npt.ArrayLike, truth: npt.ArrayLike, seed: int = 0) -> Agreement:
    """Pearson's and Spearman's correlation of two columns (r,), with percentile bootstrap intervals over the pairs.

    The interval resamples pairs (Efron 1979, ``scipy.stats.bootstrap``). Fewer than four pairs, or a column that is
    constant, have no correlation.

    Raises:
        InvalidSetting: columns of other lengths or with values that are not finite.
    """
    first, second = (np.asarray(x, dtype=np.float64) for x in (estimate, truth))
    if first.ndim != 1 or first.shape != second.shape:
        raise InvalidSetting(f"estimate and truth must be columns of one length, got {first.shape} and {second.shape}.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InvalidSetting("estimate and truth must be finite numbers.")
    positive = second > 0
    ratio = float(np.median(first[positive] / second[positive])) if positive.any() else None
    if len(first) < LEAST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Agreement(len(first), None, None, None, None, ratio)
    ranks = stats.rankdata(first), stats.rankdata(second)
    return Agreement(
        len(first), _pearson(first, second), _interval(first, second, seed), _pearson(*ranks),
        _interval(first, second, seed, ranked=True), ratio,
    )  # fmt: skip


def _pearson(first: FloatArray, second: FloatArray) -> float:
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1.0, 1.0))


def _interval(first: FloatArray, second: FloatArray, seed: int, ranked: bool = False) -> tuple[float, float]:
    """Over resamples in which both columns vary."""

    def statistic(a: FloatArray, b: FloatArray, axis: int = -1) -> FloatArray:
        if ranked:
            a, b = stats.rankdata(a, axis=axis), stats.rankdata(b, axis=axis)
        a, b = a - a.mean(axis=axis, keepdims=True), b - b.mean(axis=axis, keepdims=True)
        size = np.sqrt(np.sum(a * a, axis=axis) * np.sum(b * b, axis=axis))
        return np.asarray(np.sum(a * b, axis=axis) / np.where(size > 0, size, np.nan))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (first, second), statistic, paired=True, vectorized=True, n_resamples=RESAMPLES, method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution  # fmt: skip
    low, high = np.nanpercentile(found, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(np.clip(low, -1, 1)), float(np.clip(high, -1, 1))

"""Correlations, means and rankings with their bootstrap intervals."""

from __future__ import annotations

import numpy as np
from scipy import stats

from sampleinfo.types import FloatArray

RESAMPLES, LEVEL = 2000, 0.95


def correlations(found: FloatArray, truth: FloatArray, seed: int) -> dict[str, float]:
    """Pearson's r of the nats with its percentile interval, of their square roots (norms), and Spearman's."""
    low, high = pearson_interval(found, truth, seed)
    return {
        "pearson": pearson(found, truth), "low": low, "high": high,
        "norms": pearson(np.sqrt(found), np.sqrt(truth)),
        "spearman": float(stats.spearmanr(found, truth).statistic),
    }  # fmt: skip


def pearson(first: FloatArray, second: FloatArray) -> float:
    """Pearson's r."""
    return float(np.corrcoef(first, second)[0, 1])


def pearson_interval(first: FloatArray, second: FloatArray, seed: int) -> tuple[float, float]:
    """Percentile bootstrap over the samples (Efron 1979); resamples in which all values are equal do not count."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(first), size=(RESAMPLES, len(first)))
    a, b = (each[rows] - each[rows].mean(axis=1, keepdims=True) for each in (first, second))
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    kept = (np.ptp(first[rows], axis=1) > 0) & (np.ptp(second[rows], axis=1) > 0)
    return _percentiles((a * b).sum(axis=1)[kept] / size[kept])


def mean_interval(values: FloatArray, seed: int) -> tuple[float, float]:
    """Percentile bootstrap of the mean."""
    return _percentiles(_means(values, np.random.default_rng(seed)))


def ratio_interval(above: FloatArray, below: FloatArray, seed: int) -> tuple[float, float]:
    """Percentile bootstrap of the ratio of two groups' means, each resampled by itself."""
    rng = np.random.default_rng(seed)
    return _percentiles(_means(above, rng) / _means(below, rng))


def paired_interval(differences: FloatArray) -> tuple[float, float]:
    """Student's t interval of the mean of paired differences."""
    count = len(differences)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * differences.std(ddof=1) / np.sqrt(count))
    return float(differences.mean()) - half, float(differences.mean()) + half


def _means(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    return np.array([rng.choice(values, len(values)).mean() for _ in range(RESAMPLES)])


def _percentiles(values: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def ranking(wanted: np.ndarray, score: FloatArray) -> dict[str, float]:
    """Area under the ROC curve and average precision of a score that is to be high where ``wanted``."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {"auroc": float(roc_auc_score(wanted, score)), "precision": float(average_precision_score(wanted, score))}

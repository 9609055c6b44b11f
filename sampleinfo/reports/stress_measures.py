"""How well a score finds what was planted: areas under curves with their intervals, equal scores handled as equal.

The same as scikit-learn's ``roc_auc_score`` and ``average_precision_score`` (tested against them), for many resamples
of the images at once: a resample is a weight for each image, so that the images are ranked only once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sampleinfo.types import FloatArray, IntArray

#: Resamples of the bootstrap, how many at a time, and its level.
RESAMPLES, PIECE, LEVEL = 1000, 64, 0.95
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Where the P planted images stand among the N others in the order of a score, the highest first.

    Args:
        planted, others: (P,) and (N,) each group in the order of the score, as places within the group.
        hits: (P,) how many planted images score at least as high as each planted one, in that order.
        above, before: (P,) how many others score at least as high, and how many score higher.
    """

    planted: IntArray
    others: IntArray
    hits: IntArray
    above: IntArray
    before: IntArray

    @classmethod
    def of(cls, planted: Mask, values: FloatArray) -> Ranking:
        """Of finite scores (n,)."""
        mine, rest = -values[planted], -values[~planted]
        order, others = np.argsort(mine, kind="stable"), np.argsort(rest, kind="stable")
        mine, rest = mine[order], rest[others]
        return cls(
            order, others, np.searchsorted(mine, mine, "right"), np.searchsorted(rest, mine, "right"),
            np.searchsorted(rest, mine, "left"),
        )  # fmt: skip

    def areas(self, planted: FloatArray, others: FloatArray) -> FloatArray:
        """(2, b) area under the ROC curve and average precision, for weights (P, b) and (N, b) of the images.

        With w_i the weight of planted image i, TP_i and FP_i those of the planted and of the others that score at least
        as high, FP'_i of the others that score higher, and P and N the sums of the weights,

            AUROC = sum_i w_i (N - (FP_i + FP'_i) / 2) / (P N)
            AP    = sum_i w_i TP_i / (TP_i + FP_i) / P
        """
        weights = planted[self.planted]
        true, false = _summed(weights), _summed(others[self.others])
        hits, above = true[self.hits], false[self.above]
        beaten = false[-1] - (above + false[self.before]) / 2
        precision = hits / np.maximum(hits + above, np.finfo(np.float64).tiny)
        whole, rest = true[-1], false[-1]
        return np.stack([(weights * beaten).sum(axis=0) / (whole * rest), (weights * precision).sum(axis=0) / whole])

    def point(self) -> FloatArray:
        """(2,) the same for the images as they are."""
        return self.areas(np.ones((len(self.planted), 1)), np.ones((len(self.others), 1)))[:, 0]


def _summed(weights: FloatArray) -> FloatArray:
    """(count + 1, b) sums of the first 0, 1, ... rows."""
    out = np.zeros((len(weights) + 1, weights.shape[1]))
    np.cumsum(weights, axis=0, out=out[1:])
    return out


def resampled(rankings: list[Ranking], seed: int = 0) -> FloatArray:
    """(scores, 2, resamples): ``areas`` when planted and other images are each drawn anew, the same draws for all
    scores (stratified bootstrap, Efron 1979)."""
    rng, counts = np.random.default_rng(seed), (len(rankings[0].planted), len(rankings[0].others))
    pieces = []
    for start in range(0, RESAMPLES, PIECE):
        draws = min(PIECE, RESAMPLES - start)
        planted, others = (
            rng.multinomial(count, np.full(count, 1 / count), size=draws).T.astype(np.float64, order="C")
            for count in counts
        )
        pieces.append(np.stack([ranking.areas(planted, others) for ranking in rankings]))
    return np.concatenate(pieces, axis=-1)


def interval(values: FloatArray) -> tuple[float, float]:
    """Percentiles of resamples."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def steps(planted: Mask, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(t,) planted images and (t,) others that score at least as high as the first, second, ... distinct value."""
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(values) - 1)
    hits = np.cumsum(planted[order])[ends].astype(np.float64)
    return hits, ends + 1 - hits


def found_after(planted: Mask, values: FloatArray, inspected: int) -> float:
    """How many of the planted are among the first so many; among equal scores the mean over all orders."""
    hits, others = steps(planted, values)
    return float(np.interp(inspected, np.append(0, hits + others), np.append(0, hits)))

"""Prototypicality: how far an image is from the nearest typical one in the network's eyes.

Source: Sorscher, Geirhos, Shekhar, Ganguli and Morcos, "Beyond neural scaling laws: beating power law scaling via data
pruning", NeurIPS 2022 (arXiv 2206.14486): the distance of an embedding to the nearest k-means centre. Labels play no
part. Here the embedding is the features of the network at its initial weights, the distance Euclidean, which is what
k-means makes small, and there are as many clusters as classes among the labels (at most as many as distinct images).

    P_i = min_c ||x_i - mu_c||

The centres are the best of ``STARTS`` starts of k-means++ from the run's seed. The images are put into an order of
their own first, so that the order they come in does not matter.
"""

import numpy as np

from sampleinfo.errors import NumericalError
from sampleinfo.scores.base import DIFFICULTY, FEATURES, FROZEN, Score
from sampleinfo.types import FloatArray, IntArray

#: Starts of k-means.
STARTS = 4


def prototypicality(features: FloatArray | None, classes: int, seed: int) -> FloatArray:
    """(n,) distances to the nearest of as many centres as ``classes``, in units of the features (n, d).

    Raises:
        NumericalError: features that are not finite.
    """
    assert features is not None
    if not np.isfinite(features).all():
        raise NumericalError("the features hold values that are not finite.")
    nearest = centres(features, classes, seed)
    squared = np.stack([np.sum((features - centre) ** 2, axis=1) for centre in nearest])
    return np.asarray(np.sqrt(squared.min(axis=0)))


def centres(features: FloatArray, count: int, seed: int) -> FloatArray:
    """(count, d) k-means centres of features (n, d); fewer where fewer rows are distinct.

    On one thread: the steps are so short that two, waiting for each other beside other work, take thirty times as long.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it

    ordered = features[own_order(features)]
    distinct = 1 + int(np.any(ordered[1:] != ordered[:-1], axis=1).sum())
    with threadpool_limits(1):
        means = KMeans(min(count, distinct), n_init=STARTS, random_state=seed).fit(ordered)
    return np.asarray(means.cluster_centers_, dtype=np.float64)


def own_order(features: FloatArray) -> IntArray:
    """(n,) rows by their values, the first column first."""
    return np.asarray(np.lexsort(features.T[::-1]), dtype=np.int64)


SCORE = Score(
    name="prototypicality",
    title="Distance to the nearest prototype",
    unit="feature distance",
    sentence="How far this image is from the nearest centre of similar images, whatever its label: small for typical "
    "images, large for unusual ones.",
    assumes=FROZEN,
    compute=lambda evidence: prototypicality(evidence.features, len(np.unique(evidence.labels)), evidence.seed),
    kind=DIFFICULTY,
    needs=FEATURES,
)

"""Outlyingness: how far an image lies from its nearest neighbours in the network's eyes.

Source: Sun, Ming, Zhu and Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022 (arXiv
2204.06507): the distance to the k-th nearest neighbour in feature space. Here it is the mean over the first
``NEIGHBOURS``, which is steadier, and the features keep their lengths: adversarial images have longer ones. Labels play
no part.

    O_i = 1/k sum_{j in N_k(i)} ||x_i - x_j||
"""

import numpy as np

from sampleinfo.blocks import product
from sampleinfo.errors import NumericalError
from sampleinfo.scores.base import FEATURES, FROZEN, SUSPICION, Score
from sampleinfo.types import FloatArray

#: Nearest neighbours that count, and rows of distances that are in memory at a time.
NEIGHBOURS, PIECE = 10, 1024


def outlyingness(features: FloatArray | None) -> FloatArray:
    """(n,) mean distances to the nearest other images, in units of the features (n, d).

    Raises:
        NumericalError: features that are not finite.
    """
    assert features is not None
    if not np.isfinite(features).all():
        raise NumericalError("the features hold values that are not finite.")
    features = features - features.mean(axis=0)  # the differences lose fewer digits
    squared, n = np.sum(features**2, axis=1), len(features)
    count = min(NEIGHBOURS, n - 1)
    found = np.zeros(n)
    for start in range(0, n if count else 0, PIECE):
        rows = np.arange(start, min(start + PIECE, n))
        distances = squared[rows, None] + squared[None] - 2 * product(features[rows], features.T)
        distances[np.arange(len(rows)), rows] = np.inf
        nearest = np.partition(distances, count - 1, axis=1)[:, :count]
        found[rows] = np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1)
    return found


SCORE = Score(
    name="outlyingness",
    title="Distance to the nearest images",
    unit="feature distance",
    sentence="How far this image is from the ten images most like it, whatever their labels: large where nothing in "
    "the data set resembles it.",
    assumes=FROZEN,
    compute=lambda evidence: outlyingness(evidence.features),
    kind=SUSPICION,
    needs=FEATURES,
)

"""Outlyingness: how far an image lies from its nearest neighbours in the network's eyes.

Source: Sun, Ming, Zhu and Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022 (arXiv
2204.06507): the distance to the k-th nearest neighbour in feature space. Here it is the mean over the first
``NEIGHBOURS``, which is steadier, and the features keep their lengths: adversarial images have longer ones. Labels play
no part.

    O_i = 1/k sum_{j in N_k(i)} ||x_i - x_j||
"""

import numpy as np

from sampleinfo import neighbours
from sampleinfo.scores.base import FEATURES, FROZEN, SUSPICION, Score
from sampleinfo.types import FloatArray

#: Nearest neighbours that count.
NEIGHBOURS = 10


def outlyingness(features: FloatArray | None, seed: int = 0, exact: int = neighbours.EXACT) -> FloatArray:
    """(n,) mean distances to the nearest other images, in units of the features (n, d).

    Above ``exact`` images the neighbours are those of an index (``neighbours``).

    Raises:
        NumericalError: features that are not finite.
    """
    assert features is not None
    distances = neighbours.nearest(features, NEIGHBOURS, seed, exact).distances
    return distances.mean(axis=1) if distances.shape[1] else np.zeros(len(features))


SCORE = Score(
    name="outlyingness",
    title="Distance to the nearest images",
    unit="feature distance",
    sentence="How far this image is from the ten images most like it, whatever their labels: large where nothing in "
    "the data set resembles it.",
    assumes=FROZEN,
    compute=lambda evidence: outlyingness(evidence.features, evidence.seed),
    kind=SUSPICION,
    needs=FEATURES,
)

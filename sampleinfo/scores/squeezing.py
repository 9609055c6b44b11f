"""Feature squeezing: how far what the network sees moves when the image is smoothed a little.

Source: Xu, Evans and Qi, "Feature squeezing: detecting adversarial examples in deep neural networks", NDSS 2018 (arXiv
1704.01155): the outputs of an adversarial image change under a harmless smoothing, those of a natural one hardly. There
the probabilities are compared, in L1; here the features before the head are, in L2, since the head is not trained yet:

    Q_i = ||phi(x_i) - phi(smoothed x_i)||,    smoothed by ``models.views.smoothed``.
"""

import numpy as np

from sampleinfo.errors import NumericalError
from sampleinfo.scores.base import FROZEN, SMOOTHED, SUSPICION, Score
from sampleinfo.types import FloatArray


def squeezing(features: FloatArray | None, smoothed: FloatArray | None) -> FloatArray:
    """(n,) distances between the features (n, d) of images and of the smoothed images, in their units.

    Raises:
        NumericalError: features that are not finite.
    """
    assert features is not None and smoothed is not None
    moved = features - smoothed
    if not np.isfinite(moved).all():
        raise NumericalError("the features hold values that are not finite.")
    return np.asarray(np.linalg.norm(moved, axis=1))


SCORE = Score(
    name="squeezing",
    title="Change under smoothing",
    unit="feature distance",
    sentence="How far what the network sees of this image moves when it is smoothed a little: large for adversarial "
    "images and for noise.",
    assumes=FROZEN,
    compute=lambda evidence: squeezing(evidence.features, evidence.smoothed),
    kind=SUSPICION,
    needs=SMOOTHED,
)

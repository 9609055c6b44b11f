"""VoG: how much the reasons for an image's class change while the network learns.

Source: Agarwal, D'souza and Hooker, "Estimating example difficulty using variance of gradients", CVPR 2022 (arXiv
2008.11600). S_t is the slope of the output of the image's own class by its pixels at checkpoint t of T, averaged over
the colour channels; over the pixels p of the image

    spread_i = mean_p sqrt(1/T sum_t (S_t,p - mean_t S_t,p)^2)
    VoG_i    = (spread_i - mean of the class) / standard deviation of the class,

as in the paper's own code. The second step stays: slopes differ in size from class to class, which says nothing about
single images. In a class whose spreads are all equal, as in a class of one image, VoG is 0. With one output its slope
serves both classes, since the sign does not matter. ``recorded.gradient_spread`` computes the spreads.
"""

import numpy as np

from sampleinfo.scores.base import CHECKPOINTS, DIFFICULTY, Evidence, Score
from sampleinfo.types import FloatArray

#: A standard deviation this small, relative to the mean, is a rounding error.
_ROUNDING = 1e-12


def vog(evidence: Evidence) -> FloatArray:
    """(n,) spreads in standard deviations from the mean of the image's class."""
    assert evidence.gradient_spread is not None
    spread = np.asarray(evidence.gradient_spread, dtype=np.float64)
    out = np.zeros(len(spread))
    for label in np.unique(evidence.labels):
        own = evidence.labels == label
        mean, deviation = spread[own].mean(), spread[own].std()
        if deviation > _ROUNDING * mean:
            out[own] = (spread[own] - mean) / deviation
    return out


SCORE = Score(
    name="vog",
    title="Variance of gradients (VoG)",
    unit="standard deviations within the class",
    sentence="How much the pixels that speak for this image's class change during training, compared with other images "
    "of the class: large for hard images.",
    assumes="Follows one real training run and looks at the network at some moments of it.",
    compute=vog,
    kind=DIFFICULTY,
    needs=CHECKPOINTS,
    signed=True,
)

"""Odd pixels: how unusual an image is as a picture, whatever it shows.

Blurred, noisy, washed out and partly covered images differ from the others of a data set in plain statistics of their
pixels (``appearance.appearance``): sharpness, contrast, brightness, and the share that is flat. The score is the
distance of these (n, 4) from their robust centre in their robust covariance (Mahalanobis), by the minimum covariance
determinant of ``SUPPORT`` of the images (Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance
determinant estimator", Technometrics 1999), so that the odd ones among them do not hide each other. No network and no
label is asked.
"""

import warnings

import numpy as np

from sampleinfo.scores.base import APPEARANCE, SUSPICION, Score
from sampleinfo.scores.prototypicality import own_order
from sampleinfo.types import FloatArray

#: Share of the images that the centre and the covariance rest on, and the least spread of a statistic.
SUPPORT, LEAST = 0.75, 1e-6


def odd_pixels(appearance: FloatArray | None) -> FloatArray:
    """(n,) robust distances of statistics (n, d), in standard deviations."""
    assert appearance is not None
    values = np.asarray(appearance, dtype=np.float64)
    values = (values - np.median(values, axis=0)) / np.maximum(values.std(axis=0), LEAST)
    varied = values[:, np.ptp(values, axis=0) > 0]
    if len(varied) <= 2 * varied.shape[1] or not varied.shape[1]:  # too few for a covariance
        return np.asarray(np.linalg.norm(varied, axis=1))
    return robust_distances(varied)


def robust_distances(values: FloatArray) -> FloatArray:
    """(n,) Mahalanobis distances of (n, d) from the minimum covariance determinant, in whatever order they come."""
    from sklearn.covariance import MinCovDet
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of equal images, whose covariance is singular: the pseudo-inverse serves
        found = MinCovDet(support_fraction=SUPPORT, random_state=0).fit(values[own_order(values)])
    return np.asarray(np.sqrt(np.maximum(found.mahalanobis(values), 0.0)))


SCORE = Score(
    name="odd_pixels",
    title="Odd pixels",
    unit="robust standard deviations",
    sentence="How unusual the sharpness, contrast, brightness and flat areas of this image are among the others: large "
    "for blurred, noisy, washed out or covered ones.",
    assumes="Looks at the pixels alone, without network or labels; instant.",
    compute=lambda evidence: odd_pixels(evidence.appearance),
    kind=SUSPICION,
    needs=APPEARANCE,
)

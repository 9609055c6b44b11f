"""The training images that look most alike to the network, among those of one class: exact, no index."""

from __future__ import annotations

import numpy as np

from sampleinfo.blocks import product
from sampleinfo.types import FloatArray, IntArray

#: Decimals of a distance: what is smaller is rounding of features in single precision.
DECIMALS = 9
#: Bytes of the distances that are there at a time.
BLOCK = 2**26


def directions(features: FloatArray) -> FloatArray:
    """(n, d) features of length 1; those of length 0 stay 0, at the distance 1 from everything."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1.0), dtype=np.float64)


def nearest_of_class(
    features: FloatArray, labels: IntArray, wanted: IntArray, count: int
) -> tuple[IntArray, FloatArray]:
    """(n, count) rows and cosine distances 1 - cos of the nearest other images with the label wanted for each.

    Images at equal distance come in the order of their rows. Where a class has fewer images the row is -1 and the
    distance NaN.

    Args:
        features: (n, d).
        labels: (n,) given labels.
        wanted: (n,) of each image the label that its neighbours have.
        count: neighbours of each image.
    """
    unit = directions(np.asarray(features, dtype=np.float64))
    rows, distances = np.full((len(unit), count), -1, dtype=np.int64), np.full((len(unit), count), np.nan)
    for label in np.unique(wanted):
        members, asking = np.flatnonzero(labels == label), np.flatnonzero(wanted == label)
        step = max(1, BLOCK // (8 * max(1, len(members))))
        for start in range(0, len(asking) if len(members) else 0, step):
            some = asking[start : start + step]
            rows[some], distances[some] = _nearest(unit, some, members, count)
    return rows, distances


def _nearest(unit: FloatArray, some: IntArray, members: IntArray, count: int) -> tuple[IntArray, FloatArray]:
    """(b, count) of the images ``some`` among ``members``, which are in the order of their rows."""
    apart = np.round(np.clip(1 - product(unit[some], unit[members].T), 0.0, 2.0), DECIMALS)
    apart[some[:, None] == members] = np.inf
    rows, distances = np.full((len(some), count), -1, dtype=np.int64), np.full((len(some), count), np.nan)
    each = np.arange(len(some))
    for place in range(min(count, len(members))):
        chosen = apart.argmin(axis=1)
        found = np.isfinite(apart[each, chosen])
        rows[found, place], distances[found, place] = members[chosen[found]], apart[each, chosen][found]
        apart[each, chosen] = np.inf
    return rows, distances

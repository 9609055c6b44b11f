"""The images nearest to each image in feature space: exact for few, by an approximate index for many.

Comparing all pairs costs the square of their number. Above ``EXACT`` images the neighbours come from nearest-neighbour
descent (Dong, Moses and Li, "Efficient k-nearest neighbor graph construction for generic similarity measures", WWW
2011; the library pynndescent, which UMAP rests on): nearly linear, 2.8 s for 60,000 images of 64 features on one core
after some 20 s of compiling. Distances are exact for whatever neighbours it finds, and the share of the true ones among
them is measured on ``CHECKED`` images every time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampleinfo.errors import NumericalError
from sampleinfo.types import FloatArray, IntArray

#: Most images whose pairs are all compared; images on which the index is checked; more neighbours that it keeps.
EXACT, CHECKED, SPARE = 10_000, 200, 4
#: Numbers of the differences that are in memory at a time.
BLOCK = 2**24


@dataclass(frozen=True, eq=False)
class Nearest:
    """(N, count) ``rows`` of each image's nearest others, nearest first, and their Euclidean ``distances``.

    ``recall``: the share of the true neighbours found, on some images; None where all pairs were compared.
    """

    rows: IntArray
    distances: FloatArray
    recall: float | None


def nearest(features: np.ndarray, count: int, seed: int = 0, exact: int = EXACT) -> Nearest:
    """The ``count`` nearest others of every row of features (N, d), or N - 1 where there are fewer.

    Args:
        features: (N, d).
        count: neighbours of each, at least 1.
        seed: of the index, which is the same for the same seed, and of the images that it is checked on.
        exact: most images whose pairs are all compared.

    Raises:
        NumericalError: features that are not finite.
    """
    if not np.isfinite(features).all():
        raise NumericalError("the features hold values that are not finite.")
    count = min(count, len(features) - 1)
    if count < 1:
        return Nearest(np.zeros((len(features), 0), dtype=np.int64), np.zeros((len(features), 0)), None)
    if len(features) <= exact:
        return Nearest(*_by_distance(features, _all_pairs(features, count)), None)
    rows = _index(features, count, seed)
    some = np.random.default_rng(seed).choice(len(features), min(CHECKED, len(features)), replace=False)
    true = _all_pairs(features, count, some)
    recall = np.mean([np.isin(found, wanted).mean() for found, wanted in zip(rows[some], true, strict=True)])
    return Nearest(*_by_distance(features, rows), float(recall))


def places(known: np.ndarray, coordinates: FloatArray, others: np.ndarray, seed: int, count: int = 5) -> FloatArray:
    """(M, c) where rows ``others`` (M, d) belong among ``known`` (N, d) that lie at ``coordinates`` (N, c).

    The mean of the ``count`` nearest known ones', weighted by the inverse of their distances.
    """
    from pynndescent import NNDescent

    index = NNDescent(np.asarray(known, dtype=np.float32), n_neighbors=15, random_state=seed, n_jobs=1)
    rows, distances = index.query(np.asarray(others, dtype=np.float32), k=min(count, len(known)))
    weights = 1.0 / np.maximum(distances.astype(np.float64), 1e-9)
    return np.asarray(np.einsum("ij,ijc->ic", weights / weights.sum(axis=1, keepdims=True), coordinates[rows]))


def _all_pairs(features: np.ndarray, count: int, some: IntArray | None = None) -> IntArray:
    """(N, count) rows, exact; of the rows ``some`` alone where they are given."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=count).fit(features)
    if some is None:
        return np.asarray(index.kneighbors(return_distance=False), dtype=np.int64)
    found = index.kneighbors(features[some], count + 1, return_distance=False)
    return np.stack([_without(row, own, count) for row, own in zip(found, some, strict=True)])


def _index(features: np.ndarray, count: int, seed: int) -> IntArray:
    """(N, count) rows by nearest-neighbour descent; on one thread: what it finds depends on their number."""
    from pynndescent import NNDescent

    kept = min(count + 1 + SPARE, len(features))
    index = NNDescent(np.asarray(features, dtype=np.float32), n_neighbors=kept, random_state=seed, n_jobs=1)
    graph = index.neighbor_graph[0]
    rows = np.stack([_without(row, own, count) for own, row in enumerate(graph)]).astype(np.int64)
    lonely = np.flatnonzero((rows < 0).any(axis=1))  # the descent found too few
    if len(lonely):
        rows[lonely] = _all_pairs(features, count, lonely)
    return rows


def _without(row: np.ndarray, own: int, count: int) -> np.ndarray:
    """The first ``count`` of a row but the image itself, which is not always the first among equals."""
    return np.asarray(row[row != own][:count])


def _by_distance(features: np.ndarray, rows: IntArray) -> tuple[IntArray, FloatArray]:
    """The same rows, nearest first, and their distances, from the differences in double precision."""
    distances, step = np.empty(rows.shape), max(1, BLOCK // (rows.shape[1] * features.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        apart = features[part, None].astype(np.float64) - features[rows[part]].astype(np.float64)
        distances[part] = np.sqrt(np.einsum("ijd,ijd->ij", apart, apart))
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)

"""Strategies that choose a summary. A new one is a function here and a line in ``STRATEGIES``.

Each ranks the training images, the one to keep longest first; the summary of ``size`` images is the beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sampleinfo.downdating import Elimination, Growth
from sampleinfo.errors import InvalidSetting, lookup
from sampleinfo.information import functional_information
from sampleinfo.linearized import Problem
from sampleinfo.reports.pool import Pool
from sampleinfo.types import FloatArray, IntArray

#: Share of the images that *bottom-iterative* removes before it scores again (the paper's).
STEP = 0.05
Rank = Callable[[Pool, int, int], IntArray]


@dataclass(frozen=True)
class Strategy:
    """``rank``: (pool, size, seed) -> (n,) the images, those of the summary of ``size`` first.

    ``nested``: the ranking for the largest size serves smaller ones as well. ``drawn``: it depends on the seed.
    """

    name: str
    title: str
    sentence: str
    rank: Rank
    nested: bool = True
    drawn: bool = False


def find(name: str) -> Strategy:
    """The strategy called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    return lookup("strategy", name, STRATEGIES)


def choose(pool: Pool, name: str, size: int, seed: int = 0, quotas: dict[int, int] | None = None) -> IntArray:
    """(size,) training images of the summary, best first; with ``quotas`` at most so many of each class (label).

    Raises:
        UnknownName: no such strategy.
        InvalidSetting: a size outside 1..n, or quotas that do not add up to it or ask for more than there are.
    """
    check_size(size, pool.n)
    order = find(name).rank(pool, size, seed)
    return order[:size] if quotas is None else within(order, pool.labels, quotas, size)


def check_size(size: int, n: int) -> None:
    """Refuse a summary of a size that cannot be.

    Raises:
        InvalidSetting: with the sizes that can.
    """
    if not 1 <= size <= n:
        raise InvalidSetting(f"a summary holds between 1 and {n} of the training images, got {size}.")


def equal_quotas(labels: IntArray, size: int) -> dict[int, int]:
    """As many of each class as can be: the difference is at most one, unless a class has too few images."""
    names, counts = np.unique(labels, return_counts=True)
    quotas, left = dict.fromkeys((int(name) for name in names), 0), size
    room = {int(name): int(count) for name, count in zip(names, counts, strict=True)}
    while left > 0 and any(room.values()):
        for name in (each for each in quotas if room[each]):
            if left == 0:
                break
            quotas[name], room[name], left = quotas[name] + 1, room[name] - 1, left - 1
    return quotas


def within(order: IntArray, labels: IntArray, quotas: dict[int, int], size: int) -> IntArray:
    """(size,) the first images of ``order`` that keep every class within its quota.

    Raises:
        InvalidSetting: quotas that do not add up to ``size``, or ask for more than there are.
    """
    if sum(quotas.values()) != size:
        raise InvalidSetting(f"the numbers per class add up to {sum(quotas.values())}, not to {size}.")
    for label, wanted in quotas.items():
        have = int((labels == label).sum())
        if not 0 <= wanted <= have:
            raise InvalidSetting(f"class {label} has {have} training images, {wanted} cannot be kept.")
    kept, ranked = np.zeros(len(order), dtype=bool), labels[order]
    for label, wanted in quotas.items():
        kept[np.flatnonzero(ranked == label)[:wanted]] = True
    return np.asarray(order[kept])


def _random(pool: Pool, _: int, seed: int) -> IntArray:
    return np.random.default_rng(seed).permutation(pool.n)


def _bottom(pool: Pool, _: int, __: int) -> IntArray:
    return np.argsort(-functional_information(pool.choosing_fit), kind="stable")


def _top(pool: Pool, _: int, __: int) -> IntArray:
    return np.argsort(functional_information(pool.choosing_fit), kind="stable")


def _easy(pool: Pool, _: int, __: int) -> IntArray:
    return np.argsort(np.linalg.norm(pool.choosing_fit.leave_each_out().errors, axis=1), kind="stable")


def _bottom_iterative(pool: Pool, _: int, __: int) -> IntArray:
    state, count = Elimination(pool.judged(pool.choosing), pool.ridge), max(1, round(STEP * pool.n))
    gone: list[IntArray] = []
    while len(state.left) > count:
        least = np.argsort(state.functional_information(), kind="stable")[:count]
        gone.append(state.left[least])
        state.remove(least)
    last = state.left[np.argsort(-state.functional_information(), kind="stable")]
    return np.concatenate([last, *(each[::-1] for each in reversed(gone))])


def _grown(problem: Problem, ridge: float, size: int) -> IntArray:
    """Greedy: always the image that lowers the loss most; the rest by what they would still do."""
    state = Growth(problem, ridge)
    for _ in range(size):
        state.add(int(np.nanargmax(state.gains())))
    left = np.argsort(-np.nan_to_num(state.gains(), nan=-np.inf), kind="stable")[: problem.n - size]
    return np.concatenate([np.asarray(state.chosen, dtype=np.int64), left])


def _greedy_validation(pool: Pool, size: int, _: int) -> IntArray:
    return _grown(pool.judged(pool.choosing), pool.ridge, size)


def _greedy_pool(pool: Pool, size: int, _: int) -> IntArray:
    return _grown(pool.itself, pool.ridge, size)


def _k_centre(pool: Pool, _: int, seed: int) -> IntArray:
    features = _standard(pool.features)
    first = int(np.random.default_rng(seed).integers(pool.n))
    order, nearest = [first], _squared(features, first)
    for _ in range(pool.n - 1):
        nearest[order[-1]] = -1.0
        order.append(int(np.argmax(nearest)))
        nearest = np.where(nearest < 0, nearest, np.minimum(nearest, _squared(features, order[-1])))
    return np.asarray(order, dtype=np.int64)


def _k_means(pool: Pool, size: int, seed: int) -> IntArray:
    from sklearn.cluster import KMeans

    features = _standard(pool.features)
    found = KMeans(size, n_init=1, random_state=seed).fit(features)
    distances, chosen = found.transform(features), np.zeros(pool.n, dtype=bool)
    prototypes = []
    for cluster in range(size):
        each = np.where(chosen, np.inf, distances[:, cluster])
        prototypes.append(int(np.argmin(each)))
        chosen[prototypes[-1]] = True
    rest = np.flatnonzero(~chosen)
    return np.concatenate([prototypes, rest[np.argsort(distances[rest].min(axis=1), kind="stable")]]).astype(np.int64)


def _standard(features: FloatArray) -> FloatArray:
    return np.asarray(features - features.mean(axis=0))


def _squared(features: FloatArray, row: int) -> FloatArray:
    return np.asarray(np.square(features - features[row]).sum(axis=1))


STRATEGIES = {
    each.name: each
    for each in (
        Strategy(
            "greedy-pool", "Teach the rest",
            "Adds, one by one, the image with which the network errs least on all training images (greedy forward, in "
            "closed form). Looks at no validation image.", _greedy_pool,
        ),
        Strategy(
            "greedy-validation", "Teach the validation images",
            "The same for half of the validation images.", _greedy_validation,
        ),
        Strategy(
            "bottom", "Drop the least informative",
            "Removes the images with the least F-SI, scored once (Harutyunyan et al. 2021).", _bottom,
        ),
        Strategy(
            "bottom-iterative", "Drop the least informative, rescored",
            "Removes 5 % with the least F-SI, scores those left again, and so on (Harutyunyan et al. 2021).",
            _bottom_iterative,
        ),
        Strategy(
            "top", "Drop the most informative", "Keeps the images with the least F-SI, scored once.", _top,
        ),
        Strategy(
            "easy", "Keep the easy ones",
            "Keeps the images that the network predicts best when they are left out.", _easy,
        ),
        Strategy(
            "k-centre", "k-centre",
            "Farthest point first among the network's features (Gonzalez 1985; Sener and Savarese 2018).", _k_centre,
            drawn=True,
        ),
        Strategy(
            "k-means", "k-means prototypes",
            "The image nearest to the centre of each of as many clusters of the features (Sorscher et al. 2022).",
            _k_means, nested=False, drawn=True,
        ),
        Strategy("random", "Random", "A random draw; the band shows several.", _random, drawn=True),
    )
}  # fmt: skip

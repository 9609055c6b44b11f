"""Choosing classes and splitting into training and validation images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sampleinfo.errors import InvalidData, InvalidSetting, UnknownName
from sampleinfo.types import TRAIN, VALIDATION, Dataset, IntArray


def check_classes(dataset: str, known: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Whether ``classes`` are at least two different ones of those ``known`` in the data set.

    Raises:
        UnknownName: a class the data set does not have.
        InvalidSetting: fewer than two classes, or one named twice.
    """
    for name in classes:
        if name not in known:
            raise UnknownName(f"class of {dataset}", name, known)
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise InvalidSetting(f"classes must be at least two different ones, got {', '.join(classes) or 'none'}.")


def choose_classes(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Only the images of ``classes``, relabelled 0, 1, ... in the order given.

    Raises:
        UnknownName: a class the data set does not have.
        InvalidSetting: fewer than two classes, or one named twice.
    """
    check_classes(dataset.name, dataset.class_names, classes)
    new_label = np.full(len(dataset.class_names), -1)
    new_label[[dataset.class_names.index(name) for name in classes]] = np.arange(len(classes))
    labels = new_label[dataset.labels]
    chosen = replace(dataset, labels=labels, class_names=classes)
    return chosen.subset(np.flatnonzero(labels >= 0))


def split(dataset: Dataset, train: int, validation: int, seed: int) -> Dataset:
    """``train`` and ``validation`` images, drawn at random, stratified by class and source.

    Every stratum gives both sides its proportional share (largest remainders). Images with equal pixels stay on one
    side. The result lists the training images first, each side in the data set's own order.

    Raises:
        InvalidSetting: more images asked for than there are.
        InvalidData: a class with fewer than two training images, or too many duplicates to keep the sides apart.
    """
    if train + validation > len(dataset):
        raise InvalidSetting(
            f"{dataset.name} has {len(dataset)} images; {train} for training and {validation} for validation "
            f"make {train + validation}. Ask for at most {len(dataset)} in all."
        )
    strata = _strata(dataset)
    sizes = np.bincount(strata)
    train_quota = _shares(sizes, train, sizes)
    validation_quota = _shares(sizes, validation, sizes - train_quota)
    sides = _assign(dataset, strata, train_quota, validation_quota, np.random.default_rng(seed))
    _check_sides(dataset, sides, train, validation)
    rows = np.concatenate([np.flatnonzero(sides == side) for side in (TRAIN, VALIDATION)])
    return dataset.subset(rows, split=tuple(str(side) for side in sides[rows]))


def _strata(dataset: Dataset) -> IntArray:
    """(N,) the number of each image's (class, source) pair."""
    _, source = np.unique(np.asarray(dataset.sources), return_inverse=True)
    _, strata = np.unique(np.stack([dataset.labels, source]), axis=1, return_inverse=True)
    return np.asarray(strata, dtype=np.int64).ravel()


def _shares(sizes: IntArray, total: int, limits: IntArray) -> IntArray:
    """Integers proportional to ``sizes`` that sum to ``total``, none above its limit (sum(limits) >= total)."""
    exact = sizes * (total / sizes.sum())
    shares = np.minimum(np.floor(exact).astype(np.int64), limits)
    while (missing := total - int(shares.sum())) > 0:
        order = np.argsort(shares - exact, kind="stable")
        order = order[shares[order] < limits[order]][:missing]
        shares[order] += 1
    return np.asarray(shares, dtype=np.int64)


def _assign(
    dataset: Dataset, strata: IntArray, train_quota: IntArray, validation_quota: IntArray, rng: np.random.Generator
) -> np.ndarray:
    """(N,) ``train``, ``validation`` or an empty string; the first image of a group of duplicates decides its side."""
    left = {TRAIN: train_quota.copy(), VALIDATION: validation_quota.copy()}
    hashes = list(dataset.image_hashes())
    side_of_hash: dict[str, str] = {}
    sides = np.full(len(dataset), "", dtype=object)
    for row in rng.permutation(len(dataset)):
        stratum = strata[row]
        fixed = side_of_hash.get(hashes[row])
        for side in (fixed,) if fixed else (TRAIN, VALIDATION):
            if left[side][stratum] > 0:
                left[side][stratum] -= 1
                sides[row] = side_of_hash[hashes[row]] = side
                break
    return sides


def _check_sides(dataset: Dataset, sides: np.ndarray, train: int, validation: int) -> None:
    got = {side: int(np.sum(sides == side)) for side in (TRAIN, VALIDATION)}
    if got[TRAIN] < train or got[VALIDATION] < validation:
        raise InvalidData(
            f"{dataset.name} has too many identical images to keep them on one side of the split: asked for {train} "
            f"training and {validation} validation images, found {got[TRAIN]} and {got[VALIDATION]}. Ask for fewer."
        )
    counts = np.bincount(dataset.labels[sides == TRAIN], minlength=len(dataset.class_names))
    if counts.min() < 2:
        poor = dataset.class_names[int(counts.argmin())]
        raise InvalidData(
            f"class {poor!r} of {dataset.name} would have {counts.min()} training images with {train} in all; "
            "every class needs at least 2, or leaving one out would remove the class. "
            "Ask for more training images or fewer classes."
        )

"""Choosing classes and splitting into training and validation images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sampleinfo.datasets.options import split_name
from sampleinfo.errors import InvalidData, InvalidSetting, UnknownName
from sampleinfo.types import TEST, TRAIN, VALIDATION, Dataset, IntArray


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


def cap(dataset: Dataset, per_class: int, seed: int) -> Dataset:
    """At most ``per_class`` images of every class, drawn at random in proportion from its sources and splits."""
    strata = _strata(dataset, dataset.sources, dataset.split or ("",) * len(dataset))
    sizes, label = np.bincount(strata), np.zeros(strata.max() + 1, dtype=np.int64)
    label[strata] = dataset.labels
    quota = sizes.copy()
    for each in np.unique(label):
        of_class = label == each
        if sizes[of_class].sum() > per_class:
            quota[of_class] = shares(sizes[of_class], per_class, sizes[of_class])
    # By hashes of the ids: an image that turns out to be no good is replaced by the next, all others stay.
    texts = (f"{seed}:{each}".encode("utf-8", "backslashreplace") for each in dataset.sample_ids)
    keys = [hashlib.sha256(text).digest() for text in texts]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
    place = np.empty(len(dataset), dtype=np.int64)
    for stratum, size in enumerate(sizes):
        place[order[strata[order] == stratum]] = np.arange(size)
    return dataset.subset(np.flatnonzero(place < quota[strata]))


def eligible(
    name: str, splits: Sequence[str] | None, count: int, validation_split: str
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) masks: which images may be trained on, and which validated on.

    ``validation_split``: ``share`` ignores the data set's own splits; ``auto`` respects them where there is one to
    validate on (``validation``, else ``test``); a split's name validates on that one and trains on the others but the
    test split. Images of no split may be either.

    Raises:
        InvalidSetting: a split that the data set does not have.
    """
    everything = np.ones(count, dtype=bool)
    present = {each for each in splits or () if each}
    wanted = validation_split if validation_split in present else split_name(validation_split)
    if wanted == "auto":
        there = [each for each in (VALIDATION, TEST) if each in present]
        wanted = there[0] if there and len(present) > 1 else "share"
    if splits is None or wanted == "share":
        if validation_split not in ("auto", "share"):
            raise InvalidSetting(f"{name} has no split {validation_split!r}: it brings no splits along.")
        return everything, everything
    if wanted not in present:
        raise InvalidSetting(f"{name} has no split {wanted!r}; it has {', '.join(sorted(present))}, or give 'share'.")
    own = np.asarray(splits, dtype=object)
    training = {TRAIN} if TRAIN in present - {wanted} else present - {wanted, TEST}
    return np.isin(own, [*training, ""]), np.isin(own, [wanted, ""])


def split(dataset: Dataset, train: int, validation: int, seed: int, validation_split: str = "auto") -> Dataset:
    """``train`` and ``validation`` images, drawn at random, stratified by class and source.

    Every stratum gives both sides its proportional share (largest remainders), but every class at least two training
    images where it has them. Images with equal pixels stay on one side. ``validation_split`` says which images may be
    on which side (``eligible``). The result lists the training images first, each side in the data set's own order.

    Raises:
        InvalidSetting: more images asked for than there are, or an unknown split.
        InvalidData: a class with fewer than two training images, or too many duplicates to keep the sides apart.
    """
    sides = _drawn(dataset, train, validation, seed, validation_split)
    got = {side: int(np.sum(sides == side)) for side in (TRAIN, VALIDATION)}
    if got[TRAIN] < train or got[VALIDATION] < validation:
        raise InvalidData(
            f"{dataset.name} has too many identical images to keep them on one side of the split, or too few of some "
            f"class: asked for {train} training and {validation} validation images, found {got[TRAIN]} and "
            f"{got[VALIDATION]}. Ask for fewer."
        )
    return _in_order(dataset, sides)


def split_at_most(dataset: Dataset, train: int, validation: int, seed: int, validation_split: str = "auto") -> Dataset:
    """The same with fewer images where equal ones could not be kept on one side otherwise.

    Raises:
        InvalidSetting, InvalidData: as ``split``.
    """
    sides = _drawn(dataset, train, validation, seed, validation_split)
    return _in_order(dataset, sides)


def _drawn(dataset: Dataset, train: int, validation: int, seed: int, validation_split: str) -> np.ndarray:
    """(N,) the side of every image, or an empty string."""
    may_train, may_validate = eligible(dataset.name, dataset.split, len(dataset), validation_split)
    for count, may, words in (
        (train + validation, may_train | may_validate, ""), (train, may_train, "training "),
        (validation, may_validate, "validation "),
    ):  # fmt: skip
        if count > may.sum():
            parts = (
                f"{train} for training and {validation} for validation make {count}" if not words else f"not {count}"
            )
            raise InvalidSetting(
                f"{dataset.name} has {may.sum()} {words}images; {parts}. Ask for at most {may.sum()} in all."
            )
    strata = _strata(dataset, dataset.sources)
    train_quota, validation_quota = _quotas(dataset, strata, may_train, may_validate, train, validation)
    allowed = {TRAIN: may_train, VALIDATION: may_validate}
    return _assign(dataset, strata, allowed, train_quota, validation_quota, np.random.default_rng(seed))


def _in_order(dataset: Dataset, sides: np.ndarray) -> Dataset:
    """Training images first."""
    counts = np.bincount(dataset.labels[sides == TRAIN], minlength=len(dataset.class_names))
    if not np.any(sides == VALIDATION):
        raise InvalidData(
            f"{dataset.name} has no image left to validate on: equal images stay on one side of the split, and all the "
            "others equal one to train on. Add other images."
        )
    if counts.min() < 2:
        poor = dataset.class_names[int(counts.argmin())]
        raise InvalidData(
            f"class {poor!r} of {dataset.name} would have {counts.min()} training images with {np.sum(sides == TRAIN)} "
            "in all; every class needs at least 2, or leaving one out would remove the class. "
            "Ask for more training images or fewer classes."
        )
    rows = np.concatenate([np.flatnonzero(sides == side) for side in (TRAIN, VALIDATION)])
    return dataset.subset(rows, split=tuple(str(side) for side in sides[rows]))


def _strata(dataset: Dataset, *columns: Sequence[str]) -> IntArray:
    """(N,) the number of each image's combination of class and ``columns``."""
    numbers = [np.unique(np.asarray(column), return_inverse=True)[1] for column in columns]
    _, strata = np.unique(np.stack([dataset.labels, *numbers]), axis=1, return_inverse=True)
    return np.asarray(strata, dtype=np.int64).ravel()


def _quotas(
    dataset: Dataset, strata: IntArray, may_train: np.ndarray, may_validate: np.ndarray, train: int, validation: int
) -> tuple[IntArray, IntArray]:
    """Training and validation images of every stratum."""
    count = int(strata.max()) + 1
    trainable, free, validatable = (
        np.bincount(strata[rows], minlength=count) for rows in (may_train, may_train & may_validate, may_validate)
    )
    label = np.zeros(count, dtype=np.int64)
    label[strata] = dataset.labels
    spare = int(free.sum()) - max(0, validation - int((validatable - free).sum()))
    train_quota = _at_least_two(shares(trainable, train, trainable), trainable, label)
    train_quota = _sparing(train_quota, trainable - free, trainable, label, spare)
    taken = np.maximum(0, train_quota - (trainable - free))
    return train_quota, shares(validatable, min(validation, int((validatable - taken).sum())), validatable - taken)


def _sparing(quota: IntArray, own: IntArray, sizes: IntArray, label: IntArray, most: int) -> IntArray:
    """The same number of training images, but at most ``most`` of those that could be validated on as well.

    ``own`` are the others. Two of every class come first, from ``own`` as far as possible.
    """
    if np.maximum(0, quota - own).sum() <= most:
        return quota
    first = np.zeros_like(quota)
    for limits in (own, sizes):
        for stratum, limit in enumerate(limits):
            here = label == label[stratum]
            first[stratum] += max(0, min(2 - first[here].sum(), limit - first[stratum]))
    forced = np.maximum(0, first - own)
    more = min(most - int(forced.sum()), int(quota.sum() - first.sum()))
    if more < 0:
        return quota
    used, left = np.maximum(0, quota - own - forced), np.maximum(0, own - first)
    extra = shares(used, min(more, int(used.sum())), used)
    return first + extra + shares(left, int(quota.sum() - first.sum() - extra.sum()), left)


def _at_least_two(quota: IntArray, sizes: IntArray, label: IntArray) -> IntArray:
    """Move training images from the largest classes to those with fewer than two, as far as there are any."""
    quota = quota.copy()
    while True:
        per_class = np.bincount(label, quota)
        room = np.flatnonzero((per_class[label] < 2) & (quota < sizes))
        rich = np.flatnonzero((per_class[label] > 2) & (quota > 0))
        if not room.size or not rich.size:
            return quota
        quota[room[0]] += 1
        quota[rich[np.argmax(quota[rich])]] -= 1


def shares(sizes: IntArray, total: int, limits: IntArray) -> IntArray:
    """Integers proportional to ``sizes`` that sum to ``total``, none above its limit (sum(limits) >= total)."""
    exact = sizes * (total / max(1, sizes.sum()))
    shares = np.minimum(np.floor(exact).astype(np.int64), limits)
    while (missing := total - int(shares.sum())) > 0:
        order = np.argsort(shares - exact, kind="stable")
        order = order[shares[order] < limits[order]][:missing]
        shares[order] += 1
    return np.asarray(shares, dtype=np.int64)


def _assign(
    dataset: Dataset,
    strata: IntArray,
    allowed: dict[str, np.ndarray],
    train_quota: IntArray,
    validation_quota: IntArray,
    rng: np.random.Generator,
) -> np.ndarray:
    """(N,) ``train``, ``validation`` or an empty string; the first image of a group of duplicates decides its side.

    Images that may be on one side only come first, so that those of no split fill up what is left.
    """
    left = {TRAIN: train_quota.copy(), VALIDATION: validation_quota.copy()}
    hashes = list(dataset.image_hashes())
    side_of_hash: dict[str, str] = {}
    sides = np.full(len(dataset), "", dtype=object)
    order = rng.permutation(len(dataset))
    both = allowed[TRAIN] & allowed[VALIDATION]
    for row in np.concatenate([order[~both[order]], order[both[order]]]):
        stratum = strata[row]
        fixed = side_of_hash.get(hashes[row])
        for side in (fixed,) if fixed else (TRAIN, VALIDATION):
            if allowed[side][row] and left[side][stratum] > 0:
                left[side][stratum] -= 1
                sides[row] = side_of_hash[hashes[row]] = side
                break
    return sides

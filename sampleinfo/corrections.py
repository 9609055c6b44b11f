"""A data set with the decisions of its owner: labels put right, images left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sampleinfo.errors import UnknownName
from sampleinfo.types import Dataset, IntArray

#: Pairs of a sample id and its right class; None: the image is dropped.
Corrections = tuple[tuple[str, str | None], ...]


def relabelled(dataset: Dataset, corrections: Corrections) -> Dataset:
    """The same images with the right labels; ids that the data set does not have are passed over.

    Raises:
        UnknownName: a class that the data set does not have.
    """
    right = dict(corrections)
    labels = np.array(dataset.labels)
    for row, name in enumerate(dataset.sample_ids):
        label = right.get(name)
        if label is None:
            continue
        if label not in dataset.class_names:
            raise UnknownName("class", label, list(dataset.class_names))
        labels[row] = dataset.class_names.index(label)
    return replace(dataset, labels=labels)


def kept(dataset: Dataset, corrections: Corrections) -> IntArray:
    """The rows that are not dropped, ascending."""
    dropped = {name for name, label in corrections if label is None}
    return np.array([row for row, name in enumerate(dataset.sample_ids) if name not in dropped], dtype=np.int64)


def counts(corrections: Corrections) -> tuple[int, int]:
    """How many images are relabelled, and how many dropped."""
    dropped = sum(label is None for _, label in corrections)
    return len(corrections) - dropped, dropped

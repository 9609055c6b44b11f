"""Values that flow between the stages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
ImageArray = npt.NDArray[np.uint8]
TRAIN, VALIDATION = "train", "validation"


class Images(Protocol):
    """Lazy pictures: ``images[i]`` is (h, w) or (h, w, 3) uint8; sizes may differ."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> ImageArray: ...


@dataclass(frozen=True)
class Subset:
    """Some of the pictures of another sequence, in the given order."""

    images: Images
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> ImageArray:
        return self.images[int(self.rows[index])]


@dataclass(frozen=True)
class Concatenated:
    """Several sequences of pictures behind each other."""

    parts: tuple[Images, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, index: int) -> ImageArray:
        for part in self.parts:
            if index < len(part):
                return part[index]
            index -= len(part)
        raise IndexError(index)


@dataclass(frozen=True)
class Dataset:
    """Labelled images of one classification task.

    ``labels`` index ``class_names``; ``sources`` names where each image comes from; ``split`` is ``train`` or
    ``validation`` for each image, or None before the split. ``sample_ids`` are stable and unique: the only join key.
    """

    name: str
    sample_ids: tuple[str, ...]
    images: Images
    labels: IntArray
    class_names: tuple[str, ...]
    sources: tuple[str, ...]
    split: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.sample_ids)

    def __post_init__(self) -> None:
        lengths = {len(self.sample_ids), len(self.images), len(self.labels), len(self.sources)}
        if len(lengths) != 1 or (self.split is not None and len(self.split) not in lengths):
            raise ValueError(f"fields of {self.name!r} differ in length: {sorted(lengths)}")

    def subset(self, rows: Sequence[int] | IntArray, split: tuple[str, ...] | None = None) -> Dataset:
        """The samples at ``rows``, in that order."""
        picked = np.asarray(rows, dtype=np.int64)
        if split is None and self.split is not None:
            split = tuple(self.split[i] for i in picked)
        return replace(
            self,
            sample_ids=tuple(self.sample_ids[i] for i in picked),
            images=Subset(self.images, picked),
            labels=self.labels[picked],
            sources=tuple(self.sources[i] for i in picked),
            split=split,
        )

    def image_hashes(self) -> Iterator[str]:
        """One hash per image, equal exactly where the pixels are."""
        for i in range(len(self)):
            image = np.ascontiguousarray(self.images[i])
            yield hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()

    def fingerprint(self) -> str:
        """SHA-256 over names, pixels, labels, sources and split."""
        digest = hashlib.sha256(repr((self.class_names, self.sample_ids, self.sources, self.split)).encode())
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        for image_hash in self.image_hashes():
            digest.update(image_hash.encode())
        return digest.hexdigest()


class Reporter(Protocol):
    """Receives the progress of long work; may raise ``Cancelled``."""

    def __call__(self, stage: str, done: float, total: float) -> None:
        """``done`` of ``total`` units of ``stage`` are finished."""
        ...


def silent(stage: str, done: float, total: float) -> None:
    """A reporter that says nothing."""

"""Values that flow between the stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
ImageArray = npt.NDArray[np.uint8]
TRAIN, VALIDATION, TEST = "train", "validation", "test"


class Images(Protocol):
    """Lazy pictures: ``images[i]`` is (h, w) or (h, w, 3) uint8; sizes may differ.

    A picture that cannot be read raises ``errors.Unreadable`` with the reason.
    """

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
            if 0 <= index < len(part):
                return part[index]
            index -= len(part)
        raise IndexError(index)

    def narrow(self, rows: Sequence[int]) -> Images:
        """Only the pictures at ``rows``."""
        starts = np.cumsum([0, *(len(part) for part in self.parts)])
        wanted = np.asarray(rows, dtype=np.int64)
        owner = np.searchsorted(starts, wanted, side="right") - 1
        order = np.argsort(owner, kind="stable")
        parts = tuple(
            narrowed(part, (wanted[owner == number] - starts[number]).tolist())
            for number, part in enumerate(self.parts)
            if (owner == number).any()
        )
        if len(parts) == 1:
            return parts[0]
        return Subset(Concatenated(parts), np.argsort(order, kind="stable"))


def narrowed(images: Images, rows: Sequence[int]) -> Images:
    """The pictures at ``rows`` and nothing else: small enough to be sent to another process."""
    if isinstance(images, Subset):
        return narrowed(images.images, [int(images.rows[row]) for row in rows])
    if isinstance(images, Concatenated):
        return images.narrow(rows)
    if isinstance(images, np.ndarray):
        return images[np.asarray(rows, dtype=np.int64)]
    narrow = getattr(images, "narrow", None)
    return narrow(rows) if narrow is not None else tuple(images[row] for row in rows)


@dataclass(frozen=True)
class Skipped:
    """An entry of a data set that is not among its samples, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Labelled images of one classification task.

    ``labels`` index ``class_names``; ``sources`` names where each image comes from. ``split`` is, before
    ``datasets.split``, the data set's own (``train``, ``validation``, ``test``, another name, or empty), and
    afterwards ``train`` or ``validation``; None where there is none. ``sample_ids`` are stable and unique: the only
    join key. ``metadata`` are further columns, one value per image (number, text or None). ``skipped`` are the
    entries left out. ``hashes``, equal exactly where the pixels are, are known once every image has been read.
    """

    name: str
    sample_ids: tuple[str, ...]
    images: Images
    labels: IntArray
    class_names: tuple[str, ...]
    sources: tuple[str, ...]
    split: tuple[str, ...] | None = None
    metadata: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    hashes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.sample_ids)

    def __post_init__(self) -> None:
        lengths = {len(self.sample_ids), len(self.images), len(self.labels), len(self.sources)}
        columns = [*self.metadata.values(), *(each for each in (self.split, self.hashes) if each is not None)]
        if len(lengths) != 1 or any(len(column) not in lengths for column in columns):
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
            metadata={name: tuple(column[i] for i in picked) for name, column in self.metadata.items()},
            hashes=None if self.hashes is None else tuple(self.hashes[i] for i in picked),
        )

    def image_hashes(self) -> Iterator[str]:
        """One hash per image, equal exactly where the pixels are."""
        if self.hashes is not None:
            yield from self.hashes
        else:
            yield from (image_hash(self.images[i]) for i in range(len(self)))

    def fingerprint(self) -> str:
        """SHA-256 over names, pixels, labels, sources, split and metadata."""
        names = (self.class_names, self.sample_ids, self.sources, self.split)
        digest = hashlib.sha256(json.dumps([names, dict(self.metadata)], default=str).encode())
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        for each in self.image_hashes():
            digest.update(each.encode())
        return digest.hexdigest()

    def images_fingerprint(self) -> str:
        """SHA-256 over names, split and pixels: what a kernel depends on, whatever the labels."""
        digest = hashlib.sha256(json.dumps([self.sample_ids, self.split]).encode())
        for each in self.image_hashes():
            digest.update(each.encode())
        return digest.hexdigest()


def image_hash(image: ImageArray) -> str:
    """SHA-256 of shape and pixels."""
    pixels = np.ascontiguousarray(image)
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


class Reporter(Protocol):
    """Receives the progress of long work; may raise ``Cancelled``."""

    def __call__(self, stage: str, done: float, total: float) -> None:
        """``done`` of ``total`` units of ``stage`` are finished."""
        ...


def silent(stage: str, done: float, total: float) -> None:
    """A reporter that says nothing."""

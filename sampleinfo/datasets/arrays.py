"""NumPy archives: an ``.npz`` with ``images`` (N, h, w[, channels]) and ``labels`` (N,).

Optional: ``class_names`` (classes,), ``sample_ids``, ``sources`` and ``split`` (N,). Pickled objects are never read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from sampleinfo.datasets.decoding import on_white
from sampleinfo.datasets.files import os_words, readable_name
from sampleinfo.datasets.options import Options
from sampleinfo.datasets.tables import Columns, build, text
from sampleinfo.errors import InvalidData, StorageError, Unreadable
from sampleinfo.types import Dataset, ImageArray

OPTIONAL = {"sample_ids": "given_ids", "sources": "sources", "split": "splits"}


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Pictures in one array (N, h, w), or (N, h, w, c) with 1, 3 or 4 channels; floats lie between 0 and 1."""

    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> ImageArray:
        image = self.values[index]
        if image.dtype.kind == "f":
            if not np.isfinite(image).all():
                raise Unreadable("pixels that are not finite numbers")
            image = np.round(image.astype(np.float64) * 255)
        elif image.dtype.kind == "b":
            image = image * 255
        elif image.dtype == np.uint16:
            image = np.round(image / 257.0)
        image = np.ascontiguousarray(image.astype(np.uint8))
        if image.ndim == 3 and image.shape[2] == 1:
            return image[:, :, 0]
        if image.ndim == 3 and image.shape[2] == 4:
            return np.asarray(on_white(Image.fromarray(image)))
        return image

    def narrow(self, rows: Sequence[int]) -> ArrayImages:
        """Only the pictures at ``rows``."""
        return ArrayImages(self.values[np.asarray(rows, dtype=np.int64)])


def matches(path: Path) -> bool:
    """Whether a path is an ``.npz`` file."""
    return path.is_file() and path.suffix.lower() == ".npz"


def read(path: Path, options: Options) -> Dataset:  # noqa: ARG001 - the same for all formats
    """The images and labels of an archive.

    Raises:
        StorageError, InvalidData: not such an archive, arrays missing or of the wrong shape or type, too large.
    """
    arrays = _arrays(path)
    images, labels = _images(path, arrays), arrays["labels"]
    if labels.ndim != 1 or len(labels) != len(images):
        raise InvalidData(f"{path} has {len(images)} images and labels of shape {labels.shape}; expected one each.")
    count = len(images)
    extra: dict[str, Any] = {}
    for name, role in OPTIONAL.items():
        if name in arrays:
            if arrays[name].shape != (count,):
                raise InvalidData(f"{name} of {path} has the shape {arrays[name].shape}; expected ({count},).")
            extra[role] = arrays[name].tolist()
    names = tuple(text(name) for name in arrays["class_names"].ravel().tolist()) if "class_names" in arrays else None
    if names is not None and len(set(names)) < len(names):
        raise InvalidData(f"class_names of {path} name a class twice.")
    stem = readable_name(path.stem)
    ids = [f"{stem}-{row:06d}" for row in range(count)]
    return build(stem, ArrayImages(images), Columns(ids, ids, labels.tolist(), class_names=names, **extra))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
            raise InvalidData(f"{path} is compressed otherwise than by numpy.savez_compressed.")
        size = sum(entry.file_size for entry in entries)
        most = psutil.virtual_memory().available // 2
        if size > most:
            raise InvalidData(
                f"{path} unpacks to {size / 2**30:.1f} GiB and would have to lie in memory, of which "
                f"{most / 2**30:.1f} GiB may be used. Keep the images as files or image Parquet."
            )
        wanted = ("images", "labels", "class_names", *OPTIONAL)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in wanted if name in archive.files}
            there = ", ".join(archive.files) or "nothing"
    except InvalidData:
        raise
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os_words(error)}.") from error
    except Exception as error:  # NumPy and zipfile raise many kinds on damaged or pickled archives
        words = "it holds Python objects, which are never read" if "allow_pickle" in str(error) else "it is damaged"
        raise InvalidData(f"{path} is not a readable .npz archive: {words}.") from error
    for name in ("images", "labels"):
        if name not in arrays:
            raise InvalidData(f"{path} has no array {name!r}; it has {there}.")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives an entry that is no array as bytes
            raise InvalidData(f"{name} of {path} is not a NumPy array.")
    return arrays


def _images(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    images = arrays["images"]
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    kinds = {"u1": "uint8", "u2": "uint16", "b1": "bool", "f2": "float", "f4": "float", "f8": "float"}
    right = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3, 4))
    if not right or 0 in images.shape[1:] or images.dtype.str[1:] not in kinds:
        raise InvalidData(
            f"images of {path} have the shape {images.shape} and type {images.dtype}; expected (N, h, w) or (N, h, w, "
            "channels) with 1, 3 or 4 channels, of type uint8, uint16, bool, or float between 0 and 1."
        )
    if images.dtype.kind == "f" and images.size:
        finite = np.isfinite(images)  # images with other pixels are skipped one by one
        low, high = (each(images, where=finite, initial=0) + 0.0 for each in (np.min, np.max))
        if low < 0 or high > 1:
            raise InvalidData(f"images of {path} are floats from {low:.3g} to {high:.3g}; expected 0 to 1.")
    return images

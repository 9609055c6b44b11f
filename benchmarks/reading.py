"""Reading images against Hugging Face datasets and torchvision doing the same, in the same process.

python -m benchmarks.reading [--quick] [--images FILE.parquet]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.table import Line, seconds_in_turn, show
from sampleinfo import datasets

COUNT, QUICK, GROUP = 10_000, 4_000, 1_000


def lines(quick: bool, images: Path | None = None) -> list[Line]:
    """Parquet in order and at random, a folder, and everything that is done before a run."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["HF_HOME"], os.environ["SAMPLEINFO_HOME"] = str(root / "hf"), str(root / "home")
        table = images or write_parquet(root / "images.parquet", QUICK if quick else COUNT)
        return [*_parquet(table), _folder(root, table, 1_000 if quick else 4_000)]


def write_parquet(path: Path, count: int) -> Path:
    """Real digits in three colours as PNG: an image Parquet as the Hugging Face hub keeps them."""
    digits = datasets.read("mnist")
    rng = np.random.default_rng(0)
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"image": {"_type": "Image"}, "label": {"names": list(digits.class_names), "_type": "ClassLabel"}}
    schema = pa.schema([("image", struct), ("label", pa.int64())]).with_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, GROUP):
            rows = [row % len(digits) for row in range(start, start + GROUP)]
            values = [{"bytes": _png(digits.images[row], rng), "path": None} for row in rows]
            writer.write_table(pa.table([values, [int(digits.labels[row]) for row in rows]], schema=schema))
    return path


def _png(grey: np.ndarray, rng: np.random.Generator) -> bytes:
    coloured = (grey[:, :, None] * rng.uniform(0.3, 1, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coloured).resize((32, 32)).save(buffer, "PNG")
    return buffer.getvalue()


def _parquet(path: Path) -> Iterator[Line]:
    import datasets as huggingface

    huggingface.disable_progress_bars()
    ours = datasets.read(str(path))
    theirs = huggingface.load_dataset("parquet", data_files=str(path), split="train")
    count = len(ours)

    def sweep() -> None:
        for row in range(count):
            _ = ours.images[row]

    def baseline() -> None:
        for example in theirs:
            _ = np.asarray(example["image"])

    mine, other = seconds_in_turn([sweep, baseline], rounds=2)
    growth = _growth(sweep)
    yield Line(f"{count} Parquet images to arrays, in order, one process", mine, "datasets, iterating", other, 1.0,
               f"memory {growth:+.1f} MiB over a second reading")  # fmt: skip

    def inspect() -> None:
        shutil.rmtree(Path(os.environ["SAMPLEINFO_HOME"]) / "inspected", ignore_errors=True)
        datasets.prepare(str(path))

    def mapped() -> None:
        theirs.map(_hashed, num_proc=os.cpu_count(), load_from_cache_file=False)

    mine, other = seconds_in_turn([inspect, mapped], rounds=2)
    yield Line(f"{count} Parquet images read and hashed, all cores", mine, "datasets.map, all cores", other, 1.0)


def _hashed(example: dict[str, Any]) -> dict[str, str]:
    import hashlib

    return {"hash": hashlib.sha256(np.asarray(example["image"]).tobytes()).hexdigest()}


def _folder(root: Path, table: Path, count: int) -> Line:
    """The same images as files, four times as wide and high."""
    from torchvision.datasets import ImageFolder

    source = datasets.read(str(table))
    for row in range(count):
        folder = root / "folder" / source.class_names[source.labels[row]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.images[row]).resize((128, 128)).save(folder / f"{row:05d}.jpg", quality=90)
    ours, theirs = datasets.read(str(root / "folder")), ImageFolder(str(root / "folder"))

    def sweep() -> None:
        for row in range(count):
            _ = ours.images[row]

    def baseline() -> None:
        for row in range(count):
            _ = np.asarray(theirs[row][0])

    mine, other = seconds_in_turn([sweep, baseline], rounds=3)
    return Line(f"{count} JPEG files of 128 px to arrays, one process", mine, "torchvision ImageFolder", other, 1.0)


def _growth(work: Callable[[], None]) -> float:
    """MiB that the process grows by while working."""
    process = psutil.Process()
    before = process.memory_info().rss
    work()
    return (process.memory_info().rss - before) / 2**20


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer images")
    parser.add_argument("--images", type=Path, metavar="FILE", help="an image Parquet of your own")
    given = parser.parse_args()
    show(lines(given.quick, given.images))

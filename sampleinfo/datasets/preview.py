"""A first look at a data set: a few images of every class, made in a process of its own and kept.

A page that shows it never decodes a file of unknown origin itself:
``python -m sampleinfo.datasets.preview FILE NAME LAYOUT COLUMNS``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from PIL import Image

from sampleinfo import datasets
from sampleinfo.config import home
from sampleinfo.datasets import inspection
from sampleinfo.datasets.options import Options
from sampleinfo.errors import SampleInfoError, StorageError, Unreadable
from sampleinfo.parallel import spread
from sampleinfo.types import Dataset, ImageArray, narrowed

COUNT, SIDE, SECONDS = 24, 96, 120


@dataclass(frozen=True)
class Tile:
    """One image: its id, class and source, a WebP in base64, or the reason why it cannot be read."""

    sample_id: str
    class_name: str
    source: str
    webp: str
    reason: str


def preview(name: str, options: Options) -> list[Tile]:
    """Up to 24 images, spread over the classes and within them; made once for the same files.

    Raises:
        SampleInfoError: the data set cannot be read.
    """
    path = _path(name, options)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write to {path.parent}: {error.strerror or error}.") from error
        command = [sys.executable, "-m", "sampleinfo.datasets.preview", str(path), name, options.layout,
                   json.dumps(options.columns)]  # fmt: skip
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise SampleInfoError(f"the first images of {name} could not be read within {SECONDS} s.") from error
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"the process ended with code {done.returncode}"]
            raise SampleInfoError(f"the first images of {name} could not be read: {lines[-1]}")
    return [Tile(**each) for each in json.loads(path.read_text())]


def choose(dataset: Dataset, count: int) -> list[int]:
    """``count`` rows, in turn from every class, evenly spread within it."""
    classes = [np.flatnonzero(dataset.labels == label) for label in range(len(dataset.class_names))]
    each = -(-count // max(1, len(classes)))
    chosen = [[int(rows[place]) for place in spread(len(rows), max(each, 1))] for rows in classes if len(rows)]
    rounds = [row for turn in zip_longest(*chosen) for row in turn if row is not None]
    return sorted(rounds[:count], key=lambda row: (int(dataset.labels[row]), row))


def _path(name: str, options: Options) -> Path:
    stamps: list[str] = []
    if name not in datasets.PRESETS:
        listed = datasets.listed(name, options)
        stamps = inspection.stamps(narrowed(listed.images, choose(listed, COUNT))) or []
    parts = (datasets.canonical(name), options.layout, str(options.columns), datasets.stamp(name), str(COUNT), *stamps)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]
    return home() / "previews" / f"{digest}.json"


def _tile(dataset: Dataset, row: int) -> Tile:
    webp = reason = ""
    try:
        webp = _webp(dataset.images[row])
    except Unreadable as error:
        reason = str(error)
    label = dataset.class_names[dataset.labels[row]]
    return Tile(dataset.sample_ids[row], label, dataset.sources[row], webp, reason)


def _webp(image: ImageArray) -> str:
    picture = Image.fromarray(np.asarray(image)).convert("RGB")
    scale = SIDE / max(picture.size)
    method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BICUBIC
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    buffer = io.BytesIO()
    picture.resize(size, method).save(buffer, "WEBP", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()


def _main(path: str, name: str, layout: str, columns: str) -> int:
    options = Options(layout, tuple((str(a), str(b)) for a, b in json.loads(columns)))
    try:
        dataset = datasets.read(name, options)
    except SampleInfoError as error:
        print(error, file=sys.stderr)
        return 1
    tiles = [asdict(_tile(dataset, row)) for row in choose(dataset, COUNT)]
    temporary = Path(f"{path}.{os.getpid()}")
    temporary.write_text(json.dumps(tiles))
    os.replace(temporary, path)
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(*sys.argv[1:]))

"""Pictures a run keeps for looking at, made together with what the network sees of them, in one reading.

``thumbnails/NNN.webp``: sheets of 16 x 16 tiles of 64 px, row-major. ``pictures.parquet``: WebP copies to 512 px.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sampleinfo.errors import InvalidData
from sampleinfo.parallel import Each, over_images
from sampleinfo.types import Dataset, ImageArray, Reporter

TILE, SHEET_SIDE = 64, 16
PER_SHEET = SHEET_SIDE**2
#: Side to which pictures are kept; side up to which they are kept without loss; pictures of one piece of the file.
LARGEST, LOSSLESS, GROUP = 512, 128, 64
#: A working file of the run: what the network sees.
INPUTS = "inputs.npy"
SCHEMA = pa.schema({"image": pa.binary(), "height": pa.int32(), "width": pa.int32()})


@dataclass(frozen=True)
class Rendered:
    """What the network sees (s, s, 3), a tile (64, 64, 3), a WebP file, and the size of the original."""

    inputs: ImageArray
    tile: ImageArray
    webp: bytes
    height: int
    width: int


def make(
    dataset: Dataset, transform: Callable[[ImageArray], ImageArray], folder: Path, report: Reporter,
    steps: tuple[float, float],
) -> np.ndarray:  # fmt: skip
    """(N, s, s, 3) uint8, memory-mapped: what the network sees. The pictures to look at are written on the way.

    Made once for a folder. Reports the stage ``images`` from ``steps[0]`` to ``steps[1]`` of 1.

    Raises:
        InvalidData: an image that cannot be read any more.
    """
    path = folder / INPUTS
    if not path.is_file():
        temporary = path.with_suffix(".tmp")
        size = transform(np.zeros((1, 1), dtype=np.uint8)).shape
        inputs = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(dataset), *size))
        rendered = over_images(Each(partial(_rendered, transform)), dataset.images, report, "images", steps)
        write(_kept(rendered, inputs, dataset), folder)
        inputs.flush()
        os.replace(temporary, path)
    return np.asarray(np.load(path, mmap_mode="r"))


def _rendered(transform: Callable[[ImageArray], ImageArray], image: ImageArray) -> Rendered:
    height, width = image.shape[:2]
    return Rendered(transform(image), _tile(image), _webp(image), height, width)


def _kept(rendered: Iterable[Rendered | str], inputs: np.ndarray, dataset: Dataset) -> Iterator[Rendered]:
    for row, each in enumerate(rendered):
        if isinstance(each, str):
            raise InvalidData(
                f"{dataset.sample_ids[row]!r} could be read a moment ago and cannot any more: {each}. Start the run "
                "again when the data set is at rest."
            )
        inputs[row] = each.inputs
        yield each


def write(rendered: Iterable[Rendered], folder: Path) -> None:
    """Thumbnail sheets and larger copies."""
    (folder / "thumbnails").mkdir(exist_ok=True)
    canvas, count, rows = _canvas(), 0, []
    with pq.ParquetWriter(folder / "pictures.parquet", SCHEMA) as writer:
        for each in rendered:
            y, x = divmod(count % PER_SHEET, SHEET_SIDE)
            canvas[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE] = each.tile
            rows.append((each.webp, each.height, each.width))
            count += 1
            if count % PER_SHEET == 0:
                _save(canvas, folder, count // PER_SHEET - 1)
                canvas = _canvas()
            if len(rows) == GROUP:
                _flush(writer, rows)
        if rows:
            _flush(writer, rows)
    if count % PER_SHEET:
        _save(canvas, folder, count // PER_SHEET)


def replace_some(folder: Path, images: Mapping[int, ImageArray]) -> None:
    """Put other pictures (by row) in the place of those that ``write`` wrote."""
    for sheet in sorted({row // PER_SHEET for row in images}):
        path = folder / "thumbnails" / f"{sheet:03d}.webp"
        with Image.open(path) as file:
            canvas = np.array(file.convert("RGB"))
        for row, image in images.items():
            y, x = divmod(row % PER_SHEET, SHEET_SIDE)
            if row // PER_SHEET == sheet:
                canvas[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE] = _tile(image)
        _save(canvas, folder, sheet)
    path, row = folder / "pictures.parquet", 0
    temporary = path.with_suffix(".tmp")
    known = pq.ParquetFile(path)
    with pq.ParquetWriter(temporary, SCHEMA) as writer:
        for group in range(known.num_row_groups):
            rows = []
            for each in known.read_row_group(group).to_pylist():
                changed = images.get(row)
                rows.append((each["image"] if changed is None else _webp(changed), each["height"], each["width"]))
                row += 1
            _flush(writer, rows)
    os.replace(temporary, path)


def read(folder: Path, row: int) -> tuple[bytes, int, int]:
    """The WebP of one picture, and height and width of the original."""
    group, place = divmod(row, GROUP)
    table = pq.ParquetFile(folder / "pictures.parquet").read_row_group(group)
    found = {name: table[name][place].as_py() for name in SCHEMA.names}
    return bytes(found["image"]), int(found["height"]), int(found["width"])


def fitted(image: ImageArray, side: int) -> Image.Image:
    """The picture in a square of ``side`` pixels; whole multiples stay crisp."""
    picture = Image.fromarray(np.asarray(image)).convert("RGB")
    scale = side / max(picture.size)
    method = Image.Resampling.NEAREST if scale >= 1 and float(scale).is_integer() else Image.Resampling.BICUBIC
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, method, reducing_gap=3.0)


def _tile(image: ImageArray) -> ImageArray:
    tile = np.zeros((TILE, TILE, 3), dtype=np.uint8)
    small = np.asarray(fitted(image, TILE))
    y, x = (TILE - small.shape[0]) // 2, (TILE - small.shape[1]) // 2
    tile[y : y + small.shape[0], x : x + small.shape[1]] = small
    return tile


def _webp(image: ImageArray) -> bytes:
    picture = Image.fromarray(np.asarray(image)).convert("RGB")
    exact = max(picture.size) <= LOSSLESS
    picture.thumbnail((LARGEST, LARGEST), reducing_gap=3.0)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=exact, quality=0 if exact else 85, method=1)
    return buffer.getvalue()


def _canvas() -> ImageArray:
    return np.zeros((TILE * SHEET_SIDE, TILE * SHEET_SIDE, 3), dtype=np.uint8)


def _save(canvas: ImageArray, folder: Path, sheet: int) -> None:
    Image.fromarray(canvas).save(folder / "thumbnails" / f"{sheet:03d}.webp", quality=92, method=4)


def _flush(writer: pq.ParquetWriter, rows: list[tuple[bytes, int, int]]) -> None:
    writer.write_table(pa.table([list(column) for column in zip(*rows, strict=True)], schema=SCHEMA))
    rows.clear()

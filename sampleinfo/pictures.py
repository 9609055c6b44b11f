"""Pictures a run keeps for looking at, made together with what the network sees of them, in one reading.

``thumbnails.arrow``: WebP tiles of 64 px, any of which is read at once; ``sheet`` lays out those that are to be seen.
``pictures.parquet``: WebP copies to 512 px.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sampleinfo.errors import InvalidData
from sampleinfo.parallel import Each, over_images
from sampleinfo.types import Dataset, ImageArray, Reporter

#: Side of a tile, and tiles in a line of a sheet.
TILE, SHEET_SIDE = 64, 16
#: Side to which pictures are kept; side up to which they are kept without loss; pictures of one piece of a file.
LARGEST, LOSSLESS, GROUP = 512, 128, 64
THUMBNAILS, PICTURES = "thumbnails.arrow", "pictures.parquet"
#: A working file of the run: what the network sees.
INPUTS = "inputs.npy"
SCHEMA = pa.schema({"image": pa.binary(), "height": pa.int32(), "width": pa.int32()})
TILES = pa.schema({"image": pa.binary()})


class Kept(NamedTuple):
    """WebP files of a tile and of the picture, and the size of the original."""

    tile: bytes
    webp: bytes
    height: int
    width: int


@dataclass(frozen=True)
class Rendered:
    """What the network sees (s, s, 3), and what is kept to look at."""

    inputs: ImageArray
    kept: Kept


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
    return Rendered(transform(image), Kept(_tile(image), _webp(image), height, width))


def _kept(rendered: Iterable[Rendered | str], inputs: np.ndarray, dataset: Dataset) -> Iterator[Kept]:
    for row, each in enumerate(rendered):
        if isinstance(each, str):
            raise InvalidData(
                f"{dataset.sample_ids[row]!r} could be read a moment ago and cannot any more: {each}. Start the run "
                "again when the data set is at rest."
            )
        inputs[row] = each.inputs
        yield each.kept


def write(kept: Iterable[Kept], folder: Path) -> None:
    """Thumbnails and larger copies."""
    rest = iter(kept)
    with (
        pq.ParquetWriter(folder / PICTURES, SCHEMA) as copies,
        pa.ipc.new_file(folder / THUMBNAILS, TILES) as thumbnails,
    ):
        while group := list(islice(rest, GROUP)):
            tiles, *columns = (list(column) for column in zip(*group, strict=True))
            copies.write_table(pa.table(columns, schema=SCHEMA))
            thumbnails.write_table(pa.table([tiles], schema=TILES))


def replace_some(folder: Path, images: Mapping[int, ImageArray]) -> None:
    """Put other pictures (by row) in the place of those that ``write`` wrote."""
    changed = (
        each._replace(tile=_tile(images[row]), webp=_webp(images[row])) if row in images else each
        for row, each in enumerate(everything(folder))
    )
    with TemporaryDirectory(dir=folder) as temporary:
        write(changed, Path(temporary))
        for name in (THUMBNAILS, PICTURES):
            os.replace(Path(temporary) / name, folder / name)


def everything(folder: Path) -> Iterator[Kept]:
    """What ``write`` wrote."""
    copies = pq.ParquetFile(folder / PICTURES)
    with pa.memory_map(str(folder / THUMBNAILS)) as file:
        thumbnails = pa.ipc.open_file(file)
        for group in range(copies.num_row_groups):
            tiles = thumbnails.get_batch(group)["image"].to_pylist()
            for tile, each in zip(tiles, copies.read_row_group(group).to_pylist(), strict=True):
                yield Kept(tile, each["image"], each["height"], each["width"])


def sheet(folder: Path, rows: Sequence[int]) -> bytes:
    """A JPEG file of the thumbnails of the images at ``rows``, in their order, ``SHEET_SIDE`` in a line.

    What a gallery shows comes in one piece of about 1.7 kB for each image, wherever in the run its images stand. JPEG,
    since its blocks end where tiles do: WebP smooths across.
    """
    canvas = np.zeros((max(1, -(-len(rows) // SHEET_SIDE)) * TILE, SHEET_SIDE * TILE, 3), dtype=np.uint8)
    with pa.memory_map(str(folder / THUMBNAILS)) as file:
        thumbnails = pa.ipc.open_file(file)
        for place, row in enumerate(rows):
            group, inside = divmod(int(row), GROUP)
            y, x = (TILE * each for each in divmod(place, SHEET_SIDE))
            with Image.open(io.BytesIO(thumbnails.get_batch(group)["image"][inside].as_py())) as tile:
                canvas[y : y + TILE, x : x + TILE] = np.asarray(tile.convert("RGB"))
    return _encoded(Image.fromarray(canvas), "JPEG", quality=92, subsampling=0)


def read(folder: Path, row: int) -> tuple[bytes, int, int]:
    """The WebP of one picture, and height and width of the original."""
    group, place = divmod(row, GROUP)
    table = pq.ParquetFile(folder / PICTURES).read_row_group(group)
    found = {name: table[name][place].as_py() for name in SCHEMA.names}
    return bytes(found["image"]), int(found["height"]), int(found["width"])


def fitted(image: ImageArray, side: int) -> Image.Image:
    """The picture in a square of ``side`` pixels; whole multiples stay crisp."""
    picture = Image.fromarray(np.asarray(image)).convert("RGB")
    scale = side / max(picture.size)
    method = Image.Resampling.NEAREST if scale >= 1 and float(scale).is_integer() else Image.Resampling.BICUBIC
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, method, reducing_gap=3.0)


def _tile(image: ImageArray) -> bytes:
    tile = Image.new("RGB", (TILE, TILE))
    small = fitted(image, TILE)
    tile.paste(small, ((TILE - small.width) // 2, (TILE - small.height) // 2))
    return _encoded(tile, "WEBP", quality=92, method=4)


def _webp(image: ImageArray) -> bytes:
    picture = Image.fromarray(np.asarray(image)).convert("RGB")
    exact = max(picture.size) <= LOSSLESS
    picture.thumbnail((LARGEST, LARGEST), reducing_gap=3.0)
    return _encoded(picture, "WEBP", lossless=exact, quality=0 if exact else 85, method=1)


def _encoded(picture: Image.Image, form: str, **how: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **how)
    return buffer.getvalue()

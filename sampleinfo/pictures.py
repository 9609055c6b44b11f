"""Pictures a run keeps for looking at: thumbnail sheets and larger copies."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sampleinfo.types import ImageArray, Images

TILE, SHEET_SIDE = 64, 16
PER_SHEET = SHEET_SIDE**2
LARGEST, GROUP = 512, 64


def write(images: Images, folder: Path) -> None:
    """``thumbnails/NNN.webp``: sheets of 16 x 16 tiles of 64 px, row-major; ``pictures.parquet``: PNGs to 512 px."""
    (folder / "thumbnails").mkdir(exist_ok=True)
    for sheet, start in enumerate(range(0, len(images), PER_SHEET)):
        canvas = Image.new("RGB", (TILE * SHEET_SIDE, TILE * SHEET_SIDE), "black")
        for place, row in enumerate(range(start, min(start + PER_SHEET, len(images)))):
            tile = _fitted(images[row], TILE)
            x, y = TILE * (place % SHEET_SIDE), TILE * (place // SHEET_SIDE)
            canvas.paste(tile, (x + (TILE - tile.width) // 2, y + (TILE - tile.height) // 2))
        canvas.save(folder / "thumbnails" / f"{sheet:03d}.webp", quality=92, method=4)
    schema = pa.schema({"png": pa.binary(), "height": pa.int32(), "width": pa.int32()})
    with pq.ParquetWriter(folder / "pictures.parquet", schema) as writer:
        for start in range(0, len(images), GROUP):
            rows = [images[row] for row in range(start, min(start + GROUP, len(images)))]
            columns = [[_png(x) for x in rows], [x.shape[0] for x in rows], [x.shape[1] for x in rows]]
            writer.write_table(pa.table(columns, schema=schema))


def read(folder: Path, row: int) -> bytes:
    """The PNG of one picture."""
    group, place = divmod(row, GROUP)
    table = pq.ParquetFile(folder / "pictures.parquet").read_row_group(group, columns=["png"])
    return bytes(table["png"][place].as_py())


def _fitted(image: ImageArray, side: int) -> Image.Image:
    """The picture in a square of ``side`` pixels; whole multiples stay crisp."""
    picture = Image.fromarray(np.asarray(image)).convert("RGB")
    scale = side / max(picture.size)
    method = Image.Resampling.NEAREST if scale >= 1 and float(scale).is_integer() else Image.Resampling.BICUBIC
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), method)


def _png(image: ImageArray) -> bytes:
    picture = Image.fromarray(np.asarray(image))
    picture.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()

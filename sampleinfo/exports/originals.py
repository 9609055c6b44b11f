"""The original images of a run, read again from its data set.

They are found by ``sample_id`` among everything that ``datasets.read`` lists. Images that are written are compared with
the copy that the run keeps, so that no other one is taken away under the name of one that was scored; files that are
only named or linked to are looked up, not read.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sampleinfo import datasets, pictures, store
from sampleinfo.datasets import joined
from sampleinfo.datasets.decoding import decode
from sampleinfo.datasets.files import FileImages, inside, read_inside
from sampleinfo.datasets.options import Options
from sampleinfo.errors import InvalidData, SampleInfoError, Unreadable
from sampleinfo.store import Run
from sampleinfo.types import Concatenated, Dataset, ImageArray, Images, IntArray, Subset

#: Endings of the files that torchvision.datasets.ImageFolder lists.
LISTED = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
INSTEAD = "The format 'previews' takes the small copies that the run keeps instead."
#: Side to which an image and its copy are averaged to be compared, and the mean difference of 255 that may be between
#: them: the copies of large images are JPEG-like.
COARSE, TOLERANCE = 16, 6.0


def built_in(run: Run) -> bool:
    """Whether no image of a run's data set can be a file, which is known without reading it."""
    return all(part in datasets.PRESETS for part in joined.parts(store.config_of(run).dataset))


@dataclass(frozen=True)
class File:
    """``name`` is relative to ``root``, the folder of the data set."""

    root: str
    name: str

    @property
    def path(self) -> str:
        """Where it is."""
        return str(Path(self.root, self.name))


@dataclass(frozen=True, eq=False)
class Originals:
    """``dataset`` as it is listed today; ``rows`` of the run, and their ``places`` in the data set."""

    run: Run
    rows: IntArray
    dataset: Dataset
    places: IntArray

    @classmethod
    def of(cls, run: Run, rows: IntArray) -> Originals:
        """The originals of these rows of ``run.samples``.

        Raises:
            InvalidData: the data set cannot be read any more, or lacks some.
        """
        config, title = store.config_of(run), run.meta["dataset"]["title"]
        try:
            dataset = datasets.listed(config.dataset, Options.of(config))
        except SampleInfoError as error:
            raise InvalidData(f"the original images of {title} cannot be read any more: {error} {INSTEAD}") from error
        number = {name: place for place, name in enumerate(dataset.sample_ids)}
        ids = [str(each) for each in run.samples["sample_id"].iloc[rows]]
        gone = [each for each in ids if each not in number]
        if gone:
            raise InvalidData(
                f"{len(gone)} of the {len(ids)} images are not in {title} any more (such as {gone[0]!r}). {INSTEAD}"
            )
        return cls(run, rows, dataset, np.array([number[each] for each in ids], dtype=np.int64))

    def file(self, number: int) -> File | None:
        """The file of an image of the set; None where it is none of its own."""
        return _file(self.dataset.images, int(self.places[number]))

    def path(self, number: int) -> str:
        """The path of an image that has a file.

        Raises:
            InvalidData: its links lead out of the data set.
        """
        file = self.file(number)
        assert file is not None  # was checked
        if not inside(file.root, os.path.realpath(file.path)):
            raise self.lost(number, "leads out of the folder of the data set")
        return file.path

    def ending(self, number: int) -> str:
        """Of the file that ``encoded`` is for: its own where ``ImageFolder`` lists it, else that of PNG."""
        file = self.file(number)
        own = "" if file is None else Path(file.name).suffix
        return own if own.lower() in LISTED else ".png"

    def encoded(self, number: int) -> bytes:
        """The image file: as it is where ``ImageFolder`` lists it, else PNG of the same pixels.

        Raises:
            InvalidData: it cannot be read any more, or is not what it was.
        """
        file = self.file(number)
        try:
            data = read_inside(file.root, file.path) if file is not None else b""
            pixels = decode(data, file.path) if file is not None else self.dataset.images[int(self.places[number])]
        except Unreadable as error:
            raise self.lost(number, str(error)) from error
        if not _same(pixels, self.run.picture(int(self.rows[number]))):
            raise self.lost(number, "it is another picture by now")
        if file is not None and Path(file.name).suffix.lower() in LISTED:
            return data
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(pixels)).save(buffer, "PNG")
        return buffer.getvalue()

    def lost(self, number: int, reason: str) -> InvalidData:
        """The error about an image that is not what it was."""
        name = self.dataset.sample_ids[int(self.places[number])]
        return InvalidData(f"image {name!r} cannot be taken away as it was: {reason}. {INSTEAD}")


def _file(images: Images, index: int) -> File | None:
    """The file of one picture, through whatever it is wrapped in."""
    if isinstance(images, Subset):
        return _file(images.images, int(images.rows[index]))
    if isinstance(images, Concatenated):
        for part in images.parts:
            if index < len(part):
                return _file(part, index)
            index -= len(part)
    return File(images.root, images.names[index]) if isinstance(images, FileImages) else None


def _same(pixels: ImageArray, kept: tuple[bytes, int, int]) -> bool:
    """Whether an image is the one that a run has kept a copy of: to the pixel for small ones, else in the large."""
    data, height, width = kept
    if pixels.shape[:2] != (height, width):
        return False
    copy, original = Image.open(io.BytesIO(data)).convert("RGB"), Image.fromarray(np.asarray(pixels)).convert("RGB")
    if max(height, width) <= pictures.LOSSLESS:
        return bool(np.array_equal(np.asarray(copy), np.asarray(original)))
    one, two = (
        np.asarray(each.resize((COARSE, COARSE), Image.Resampling.BOX), dtype=np.float64) for each in (copy, original)
    )
    return float(np.abs(one - two).mean()) <= TOLERANCE

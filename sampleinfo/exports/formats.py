"""The formats in which sets of images are taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sampleinfo.exports import cleanlab, fiftyone, folders, hugging_face, indices, tables
from sampleinfo.exports.selection import Selection

#: What a format needs of the data set: nothing, its images, or images that are files of their own.
NOTHING, IMAGES, FILES = "nothing", "images", "files"


def _any(_: Selection) -> None:
    """Whatever has what the format needs will do."""


@dataclass(frozen=True)
class Format:
    """``ending`` of the file; empty where it is a folder. ``write``: puts the set at a place where nothing is.

    ``needs`` is one of ``NOTHING``, ``IMAGES`` and ``FILES``; ``check`` raises where a set that has that is impossible
    all the same. ``pictures``: every image is written, which may take long. ``corrected``: what becomes of corrected
    labels, in words that go on after "are".
    """

    name: str
    title: str
    sentence: str
    ending: str
    needs: str
    write: Callable[[Selection, Path], None]
    check: Callable[[Selection], None] = _any
    pictures: bool = False
    corrected: str = "applied"


FORMATS = {
    each.name: each
    for each in (
        Format(
            "csv", "Table, CSV",
            "For spreadsheets, pandas and R: ids, paths where there are files, labels, sources, scores, predictions.",
            ".csv", NOTHING, tables.write_csv,
        ),
        Format(
            "parquet", "Table, Parquet", "For pandas, Polars and DuckDB: the same, with the types of its columns.",
            ".parquet", NOTHING, tables.write_parquet,
        ),
        Format(
            "json", "Table, JSON", "For programs of your own: the same as a list of records.", ".json", NOTHING,
            tables.write_json,
        ),
        Format(
            "paths", "List of paths",
            "For scripts and other loaders of files: the path of every image file, one on each line.", ".txt", FILES,
            tables.write_paths, tables.check_paths, corrected="left out: a list of paths has no labels",
        ),
        Format(
            "indices", "Indices for PyTorch",
            "For torch.utils.data.Subset: positions in the data set; of a folder of classes as "
            "torchvision.datasets.ImageFolder counts them.", ".json", IMAGES, indices.write, indices.check,
            corrected="applied to the file's class_names; the data set itself still gives its own",
        ),
        Format(
            "copies", "Image folder, copies",
            "For torchvision.datasets.ImageFolder: a folder for every class; images without files become PNG.", "",
            IMAGES, folders.write_copies, pictures=True,
        ),
        Format(
            "links", "Image folder, links",
            "For torchvision.datasets.ImageFolder on this machine: the same with symbolic links to the data set's own "
            "files.", "", FILES, folders.write_links, folders.check_links, pictures=True,
        ),
        Format(
            "previews", "Image folder, the run's own copies",
            "For torchvision.datasets.ImageFolder where the originals are gone: the small copies that the run keeps, "
            "WebP of at most 512 px.", "", NOTHING, folders.write_previews, pictures=True,
        ),
        Format(
            "hugging-face", "Hugging Face Parquet",
            'For datasets.load_dataset("parquet", data_files=...): images, class names and scores in one file.',
            ".parquet", IMAGES, hugging_face.write, pictures=True,
        ),
        Format(
            "fiftyone", "FiftyOne folder",
            "For FiftyOne's type FiftyOneImageClassificationDataset: copies with labels.json, scores in samples.csv.",
            "", IMAGES, fiftyone.write, pictures=True,
        ),
        Format(
            "cleanlab", "Table for cleanlab",
            "For Datalab and find_label_issues: given_label, scores and leave-one-out class probabilities.", ".csv",
            NOTHING, cleanlab.write,
        ),
    )
}  # fmt: skip

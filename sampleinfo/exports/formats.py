"""The formats in which sets of images are taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sampleinfo.exports import cleanlab, fiftyone, folders, hugging_face, indices, tables
from sampleinfo.exports.selection import Selection

#: What a format needs of the data set: nothing, its images, or images that are files of their own.
NOTHING, IMAGES, FILES = "nothing", "images", "files"


@dataclass(frozen=True)
class Format:
    """``ending`` of the file; empty where it is a folder. ``write``: puts the set at a place where nothing is.

    ``needs`` is one of ``NOTHING``, ``IMAGES`` and ``FILES``.
    """

    name: str
    title: str
    sentence: str
    ending: str
    needs: str
    write: Callable[[Selection, Path], None]


FORMATS = {
    each.name: each
    for each in (
        Format(
            "csv", "Table, CSV", "Ids, paths where there are files, labels, sources and scores.", ".csv", NOTHING,
            tables.write_csv,
        ),
        Format("parquet", "Table, Parquet", "The same as Parquet.", ".parquet", NOTHING, tables.write_parquet),
        Format("json", "Table, JSON", "The same as a JSON list of records.", ".json", NOTHING, tables.write_json),
        Format("paths", "List of paths", "The path of every image file, one on each line.", ".txt", FILES,
               tables.write_paths),
        Format(
            "indices", "Indices for PyTorch",
            "Positions in the data set for torch.utils.data.Subset; of a folder of classes as "
            "torchvision.datasets.ImageFolder counts them.", ".json", IMAGES, indices.write,
        ),
        Format(
            "copies", "Image folder, copies",
            "A folder for every class, for torchvision.datasets.ImageFolder; images without files become PNG.", "",
            IMAGES, folders.write_copies,
        ),
        Format(
            "links", "Image folder, links", "The same with symbolic links to the data set's own files.", "", FILES,
            folders.write_links,
        ),
        Format(
            "previews", "Image folder, the run's own copies",
            "The same with the copies to 512 px that the run keeps, for when the originals are gone.", "", NOTHING,
            folders.write_previews,
        ),
        Format(
            "hugging-face", "Hugging Face Parquet",
            'Images, class names and scores for datasets.load_dataset("parquet", data_files=...).', ".parquet", IMAGES,
            hugging_face.write,
        ),
        Format(
            "fiftyone", "FiftyOne folder",
            "Copies with labels.json, for FiftyOne's type FiftyOneImageClassificationDataset; scores in samples.csv.",
            "", IMAGES, fiftyone.write,
        ),
        Format(
            "cleanlab", "Table for cleanlab",
            "given_label, scores and leave-one-out class probabilities, for Datalab and find_label_issues.", ".csv",
            NOTHING, cleanlab.write,
        ),
    )
}  # fmt: skip

"""Image folders ``class/file`` that torchvision.datasets.ImageFolder reads, with a table of which image each file is.

Names of classes and ids are kept where they can be names of files; no name leads out of the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sampleinfo.errors import InvalidSetting
from sampleinfo.exports import names
from sampleinfo.exports.originals import LISTED
from sampleinfo.exports.selection import Selection

#: Beside the folders of the classes.
TABLE = "images.csv"


def write_copies(selection: Selection, target: Path) -> None:
    """The files of the data set, and images without one as PNG."""
    originals = selection.originals
    endings = [originals.ending(number) for number in range(len(selection))]
    _write(selection, target, endings, lambda number, place: place.write_bytes(originals.encoded(number)))


def write_links(selection: Selection, target: Path) -> None:
    """Symbolic links to the files of the data set, which ``check_links`` has found to be good."""
    originals = selection.originals
    paths = [originals.path(number) for number in range(len(selection))]
    endings = [Path(path).suffix for path in paths]
    _write(selection, target, endings, lambda number, place: place.symlink_to(paths[number]))


def check_links(selection: Selection) -> None:
    """Whether ``ImageFolder`` would list links to the files.

    Raises:
        InvalidSetting: a file that it would pass over.
    """
    paths = (selection.originals.path(number) for number in range(len(selection)))
    strange = sorted({Path(path).suffix.lower() for path in paths} - set(LISTED))
    if strange:
        raise InvalidSetting(
            f"links cannot be made to files that ImageFolder passes over ({', '.join(strange)}); the format 'copies' "
            "writes those as PNG."
        )


def write_previews(selection: Selection, target: Path) -> None:
    """The copies that the run keeps, WebP of at most 512 px."""
    run, rows = selection.run, selection.rows
    _write(
        selection, target, [".webp"] * len(selection),
        lambda number, place: place.write_bytes(run.picture(int(rows[number]))[0]),
    )  # fmt: skip


def stems(ids: Sequence[str]) -> list[str]:
    """Different names for files: the ends of ids without the endings of images."""
    found = []
    for each in ids:
        last = each.rstrip("/").rpartition("/")[2]
        found.append(last[: -len(ending)] if (ending := Path(last).suffix).lower() in LISTED else last)
    return names.distinct(found)


def _write(
    selection: Selection, target: Path, endings: Sequence[str], put: Callable[[int, Path], object]
) -> None:  # fmt: skip
    """Lay out the folder; ``put`` writes the image of a number to a place."""
    folders, labels, ids = names.distinct(selection.class_names), selection.labels, selection.ids
    target.mkdir()
    paths, done = [""] * len(selection), 0
    for label in np.unique(labels):
        numbers = np.flatnonzero(labels == label).tolist()
        (target / folders[label]).mkdir()
        told = selection.told(numbers, done)
        for number, stem in zip(told, stems([ids[number] for number in numbers]), strict=True):
            paths[number] = f"{folders[label]}/{stem}{endings[number]}"
            put(number, target / paths[number])
        done += len(numbers)
    selection.table.assign(path=paths).to_csv(target / TABLE, index=False, errors="backslashreplace")

"""Positions of images in their data set, for ``torch.utils.data.Subset``.

Of a folder of classes they count as ``torchvision.datasets.ImageFolder`` lists it, so that

    chosen = json.loads(Path("summary.json").read_text())
    Subset(ImageFolder(chosen["root"]), chosen["indices"])

is the set. Of any other data set they count the order of ``sampleinfo.datasets.read``, before classes are chosen or
images drawn: the rows of a table or array where none is unusable, torchvision's train split before its test split.

A data set gives its own labels. ``class_names`` holds the class of every image of the set in its order; where labels
are corrected it has the corrected ones, and ``given_class_names`` those of the data set.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from sampleinfo import datasets
from sampleinfo.errors import InvalidData
from sampleinfo.exports.originals import LISTED, Originals, built_in
from sampleinfo.exports.selection import Selection

FOLDER_ORDER, READ_ORDER = "torchvision.datasets.ImageFolder", "sampleinfo.datasets.read"


def write(selection: Selection, target: Path) -> None:
    """The JSON file: ``indices``, and what they count.

    Raises:
        InvalidData: the data set is gone, or ``ImageFolder`` passes over an image of the set.
    """
    originals = selection.originals
    root = _class_folder(originals)
    found = {
        "order": READ_ORDER if root is None else FOLDER_ORDER,
        "dataset": selection.run.meta["config"]["dataset"],
        **({} if root is None else {"root": root}),
        "indices": originals.places.tolist() if root is None else _listed(originals, root),
        "sample_ids": selection.ids,
        "class_names": [str(each) for each in selection.samples["class_name"]],
        **{f"{name}s": [str(each) for each in selection.samples[name]] for name in selection.given},
    }
    target.write_text(json.dumps(found, indent=1) + "\n")


def _class_folder(originals: Originals) -> str | None:
    """The folder of a data set that is one folder for every class, and nothing above."""
    roots = set()
    for number, place in enumerate(originals.places.tolist()):
        file, data = originals.file(number), originals.dataset
        class_name = data.class_names[data.labels[place]]
        if file is None or datasets.files.readable_name(Path(file.name).parts[0]) != class_name:
            return None
        roots.add(file.root)
    return roots.pop() if len(roots) == 1 else None


def check(selection: Selection) -> None:
    """Whether every image has a position.

    Raises:
        InvalidData: ``ImageFolder`` passes over an image of the set.
    """
    if built_in(selection.run):
        return
    root = _class_folder(selection.originals)
    if root is not None:
        _listed(selection.originals, root)


def listing(root: str) -> list[str]:
    """The image files of a folder of classes as ``ImageFolder(root).samples`` has them, without importing torch.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(root) as entries:
        classes = sorted(each.name for each in entries if each.is_dir())
    walked = (each for name in classes for each in sorted(os.walk(Path(root, name), followlinks=True)))
    paths = (str(Path(folder, name)) for folder, _, names in walked for name in sorted(names))
    return [path for path in paths if path.lower().endswith(LISTED)]


def _listed(originals: Originals, root: str) -> list[int]:
    listed = {path: place for place, path in enumerate(listing(root))}
    found = [listed.get(originals.path(number), -1) for number in range(len(originals.places))]
    if -1 in found:
        ids = [originals.dataset.sample_ids[place] for place in originals.places]
        raise InvalidData(
            f"{found.count(-1)} images of the set (such as {ids[found.index(-1)]!r}) are passed over by ImageFolder "
            "and have no position there; the formats 'paths' and 'copies' take them as well."
        )
    return found

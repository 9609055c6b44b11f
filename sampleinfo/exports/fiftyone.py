"""The folder that FiftyOne imports as ``fiftyone.types.FiftyOneImageClassificationDataset``.

``data/`` holds the images; ``labels.json`` the ``classes`` and, under ``labels``, the number of every image's class by
the name of its file without the ending. ``samples.csv`` tells ids and scores by the same name (``uuid``).
"""

from __future__ import annotations

import json
from pathlib import Path

from sampleinfo.exports import folders
from sampleinfo.exports.selection import Selection


def write(selection: Selection, target: Path) -> None:
    """The folder.

    Raises:
        InvalidData: the original images are gone, or not what they were.
    """
    originals, names = selection.originals, folders.stems(selection.ids)
    (target / "data").mkdir(parents=True)
    paths = [f"data/{name}{originals.ending(number)}" for number, name in enumerate(names)]
    for number in selection.told(range(len(paths))):
        (target / paths[number]).write_bytes(originals.encoded(number))
    labels = dict(zip(names, selection.labels.tolist(), strict=True))
    (target / "labels.json").write_text(json.dumps({"classes": selection.class_names, "labels": labels}, indent=1))
    table = selection.table.assign(path=paths)
    table.insert(0, "uuid", names)
    table.to_csv(target / "samples.csv", index=False, errors="backslashreplace")

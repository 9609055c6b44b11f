"""Runs to files for other tools: the whole table of a run, or a set of its images in the format of a tool.

    run = store.open_run("RUN")
    rows = summarizing.chosen(Pool.of(run), "any", "greedy-pool", 300)
    exports.take_away(run, rows, Path("summary.csv"))
    exports.take_away(run, rows, Path("summary"), "copies")
    exports.take_away(run, rows, Path("right.csv"), labels=book.labels())

A new format is a writer in a file here and an entry in ``FORMATS``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sampleinfo.errors import InvalidSetting, SampleInfoError, lookup
from sampleinfo.exports import packing, targets
from sampleinfo.exports.formats import FILES, FORMATS, IMAGES, NOTHING, Format
from sampleinfo.exports.selection import AS_GIVEN, STAGE, Selection, check_classes, touching
from sampleinfo.exports.tables import SUFFIXES, check_suffix, export, write
from sampleinfo.exports.whole import aside, check_free
from sampleinfo.store import Run
from sampleinfo.types import IntArray, Reporter, silent

__all__ = [
    "AS_GIVEN", "FILES", "FORMATS", "IMAGES", "NOTHING", "STAGE", "SUFFIXES", "Format", "Selection", "check_classes",
    "check_suffix", "check_target", "content", "export", "find", "guess", "obstacles", "packing", "take_away",
    "targets", "touching", "write",
]  # fmt: skip


def find(name: str) -> Format:
    """The format called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    return lookup("format", name, FORMATS)


def guess(path: Path) -> Format:
    """The first format with the ending of a path; without an ending, the folder of copies.

    Raises:
        InvalidSetting: no format has this ending.
    """
    ending = path.suffix.lower()
    found = next((each for each in FORMATS.values() if each.ending == ending), None)
    if not ending:
        return FORMATS["copies"]
    if found is None:
        known = ", ".join(dict.fromkeys(each.ending for each in FORMATS.values() if each.ending))
        raise InvalidSetting(
            f"the format cannot be told from {path.name!r}: the ending must be one of {known}, or none for a folder of "
            f"copies. Or name the format, one of {', '.join(FORMATS)}."
        )
    return found


def check_target(path: Path, format: str | None = None) -> Format:
    """The format that would be written to a path, where that can be.

    Raises:
        UnknownName: no such format.
        InvalidSetting: the ending is not the format's.
        StorageError: there is something already.
    """
    kind = guess(path) if format is None else find(format)
    if kind.ending and path.suffix.lower() != kind.ending:
        raise InvalidSetting(f"cannot write {kind.name} to {path.name!r}: its ending must be {kind.ending}.")
    check_free(path)
    return kind


def take_away(
    run: Run, rows: Sequence[int] | IntArray, path: Path, format: str | None = None, report: Reporter = silent,
    labels: Mapping[str, str] = AS_GIVEN,
) -> int:  # fmt: skip
    """Write a set of a run's images to a file or a folder that is there whole or not at all; the number of images.

    Args:
        run: a finished run.
        rows: of ``run.samples``, in the order in which they are to be written.
        path: what is written; nothing may be there.
        format: one of ``FORMATS``; None: the first with the ending of ``path``.
        report: is told of every image of the stage ``STAGE``; formats without images are done at once.
        labels: the right class of images by their ids, in place of the run's; those of other images are passed over.

    Raises:
        UnknownName: no such format.
        InvalidSetting: no rows, rows that the run does not have or given twice, a class that it does not have, the
            wrong ending, or a format that needs files of a data set that has none.
        InvalidData: the original images are needed, and are not there any more or not what they were.
        StorageError: something is there already, or it cannot be written.
        Cancelled: by ``report``; nothing is left.
    """
    path = path.expanduser()
    kind = check_target(path, format)
    selection = Selection.of(run, rows, report, labels)
    _check(selection, kind, [each.name for each in FORMATS.values() if each.needs != FILES])
    with aside(path) as place:
        kind.write(selection, place)
    return len(selection)


def content(
    run: Run, rows: Sequence[int] | IntArray, format: str, labels: Mapping[str, str] = AS_GIVEN
) -> bytes:  # fmt: skip
    """The bytes of the file that a format makes of a set; ``labels`` as for ``take_away``.

    Raises:
        SampleInfoError: as ``take_away``; InvalidSetting also for a format that makes a folder.
    """
    kind = find(format)
    if not kind.ending:
        raise InvalidSetting(f"{kind.name} makes a folder, not a file.")
    with tempfile.TemporaryDirectory(prefix="sampleinfo-") as folder:
        path = Path(folder, f"set{kind.ending}")
        take_away(run, rows, path, format, labels=labels)
        return path.read_bytes()


def obstacles(run: Run, rows: Sequence[int] | IntArray) -> dict[str, str]:
    """Why formats are impossible for a set, by their names; those that are possible are left out.

    Raises:
        InvalidSetting: no rows, rows that the run does not have or given twice.
    """
    selection, found = Selection.of(run, rows), {}
    for kind in FORMATS.values():
        try:
            _check(selection, kind)
        except SampleInfoError as error:
            found[kind.name] = str(error)
    return found


def _check(selection: Selection, kind: Format, others: Sequence[str] = ()) -> None:
    """Whether a format is possible for a set; ``others`` are named where it needs files that are not there."""
    if kind.needs == FILES:
        selection.check_files(others)
    elif kind.needs == IMAGES:
        selection.check_images()
    kind.check(selection)

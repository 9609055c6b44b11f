"""Data sets: built in, or a person's own in one of several formats.

A data set is named by one text: a built-in name, a path, ``torchvision:NAME``, or several of them joined with ``+``.
One file per format; each offers ``matches`` and ``read`` and stands in ``FORMATS``. The way of a data set is

    read (lists the samples) -> choose classes, cap -> inspect (reads every image once) -> split

Nothing here needs torch.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from sampleinfo.datasets import (
    archive,
    arrays,
    decoding,
    facts,
    files,
    folder,
    inspection,
    joined,
    manifest,
    parquet,
    problems,
    torchvision,
)
from sampleinfo.datasets.builtin import PRESETS, Preset
from sampleinfo.datasets.facts import Facts, Stratum
from sampleinfo.datasets.inspection import Duplicates, duplicates, inspect
from sampleinfo.datasets.options import COLUMNS, LAYOUTS, Options
from sampleinfo.datasets.splitting import cap, check_classes, choose_classes, split, split_at_most
from sampleinfo.errors import InvalidData, StorageError, UnknownName
from sampleinfo.types import Dataset, Reporter, silent

__all__ = [
    "COLUMNS", "FORMATS", "LAYOUTS", "PRESETS", "Duplicates", "Facts", "Options", "Preset", "Stratum", "canonical",
    "check_classes", "choose_classes", "duplicates", "facts", "fetch", "find_facts", "inspect", "known_findings",
    "missing", "prepare", "problems", "read", "split", "split_at_most", "stamp", "torchvision",
]  # fmt: skip

#: Formats of files and folders, in the order in which they are tried.
FORMATS: dict[str, ModuleType] = {
    "NumPy archive (.npz)": arrays,
    "image folder": folder,
    "image Parquet": parquet,
    "manifest (.csv, .tsv, .jsonl, .parquet)": manifest,
}
DEFAULTS = Options()


def read(name: str, options: Options = DEFAULTS) -> Dataset:
    """All samples that a data set lists, no image read yet.

    Raises:
        UnknownName, StorageError: nothing of that name.
        InvalidData: something that is no data set; the message says what was expected.
    """
    parts = joined.parts(name)
    if len(parts) > 1:
        return joined.join([_one(part, options) for part in parts], [_source_name(part) for part in parts])
    return _one(parts[0], options)


def prepare(
    name: str, options: Options = DEFAULTS, classes: tuple[str, ...] = (), per_class: int | None = None, seed: int = 0,
    report: Reporter = silent, steps: tuple[float, float] = (0.0, 1.0),
) -> Dataset:  # fmt: skip
    """The readable samples of a data set, or of ``classes``, at most ``per_class`` of each; not yet split.

    What cannot be read is replaced by other images of its class, as long as there are any.

    Raises:
        SampleInfoError: as ``read`` and ``inspect``; UnknownName for a class that is not there.
    """
    dataset = read(name, options)
    if classes:
        dataset = choose_classes(dataset, classes)
    if not len(dataset):
        raise InvalidData(_nothing(dataset))
    if per_class is None:
        return inspect(dataset, report, steps)
    while True:
        found = inspect(cap(dataset, per_class, seed), report, steps)
        bad = {each.name for each in found.skipped[len(dataset.skipped) :]}
        if not bad:
            return found
        rows = [row for row, each in enumerate(dataset.sample_ids) if each not in bad]
        dataset = replace(dataset.subset(rows), skipped=found.skipped)


def find_facts(name: str, options: Options = DEFAULTS) -> Facts:
    """Counts of a data set; of a built-in one without loading it.

    Raises:
        SampleInfoError: as ``read``.
    """
    if name in PRESETS:
        return PRESETS[name].facts
    return _facts(canonical(name), options, stamp(name))


def known_findings(name: str, options: Options = DEFAULTS) -> list[problems.Finding] | None:
    """What is wrong with a data set of which every image was read before; None where that is still to be done.

    Raises:
        SampleInfoError: as ``prepare``.
    """
    if name in PRESETS:
        return None
    found = listed(name, options)
    return problems.findings(inspect(found)) if len(found) and inspection.is_known(found) else None


def listed(name: str, options: Options = DEFAULTS) -> Dataset:
    """As ``read``; kept for a while, as long as nothing changes.

    Raises:
        SampleInfoError: as ``read``.
    """
    return _listed(canonical(name), options, stamp(name))


def canonical(name: str) -> str:
    """The name with absolute paths, so that it means the same wherever it is used."""
    return joined.MARK.join(
        part if part in PRESETS or torchvision.matches(part) or not files.exists(part)
        else os.path.abspath(os.path.expanduser(part))
        for part in joined.parts(name)
    )  # fmt: skip


def missing(name: str) -> list[str]:
    """The parts of a data set that must be fetched first.

    Raises:
        UnknownName: an unknown torchvision data set.
    """
    found = []
    for part in joined.parts(name):
        if torchvision.matches(part):
            torchvision.find(part)
            try:
                torchvision.table(part)
            except InvalidData:
                found.append(part)
    return found


def fetch(name: str, download: bool, report: Reporter = silent) -> None:
    """Make every part of a data set available; torchvision's are downloaded where allowed.

    Raises:
        SampleInfoError: with what to do instead.
    """
    for part in missing(name):
        torchvision.fetch(part, download, report)


def _one(name: str, options: Options) -> Dataset:
    if name in PRESETS:
        return PRESETS[name].load()
    if torchvision.matches(name):
        return _renamed(_at(torchvision.table(name), Options(), name), name.removeprefix(torchvision.PREFIX))
    if not files.exists(name):
        if os.sep in name or Path(name).suffix or name.startswith("."):
            raise StorageError(f"no such file or folder: {name}.")
        raise UnknownName("data set", name, PRESETS, "Or give the path of your own, or torchvision:NAME.")
    path = Path(name).expanduser()
    if archive.matches(path):
        inner, skipped = archive.unpack(path)
        found = _at(inner, options, name)
        return replace(_renamed(found, path.stem), skipped=skipped + found.skipped)
    return _at(path, options, name)


def _renamed(dataset: Dataset, name: str) -> Dataset:
    """Called otherwise; where its samples name no source, the source is the data set itself."""
    name = files.readable_name(name)
    sources = tuple(name if source == dataset.name else source for source in dataset.sources)
    return replace(dataset, name=name, sources=sources)


def _at(path: Path, options: Options, name: str) -> Dataset:
    """What lies at a path, by the first format that matches."""
    table = _table_in(path)
    for kind in FORMATS.values():
        if table is None and kind.matches(path):
            return kind.read(path, options)  # type: ignore[no-any-return]
    if table is not None:
        return _renamed(_at(table, options, name), path.resolve().name)
    if path.is_dir():
        raise InvalidData(
            f"{name} {_found_instead(path)}: expected a folder for every class with image files in it, image Parquet "
            "files, or a table metadata.csv with the columns path and label."
        )
    raise InvalidData(
        f"{name} is not a data set: expected a folder of images, .parquet, .csv, .tsv, .jsonl, .npz or .zip."
    )


def _found_instead(path: Path) -> str:
    """Why a folder is no data set."""
    _, names = next(files.walk(os.path.realpath(path)), ("", []))
    suffixes = [Path(each).suffix.lower() for each in names]
    tables = [each for each, suffix in zip(names, suffixes, strict=True) if suffix in archive.TABLES]
    if len(tables) > 1:
        return f"holds several tables, of which one must be named ({', '.join(sorted(tables)[:6])})"
    if any(suffix in decoding.SUFFIXES for suffix in suffixes):
        return "has its images directly in it, in no folder of a class"
    everything = (each for _, inner in files.walk(os.path.realpath(path)) for each in inner)
    unread = sorted({Path(each).suffix.lower() for each in everything} & {f".{each}" for each in folder.UNREAD})
    return f"holds images of kinds that are not read ({', '.join(unread)})" if unread else "holds no images"


def _table_in(path: Path) -> Path | None:
    """The table of a folder: one called metadata or manifest, or its only one if it has not two class folders."""
    root, names = next(files.walk(os.path.realpath(path)), ("", []))
    tables = [path / name for name in names if Path(name).suffix.lower() in archive.TABLES]
    tables = [each for each in tables if each.is_file() and files.inside(root, os.path.realpath(each))]
    named = [each for each in tables if each.stem.lower() in ("metadata", "manifest") and each.suffix != ".npz"]
    if named:
        return named[0]
    only = [each for each in tables if each.suffix.lower() != ".parquet"]
    return only[0] if len(only) == len(tables) == 1 and len(list(folder.with_images(path))) < 2 else None


def _source_name(part: str) -> str:
    if part in PRESETS or torchvision.matches(part):
        return part.removeprefix(torchvision.PREFIX)
    path = Path(os.path.realpath(os.path.expanduser(part)))
    return files.readable_name(path.name if path.is_dir() else path.stem) or part


@lru_cache(maxsize=2)
def _listed(name: str, options: Options, _stamp: str) -> Dataset:
    """A data set as read, kept while a page looks at it."""
    return read(name, options)


@lru_cache(maxsize=16)
def _facts(name: str, options: Options, stamped: str) -> Facts:
    dataset = _listed(name, options, stamped)
    if not len(dataset):
        raise InvalidData(_nothing(dataset))
    return facts.of(inspection.drop_empty_classes(dataset), dataset.name)


def stamp(name: str) -> str:
    """Text that changes when files are added to or removed from a data set, and when one of its tables changes."""
    found = []
    for part in joined.parts(name):
        path = os.path.expanduser(torchvision.table(part) if torchvision.matches(part) else part)
        found.append(files.stamp(path))
        for root, names in files.walk(path):
            tables = (name for name in names if Path(name).suffix.lower() in archive.TABLES)
            found += [files.stamp(root), *(files.stamp(os.path.join(root, name)) for name in tables)]
    return "\n".join(found)


def _nothing(dataset: Dataset) -> str:
    first = "; ".join(f"{each.name!r}: {each.reason}" for each in dataset.skipped[:3]) or "It is empty"
    more = f", and {len(dataset.skipped) - 3} more" if len(dataset.skipped) > 3 else ""
    return f"{dataset.name} has no usable image. {first}{more}."

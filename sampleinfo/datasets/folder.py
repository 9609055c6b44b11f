"""Image folders: ``class/image.*``, ``split/class/image.*`` or ``source/class/image.*`` (torchvision's ImageFolder)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sampleinfo.datasets.decoding import SUFFIXES
from sampleinfo.datasets.files import DEEPEST, FileImages, inside, os_words, readable_name, walk
from sampleinfo.datasets.options import SPLIT_NAMES, Options, split_name
from sampleinfo.datasets.tables import distinct, natural
from sampleinfo.errors import InvalidData, StorageError
from sampleinfo.types import Dataset, Skipped

NO_IMAGE = "not an image by its name"
#: Formats of images that are not read.
UNREAD = ("heic", "heif", "avif", "jxl", "jp2", "svg", "psd", "raw", "cr2", "nef", "dng", "pdf", "eps")


@dataclass
class _Found:
    """What a walk through the folder finds."""

    names: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        """Note an entry that is no sample."""
        self.skipped.append(Skipped(readable_name(name), reason))


def matches(path: Path) -> bool:
    """Whether a path is a folder with image files two or more levels deep."""
    return next(with_images(path), None) is not None


def with_images(path: Path) -> Iterator[Path]:
    """The folders in a folder with image files in them, at any depth; what lies outside is not looked at."""
    root = os.path.realpath(path)
    for folder in _folders(path):
        files = (name for _, names in walk(folder) for name in names)
        if inside(root, os.path.realpath(folder)) and any(_suffix(name) in SUFFIXES for name in files):
            yield folder


def read(path: Path, options: Options) -> Dataset:
    """All image files of a folder with their classes.

    Hidden files are left alone. Every other file that is no image of a class is skipped with its reason.

    Raises:
        StorageError: the folder cannot be listed.
        InvalidData: no image in any class folder.
    """
    root = os.path.realpath(path)
    layout = _layout(Path(root)) if options.layout == "auto" else options.layout
    found = _Found()
    label = readable_name(Path(root).name) or "images"
    if layout == "class":
        _classes(root, "", "", label, found)
    else:
        imaged = {each.name for each in with_images(Path(root))}
        for folder in _entries(root, "", found):
            is_split = layout == "split/class"
            if is_split and options.layout == "auto" and folder in imaged and folder.lower() not in SPLIT_NAMES:
                found.skip(folder, "a folder beside the splits; --layout class reads all of them as classes")
                continue
            _classes(root, folder, split_name(folder) if is_split else "", label if is_split else folder, found)
    if not found.names:
        hint = f" {found.skipped[0].name}: {found.skipped[0].reason}." if found.skipped else ""
        raise InvalidData(
            f"{path} has no image files in the layout {layout!r}: expected {layout}/image.jpg or another image file."
            f"{hint}"
        )
    class_names = tuple(sorted(set(found.classes), key=natural))
    number = {name: place for place, name in enumerate(class_names)}
    return Dataset(
        name=label,
        sample_ids=tuple(distinct(map(readable_name, found.names), "#")),
        images=FileImages(root, tuple(found.names)),
        labels=np.array([number[name] for name in found.classes], dtype=np.int64),
        class_names=class_names,
        sources=tuple(found.sources),
        split=tuple(found.splits) if layout == "split/class" else None,
        skipped=tuple(found.skipped),
    )


def _layout(root: Path) -> str:
    """``split/class`` where a folder named like a split holds folders of images, and all are named so, or ``train`` and
    another one are; folders beside them are then skipped."""
    folders = list(with_images(root))
    splits = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    named = {SPLIT_NAMES[folder.name.lower()] for folder in splits}
    enough = bool(splits) and (len(splits) == len(folders) or ("train" in named and len(named) > 1))
    return "split/class" if enough and any(map(matches, splits)) else "class"


def _classes(root: str, folder: str, split: str, source: str, found: _Found) -> None:
    """Every class folder directly below ``folder``; its images may lie deeper."""
    for name in _entries(root, folder, found):
        for image in _images(root, os.path.join(folder, name), found):
            found.names.append(image)
            found.classes.append(readable_name(name))
            found.splits.append(readable_name(split))
            found.sources.append(readable_name(source))


def _entries(root: str, folder: str, found: _Found) -> list[str]:
    """Names of the folders below ``folder``, sorted; files there are skipped with the reason."""
    names = []
    for entry in _scan(root, folder, found):
        name = os.path.join(folder, entry.name)
        if os.path.isdir(entry.path):
            if inside(root, os.path.realpath(entry.path)):
                names.append(entry.name)
            else:
                found.skip(name, "a link that leads out of the folder of the data set")
        else:
            found.skip(name, "lies in no class folder" if _suffix(name) in SUFFIXES else _no_image(name))
    return names


def _images(root: str, folder: str, found: _Found) -> Iterator[str]:
    for entry in _scan(root, folder, found):
        name = os.path.join(folder, entry.name)
        if os.path.isdir(entry.path):
            if entry.is_symlink():
                found.skip(name, "a link to a folder: not followed inside a class")
            elif _suffix(name) in SUFFIXES:
                found.skip(name, "a folder with the name of an image")
            elif name.count(os.sep) > DEEPEST:
                found.skip(name, f"more than {DEEPEST} folders deep")
            else:
                yield from _images(root, name, found)
        elif _suffix(name) in SUFFIXES:
            yield name
        else:
            found.skip(name, _no_image(name))


def _scan(root: str, folder: str, found: _Found) -> list[os.DirEntry[str]]:
    """Sorted entries without the hidden ones; a folder that cannot be listed is skipped, the root is an error."""
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            return sorted((e for e in entries if not hidden(e.name)), key=lambda e: e.name)
    except OSError as error:
        if not folder:
            raise StorageError(f"cannot list {root}: {os_words(error)}.") from error
        found.skip(folder, os_words(error))
        return []


def hidden(name: str) -> bool:
    """Whether a file or folder is meant not to be seen."""
    return name.startswith(".") or name == "__MACOSX"


def _no_image(name: str) -> str:
    """Why a file is none that can be read."""
    kind = _suffix(name).removeprefix(".").upper()
    return f"{kind} is not read: convert it to JPEG or PNG" if kind.lower() in UNREAD else NO_IMAGE


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _folders(path: Path) -> list[Path]:
    """Folders in a folder, the hidden ones left out."""
    try:
        return sorted(each for each in path.iterdir() if each.is_dir() and not hidden(each.name))
    except OSError:
        return []

"""Zip archives of any of the other formats: unpacked once, safely, below the data folder.

Entries that would leave the folder, links, encrypted or damaged entries, such that unpack to too much and such that are
neither images nor tables are skipped with the reason; the others are kept.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from sampleinfo.config import home
from sampleinfo.datasets.decoding import MOST_BYTES
from sampleinfo.datasets.decoding import SUFFIXES as IMAGES
from sampleinfo.datasets.files import first_line, os_words, readable_name
from sampleinfo.datasets.manifest import SUFFIXES as MANIFESTS
from sampleinfo.errors import InvalidData, StorageError, Unreadable
from sampleinfo.types import Skipped

MOST_ENTRIES, MOST_TOTAL = 200_000, 4 * 2**30
NAMES, CONTENT = "skipped.json", "content"
TABLES = (*MANIFESTS, ".npz")
#: Errors of the file system that are the entry's own fault: its name or place.
OF_ENTRY = {errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.ENAMETOOLONG, errno.EEXIST, errno.EILSEQ}


def matches(path: Path) -> bool:
    """Whether a path is a file with the suffix of a zip archive."""
    return path.is_file() and path.suffix.lower() == ".zip"


def unpack(path: Path) -> tuple[Path, tuple[Skipped, ...]]:
    """The folder with the archive's content, and what was left out of it. The same archive is unpacked only once.

    Raises:
        StorageError, InvalidData: no readable archive, too many entries, too much, or nothing in it.
    """
    target = home() / "unpacked" / _digest(path)
    if not (target / NAMES).is_file():
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            (temporary / CONTENT).mkdir(parents=True)
            skipped = _extract(path, temporary / CONTENT)
            (temporary / NAMES).write_text(json.dumps([(each.name, each.reason) for each in skipped]))
            if not (target / NAMES).is_file():  # or else another process was faster
                shutil.rmtree(target, ignore_errors=True)
                temporary.rename(target)
        except OSError as error:
            raise StorageError(f"cannot unpack {path} into {target}: {os_words(error)}.") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return _top(target / CONTENT), _noted(target / NAMES)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os_words(error)}.") from error


def _extract(path: Path, target: Path) -> list[Skipped]:
    skipped: list[Skipped] = []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _hidden(entry.filename)]
            if len(entries) > MOST_ENTRIES:
                raise InvalidData(f"{path} has {len(entries)} entries; at most {MOST_ENTRIES} are unpacked.")
            taken: set[str] = set()
            sound = [entry for entry in entries if _done(skipped, entry, lambda each: _check(each, taken))]
            if sum(entry.file_size for entry in sound) > MOST_TOTAL:
                raise InvalidData(
                    f"{path} unpacks to more than {MOST_TOTAL // 2**30} GiB: unpack it and give the folder instead."
                )
            for entry in sound:
                _done(skipped, entry, lambda each: _write(archive, each, target))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InvalidData(f"{path} is not a readable zip archive: {first_line(error)}.") from error
    if not any(files for _, _, files in os.walk(target)):
        reason = f" {skipped[0].name}: {skipped[0].reason}." if skipped else ""
        raise InvalidData(f"{path} holds no files that could be unpacked.{reason}")
    return skipped


def _done(skipped: list[Skipped], entry: zipfile.ZipInfo, step: Callable[[zipfile.ZipInfo], None]) -> bool:
    """Whether a step worked on an entry; if not, it is ``skipped`` with the reason."""
    try:
        step(entry)
    except Unreadable as error:
        skipped.append(Skipped(readable_name(entry.filename), str(error)))
        return False
    return True


def _hidden(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return parts[0] == "__MACOSX" or any(part.startswith(".") and part.strip(".") for part in parts)


def _check(entry: zipfile.ZipInfo, taken: set[str]) -> None:
    """Whether an entry may be unpacked; ``taken`` are the names before it."""
    name = PurePosixPath(entry.filename)
    if name.is_absolute() or ".." in name.parts or entry.filename[1:2] == ":" or "\\" in entry.filename:
        raise Unreadable("leads out of the archive's folder")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise Unreadable("a link")
    if entry.flag_bits & 0x1:
        raise Unreadable("encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack to any size at once
        raise Unreadable("compressed otherwise than by deflate")
    if name.suffix.lower() not in IMAGES and name.suffix.lower() not in TABLES:
        raise Unreadable("neither an image nor a table by its name")
    most = MOST_BYTES if name.suffix.lower() in IMAGES else MOST_TOTAL
    if entry.file_size > most:
        raise Unreadable(f"unpacks to {entry.file_size / 2**20:.0f} MiB, at most {most // 2**20} MiB")
    if str(name) in taken:
        raise Unreadable("a second entry of the same name")
    taken.add(str(name))


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Unpack one entry, to no more bytes than it claims to have: zipfile stops there, and finds the checksum wrong."""
    place = target / entry.filename
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        sink = place.open("xb")
    except OSError as error:
        if error.errno not in OF_ENTRY:
            raise
        raise Unreadable(f"cannot be unpacked: {os_words(error)}") from error
    try:
        with sink, archive.open(entry) as source:
            shutil.copyfileobj(source, sink, 2**20)
    except Exception as error:  # zipfile raises many kinds on damaged entries
        place.unlink()
        if isinstance(error, OSError) and error.errno not in OF_ENTRY:
            raise
        raise Unreadable(f"damaged in the archive: {first_line(error)}") from error


def _top(folder: Path) -> Path:
    """Inside a single folder that holds folders or tables: that folder."""
    while len(inner := list(folder.iterdir())) == 1 and inner[0].is_dir() and not _is_class(inner[0]):
        folder = inner[0]
    return folder


def _is_class(folder: Path) -> bool:
    """Whether a folder holds images and nothing else."""
    return all(entry.suffix.lower() in IMAGES and entry.is_file() for entry in folder.iterdir())


def _noted(path: Path) -> tuple[Skipped, ...]:
    return tuple(Skipped(name, reason) for name, reason in json.loads(path.read_text()))

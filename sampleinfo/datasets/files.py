"""Image files below a folder: read one by one, and never from outside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sampleinfo.datasets.decoding import check_size, decode
from sampleinfo.errors import Unreadable
from sampleinfo.types import ImageArray

#: Levels of folders in folders that are looked into.
DEEPEST = 50


@dataclass(frozen=True)
class FileImages:
    """Pictures in files; ``names`` are paths relative to ``root``, or absolute ones below it."""

    root: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> ImageArray:
        path = os.path.join(self.root, self.names[index])
        return decode(read_inside(self.root, path), path)

    def narrow(self, rows: Sequence[int]) -> FileImages:
        """Only the pictures at ``rows``."""
        return FileImages(self.root, tuple(self.names[row] for row in rows))

    def stamps(self) -> list[str]:
        """What changes when a file does: its path, size and time."""
        return [stamp(os.path.join(self.root, name)) for name in self.names]

    def bytes(self) -> int:
        """Size of all files."""
        return sum(size(os.path.join(self.root, name)) for name in self.names)


def read_inside(root: str, path: str) -> bytes:
    """The bytes of a regular file that lies below ``root``, links followed.

    Raises:
        Unreadable: with the reason.
    """
    try:
        real = _real(path)
        if not inside(root, real):
            raise Unreadable("leads out of the folder of the data set")
        facts = os.stat(real)
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable("not a regular file")
        check_size(facts.st_size)
        with open(real, "rb", buffering=0) as file:
            return file.read(facts.st_size)
    except ValueError as error:
        raise Unreadable("a path that no file can have") from error
    except OSError as error:
        raise Unreadable(os_words(error)) from error


def _real(path: str) -> str:
    """The path with all links followed; the folders of many files are followed only once."""
    folder, name = os.path.split(path)
    real = os.path.join(_real_folder(folder), name)
    return os.path.realpath(real, strict=True) if name in (".", "..") or os.path.islink(real) else real


@lru_cache(maxsize=4096)
def _real_folder(path: str) -> str:
    return os.path.realpath(path, strict=True)


def inside(root: str, real: str) -> bool:
    """Whether a real path lies below the real path of ``root``."""
    return real.startswith(_real_folder(root).rstrip(os.sep) + os.sep)


def os_words(error: OSError) -> str:
    """Why a file cannot be opened, in words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return f"cannot be read: {(error.strerror or str(error)).lower()}"


def first_line(error: Exception) -> str:
    """What an error says, without the rest and the full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def readable_name(name: str) -> str:
    """A name as valid Unicode: whatever is none is written out."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode("utf-8")


def walk(path: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder below a path that is not hidden, and the names of its files, sorted; links are not followed."""
    for folder, folders, names in os.walk(path) if os.path.isdir(path) else ():
        deep = os.path.relpath(folder, path).count(os.sep) >= DEEPEST
        folders[:] = [] if deep else sorted(each for each in folders if not each.startswith("."))
        yield folder, sorted(each for each in names if not each.startswith("."))


def exists(path: str | Path) -> bool:
    """Whether there is something at a path; a text that cannot be one is no path."""
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def stamp(path: str) -> str:
    """Changes whenever the content or the rights of a file do."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return f"{path!r}"
    return f"{path!r}:{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ctime_ns}:{facts.st_ino}"


def size(path: str) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0

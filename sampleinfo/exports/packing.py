"""What was written as one file to send: files as they are, folders as ZIP."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sampleinfo.datasets.files import readable_name

#: Bytes that are sent at most.
LARGEST = 200 * 2**20


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links count nothing.

    Raises:
        OSError: it cannot be read.
    """
    return sum(each.lstat().st_size for each in _files(path))


def packed(path: Path) -> bytes:
    """The file itself, or a ZIP of the folder; images are packed as they are, and links are left out.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return path.read_bytes()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        for each in _files(path):
            archive.write(each, readable_name(str(each.relative_to(path.parent))))
    return file.getvalue()


def _files(path: Path) -> Iterator[Path]:
    """The path itself where it is a file, else the files in it, sorted."""
    if not path.is_dir():
        yield path
        return
    for folder, _, names in sorted(os.walk(path)):
        yield from (each for name in sorted(names) if not (each := Path(folder, name)).is_symlink())

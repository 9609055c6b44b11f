"""Where sets are written when a person names a place: below the exports folder, or at an absolute path."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from sampleinfo.config import home
from sampleinfo.datasets.files import os_words
from sampleinfo.errors import InvalidSetting, StorageError
from sampleinfo.exports import names
from sampleinfo.exports.formats import Format


def folder() -> Path:
    """Where sets are written by default; made when something is written there."""
    return home() / "exports"


def proposed(name: str, kind: Format, taken: Collection[str] = ()) -> Path:
    """A free place for a set called ``name``: nothing is there, and it is none of the paths ``taken``."""
    stem, number = f"{names.plain(name)}-{kind.name}", 1
    path = folder() / f"{stem}{kind.ending}"
    while os.path.lexists(path) or str(path) in taken:
        number += 1
        path = folder() / f"{stem}-{number}{kind.ending}"
    return path


def place(text: str) -> Path:
    """The absolute path that a person means; what is not absolute lies below the exports folder, which is made then.

    Raises:
        InvalidSetting: no path, or a relative one that leads out of the exports folder.
        StorageError: the exports folder cannot be made.
    """
    given = text.strip()
    if not given or not given.isprintable():
        raise InvalidSetting("name the file or folder to write: a name, or an absolute path.")
    try:
        path = Path(given).expanduser()
    except RuntimeError as error:
        raise InvalidSetting(f"there is no such user: {given.partition('/')[0]}.") from error
    found = Path(os.path.normpath(folder() / path))
    if not path.is_absolute() and folder() not in found.parents:
        raise InvalidSetting(f"{given!r} leads out of {folder()}; give an absolute path to write elsewhere.")
    if found.parent == folder():
        try:
            folder().mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the folder {folder()}: {os_words(error)}.") from error
    return found

"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sampleinfo.errors import StorageError


def check_free(target: Path) -> None:
    """Refuse to write over anything, or into no folder.

    Raises:
        StorageError: there is something, or no folder for it.
    """
    if not target.parent.is_dir():
        raise StorageError(f"cannot write {target}: there is no folder {target.parent}.")
    if os.path.lexists(target):
        raise StorageError(f"{target} exists already; choose another name, or remove it first.")


@contextmanager
def aside(target: Path) -> Iterator[Path]:
    """A place beside ``target`` for a file or a folder, which takes the name ``target`` once it is finished.

    Raises:
        StorageError: there is something at ``target``, or it cannot be written.
    """
    check_free(target)
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=".sampleinfo-", dir=target.parent))
        yield folder / "whole"
        check_free(target)
        os.rename(folder / "whole", target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {(error.strerror or str(error)).lower()}.") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

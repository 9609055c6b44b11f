"""Tables and lists: CSV, Parquet, JSON, and plain text of paths."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from sampleinfo.errors import InvalidSetting, StorageError
from sampleinfo.exports.selection import Selection
from sampleinfo.store import Run

SUFFIXES = (".csv", ".parquet", ".json")


def export(run: Run, path: Path) -> int:
    """Write the table of a run, one row per image; see ``write``."""
    return write(run.samples, path)


def check_suffix(path: Path) -> str:
    """The ending of a file to be written.

    Raises:
        InvalidSetting: none of the known ones.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidSetting(f"cannot export to {path.name!r}: the ending must be one of {', '.join(SUFFIXES)}.")
    return suffix


def write(table: pd.DataFrame, path: Path) -> int:
    """Write a table in the format of the file's ending; the number of rows.

    Raises:
        InvalidSetting: another ending.
        StorageError: the file cannot be written.
    """
    suffix = check_suffix(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(table, temporary, suffix)
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True) if path.parent.is_dir() else None
    return len(table)


def write_csv(selection: Selection, target: Path) -> None:
    """The table of a set as CSV."""
    _write(selection.table, target, ".csv")


def write_parquet(selection: Selection, target: Path) -> None:
    """The table of a set as Parquet."""
    _write(selection.table, target, ".parquet")


def write_json(selection: Selection, target: Path) -> None:
    """The table of a set as JSON."""
    _write(selection.table, target, ".json")


def write_paths(selection: Selection, target: Path) -> None:
    """The paths of the files of a set, as the file system has them."""
    target.write_bytes(b"".join(os.fsencode(path) + b"\n" for path in _paths(selection)))


def check_paths(selection: Selection) -> None:
    """Whether every path can be a line of its own.

    Raises:
        InvalidSetting: a path with a line break in it.
    """
    paths = _paths(selection)
    broken = next((path for path in paths if "\n" in path or "\r" in path), None)
    if broken is not None:
        raise InvalidSetting(f"{broken!r} has a line break in its name; take the format 'csv' instead.")


def _paths(selection: Selection) -> list[str]:
    return [selection.originals.path(number) for number in range(len(selection))]


def _write(table: pd.DataFrame, path: Path, suffix: str) -> None:
    if suffix == ".csv":
        table.to_csv(path, index=False)
    elif suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_json(path, orient="records", indent=2, double_precision=15)

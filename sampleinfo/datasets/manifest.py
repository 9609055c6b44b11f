"""Manifests: a CSV, TSV, JSON-lines or Parquet table with the path and the label of every image.

Paths are relative to the manifest's folder and stay inside it. Further columns are kept as metadata.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sampleinfo.datasets.files import FileImages, first_line, os_words, readable_name
from sampleinfo.datasets.options import Options
from sampleinfo.datasets.tables import Columns, build, check_size
from sampleinfo.errors import InvalidData, StorageError
from sampleinfo.types import Dataset

#: What Arrow raises on damaged tables and on cells that are none.
ODD = (pa.ArrowException, ValueError, OverflowError, KeyError)
MOST_BYTES = 256 * 2**20
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def matches(path: Path) -> bool:
    """Whether a path is a file with the suffix of a table; image Parquet is tried before."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


@dataclass
class _Table:
    """Columns by name, and of rows that are no good the reason."""

    columns: dict[str, list[Any]]
    reasons: dict[int, str] = field(default_factory=dict)


def read(path: Path, options: Options) -> Dataset:
    """The images that a table names.

    Raises:
        StorageError, InvalidData: the table cannot be read, or has no column of paths or of labels.
        InvalidSetting: a column of ``options`` is not there.
    """
    table = _table(path)
    present = list(table.columns)
    role = {name: options.column(name, present, str(path)) for name in ("path", "label", "split", "source")}
    role["sample_id"] = options.column("sample_id", [name for name in present if name != role["path"]], str(path))
    for name in ("path", "label"):
        if role[name] is None:
            raise InvalidData(
                f"{path} has no column for {name} among {', '.join(present) or 'none'}; name it: {name}=COLUMN."
            )
    column = {name: table.columns[key] if key is not None else None for name, key in role.items()}
    cells = column["path"] or []
    paths = [str(cell).strip() if isinstance(cell, str | int) else "" for cell in cells]
    root = os.path.realpath(path.parent)
    refused = {row: why for row, each in enumerate(paths) if (why := _refused(root, each)) is not None}
    used = set(role.values())
    return build(
        readable_name(path.stem), FileImages(root, tuple(paths)),
        Columns(
            names=[readable_name(each) or f"row {row + 1}" for row, each in enumerate(paths)],
            ids=[readable_name(each) for each in paths], labels=column["label"] or [], splits=column["split"],
            sources=column["source"], given_ids=column["sample_id"], reasons={**refused, **table.reasons},
            metadata={name: values for name, values in table.columns.items() if name not in used},
        ),
    )  # fmt: skip


def _refused(root: str, name: str) -> str | None:
    """Why a path may not be read; where its links lead is found out later."""
    if not name:
        return "no path"
    if "\0" in name:
        return "a path that no file can have"
    real = os.path.realpath(name) if os.path.isabs(name) else os.path.normpath(os.path.join(root, name))
    if not real.startswith(os.path.join(root, "")):
        return "leads out of the folder of the manifest"
    return None


def _table(path: Path) -> _Table:
    """The whole table; cells of a CSV are text."""
    suffix = path.suffix.lower()
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidData(f"{path} is larger than the {MOST_BYTES // 2**20} MiB that a manifest may have.")
        if suffix == ".parquet":
            facts = pq.read_metadata(path)
            check_size(path, facts.num_rows, facts.num_columns)
            return _Table(dict(pq.read_table(path).to_pydict()))
        with path.open(encoding="utf-8-sig", newline="") as lines:
            if suffix in (".jsonl", ".ndjson"):
                return _json_lines(path, lines)
            return _separated(path, lines, "\t" if suffix == ".tsv" else ",")
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os_words(error)}.") from error
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    except ODD as error:
        raise InvalidData(f"{path} is not a readable Parquet file: {first_line(error)}.") from error


def _separated(path: Path, lines: Iterable[str], separator: str) -> _Table:
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        head = [name.strip() or f"column {place + 1}" for place, name in enumerate(next(rows, []))]
        cells = [row for row in rows if row]
    except csv.Error as error:
        raise InvalidData(f"line {rows.line_num} of {path} is not readable: {first_line(error)}.") from error
    if len(set(head)) < len(head):
        raise InvalidData(f"{path} names a column twice: {', '.join(head)}.")
    check_size(path, len(cells), len(head))
    many = {row: f"{len(each)} cells in a table of {len(head)} columns" for row, each in enumerate(cells)
            if any(each[len(head) :])}  # fmt: skip
    filled = [[*each, *([None] * (len(head) - len(each)))] for each in cells]
    return _Table({name: [each[place] for each in filled] for place, name in enumerate(head)}, many)


def _json_lines(path: Path, lines: Iterable[str]) -> _Table:
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidData(f"line {number} of {path} is not JSON.") from error
        if not isinstance(row, dict):
            raise InvalidData(f'line {number} of {path} is not a JSON object such as {{"path": ..., "label": ...}}.')
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    check_size(path, len(rows), len(names))
    return _Table({name: [row.get(name) for row in rows] for name in names})

"""Image Parquet: the images lie in the table itself, as the Hugging Face hub keeps them.

One file, or a folder of them. ``image`` is a struct of ``bytes`` and ``path`` or plain binary; the names of integer
labels stand in the schema's metadata (ClassLabel). All is read at once but the images (``cells``).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sampleinfo.datasets.cells import ParquetImages
from sampleinfo.datasets.files import first_line, inside, os_words, readable_name, walk
from sampleinfo.datasets.manifest import ODD
from sampleinfo.datasets.options import COLUMNS, SPLIT_NAMES, Options, split_name
from sampleinfo.datasets.tables import Columns, build, check_size
from sampleinfo.errors import InvalidData, StorageError
from sampleinfo.types import Dataset, Skipped

SHARD = re.compile(r"^(?P<split>[A-Za-z]+)([-_.].*)?$")


def matches(path: Path) -> bool:
    """Whether a path is a Parquet file with images in it, or a folder with such files."""
    return any(_image_column(schema, Options()) is not None for schema in _schemas(_files(path)))


def read(path: Path, options: Options) -> Dataset:
    """All rows of one or many image Parquet files.

    Of several files each is one split when it or its folder is named like one (``train-00000-of-00002.parquet``).
    Those that cannot be read are skipped with the reason, if others can.

    Raises:
        StorageError, InvalidData: no file that is a Parquet file with images and labels; or they do not fit together.
        InvalidSetting: a column of ``options`` is not there.
    """
    tables, failed = [], []
    for file in _files(path):
        try:
            tables.append(_table(file, options, path))
        except (StorageError, InvalidData) as error:
            failed.append((file, error))
    if not tables:
        raise failed[0][1]
    columns, names = {table.column for table in tables}, {table.class_names for table in tables}
    if len(columns) > 1:
        raise InvalidData(f"the files of {path} keep their images in different columns: {', '.join(sorted(columns))}.")
    if len(names) > 1:
        raise InvalidData(f"the files of {path} give their classes different names; read them one by one, joined by +.")
    counts = [len(table.labels) for table in tables]
    images = ParquetImages(
        tuple(table.file for table in tables), columns.pop(), np.repeat(np.arange(len(tables)), counts),
        np.concatenate([np.arange(count) for count in counts]), tuple(counts),
    )  # fmt: skip
    ids = [f"{table.stem}-{row:06d}" for table in tables for row in range(len(table.labels))]
    dataset = build(
        readable_name(path.stem if path.is_file() else path.resolve().name), images,
        Columns(
            names=ids, ids=ids, labels=_joined([table.labels for table in tables]), class_names=names.pop(),
            given_ids=_column(tables, "given_ids"), splits=_column(tables, "splits"),
            sources=_column(tables, "sources"), metadata=_metadata(tables),
        ),
    )  # fmt: skip
    lost = tuple(Skipped(_stem(file, path), first_line(error)) for file, error in failed)
    return replace(dataset, skipped=lost + dataset.skipped)


@dataclass(frozen=True)
class _Table:
    """All of a file but its images."""

    file: str
    stem: str
    column: str
    labels: list[Any]
    class_names: tuple[str, ...] | None
    given_ids: list[Any] | None
    splits: list[Any] | None
    sources: list[Any] | None
    metadata: dict[str, list[Any]]


def _table(file: Path, options: Options, root: Path) -> _Table:
    schema, count = _schema(file)
    check_size(file, count, len(schema))
    image, label, roles = _roles(file, schema, options)
    plain = [name for name in schema.names if _is_plain(schema.field(name).type) and name != image]
    try:
        table = pq.read_table(file, columns=plain).to_pydict()
    except (OSError, *ODD) as error:
        raise InvalidData(f"{file} is damaged: {first_line(error)}.") from error
    column = {role: table[name] if name else None for role, name in roles.items()}
    if column["split"] is None and file != root and (found := _split_of(file.relative_to(root))):
        column["split"] = [found] * count
    used = {label, *roles.values()}
    return _Table(
        str(file), _stem(file, root), image, table[label], _class_label(schema, label), column["sample_id"],
        column["split"], column["source"], {name: table[name] for name in plain if name not in used},
    )  # fmt: skip


def _schema(file: Path) -> tuple[pa.Schema, int]:
    """The columns of a file, and its number of rows."""
    try:
        facts = pq.read_metadata(file)
        schema = facts.schema.to_arrow_schema()
        "".join(schema.names)  # that they are text shows only when they are asked for
    except OSError as error:
        raise StorageError(f"cannot read {file}: {os_words(error)}.") from error
    except ODD as error:
        raise InvalidData(f"{file} is not a readable Parquet file: {first_line(error)}.") from error
    return schema, facts.num_rows


def _stem(file: Path, root: Path) -> str:
    """What a file is called in ids: its path below the root without the suffix."""
    return readable_name(file.stem if file == root else str(file.relative_to(root).with_suffix("")))


def _roles(file: Path, schema: pa.Schema, options: Options) -> tuple[str, str, dict[str, str | None]]:
    """The column of the images, that of the labels, and those of other meanings."""
    if len(set(schema.names)) < len(schema.names):
        raise InvalidData(f"{file} names a column twice: {', '.join(schema.names)}.")
    image = _image_column(schema, options)
    present = [name for name in schema.names if name != image]
    if image is None:
        raise InvalidData(f"{file} has no column of images; it has {', '.join(schema.names) or 'no columns'}.")
    label = options.column("label", present, str(file))
    if label is None:
        raise InvalidData(f"{file} has no label column among {', '.join(present) or 'none'}; name it: label=COLUMN.")
    roles = {role: options.column(role, present, str(file)) for role in ("split", "source", "sample_id")}
    for name in (label, *roles.values()):
        if name is not None and not _is_plain(schema.field(name).type):
            raise InvalidData(f"column {name!r} of {file} holds {schema.field(name).type}, not text or numbers.")
    return image, label, roles


def _image_column(schema: pa.Schema, options: Options) -> str | None:
    """The given column, one of the usual names, or the first that can hold images if the table has no paths."""
    holds = list(dict.fromkeys(field.name for field in schema if _holds_images(field.type)))
    if dict(options.columns).get("image"):
        found = options.column("image", schema.names, "the file")
        return found if found in holds else None
    usual = next((name for name in COLUMNS["image"] if name in holds), None)
    return usual or (holds[0] if holds and options.column("path", schema.names, "the file") is None else None)


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        if place < 0:
            return False
        kind = kind.field(place).type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_plain(kind: pa.DataType) -> bool:
    tests = (pa.types.is_null, pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string,
             pa.types.is_large_string, pa.types.is_temporal, pa.types.is_dictionary)  # fmt: skip
    return any(test(kind) for test in tests)


def _class_label(schema: pa.Schema, label: str) -> tuple[str, ...] | None:
    """Names of integer labels in the Hugging Face metadata of the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    usable = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    return tuple(map(readable_name, names)) if usable and len(set(names)) == len(names) else None


def _files(path: Path) -> list[Path]:
    """The Parquet files that a path is or holds; none from outside it."""
    if not path.is_dir():
        return [path] if path.is_file() else []
    root = os.path.realpath(path)
    found = [Path(folder, name) for folder, names in walk(path) for name in names if name.lower().endswith(".parquet")]
    return sorted(file for file in found if file.is_file() and inside(root, os.path.realpath(file)))


def _schemas(files: list[Path]) -> Iterator[pa.Schema]:
    for file in files:
        try:
            yield _schema(file)[0]
        except (StorageError, InvalidData):
            continue


def _split_of(file: Path) -> str | None:
    """The split that a file is named like, or the nearest folder above it."""
    for name in (file.stem, *reversed(file.parts[:-1])):
        match = SHARD.match(name)
        if match and match["split"].lower() in SPLIT_NAMES:
            return split_name(match["split"])
    return None


def _joined(parts: list[list[Any]]) -> list[Any]:
    return [value for part in parts for value in part]


def _column(tables: list[_Table], key: str) -> list[Any] | None:
    """A column over all files; None where no file has it, empty where one lacks it."""
    parts = [getattr(table, key) for table in tables]
    if all(part is None for part in parts):
        return None
    return _joined([[None] * len(t.labels) if part is None else part for part, t in zip(parts, tables, strict=True)])


def _metadata(tables: list[_Table]) -> dict[str, Sequence[Any]]:
    names = list(dict.fromkeys(name for table in tables for name in table.metadata))
    return {name: _joined([t.metadata.get(name) or [None] * len(t.labels) for t in tables]) for name in names}

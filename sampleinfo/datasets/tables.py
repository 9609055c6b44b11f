"""From the columns of a table to labels, class names, splits, sources and ids; shared by all formats with a table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleinfo.datasets.files import readable_name
from sampleinfo.datasets.options import split_name
from sampleinfo.errors import InvalidData
from sampleinfo.types import Dataset, Images, Skipped, narrowed

MOST_ROWS, MOST_COLUMNS = 5_000_000, 1000
#: Numbers as text; those with more digits or, in metadata, leading zeros are names.
WHOLE = re.compile(r"-?[0-9]{1,18}")
NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]{0,17})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True)
class Columns:
    """Raw columns of a table, one entry per row; None where the table has none.

    ``names`` are what a row is called in messages, ``ids`` its sample id where none is given. ``class_names`` are the
    names of integer labels. ``reasons`` says of rows that they cannot be samples, and why.
    """

    names: Sequence[str]
    ids: Sequence[str]
    labels: Sequence[Any]
    class_names: tuple[str, ...] | None = None
    given_ids: Sequence[Any] | None = None
    splits: Sequence[Any] | None = None
    sources: Sequence[Any] | None = None
    metadata: dict[str, Sequence[Any]] | None = None
    reasons: dict[int, str] | None = None


def build(name: str, images: Images, columns: Columns) -> Dataset:
    """The data set of a table's rows; rows without a usable label or id are skipped with the reason."""
    texts, reasons = _labels(columns)
    reasons = {**reasons, **(columns.reasons or {})}
    ids = _ids(columns, reasons)
    rows = [row for row in range(len(texts)) if row not in reasons]
    class_names = _class_names(columns.class_names, {texts[row] for row in rows})
    number = {each: place for place, each in enumerate(class_names)}
    splits = None if columns.splits is None else [split_name(text(v)) if not missing(v) else "" for v in columns.splits]
    sources = [name if columns.sources is None or missing(v) else text(v) for v in columns.sources or texts]
    metadata = {key: _uniform([column[row] for row in rows]) for key, column in (columns.metadata or {}).items()}
    return Dataset(
        name=name,
        sample_ids=tuple(ids[row] for row in rows),
        images=images if len(rows) == len(texts) else narrowed(images, rows),
        labels=np.array([number[texts[row]] for row in rows], dtype=np.int64),
        class_names=class_names,
        sources=tuple(sources[row] for row in rows),
        split=None if splits is None else tuple(splits[row] for row in rows),
        metadata={readable_name(key): column for key, column in metadata.items()},
        skipped=tuple(Skipped(columns.names[row], reasons[row]) for row in sorted(reasons)),
    )


def check_size(path: object, rows: int, columns: int) -> None:
    """Whether a table is small enough to be read.

    Raises:
        InvalidData: too many rows or columns; a few bytes can claim any number of empty ones.
    """
    for count, most, words in ((rows, MOST_ROWS, "rows"), (columns, MOST_COLUMNS, "columns")):
        if count > most:
            raise InvalidData(f"{path} has {count} {words}; at most {most} are read.")


def missing(value: Any) -> bool:
    """Whether a cell is empty: null, not a number, or blank text."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or (
        isinstance(value, str) and not value.strip()
    )  # fmt: skip


def text(value: Any) -> str:
    """A cell as text: whole numbers without a decimal point."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return readable_name(str(value).strip())


def _labels(columns: Columns) -> tuple[list[str], dict[int, str]]:
    """The class name of every row, and why a row has none."""
    names, found, reasons = columns.class_names, [], {}
    known = set(names or ())
    for row, value in enumerate(columns.labels):
        found.append("" if missing(value) else text(value))
        whole = _whole(value)
        if missing(value):
            reasons[row] = "no label"
        elif isinstance(value, list | tuple | dict):
            reasons[row] = "the label is a list, not one name or number"
        elif whole is not None and whole < 0:
            reasons[row] = f"label {whole} is negative"
        elif names is not None and whole is not None:
            if whole < len(names):
                found[-1] = names[whole]
            else:
                reasons[row] = f"label {whole} has no name: there are {len(names)} class names"
        elif names is not None and found[-1] not in known:
            reasons[row] = f"label {found[-1]!r} is not among the {len(names)} class names"
        elif isinstance(value, float) and whole is None:
            reasons[row] = f"label {value} is neither a name nor a whole number"
    return found, reasons


def _whole(value: Any) -> int | None:
    """A whole number, or None; text only counts as one where it is negative: '7' is the name of a class."""
    if isinstance(value, str) and value.strip().startswith("-") and value.strip()[1:].isdecimal():
        return int(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    return int(value) if isinstance(value, float | np.floating) and float(value).is_integer() else None


def _class_names(given: tuple[str, ...] | None, present: set[str]) -> tuple[str, ...]:
    """The given names that occur, in their order; else all that occur, numbers by their value, then by name."""
    if given is not None:
        return tuple(name for name in given if name in present)
    return tuple(sorted(present, key=natural))


def natural(name: str) -> tuple[int, int, str]:
    """A key that sorts whole numbers by value, before all other names."""
    return (0, int(name), name) if WHOLE.fullmatch(name) else (1, 0, name)


def distinct(names: Iterable[str], mark: str) -> list[str]:
    """The names, those that were there before with ``mark`` and a number."""
    taken: set[str] = set()
    often: dict[str, int] = {}
    found = []
    for name in names:
        fresh = name
        while fresh in taken:
            often[name] = often.get(name, 1) + 1
            fresh = f"{name}{mark}{often[name]}"
        taken.add(fresh)
        found.append(fresh)
    return found


def _ids(columns: Columns, reasons: dict[int, str]) -> list[str]:
    """Unique ids. A given id that is missing or was there before makes a row unusable; others get a number."""
    if columns.given_ids is None:
        usable = iter(distinct((each for row, each in enumerate(columns.ids) if row not in reasons), "#"))
        return [each if row in reasons else next(usable) for row, each in enumerate(columns.ids)]
    ids = ["" if missing(given) else text(given) for given in columns.given_ids]
    seen: set[str] = set()
    for row, name in enumerate(ids):
        if row not in reasons and (not name or name in seen):
            reasons[row] = f"sample_id {name!r} was there before" if name else "no sample_id"
        if row not in reasons:
            seen.add(name)
    return ids


def _uniform(cells: Sequence[Any]) -> tuple[Any, ...]:
    """A column of metadata: all numbers or all text, None where a cell is empty."""
    filled = [cell for cell in cells if not missing(cell)]
    if all(map(_is_number, filled)):
        return tuple(None if missing(cell) else cell for cell in cells)
    if all(isinstance(cell, str) and NUMBER.fullmatch(cell.strip()) for cell in filled):
        kind = int if all(WHOLE.fullmatch(cell.strip()) for cell in filled) else float
        return tuple(None if missing(cell) else kind(cell) for cell in cells)
    return tuple(None if missing(cell) else text(cell) for cell in cells)


def _is_number(cell: Any) -> bool:
    """Whether a cell is a number that fits into 64 bits."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return -(2**63) <= cell < 2**63
    return isinstance(cell, float) and math.isfinite(cell)

"""Several data sets as the sources of one task: ``first+second``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sampleinfo.datasets.files import exists
from sampleinfo.datasets.tables import distinct
from sampleinfo.errors import InvalidSetting
from sampleinfo.types import Concatenated, Dataset

MARK = "+"


def parts(name: str) -> list[str]:
    """The names joined by ``+``; one that exists as a file or folder, or whose piece does, is not cut.

    Raises:
        InvalidSetting: no name, or nothing before, between or after the marks.
    """
    if not name.strip():
        raise InvalidSetting("the name of the data set is empty.")
    if MARK not in name or exists(name):
        return [name]
    pieces, found = name.split(MARK), []
    while pieces:
        longest = next((n for n in range(len(pieces), 1, -1) if exists(MARK.join(pieces[:n]).strip())), 1)
        found.append(MARK.join(pieces[:longest]).strip())
        pieces = pieces[longest:]
    if not all(found):
        raise InvalidSetting(f"data sets are joined as FIRST+SECOND; got {name!r}.")
    return found


def join(datasets: Sequence[Dataset], names: Sequence[str]) -> Dataset:
    """All samples of several data sets; classes are matched by name, ``names`` become the sources.

    A data set that has several sources of its own keeps them, below its name.
    """
    class_names = tuple(dict.fromkeys(name for data in datasets for name in data.class_names))
    number = {name: place for place, name in enumerate(class_names)}
    columns = dict.fromkeys(key for data in datasets for key in data.metadata)
    parts = list(zip(distinct(names, " "), datasets, strict=True))
    return Dataset(
        name=MARK.join(data.name for data in datasets),
        sample_ids=tuple(f"{name}:{i}" for name, data in parts for i in data.sample_ids),
        images=Concatenated(tuple(data.images for data in datasets)),
        labels=np.array([number[d.class_names[label]] for d in datasets for label in d.labels], dtype=np.int64),
        class_names=class_names,
        sources=tuple(source for name, data in parts for source in _sources(name, data)),
        split=None if all(d.split is None for d in datasets) else _filled([d.split for d in datasets], "", datasets),
        metadata={key: _filled([d.metadata.get(key) for d in datasets], None, datasets) for key in columns},
        skipped=tuple(replace(each, name=f"{name}:{each.name}") for name, data in parts for each in data.skipped),
    )


def _filled(columns: Sequence[tuple[Any, ...] | None], empty: Any, datasets: Sequence[Dataset]) -> tuple[Any, ...]:
    """A column over all data sets, ``empty`` where one has none."""
    pairs = zip(columns, datasets, strict=True)
    return tuple(v for column, data in pairs for v in (column if column is not None else (empty,) * len(data)))


def _sources(name: str, data: Dataset) -> tuple[str, ...]:
    if len(set(data.sources)) < 2:
        return (name,) * len(data)
    return tuple(f"{name}/{source}" for source in data.sources)

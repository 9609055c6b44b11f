"""Showing only some of the images: by class, source, and the data set's own metadata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo.datasets.tables import natural
from sampleinfo.store import SAMPLES, Run
from sampleinfo.ui.words import count, plain, shortened

#: Values up to which a column is offered as a choice of values; text with more is only searched.
CHOICES = 200


@dataclass(frozen=True)
class Filter:
    """Conditions that an image must meet: (column, allowed values) and (column, least, most)."""

    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ranges: tuple[tuple[str, float, float], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values or self.ranges)

    def passing(self, run: Run) -> np.ndarray:
        """(N,) mask of the images of a run that meet every condition; reads no other column."""
        names = ["split", *(column for column, _ in self.values), *(column for column, _, _ in self.ranges)]
        return self.rows(run.table(list(dict.fromkeys(names))))

    def rows(self, samples: pd.DataFrame) -> np.ndarray:
        """(N,) mask of the images that meet every condition."""
        mask = np.ones(len(samples), dtype=bool)
        for column, allowed in self.values:
            mask &= samples[column].astype(str).isin(allowed).to_numpy()
        for column, least, most in self.ranges:
            mask &= samples[column].between(least, most).to_numpy()
        return mask


@dataclass(frozen=True)
class Facts:
    """What a column can be filtered by: its different values, if they are few, or its range."""

    number: bool
    different: int
    options: tuple[str, ...]
    low: float
    high: float


def filter_control(run: Run) -> Filter:
    """A popover with one field for every column that can be filtered by."""
    columns = {"class_name": "Class", "source": "Source"} | run.metadata
    path, prefix = run.path / SAMPLES, f"filter-{run.id}-"
    stamp = path.stat().st_mtime_ns
    known = {column: _facts(str(path), stamp, column) for column in columns}
    active = sum(_is_set(known[column], st.session_state.get(prefix + column)) for column in columns)
    with st.popover(f"Filter ({active})" if active else "Filter", icon=":material/filter_alt:", key="filter"):
        values, ranges = [], []
        for column, title in columns.items():
            facts, words = known[column], plain(shortened(title))
            if facts.number:
                ranges += _range(column, facts, words, prefix + column)
            elif 1 < facts.different <= CHOICES:
                picked = st.multiselect(
                    words, facts.options, key=prefix + column, placeholder="all", format_func=shortened
                )  # fmt: skip
                values += [(column, tuple(picked))] if picked else []
            elif facts.different > CHOICES:
                st.caption(f"{words}: {count(facts.different, 'different value')}, too many to choose from.")
        st.caption("Images that do not pass stay on the map, faded.")
    return Filter(tuple(values), tuple(ranges))


@st.cache_data(max_entries=256, show_spinner=False)
def _facts(path: str, stamp: int, column: str) -> Facts:
    """Of one column of a table of samples: read and looked through once, and not at every click."""
    del stamp  # a part of the key: another file is another table
    series = pd.read_parquet(path, columns=[column])[column]
    different, number = int(series.nunique()), is_number(series)
    options: tuple[str, ...] = ()
    if not number and different <= CHOICES:
        options = tuple(sorted(series.dropna().astype(str).unique(), key=natural))
    low, high = (float(series.min()), float(series.max())) if number else (0.0, 0.0)
    return Facts(number, different, options, low, high)


def is_number(series: pd.Series) -> bool:
    """Whether a column holds numbers with more than a few different values."""
    return bool(pd.api.types.is_numeric_dtype(series) and series.nunique() > 12)


def _is_set(facts: Facts, value: object) -> bool:
    """Whether a field's value leaves any image out."""
    return _moved(facts, value) if facts.number and isinstance(value, tuple) else bool(value)


def _moved(facts: Facts, ends: tuple[float, ...]) -> bool:
    """Whether a range leaves any value out."""
    return bool(ends[0] > facts.low or ends[1] < facts.high)


def _range(column: str, facts: Facts, title: str, key: str) -> list[tuple[str, float, float]]:
    # A fine step, and a little beyond both ends, so that the ends themselves are never cut off.
    step = (facts.high - facts.low) / 200
    low, high = facts.low - step, facts.high + step
    picked = st.slider(title, low, high, (low, high), step=step, key=key, format="%.4g")
    return [(column, picked[0], picked[1])] if _moved(facts, picked) else []

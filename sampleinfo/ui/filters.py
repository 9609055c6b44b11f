"""Showing only some of the images: by class, source, and the data set's own metadata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo.datasets.tables import natural
from sampleinfo.store import Run
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

    def rows(self, samples: pd.DataFrame) -> np.ndarray:
        """(N,) mask of the images that meet every condition."""
        mask = np.ones(len(samples), dtype=bool)
        for column, allowed in self.values:
            mask &= samples[column].astype(str).isin(allowed).to_numpy()
        for column, least, most in self.ranges:
            mask &= samples[column].between(least, most).to_numpy()
        return mask


def filter_control(run: Run) -> Filter:
    """A popover with one field for every column that can be filtered by."""
    columns = {"class_name": "Class", "source": "Source"} | run.metadata
    prefix = f"filter-{run.id}-"
    active = sum(_is_set(run.samples[column], st.session_state.get(prefix + column)) for column in columns)
    with st.popover(f"Filter ({active})" if active else "Filter", icon=":material/filter_alt:", key="filter"):
        values, ranges = [], []
        for column, title in columns.items():
            series = run.samples[column]
            if is_number(series):
                ranges += _range(series, plain(shortened(title)), prefix + column)
            elif 1 < series.nunique() <= CHOICES:
                options = sorted(series.dropna().astype(str).unique(), key=natural)
                picked = st.multiselect(
                    plain(shortened(title)), options, key=prefix + column, placeholder="all", format_func=shortened
                )
                values += [(column, tuple(picked))] if picked else []
            elif series.nunique() > CHOICES:
                many = count(int(series.nunique()), "different value")
                st.caption(f"{plain(shortened(title))}: {many}, too many to choose from.")
        st.caption("Images that do not pass stay on the map, faded.")
    return Filter(tuple(values), tuple(ranges))


def is_number(series: pd.Series) -> bool:
    """Whether a column holds numbers with more than a few different values."""
    return bool(pd.api.types.is_numeric_dtype(series) and series.nunique() > 12)


def _is_set(series: pd.Series, value: object) -> bool:
    """Whether a field's value leaves any image out."""
    return _moved(series, value) if is_number(series) and isinstance(value, tuple) else bool(value)


def _moved(series: pd.Series, ends: tuple[float, ...]) -> bool:
    """Whether a range leaves any value out."""
    return bool(ends[0] > float(series.min()) or ends[1] < float(series.max()))


def _range(series: pd.Series, title: str, key: str) -> list[tuple[str, float, float]]:
    low, high = float(series.min()), float(series.max())
    # A fine step, and a little beyond both ends, so that the ends themselves are never cut off.
    step = (high - low) / 200
    picked = st.slider(title, low - step, high + step, (low - step, high + step), step=step, key=key, format="%.4g")
    return [(str(series.name), picked[0], picked[1])] if _moved(series, picked) else []

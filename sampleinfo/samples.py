"""The table of a run: one row per image, training images first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sampleinfo import store, targets
from sampleinfo.types import Dataset, FloatArray


def identity(dataset: Dataset) -> pd.DataFrame:
    """What is known before anything is computed: id, label, class, source, split, and the data set's own columns."""
    names = np.asarray(dataset.class_names, dtype=object)
    return pd.DataFrame(
        {"sample_id": dataset.sample_ids, "label": dataset.labels, "class_name": names[dataset.labels],
         "source": dataset.sources, "split": dataset.split}
        | {store.METADATA + name: _column(values) for name, values in dataset.metadata.items()}
    )  # fmt: skip


def table(dataset: Dataset, outputs: FloatArray, scores: Mapping[str, FloatArray]) -> pd.DataFrame:
    """With predictions and errors from ``outputs`` (N, k), and the ``scores`` (n,) of the training images, which come
    first."""
    encoded = targets.encode(dataset.labels, len(dataset.class_names))
    found = identity(dataset)
    found["predicted"] = np.asarray(dataset.class_names, dtype=object)[targets.decode(outputs)]
    found["prediction_error"] = np.linalg.norm(encoded - outputs, axis=1)
    for name, values in scores.items():
        found[name] = np.concatenate([values, np.full(len(found) - len(values), np.nan)])
    return found


def write_preview(dataset: Dataset, places: FloatArray, path: Path) -> None:
    """The first results: what is known of the images, and where they lie (N, 2), before any score exists."""
    table = identity(dataset)
    table["pca_x"], table["pca_y"] = places.T
    temporary = path.with_suffix(".tmp")
    table.to_parquet(temporary, index=False)
    os.replace(temporary, path)


def _column(values: tuple[Any, ...]) -> list[Any] | np.ndarray:
    """Whole numbers as int64 where none is missing, other numbers as float64, anything else as text or None."""
    filled = [value for value in values if value is not None]
    if len(filled) == len(values) and all(isinstance(value, int) and abs(value) < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    if filled and all(isinstance(value, int | float) for value in filled):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return [None if value is None else str(value) for value in values]

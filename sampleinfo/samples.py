"""The table of a run: one row per image, training images first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sampleinfo import store, targets
from sampleinfo.linearized import Fit
from sampleinfo.scores import ALONG, SCORES
from sampleinfo.types import Dataset
from sampleinfo.unrolled import Changes


def identity(dataset: Dataset) -> pd.DataFrame:
    """What is known before anything is computed: id, label, class, source, split, and the data set's own columns."""
    names = np.asarray(dataset.class_names, dtype=object)
    return pd.DataFrame(
        {"sample_id": dataset.sample_ids, "label": dataset.labels, "class_name": names[dataset.labels],
         "source": dataset.sources, "split": dataset.split}
        | {store.METADATA + name: _column(values) for name, values in dataset.metadata.items()}
    )  # fmt: skip


def table(dataset: Dataset, train: int, fit: Fit, along: Changes | None = None) -> pd.DataFrame:
    """With predictions (leave-one-out for the ``train`` training images, which come first), errors and scores.

    Scores along the training are there where a recorded run is.
    """
    encoded = targets.encode(dataset.labels, len(dataset.class_names))
    outputs = np.concatenate([encoded[:train] - fit.leave_each_out().errors, fit.val_outputs])
    found = identity(dataset)
    found["predicted"] = np.asarray(dataset.class_names, dtype=object)[targets.decode(outputs)]
    found["prediction_error"] = np.linalg.norm(encoded - outputs, axis=1)
    for name, each in SCORES.items():
        source = along if each.needs == ALONG else fit
        if source is None:
            continue
        column = np.full(len(found), np.nan)
        column[:train] = each.compute(source)
        found[name] = column
    return found


def _column(values: tuple[Any, ...]) -> list[Any] | np.ndarray:
    """Whole numbers as int64 where none is missing, other numbers as float64, anything else as text or None."""
    filled = [value for value in values if value is not None]
    if len(filled) == len(values) and all(isinstance(value, int) and abs(value) < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    if filled and all(isinstance(value, int | float) for value in filled):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return [None if value is None else str(value) for value in values]

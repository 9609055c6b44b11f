"""Which scores say the same: rank correlations between the columns of a run's table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sampleinfo.errors import InvalidSetting, UnknownName

#: Rows that two scores must share.
LEAST = 3


def score_agreement(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """(S, S) Spearman rank correlations between the columns ``names`` of ``table``, in their order.

    Each pair is compared on the rows where both are known, which leaves out the validation images of a run; equal
    values share their mean rank (Spearman 1904: Pearson correlation of the ranks). 1 on the diagonal.

    Every number is between -1 and 1 or NaN, and NaN has one meaning: there is nothing to rank, because one of the two
    columns is constant on the rows they share, or because these are fewer than ``LEAST``. That holds for the diagonal,
    too. Infinite values are ranked like others.

    Raises:
        UnknownName: a column that the table does not have.
        InvalidSetting: a column that does not hold numbers, or a name given twice.
    """
    for name in names:
        if name not in table.columns:
            raise UnknownName("score", name, [str(column) for column in table.columns])
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise InvalidSetting(f"{name} cannot be ranked: it does not hold numbers.")
    if len(set(names)) != len(names):
        raise InvalidSetting("a score is given twice.")
    values = table[list(names)].to_numpy(dtype=np.float64)
    found = np.full((len(names), len(names)), np.nan)
    for row in range(len(names)):
        for column in range(row, len(names)):
            found[row, column] = found[column, row] = _spearman(values[:, row], values[:, column])
    return pd.DataFrame(found, index=list(names), columns=list(names))


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Of two columns (n,); NaN where there is nothing to rank."""
    known = ~(np.isnan(first) | np.isnan(second))
    if known.sum() < LEAST:
        return float("nan")
    one, other = (pd.Series(values[known]).rank().to_numpy(dtype=np.float64) for values in (first, second))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    if np.array_equal(one, other):
        return 1.0
    a, b = one - one.mean(), other - other.mean()
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))

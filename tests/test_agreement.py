"""Correlations and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sampleinfo.agreement import Agreement, agreement
from sampleinfo.errors import InvalidSetting


def test_correlations_and_their_coverage() -> None:
    """The interval holds the true correlation of a normal sample about as often as it says."""
    rng, inside = np.random.default_rng(0), 0
    for number in range(60):
        x = rng.normal(size=40)
        y = 0.8 * x + 0.6 * rng.normal(size=40)
        found = agreement(x, y, seed=number)
        assert found.pearson == pytest.approx(stats.pearsonr(x, y).statistic)
        assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
        assert found.pearson_interval is not None and found.pearson_interval[0] < found.pearson
        inside += found.pearson_interval[0] <= 0.8 <= found.pearson_interval[1]
    assert inside >= 50
    assert Agreement.from_dict(found.as_dict()) == found


def test_ties_and_outliers() -> None:
    truth = np.array([0.0, 0.0, 0.0, 1.0, 100.0, 0.0])
    found = agreement(2 * truth, truth)
    assert found.pearson == pytest.approx(1) and found.spearman == pytest.approx(1) and found.ratio == 2
    assert found.spearman_interval is not None and found.spearman_interval[0] <= 1


@pytest.mark.parametrize("values", [[1.0, 1, 1, 1, 1], [1.0, 2, 3]])
def test_there_may_be_no_correlation(values: list[float]) -> None:
    found = agreement(values, np.arange(len(values)))
    assert found.pearson is None and found.spearman_interval is None and found.count == len(values)
    assert Agreement.from_dict(found.as_dict()) == found


def test_what_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"one length, got \(3,\) and \(4,\)"):
        agreement(np.zeros(3), np.zeros(4))
    with pytest.raises(InvalidSetting, match="finite"):
        agreement([1.0, np.nan, 2, 3], np.arange(4))

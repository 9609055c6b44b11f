"""Rank correlations between scores."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.reports.agreement_matrix import score_agreement
from sampleinfo.store import Run


def table_of(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    first = rng.normal(size=n)
    return pd.DataFrame({
        "a": first, "b": first + rng.normal(size=n), "ties": rng.integers(0, 4, n), "down": -np.exp(first),
        "constant": np.ones(n), "unknown": np.full(n, np.nan), "some": np.where(np.arange(n) < 30, first, np.nan),
    })  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_agreement_is_spearmans_correlation() -> None:
    table = table_of()
    found = score_agreement(table, ["a", "b", "ties", "down"])
    assert list(found.index) == list(found.columns) == ["a", "b", "ties", "down"]
    assert np.array_equal(np.diag(found), np.ones(4)) and np.array_equal(found, found.T)
    assert found.loc["a", "down"] == pytest.approx(-1) and found.to_numpy().min() >= -1
    for first in ("a", "b", "ties"):
        for second in ("a", "b", "ties"):
            wanted = spearmanr(table[first], table[second]).statistic
            assert found.loc[first, second] == pytest.approx(wanted, abs=1e-12)


def test_pairs_are_compared_where_both_are_known() -> None:
    table = table_of()
    found = score_agreement(table, ["some", "b"])
    assert found.loc["some", "b"] == pytest.approx(spearmanr(table["a"][:30], table["b"][:30]).statistic)


@pytest.mark.parametrize("name", ["constant", "unknown"])
def test_nothing_to_rank_is_nan_and_nothing_else_is(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score_agreement(table_of(), ["a", name, "b"])
    assert found[name].isna().all() and found.loc[name].isna().all()
    assert found.loc[["a", "b"], ["a", "b"]].notna().all(axis=None)
    assert score_agreement(table_of(2), ["a", "b"]).isna().all(axis=None)


def test_what_cannot_be_ranked() -> None:
    table = table_of().assign(word="x")
    with pytest.raises(UnknownName, match=r"Unknown score 'tie'\. Did you mean 'ties'"):
        score_agreement(table, ["a", "tie"])
    with pytest.raises(InvalidSetting, match="word cannot be ranked"):
        score_agreement(table, ["a", "word"])
    with pytest.raises(InvalidSetting, match="given twice"):
        score_agreement(table, ["a", "a"])
    assert score_agreement(table, []).shape == (0, 0)


def test_scores_of_a_run_agree_with_themselves(along_run: Run) -> None:
    found = score_agreement(along_run.samples, list(along_run.scores))
    assert found.notna().all(axis=None) and np.array_equal(np.diag(found), np.ones(len(found)))
    assert found.loc["leave_one_out_error", "leave_one_out_margin"] > 0.8

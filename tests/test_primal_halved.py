"""Half of the features: the same numbers as of features that were half as many from the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sampleinfo import primal, primal_halved
from sampleinfo.linearized import Training
from sampleinfo.primal_problem import PrimalProblem
from sampleinfo.shards import Shards

pytestmark = pytest.mark.usefixtures("one_thread")
N, M, SHARD = 60, 20, 16


def problem(folder: Path, features: np.ndarray, seed: int = 0) -> PrimalProblem:
    """One output, N training rows and M validation rows."""
    stores = []
    for name, part in (("train", features[:N]), ("val", features[N:])):
        store = Shards.create(folder / name, 1, features.shape[1], "float32", SHARD)
        for number, start in enumerate(range(0, len(part), SHARD)):
            store.write(number, part[start : start + SHARD])
        stores.append(store)
    residual = np.random.default_rng(seed).normal(size=(N, 1))
    return PrimalProblem(stores[0], stores[1], residual, np.zeros((M, 1)))


@pytest.mark.parametrize("training", [Training(ridge=0.5), Training(30, 0.05)])
def test_it_is_the_fit_of_features_that_are_half_as_many(training: Training, tmp_path: Path) -> None:
    features = np.random.default_rng(1).integers(-8, 9, (N + M, 13)) / 16.0
    fit = primal.fit(problem(tmp_path / "all", features), training, "float64")
    wanted = primal.fit(problem(tmp_path / "half", features[:, :6]), training, "float64")
    found = primal_halved.halved(fit)
    assert found is not None
    np.testing.assert_allclose(found.val_outputs, wanted.val_outputs, rtol=1e-10)
    values = [each.leave_each_out().functional_information for each in (found, wanted, fit)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-9)
    rank = stats.spearmanr(values[0], values[2]).statistic
    assert primal_halved.agreement(fit) == pytest.approx(rank)
    assert rank < 0.95


def test_features_that_add_nothing_do_not_change_the_ranking(tmp_path: Path) -> None:
    features = np.random.default_rng(2).normal(size=(N + M, 12)) * np.repeat([1.0, 1e-6], 6)
    fit = primal.fit(problem(tmp_path, features), Training(ridge=0.5), "float64")
    assert primal_halved.agreement(fit) == pytest.approx(1.0, abs=1e-3)


def test_one_feature_has_no_half(tmp_path: Path) -> None:
    fit = primal.fit(problem(tmp_path, np.ones((N + M, 1))), Training(ridge=0.5), "float64")
    assert primal_halved.halved(fit) is None
    assert primal_halved.agreement(fit) is None

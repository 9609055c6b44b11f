"""Growing and shrinking sets against training on each of them from the beginning."""

from __future__ import annotations

import numpy as np
import pytest

from sampleinfo import linearized
from sampleinfo.downdating import Elimination, Growth, move_gains, prefix_outputs
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.information import functional_information
from sampleinfo.linearized import Problem, Training

RIDGE = 0.3


def made(n: int, m: int, k: int, shared: bool, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    q = 1 if shared else k
    train, val = rng.normal(size=(n * q, 40)), rng.normal(size=(m * q, 40))
    return Problem(
        train @ train.T / 40, val @ train.T / 40, rng.normal(size=(n, k)), rng.normal(size=(m, k)),
        rng.normal(size=(m, k)), rng.normal(size=(n, k)),
    )  # fmt: skip


CASES = [(1, False), (3, False), (3, True), (10, True)]


@pytest.mark.parametrize(("k", "shared"), CASES)
def test_every_prefix_is_training_on_it_alone(k: int, shared: bool) -> None:
    problem = made(14, 6, k, shared)
    order = np.random.default_rng(1).permutation(14)[:11]
    sizes = (5, 0, 11, 2)
    found = prefix_outputs(problem, RIDGE, order, sizes)
    fit = linearized.fit(problem, Training(ridge=RIDGE))
    for outputs, size in zip(found, sizes, strict=True):
        np.testing.assert_allclose(outputs, fit.keep(order[:size]).val_outputs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("k", "shared"), CASES)
def test_a_shrinking_set_scores_as_if_fitted_again(k: int, shared: bool) -> None:
    problem = made(14, 6, k, shared)
    state, rng = Elimination(problem, RIDGE), np.random.default_rng(2)
    for count in (1, 3, 4):
        state.remove(rng.permutation(len(state.left))[:count])
        again = linearized.fit(problem.subset(state.left), Training(ridge=RIDGE))
        np.testing.assert_allclose(state.functional_information(), functional_information(again), rtol=1e-8)
    assert len(state.left) == 6


@pytest.mark.parametrize(("k", "shared"), CASES)
def test_a_growing_set_says_what_each_sample_would_do(k: int, shared: bool) -> None:
    problem = made(14, 6, k, shared)
    assert problem.val_targets is not None
    fit, state = linearized.fit(problem, Training(ridge=RIDGE)), Growth(problem, RIDGE)

    def loss(rows: list[int]) -> float:
        outputs = fit.keep(np.array(rows, dtype=np.int64)).val_outputs
        return float(np.sum((problem.val_targets - outputs) ** 2) / 12)

    for added in (5, 7, 11, 2, 13):
        assert state.loss == pytest.approx(loss(state.chosen), rel=1e-9)
        gains = state.gains()
        for row in range(14):
            if row in state.chosen:
                assert np.isnan(gains[row])
            else:
                assert gains[row] == pytest.approx(state.loss - loss([*state.chosen, row]), rel=1e-7, abs=1e-10)
        state.add(added)
    np.testing.assert_allclose(state.outputs, fit.keep(np.array(state.chosen)).val_outputs, rtol=1e-9, atol=1e-11)
    assert state.chosen == [5, 7, 11, 2, 13]


def test_growth_of_many_steps_stays_exact() -> None:
    problem = made(200, 30, 1, False)
    state, fit = Growth(problem, 1e-2), linearized.fit(problem, Training(ridge=1e-2))
    for _ in range(150):
        state.add(int(np.nanargmax(state.gains())))
    np.testing.assert_allclose(state.outputs, fit.keep(np.array(state.chosen)).val_outputs, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("ridge", [1e-4, RIDGE])
@pytest.mark.parametrize(("k", "shared"), [*CASES, (2, False), (10, False)])
def test_every_move_is_training_again(k: int, shared: bool, ridge: float) -> None:
    """Of sets of every size, so that both ways to compute it are met: the others fewer, and the set smaller."""
    problem = made(11, 1, k, shared)
    q, shifted = problem.rows, problem.gram + ridge * np.eye(len(problem.gram))
    residual, kernel_rows = problem.residual.reshape(11 * q, -1), np.arange(11 * q).reshape(11, q)

    def loss(chosen: list[int]) -> float:
        rows = kernel_rows[chosen].ravel()
        a = np.linalg.solve(shifted[np.ix_(rows, rows)], residual[rows])
        return float(np.sum((residual - problem.gram[:, rows] @ a) ** 2) / 22)

    inverse, order = np.linalg.inv(shifted), np.random.default_rng(4).permutation(11)
    for size in range(12):
        chosen = [int(row) for row in order[:size]]
        found = move_gains(problem, ridge, np.sort(order[:size]), inverse)
        for row in range(11):
            moved = [each for each in chosen if each != row] if row in chosen else [*chosen, row]
            assert found[row] == pytest.approx(loss(chosen) - loss(moved), rel=1e-8, abs=1e-9)


def test_refusals() -> None:
    problem = made(5, 3, 1, False)
    with pytest.raises(InvalidSetting, match="ridge above 0, got 0"):
        Growth(problem, 0.0)
    state = Growth(problem, RIDGE)
    state.add(1)
    with pytest.raises(InvalidSetting, match="in the set already"):
        state.add(1)
    with pytest.raises(InvalidSetting, match="no training sample"):
        Growth(problem, RIDGE).add(5)
    with pytest.raises(InvalidSetting, match="needs validation images"):
        Growth(Problem(problem.gram, problem.cross, problem.residual, problem.val_outputs), RIDGE)
    with pytest.raises(InvalidSetting, match="sizes must be between 0 and 2"):
        prefix_outputs(problem, RIDGE, np.array([0, 1]), (3,))
    with pytest.raises(NumericalError, match="not positive definite"):
        twice = Problem(np.ones((2, 2)), np.ones((1, 2)), np.ones((2, 1)), np.ones((1, 1)))
        prefix_outputs(twice, 0.0, np.array([0, 1]), (2,))
    with pytest.raises(InvalidSetting, match="must be between 0 and 4"):
        Elimination(problem, RIDGE).remove(np.array([7]))

"""Closed forms against brute force by definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampleinfo import linearized, ridge, targets
from sampleinfo.errors import InvalidSetting, NumericalError, UnknownName
from sampleinfo.information import functional_information, weight_information
from sampleinfo.linearized import Problem, Training
from sampleinfo.scores import SCORES, find
from tests.reference import LinearNetwork, random_network


def problem_of(network: LinearNetwork) -> Problem:
    """The kernel form of a reference network."""
    p = network.jacobian.shape[2]
    train, val = network.jacobian.reshape(-1, p), network.val_jacobian.reshape(-1, p)
    return Problem(train @ train.T, val @ train.T, network.targets - network.outputs, network.val_outputs)


def deviation(got: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference relative to the largest value."""
    return float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted)))


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
def test_every_leave_one_out_equals_retraining(k: int, size: float) -> None:
    network = random_network(n=24, m=9, k=k, p=260, seed=k)
    fit = linearized.fit(problem_of(network), Training(ridge=size))
    loo = fit.leave_each_out()
    changes = network.weight_changes(size)
    p = changes.shape[1]
    assert deviation(fit.val_outputs, network.predict(network.train(np.arange(24), size))) < 1e-8
    assert deviation(loo.coefficient_change.T @ network.jacobian.reshape(-1, p), changes) < 1e-8
    assert deviation(loo.val_change, np.einsum("jkp,ip->jki", network.val_jacobian, changes)) < 1e-8
    assert deviation(loo.errors, network.held_out_errors(size)) < 1e-8
    assert deviation(weight_information(fit, 0.5), network.weight_information(size, 0.5)) < 1e-8
    assert deviation(functional_information(fit, 0.5), network.functional_information(size, 0.5)) < 1e-8


@pytest.mark.parametrize(("n", "k", "p"), [(40, 1, 7), (30, 3, 12), (12, 10, 8)])
def test_rank_deficient_kernels(n: int, k: int, p: int) -> None:
    network = random_network(n=n, m=5, k=k, p=p, seed=3)
    fit = linearized.fit(problem_of(network), Training(ridge=0.1))
    assert deviation(functional_information(fit), network.functional_information(0.1, 1.0)) < 1e-8
    assert deviation(weight_information(fit), network.weight_information(0.1, 1.0)) < 1e-8


def test_mirror_of_a_large_matrix() -> None:
    lower = np.tril(np.random.default_rng(0).normal(size=(1100, 1100)))
    full = lower + np.tril(lower, -1).T
    noisy = lower + np.triu(np.ones_like(lower), 1)
    assert np.array_equal(linearized._mirror(noisy), full)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([1, 3]))
def test_order_of_samples_does_not_matter(seed: int, k: int) -> None:
    network = random_network(n=12, m=4, k=k, p=20, seed=seed)
    order = np.random.default_rng(seed).permutation(12)
    shuffled = LinearNetwork(
        network.jacobian[order], network.val_jacobian, network.targets[order], network.outputs[order],
        network.val_outputs,
    )  # fmt: skip
    scores = [
        functional_information(linearized.fit(problem_of(net), Training(ridge=0.3))) for net in (network, shuffled)
    ]
    assert deviation(scores[1], scores[0][order]) < 1e-8


def test_a_duplicate_takes_the_unique_information_away() -> None:
    network = random_network(n=15, m=6, k=1, p=40, seed=1)
    twice = LinearNetwork(
        np.concatenate([network.jacobian, network.jacobian[:1]]), network.val_jacobian,
        np.concatenate([network.targets, network.targets[:1]]),
        np.concatenate([network.outputs, network.outputs[:1]]), network.val_outputs,
    )  # fmt: skip
    once = weight_information(linearized.fit(problem_of(network), Training(ridge=0.01)))
    both = weight_information(linearized.fit(problem_of(twice), Training(ridge=0.01)))
    assert both[0] == pytest.approx(both[-1], rel=1e-6)
    assert both[0] < 0.01 * once[0]


def test_noise_variance_only_rescales() -> None:
    fit = linearized.fit(problem_of(random_network(10, 4, 2, 15, 0)), Training(ridge=1.0))
    for score in (weight_information, functional_information):
        assert np.allclose(score(fit, 4.0) * 4, score(fit, 1.0), rtol=1e-12)
        with pytest.raises(InvalidSetting, match="noise_variance must be a finite number above 0, got 0"):
            score(fit, 0.0)


@pytest.mark.parametrize("k", [1, 3])
def test_ridge_grid_is_the_true_leave_one_out_error(k: int) -> None:
    network = random_network(n=20, m=4, k=k, p=30, seed=5)
    problem = problem_of(network)
    choice = ridge.choose_ridge(problem.gram, problem.residual)
    for size, error in list(zip(choice.grid, choice.errors, strict=True))[6:14:3]:
        wanted = np.mean(np.sum(network.held_out_errors(size) ** 2, axis=1))
        assert error == pytest.approx(wanted, rel=1e-8)
    assert choice.ridge == choice.grid[int(np.argmin(choice.errors))]


def test_clear_errors() -> None:
    problem = problem_of(random_network(6, 3, 2, 9, 0))
    with pytest.raises(InvalidSetting, match="needs a finite ridge above 0, got 0"):
        linearized.fit(problem, Training())
    with pytest.raises(InvalidSetting, match="finite number of steps is not available yet"):
        linearized.fit(problem, Training(steps=10, ridge=1.0))
    with pytest.raises(InvalidSetting, match=r"cross must have shape \(6, 12\), got \(5, 12\)"):
        Problem(problem.gram, problem.cross[:5], problem.residual, problem.val_outputs)
    with pytest.raises(NumericalError, match="gram holds values that are not finite"):
        Problem(problem.gram * np.nan, problem.cross, problem.residual, problem.val_outputs)
    with pytest.raises(NumericalError, match="use a larger ridge"):
        _ = linearized.fit(
            Problem(-problem.gram, problem.cross, problem.residual, problem.val_outputs), Training(ridge=1e-9)
        ).coefficients
    with pytest.raises(NumericalError, match="the kernel is zero"):
        ridge.choose_ridge(np.zeros((4, 4)), np.ones((4, 1)))


def test_targets_round_trip() -> None:
    for classes in (2, 3, 10):
        labels = np.arange(30) % classes
        encoded = targets.encode(labels, classes)
        assert encoded.shape == (30, targets.num_outputs(classes))
        assert np.array_equal(targets.decode(encoded), labels)


@pytest.mark.parametrize("name", list(SCORES))
def test_every_score_keeps_the_contract(name: str) -> None:
    fit = linearized.fit(problem_of(random_network(9, 4, 3, 14, 2)), Training(ridge=0.5))
    values = find(name).compute(fit)
    assert values.shape == (9,) and values.dtype == np.float64
    assert np.isfinite(values).all() and (values >= 0).all()
    assert find(name).sentence.endswith(".") and find(name).unit


def test_unknown_score() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'weight_information'"):
        find("weight_informaton")

"""Closed forms against brute force by definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampleinfo import blocks, linearized, resolvent, spectral, targets, tuning
from sampleinfo.errors import InvalidSetting, NumericalError, UnknownName
from sampleinfo.filters import Converged, Descent, Flow, fit_poles
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.scores import find
from tests.reference import LinearNetwork, random_network, shared_network, shared_problem

pytestmark = pytest.mark.usefixtures("one_thread")
TIMES = [(None, False), (1, False), (2, False), (50, False), (2000, False), (100_000, False), (50, True), (2000, True)]


def deviation(got: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference relative to the largest value."""
    return float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted)))


def training_of(network: LinearNetwork, steps: int | None, continuous: bool, ridge: float) -> Training:
    return Training(steps, network.stable_lr(ridge), ridge, continuous)


def check_everything(network: LinearNetwork, fit: Fit, bound: float) -> None:
    """Predictions, changes, errors and coefficients of ``fit`` on the whole network, by retraining."""
    training, p = fit.training, network.jacobian.shape[2]
    full = network.train(np.arange(network.n), training)
    changes = network.weight_changes(training)
    loo, design = fit.leave_each_out(), network.jacobian.reshape(-1, p)
    assert deviation(fit.val_outputs, network.predict(full)) < bound
    assert deviation(fit.coefficients @ design, full) < bound
    assert deviation(fit.train_errors, network.held_in_errors(training)) < bound or training.ridge == 0
    assert deviation(loo.coefficient_change.T @ design, changes) < bound
    assert deviation(loo.val_change, np.einsum("jkp,ip->jki", network.val_jacobian, changes)) < bound
    assert deviation(loo.errors, network.held_out_errors(training)) < bound


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize("ridge", [0.0, 0.01, 0.5, 100.0])
@pytest.mark.parametrize(("steps", "continuous"), TIMES)
def test_every_leave_one_out_equals_retraining(k: int, ridge: float, steps: int | None, continuous: bool) -> None:
    network = random_network(n=14, m=6, k=k, p=180, seed=k)
    fit = linearized.fit(network.problem(), training_of(network, steps, continuous, ridge))
    check_everything(network, fit, 1e-9)


@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize(("steps", "continuous"), TIMES)
def test_shared_kernel_equals_retraining(ridge: float, steps: int | None, continuous: bool) -> None:
    network = shared_network(n=12, m=5, k=3, p=20, seed=1)
    fit = linearized.fit(shared_problem(network), training_of(network, steps, continuous, ridge))
    check_everything(network, fit, 1e-9)
    rest = fit.without([1, 5])
    training = fit.training
    assert deviation(rest.val_outputs, network.predict(network.without([1, 5], training))) < 1e-9


@pytest.mark.parametrize(("n", "k", "p"), [(40, 1, 7), (30, 3, 12), (12, 10, 8)])
@pytest.mark.parametrize(("steps", "ridge"), [(None, 0.1), (300, 0.0), (300, 0.1)])
def test_rank_deficient_kernels(n: int, k: int, p: int, steps: int | None, ridge: float) -> None:
    network = random_network(n=n, m=5, k=k, p=p, seed=3)
    check_everything(network, linearized.fit(network.problem(), training_of(network, steps, False, ridge)), 1e-8)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize(("steps", "continuous"), [(None, False), (3, False), (500, False), (500, True)])
@pytest.mark.parametrize("removed", [1, 2, 7, 12, 13])
def test_sets_equal_retraining(k: int, ridge: float, steps: int | None, continuous: bool, removed: int) -> None:
    network = random_network(n=14, m=6, k=k, p=70, seed=removed)
    samples = np.random.default_rng(removed).permutation(14)[:removed]
    stay = np.delete(np.arange(14), samples)
    lr = 0.1 * network.stable_lr(ridge)
    training = Training(steps, lr, ridge, continuous)
    fit = linearized.fit(network.problem(), training)
    wanted = network.predict(network.train(stay, training))
    direct = linearized.fit(network.problem().subset(stay), training)
    for _ in range(2):
        rest = fit.without(samples)
        assert deviation(rest.val_outputs, wanted) < 1e-9
        assert deviation(rest.coefficients, direct.coefficients) < 1e-8
        assert deviation(fit.keep(stay).val_outputs, wanted) < 1e-9
        fit.leave_each_out().errors  # noqa: B018 - the second round has the inverse
    if removed < 13:
        loo = fit.without(samples).leave_each_out()
        assert deviation(loo.val_change, direct.leave_each_out().val_change) < 1e-8
        first, rest = samples[:1], np.setdiff1d(samples, samples[:1])
        there = np.searchsorted(np.delete(np.arange(14), first), rest)
        assert deviation(fit.without(first).without(there).val_outputs, wanted) < 1e-9


@pytest.mark.parametrize(("steps", "ridge"), [(None, 0.5), (40, 0.0)])
def test_relabel_equals_retraining(steps: int | None, ridge: float) -> None:
    network = random_network(n=12, m=5, k=3, p=60, seed=2)
    training = Training(steps, 0.1 * network.stable_lr(ridge), ridge)
    wanted = np.random.default_rng(0).normal(size=(3, 3))
    other = network.relabelled([1, 7, 4], wanted)
    fit = linearized.fit(network.problem(), training)
    changed = fit.relabel([1, 7, 4], wanted)
    assert deviation(changed.val_outputs, other.predict(other.train(np.arange(12), training))) < 1e-9
    assert deviation(changed.problem.residual, other.problem().residual) < 1e-14
    assert deviation(changed.problem.targets, other.targets) < 1e-14
    rest = changed.without([0, 7])
    assert deviation(rest.val_outputs, other.predict(other.without([0, 7], training))) < 1e-9
    assert deviation(rest.leave_each_out().errors, fit_of(other, training, [0, 7]).leave_each_out().errors) < 1e-8
    back = changed.relabel([7, 4, 1], network.targets[[7, 4, 1]])
    assert deviation(back.val_outputs, fit.val_outputs) < 1e-12


def fit_of(network: LinearNetwork, training: Training, left_out: list[int]) -> Fit:
    return linearized.fit(network.problem().subset(np.delete(np.arange(network.n), left_out)), training)


seeds, outputs = st.integers(0, 10_000), st.sampled_from([1, 3])
trainings = st.sampled_from([(None, 0.3), (30, 0.0), (30, 0.3)])


@settings(deadline=None, max_examples=30)
@given(seeds, outputs, trainings)
def test_order_of_samples_does_not_matter(seed: int, k: int, how: tuple[int | None, float]) -> None:
    network = random_network(n=12, m=4, k=k, p=45, seed=seed)
    order = np.random.default_rng(seed).permutation(12)
    shuffled = replace(
        network, jacobian=network.jacobian[order], targets=network.targets[order], outputs=network.outputs[order]
    )
    training = training_of(network, how[0], False, how[1])
    one, other = (linearized.fit(net.problem(), training).leave_each_out() for net in (network, shuffled))
    assert deviation(other.val_change, one.val_change[:, :, order]) < 1e-8


@settings(deadline=None, max_examples=30)
@given(seeds, outputs, trainings)
def test_keeping_the_complement_is_leaving_out(seed: int, k: int, how: tuple[int | None, float]) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(n=12, m=4, k=k, p=45, seed=seed)
    fit = linearized.fit(network.problem(), Training(how[0], 0.1 * network.stable_lr(how[1]), how[1]))
    samples = rng.permutation(12)[: rng.integers(1, 12)]
    stay = np.setdiff1d(np.arange(12), samples)
    assert deviation(fit.keep(stay).val_outputs, fit.without(samples).val_outputs) < 1e-9
    order = rng.permutation(len(stay))
    assert deviation(fit.keep(stay[order]).coefficients.reshape(-1, k), by_sample(fit.keep(stay), k)[order]) < 1e-9


def by_sample(fit: Fit, k: int) -> np.ndarray:
    return fit.coefficients.reshape(-1, k)


@settings(deadline=None, max_examples=30)
@given(seeds, outputs, trainings)
def test_relabelling_is_additive(seed: int, k: int, how: tuple[int | None, float]) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(n=12, m=4, k=k, p=45, seed=seed)
    fit = linearized.fit(network.problem(), training_of(network, how[0], False, how[1]))
    samples, cut = rng.permutation(12)[:6], int(rng.integers(1, 6))
    wanted = rng.normal(size=(6, k))
    both = fit.relabel(samples, wanted)
    first, second = fit.relabel(samples[:cut], wanted[:cut]), fit.relabel(samples[cut:], wanted[cut:])
    moved = (first.val_outputs - fit.val_outputs) + (second.val_outputs - fit.val_outputs)
    assert deviation(both.val_outputs - fit.val_outputs, moved) < 1e-9
    again = first.relabel(samples[cut:], wanted[cut:])
    assert deviation(again.val_outputs, both.val_outputs) < 1e-9


def test_mirror_of_a_large_matrix() -> None:
    upper = np.triu(np.random.default_rng(0).normal(size=(1100, 1100)))
    full = upper + np.triu(upper, 1).T
    noisy = upper + np.tril(np.ones_like(upper), -1)
    assert np.array_equal(resolvent._mirror(noisy), full)


@pytest.mark.parametrize("function", [
    Descent(0.0, 1.0e-3, 300), Descent(0.5, 1.9e-3, 50), Descent(0.0, 1e-3, 4), Descent(2.0, 1.9e-3, 2000),
    Flow(0.0, 1e-3, 300), Flow(1.0, 1e-3, 1e5), Converged(0.3),
])  # fmt: skip
@pytest.mark.parametrize("low", [0.0, 1e-6, 1.0])
def test_poles_reproduce_the_filter(function: Descent | Flow | Converged, low: float) -> None:
    eigenvalues = np.concatenate([[low], np.geomspace(max(low, 1e-9), 1000.0, 40)])
    poles = fit_poles(function, eigenvalues)
    points = np.random.default_rng(0).uniform(low, 1000.0, 500)
    points = np.concatenate([points, np.geomspace(max(low, 1e-9), 1000.0, 500), eigenvalues])
    terms = (poles.residues / (points[:, None] - poles.places)).sum(axis=1).real + poles.constant
    assert poles.error < 1e-11
    assert np.max(np.abs(terms - function(points)) / function.size(points)) < 1e-11


def test_descent_with_small_steps_is_flow() -> None:
    x = np.geomspace(1e-6, 10.0, 50)
    assert np.allclose(Descent(0.1, 1e-7, 10_000_000)(x), Flow(0.1, 1e-7, 10_000_000)(x), rtol=1e-5)
    assert Descent(0.0, 0.1, 7)(np.zeros(1))[0] == pytest.approx(0.7)
    assert Flow(0.0, 0.1, 7)(np.zeros(1))[0] == pytest.approx(0.7)


def test_fall_back_is_announced_and_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral.Spectral.__init__, "__defaults__", (0.0,))
    network = random_network(n=9, m=4, k=2, p=40, seed=0)
    fit = linearized.fit(network.problem(), training_of(network, 37, False, 0.1))
    with pytest.warns(RuntimeWarning, match="an eigendecomposition of its own"):
        fit.leave_each_out().coefficient_change  # noqa: B018
    check_everything(network, fit, 1e-9)


def test_a_rate_that_is_stable_only_with_all_samples_is_solved_one_by_one() -> None:
    network = random_network(n=6, m=4, k=1, p=40, seed=0)
    training = Training(20, 2 * network.stable_lr(0.0) * 6 / 5 * 0.99)
    with pytest.warns(RuntimeWarning, match="takes far longer"):
        try:
            check_everything(network, linearized.fit(network.problem(), training), 1e-9)
        except InvalidSetting as error:
            assert "with 5 training images" in str(error)


def test_too_large_rates_name_the_largest_stable_one() -> None:
    network = random_network(n=10, m=4, k=1, p=40, seed=0)
    largest = np.linalg.eigvalsh(network.problem().gram)[-1]
    stable = 2 * 10 / (largest + 0.5)
    linearized.fit(network.problem(), Training(5, 0.999 * stable, 0.5))
    with pytest.raises(InvalidSetting, match=rf"diverges: with 10 training images .* must stay below {stable:.4g}"):
        linearized.fit(network.problem(), Training(5, 1.001 * stable, 0.5))
    linearized.fit(network.problem(), Training(5, 1.001 * stable, 0.5, continuous=True))
    fit = linearized.fit(network.problem(), Training(5, 0.9 * stable, 0.5))
    with pytest.raises(InvalidSetting, match="diverges: with 1 training images"):
        _ = fit.keep([int(np.argmax(np.diag(network.problem().gram)))]).val_outputs


def training_grid_error(network: LinearNetwork, training: Training) -> float:
    return float(np.mean(np.sum(network.held_out_errors(training) ** 2, axis=1)))


@pytest.mark.parametrize("k", [1, 3])
def test_ridge_grid_is_the_true_leave_one_out_error(k: int) -> None:
    network = random_network(n=20, m=4, k=k, p=30, seed=5)
    problem = network.problem()
    data = tuning.Data(problem.gram, problem.residual.reshape(-1, 1), k)
    choice = tuning.choose_ridge(data)
    for size, error in list(zip(choice.grid, choice.errors, strict=True))[6:14:3]:
        assert error == pytest.approx(training_grid_error(network, Training(ridge=size)), rel=1e-8)
    assert choice.value == choice.grid[int(np.argmin(choice.errors))]
    assert Training.auto(problem) == Training(ridge=choice.value)


def test_steps_are_chosen_by_the_true_error() -> None:
    network = random_network(n=12, m=6, k=2, p=30, seed=6)
    problem = network.problem()
    chosen = Training.auto(problem, choose="steps", ridge=0.1)
    tried = [replace(chosen, steps=steps) for steps in tuning.STEPS if steps <= 100_000]
    errors = [training_grid_error(network, each) for each in tried]
    assert chosen.lr == pytest.approx(network.stable_lr(0.1))
    assert training_grid_error(network, chosen) == pytest.approx(min(errors), rel=1e-6)
    validated = Training.auto(problem, choose="steps", by="validation", lr=0.5 * chosen.lr)
    assert problem.val_targets is not None
    losses = [
        np.sum((problem.val_targets - network.predict(network.train(np.arange(12), replace(validated, steps=t)))) ** 2)
        for t in tuning.STEPS
    ]
    assert validated.steps == tuning.STEPS[int(np.argmin(losses))]
    by_validation = Training.auto(problem, by="validation")
    losses = [
        np.sum((problem.val_targets - network.predict(network.train(np.arange(12), Training(ridge=x)))) ** 2)
        for x in tuning.RIDGES * np.trace(problem.gram) / 24
    ]
    assert by_validation.ridge == pytest.approx((tuning.RIDGES * np.trace(problem.gram) / 24)[int(np.argmin(losses))])


def test_auto_errors() -> None:
    problem = random_network(6, 3, 2, 20, 0).problem()
    with pytest.raises(InvalidSetting, match="by must be 'leave-one-out' or 'validation', got 'luck'"):
        Training.auto(problem, by="luck")  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="choose must be 'ridge' or 'steps', got 'lr'"):
        Training.auto(problem, choose="lr")  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="needs val_targets"):
        Training.auto(replace(problem, val_targets=None), by="validation")
    with pytest.raises(InvalidSetting, match="it must stay below"):
        Training.auto(problem, choose="steps", lr=1e9)
    with pytest.raises(NumericalError, match="the kernel is zero"):
        Training.auto(replace(problem, gram=np.zeros_like(problem.gram)))


def test_clear_errors() -> None:
    problem = random_network(6, 3, 2, 9, 0).problem()
    for bad, words in (
        ({"steps": 0}, "steps must be a whole number, at least 1, or None .* got 0"),
        ({"steps": 2.5}, "steps must be a whole number, at least 1, or None .* got 2.5"),
        ({"steps": float("nan")}, "steps must be a whole number, at least 1, or None .* got nan"),
        ({"steps": 0.0, "continuous": True}, "steps of gradient flow must be a finite time above 0, got 0"),
        ({"steps": 5, "lr": 0.0}, "lr must be a finite number above 0, got 0"),
        ({"ridge": -1.0}, "ridge must be a finite number, 0 or above; got -1"),
        ({"ridge": float("nan")}, "ridge must be a finite number, 0 or above; got nan"),
    ):
        with pytest.raises(InvalidSetting, match=words):
            Training(**bad)
    with pytest.raises(InvalidSetting, match=r"cross must have shape \(6, 12\), got \(5, 12\)"):
        replace(problem, cross=problem.cross[:5])
    with pytest.raises(NumericalError, match="gram holds values that are not finite"):
        replace(problem, gram=problem.gram * np.nan)
    with pytest.raises(InvalidSetting, match="gram must be symmetric"):
        replace(problem, gram=np.tril(problem.gram))
    with pytest.raises(NumericalError, match=r"gram is not a kernel: its eigenvalues go from -\d"):
        linearized.fit(replace(problem, gram=problem.gram - 3.0 * np.eye(12)), Training(5, 1e-3))
    with pytest.raises(NumericalError, match="residual holds values that are not finite"):
        replace(problem, residual=problem.residual * np.inf)
    with pytest.raises(NumericalError, match="use a larger ridge"):
        _ = linearized.fit(replace(problem, gram=-problem.gram), Training(ridge=1e-9)).coefficients
    fit = linearized.fit(problem, Training(ridge=1.0))
    for bad_indices, words in (
        ([6], "indices must be between 0 and 5, got 6 to 6"),
        ([-1], "indices must be between 0 and 5"),
        ([1, 1], "an index is given twice"),
        ([0.5], "indices must be a list of whole numbers"),
        (np.zeros(3, dtype=bool), "a mask must have 6 entries"),
    ):
        with pytest.raises(InvalidSetting, match=words):
            fit.without(bad_indices)
    with pytest.raises(InvalidSetting, match=r"targets must have shape \(1, 2\), got \(1, 3\)"):
        fit.relabel([0], [[1.0, 2.0, 3.0]])
    with pytest.raises(InvalidSetting, match="targets hold values that are not finite"):
        fit.relabel([0], [[1.0, np.nan]])
    with pytest.raises(InvalidSetting, match=r"Problem\(\.\.\., targets=Y\)"):
        linearized.fit(replace(problem, targets=None), Training(ridge=1.0)).relabel([0], [[1.0, 2.0]])


def test_short_times_and_single_precision() -> None:
    network = random_network(10, 4, 2, 60, 0)
    training = Training(0.37, network.stable_lr(0.1), 0.1, continuous=True)
    check_everything(network, linearized.fit(network.problem(), training), 1e-9)
    problem = network.problem()
    names = ("gram", "cross", "residual", "val_outputs")
    single = replace(problem, **{name: getattr(problem, name).astype(np.float32) for name in names})
    assert single.gram.dtype == np.float64
    rounded = linearized.fit(single, Training(ridge=1.0)).leave_each_out()
    assert (
        deviation(rounded.val_change, linearized.fit(problem, Training(ridge=1.0)).leave_each_out().val_change) < 1e-4
    )


@pytest.mark.parametrize("columns", [1, 6])
def test_products_in_every_memory_order(columns: int) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(8, 10)), rng.normal(size=(10, 2 * columns))[:, ::2]
    for left in (first, np.asfortranarray(first), rng.normal(size=(16, 10))[::2], first[:, ::-1]):
        for right in (second, np.asfortranarray(second), second.copy()):
            got = blocks.product(left, right)
            assert got.shape == (8, columns) and np.allclose(got, np.einsum("ij,jk->ik", left, right))
    assert blocks.product(first[:0], second).shape == (0, columns)
    square = first @ first.T
    for each in (square, np.asfortranarray(square)):
        assert blocks.norm(each) == pytest.approx(np.abs(square).sum(axis=1).max(), rel=1e-14)
    assert blocks.norm(square[:0, :0]) == 0.0
    assert np.array_equal(blocks.product(first[:, :0], second[:0]), np.zeros((8, columns)))


def test_masks_and_empty_sets() -> None:
    network = random_network(6, 3, 2, 20, 0)
    fit = linearized.fit(network.problem(), Training(ridge=1.0))
    mask = np.array([True, False, True, False, False, False])
    assert np.array_equal(fit.without(mask).val_outputs, fit.without([0, 2]).val_outputs)
    assert np.array_equal(fit.without([]).val_outputs, fit.val_outputs)
    assert np.array_equal(fit.keep([]).val_outputs, network.val_outputs)
    assert fit.keep([]).coefficients.shape == (0,)


@pytest.mark.parametrize(("steps", "ridge"), [(None, 0.4), (20, 0.0)])
def test_the_only_sample(steps: int | None, ridge: float) -> None:
    network = random_network(1, 3, 2, 9, 0)
    fit = linearized.fit(network.problem(), training_of(network, steps, False, ridge))
    assert deviation(fit.leave_each_out().val_change[:, :, 0], fit.val_outputs - network.val_outputs) < 1e-12
    assert deviation(fit.leave_each_out().errors, network.targets - network.outputs) < 1e-12


def test_singular_kernels_need_a_ridge_or_an_end() -> None:
    network = random_network(8, 3, 2, 9, 0)
    with pytest.raises(NumericalError, match=r"singular.*use a ridge above 0 .* or a finite number of steps"):
        _ = linearized.fit(network.problem(), Training()).coefficients
    check_everything(network, linearized.fit(network.problem(), training_of(network, 100, False, 0.0)), 1e-8)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-60, 1e-12, 1e12, 1e60, 1e150, 1e300])
@pytest.mark.parametrize("steps", [None, 50])
def test_scales(scale: float, steps: int | None) -> None:
    network = random_network(10, 4, 2, 60, 0)
    problem = network.problem()
    lr = network.stable_lr(0.0)
    plain = linearized.fit(problem, Training(steps, lr, ridge=0.1)).leave_each_out()
    scaled_problem = replace(problem, gram=problem.gram * scale, cross=problem.cross * scale)
    scaled = linearized.fit(scaled_problem, Training(steps, lr / scale, ridge=0.1 * scale)).leave_each_out()
    assert deviation(scaled.val_change, plain.val_change) < 1e-9
    assert deviation(scaled.errors, plain.errors) < 1e-9


def test_targets_round_trip() -> None:
    for classes in (2, 3, 10):
        labels = np.arange(30) % classes
        encoded = targets.encode(labels, classes)
        assert encoded.shape == (30, targets.num_outputs(classes))
        assert np.array_equal(targets.decode(encoded), labels)


def test_unknown_score() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'weight_information'"):
        find("weight_informaton")


def test_problem_shapes() -> None:
    problem = random_network(5, 3, 2, 9, 0).problem()
    assert (problem.n, problem.k, problem.m, problem.rows) == (5, 2, 3, 2)
    with pytest.raises(InvalidSetting, match="residual must have two dimensions"):
        Problem(problem.gram, problem.cross, problem.residual.ravel(), problem.val_outputs)

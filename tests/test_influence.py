"""Influence functions against dense solves, and against what they are the first order of."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from sampleinfo import descent, influence, models
from sampleinfo.curvature import curvature_of
from sampleinfo.descent import Task
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.influence import Influence
from sampleinfo.jacobians import all_coordinates, jacobian_rows
from sampleinfo.recipe import Recipe
from sampleinfo.types import FloatArray

N, M, FEATURES = 12, 7, 5
EVERY = np.arange(N)


def task_of(module: nn.Module, k: int, shape: tuple[int, ...] = (FEATURES,), seed: int = 0) -> Task:
    """Random inputs and targets in float64."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(N + M, *shape, generator=generator, dtype=torch.float64)
    targets = torch.randn(N, k, generator=generator, dtype=torch.float64)
    module = module.double().eval()
    names = descent.trained_names(module, all_coordinates(module))
    return Task(module, lambda rows: images[rows], targets, N + M, names, chunk=5)


def mlp(k: int) -> Task:
    torch.manual_seed(k)
    return task_of(nn.Sequential(nn.Linear(FEATURES, 6), nn.Tanh(), nn.Linear(6, k)), k)


def conv(k: int) -> Task:
    torch.manual_seed(k)
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3, stride=2)]
    return task_of(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, k)), k, (2, 6, 6))


class Attention(nn.Module):
    """Its fused forms have no derivative forward."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.inside, self.head = nn.MultiheadAttention(FEATURES, 1, batch_first=True), nn.Linear(FEATURES, k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.inside(x, x, x, need_weights=False)[0].mean(1))


def attention(k: int) -> Task:
    torch.manual_seed(k)
    return task_of(Attention(k), k, (3, FEATURES))


def rows_at(task: Task, weights: descent.Weights, rows: np.ndarray) -> FloatArray:
    """(b, k, p) Jacobian at other weights than the network's."""
    before = {name: value.detach().clone() for name, value in task.module.named_parameters()}
    coordinates = [each for each in all_coordinates(task.module) if each.name in task.names]
    task.module.load_state_dict(weights, strict=False)
    found = jacobian_rows(task.module, task.images(rows), coordinates).numpy()
    task.module.load_state_dict(before, strict=False)
    return found


def dense(task: Task, weights: descent.Weights, damping: float) -> tuple[FloatArray, FloatArray]:
    """(m, k, n) prediction and (p, n) weight changes of every sample by explicit matrices."""
    train, val = rows_at(task, weights, EVERY), rows_at(task, weights, np.arange(N, N + M))
    errors = (task.outputs(weights, EVERY) - task.targets).numpy()
    gauss_newton = np.einsum("jkp,jkq->pq", train, train) + damping * np.eye(train.shape[2])
    moved = np.linalg.solve(gauss_newton, np.einsum("ikp,ik->pi", train, errors))
    return -val @ moved, -moved


def compare(found: Influence, task: Task, weights: descent.Weights, damping: float, rtol: float) -> None:
    """Prediction changes within ``rtol`` of the largest; weight changes likewise."""
    val_change, weight_change = dense(task, weights, damping)
    np.testing.assert_allclose(found.changes.val_change, val_change, rtol=0, atol=rtol * np.abs(val_change).max())
    np.testing.assert_allclose(found.changes.weight_change, (weight_change**2).sum(axis=0), rtol=rtol)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("network", [mlp, conv, attention])
def test_conjugate_gradients_solve_the_dense_system(network, k: int, one_thread: None) -> None:
    task, recipe = network(k), Recipe(30, 0.1, ridge=0.2)
    weights, damping = descent.train(task, recipe), influence.damping_of(recipe, N)
    found = influence.conjugate_gradients(task, weights, EVERY, damping, tolerance=1e-11)
    compare(found, task, weights, damping, rtol=1e-8)
    assert 0 < found.residual < 2e-11
    assert 1 < found.iterations <= 60


def test_only_the_trained_tensors_move(one_thread: None) -> None:
    """The rest of the network is a constant, and the order of the weights does not matter."""
    whole = mlp(2)
    task = replace(whole, names=whole.names[2:])
    weights = dict(reversed(descent.train(task, Recipe(20, 0.1)).items()))
    compare(influence.conjugate_gradients(task, weights, EVERY, 0.5, tolerance=1e-11), task, weights, 0.5, rtol=1e-8)


def test_rows_are_independent_and_in_the_order_asked_for(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """However few systems fit the memory at a time."""
    task = mlp(2)
    weights = task.initial()
    whole = influence.conjugate_gradients(task, weights, EVERY, 0.3, tolerance=1e-10)
    numbers = sum(value.numel() for value in weights.values())
    monkeypatch.setattr(influence, "BUDGET", 2 * influence.VECTORS * numbers)
    rows, said = np.array([7, 0, 11, 7, 3]), list[tuple[str, float, float]]()
    some = influence.conjugate_gradients(
        task, weights, rows, 0.3, tolerance=1e-10, report=lambda *each: said.append(each)
    )
    np.testing.assert_allclose(some.changes.val_change, whole.changes.val_change[:, :, rows], atol=1e-9)
    np.testing.assert_allclose(some.changes.weight_change, whole.changes.weight_change[rows], rtol=1e-8)
    assert {(stage, total) for stage, _, total in said} == {("influence", len(rows))}
    done = [each for _, each, _ in said]
    assert done == sorted(done) and done[-1] == len(rows)


def test_no_rows_and_no_validation_images(one_thread: None) -> None:
    task = mlp(3)
    for method in (influence.conjugate_gradients, influence.lissa):
        nothing = method(task, task.initial(), np.zeros(0, dtype=np.int64), 0.3)
        assert nothing.changes.val_change.shape == (M, 3, 0)
        assert nothing.residual == 0
    alone = influence.conjugate_gradients(replace(task, total=N), task.initial(), EVERY, 0.3)
    assert alone.changes.val_change.shape == (0, 3, N)


def test_tolerance(one_thread: None) -> None:
    """Fewer iterations for a coarser one; what is reported is the residual that was reached."""
    task = mlp(3)
    weights, used = task.initial(), []
    for tolerance in (1e-2, 1e-5, 1e-8):
        found = influence.conjugate_gradients(task, weights, EVERY, 0.05, tolerance=tolerance)
        assert tolerance / 1e4 < found.residual <= tolerance * 1.001
        used.append(found.iterations)
    assert used[0] < used[1] < used[2]
    stopped = influence.conjugate_gradients(task, weights, EVERY, 0.05, iterations=3, tolerance=1e-8)
    assert stopped.iterations == 3 and stopped.residual > 1e-3


def test_float32(one_thread: None) -> None:
    """Also with a tolerance that single precision cannot meet."""
    exact = mlp(3)
    images, targets = exact.images, exact.targets.float()
    task = replace(exact, module=exact.module.float(), images=lambda rows: images(rows).float(), targets=targets)
    weights = task.initial()
    for tolerance in (1e-5, 1e-20):
        found = influence.conjugate_gradients(task, weights, EVERY, 0.3, tolerance=tolerance)
        assert found.residual < 1e-5
        assert np.isfinite(found.changes.val_change).all()
    task.module.double()
    compare(found, exact, {name: value.double() for name, value in weights.items()}, 0.3, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 3])
def test_lissa_goes_to_the_dense_solution(k: int, one_thread: None) -> None:
    """Without noise where a batch holds every image; otherwise within 10 percent of the largest change."""
    task = mlp(k)
    weights = descent.train(task, Recipe(30, 0.1))
    whole = influence.lissa(task, weights, EVERY[:4], 2.0, steps=200)
    assert whole.iterations == 200 and whole.residual < 1e-6
    val_change, weight_change = dense(task, weights, 2.0)
    np.testing.assert_allclose(whole.changes.val_change, val_change[:, :, :4], rtol=0, atol=1e-5)
    np.testing.assert_allclose(whole.changes.weight_change, (weight_change**2).sum(axis=0)[:4], rtol=1e-5)
    rows = np.array([2, 5])
    noisy = influence.lissa(task, weights, rows, 2.0, steps=100, batch_size=6, repeats=8, seed=1)
    val_change = val_change[:, :, rows]
    np.testing.assert_allclose(noisy.changes.val_change, val_change, rtol=0, atol=0.1 * np.abs(val_change).max())
    assert 1e-6 < noisy.residual < 0.3


def test_lissa_repeats_itself_and_averages(one_thread: None) -> None:
    task, rows = mlp(1), np.array([4, 9])

    def run(seed: int, repeats: int = 1) -> Influence:
        return influence.lissa(task, task.initial(), rows, 2.0, steps=40, batch_size=5, repeats=repeats, seed=seed)

    np.testing.assert_array_equal(run(0).changes.val_change, run(0).changes.val_change)
    assert (run(0).changes.val_change != run(1).changes.val_change).any()
    assert run(0, repeats=6).residual < run(0).residual


def ridge_solution(task: Task, ridge: float, kept: np.ndarray) -> descent.Weights:
    """Weights of a linear layer without bias trained to convergence on ``kept``, pulled towards the initial ones."""
    (name,) = task.names
    x, initial = task.images(kept), task.initial()[name]
    normal = x.T @ x + ridge * torch.eye(FEATURES, dtype=x.dtype)
    return {name: torch.linalg.solve(normal, x.T @ task.targets[kept] + ridge * initial.T).T}


def test_first_order_of_the_exact_change_of_a_linear_network(one_thread: None) -> None:
    """Influence is exactly 1 - leverage times the change of a linear network, so close to it at small leverages."""
    ridge, task = 0.7, task_of(nn.Linear(FEATURES, 1, bias=False), 1)
    weights, val = ridge_solution(task, ridge, EVERY), np.arange(N, N + M)
    found = influence.conjugate_gradients(task, weights, EVERY, ridge, tolerance=1e-13).changes
    x = task.images(EVERY).numpy()
    leverage = np.einsum("ip,ip->i", x, np.linalg.solve(x.T @ x + ridge * np.eye(FEATURES), x.T).T)
    assert leverage.min() < 0.15 and leverage.max() > 0.4
    for i in EVERY:
        without = ridge_solution(task, ridge, np.delete(EVERY, i))
        exact = (task.outputs(weights, val) - task.outputs(without, val)).numpy()
        np.testing.assert_allclose(found.val_change[:, :, i], (1 - leverage[i]) * exact, rtol=1e-9, atol=1e-13)
        distance = descent.squared_distance(weights, without)
        np.testing.assert_allclose(found.weight_change[i], (1 - leverage[i]) ** 2 * distance, rtol=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 0.8])
def test_stopping_early_is_like_the_damping(ridge: float, one_thread: None) -> None:
    """Along every eigenvector real training moves 1 to 1.3 times as far as the ridge solution with that damping."""
    recipe, task = Recipe(150, 0.02, ridge=ridge), task_of(nn.Linear(FEATURES, 1, bias=False), 1)
    (name,) = task.names
    initial = task.initial()
    trained = (descent.train(task, recipe)[name] - initial[name]).numpy()
    solution = (ridge_solution(task, influence.damping_of(recipe, N), EVERY)[name] - initial[name]).numpy()
    x = task.images(EVERY).numpy()
    basis = np.linalg.eigh(x.T @ x)[1]
    ratio = (trained @ basis) / (solution @ basis)
    assert (ratio > 1).all() and (ratio < 1.31).all()
    assert influence.damping_of(Recipe(300, 0.01, ridge=2.0), 250) == pytest.approx(2 + 250 / 3)


@pytest.mark.parametrize("method", [influence.conjugate_gradients, partial(influence.lissa, steps=50)])
def test_a_sample_without_error_changes_nothing(method, one_thread: None) -> None:
    task = mlp(2)
    weights, targets = task.initial(), task.targets.clone()
    targets[3] = task.outputs(weights, np.array([3]))[0]
    targets[5] = task.outputs(weights, np.array([5]))[0] + 1e-200
    found = method(replace(task, targets=targets), weights, np.array([3, 4]), 0.5)
    assert (found.changes.val_change[:, :, 0] == 0).all() and found.changes.weight_change[0] == 0
    assert found.changes.weight_change[1] > 0 and np.isfinite(found.residual)
    alone = method(replace(task, targets=targets), weights, np.array([3]), 0.5)
    assert alone.residual == 0 and alone.changes.weight_change[0] == 0


def test_resnet(one_thread: None) -> None:
    """BatchNorm with running statistics, activations in place: products against those with explicit Jacobians."""
    module = models.load(models.find("resnet20"), 1, 0).module.double()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64)
    names = tuple(name for name, _ in module.named_parameters())
    task = Task(module, lambda rows: images[rows], torch.ones(4, 1, dtype=torch.float64), 6, names, chunk=3)
    weights = task.initial()
    curvature = curvature_of(task, weights, 0.4)
    vectors = torch.randn(2, curvature.p, generator=generator, dtype=torch.float64)
    moved = curvature.outputs(vectors, np.arange(4))
    jacobian = jacobian_rows(module, images[:4], all_coordinates(module))
    np.testing.assert_allclose(moved, torch.einsum("bkp,cp->bkc", jacobian, vectors).detach().numpy(), rtol=1e-9)
    energy = (vectors * curvature.product(vectors)).sum(1).numpy()
    np.testing.assert_allclose(energy, (moved**2).sum((0, 1)) + 0.4 * vectors.square().sum(1).numpy(), rtol=1e-9)
    found = influence.conjugate_gradients(task, weights, np.array([1]), 0.4)
    assert found.residual < 1.001e-4 and found.changes.weight_change[0] > 0


def test_nothing_of_the_process_is_left_changed(one_thread: None) -> None:
    task = attention(1)
    influence.conjugate_gradients(task, task.initial(), EVERY, 0.5)
    assert torch.is_grad_enabled() and torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()
    assert all(value.grad is None for value in task.module.parameters())


@pytest.mark.parametrize("method", [influence.conjugate_gradients, influence.lissa])
def test_settings_that_cannot_be(method) -> None:
    task = mlp(1)
    weights = task.initial()
    for damping in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InvalidSetting, match=f"damping must be a finite number above 0, got {damping}"):
            method(task, weights, EVERY, damping)
    for rows, got in (([12], "12"), ([3, -1], "-1")):
        with pytest.raises(InvalidSetting, match=rf"between 0 and 11, .* training images; got {got}"):
            method(task, weights, np.array(rows), 1.0)
    for rows in (np.array([0.5]), np.zeros((2, 1), dtype=np.int64), np.ones(12, dtype=bool)):
        with pytest.raises(InvalidSetting, match=r"rows must be a list of whole numbers, got .* of shape"):
            method(task, weights, rows, 1.0)
    with pytest.raises(InvalidSetting, match=r"those of the 4 tensors that are trained; .* 2\.bias"):
        method(task, {name: weights[name] for name in task.names[:3]}, EVERY, 1.0)
    with pytest.raises(InvalidSetting, match=r"the network is in training mode; .* call eval\(\) first"):
        method(replace(task, module=nn.Sequential(*task.module)), weights, EVERY, 1.0)


def test_settings_of_one_method() -> None:
    task = mlp(1)
    for tolerance in (0.0, 1.0, np.nan):
        with pytest.raises(InvalidSetting, match=f"tolerance must be above 0 and below 1, got {tolerance}"):
            influence.conjugate_gradients(task, task.initial(), EVERY, 1.0, tolerance=tolerance)
    with pytest.raises(InvalidSetting, match="iterations must be at least 1, got 0"):
        influence.conjugate_gradients(task, task.initial(), EVERY, 1.0, iterations=0)
    for name, setting in (("steps", "steps"), ("the batch size", "batch_size"), ("repeats", "repeats")):
        with pytest.raises(InvalidSetting, match=f"{name} must be at least 1, got 0"):
            influence.lissa(task, task.initial(), EVERY, 1.0, **{setting: 0})
    with pytest.raises(InvalidSetting, match="number of training images must be at least 1, got 0"):
        influence.damping_of(Recipe(1, 0.1), 0)


def test_lissa_that_diverges_says_so(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    task = mlp(1)
    monkeypatch.setattr(influence, "_scale", lambda curvature, recipe: 2.0)
    with pytest.raises(NumericalError, match=r"LiSSA diverged at step \d+ of 1000: .* use a larger batch or a larger"):
        influence.lissa(task, task.initial(), EVERY, 1.0, batch_size=4)


def test_weights_that_have_diverged() -> None:
    task = mlp(1)
    weights = {name: value * np.inf for name, value in task.initial().items()}
    with pytest.raises(NumericalError, match="loss gradient of training image 3 is not finite at these weights"):
        influence.conjugate_gradients(task, weights, np.array([3]), 1.0)
    with pytest.raises(NumericalError, match="curvature of the loss at these weights is not finite"):
        influence.lissa(task, weights, np.array([3]), 1.0)


def test_results_beyond_the_numbers(one_thread: None) -> None:
    task = task_of(nn.Linear(FEATURES, 1, bias=False), 1)
    small = replace(task, images=lambda rows: task.images(rows) * 1e-152, targets=task.targets * 1e10)
    with pytest.raises(NumericalError, match=r"overflow with a damping of 1e-305; use a larger one"):
        influence.conjugate_gradients(small, small.initial(), EVERY, 1e-305)

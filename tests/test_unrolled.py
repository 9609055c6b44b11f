"""Real training, and information along it, against training again by definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sampleinfo import descent, retraining, segments, unrolled
from sampleinfo import recorded as recorded_run
from sampleinfo.descent import Noted, Task
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.jacobians import all_coordinates
from sampleinfo.recipe import Recipe

N, M, FEATURES = 12, 7, 5
RECIPES = {
    "full batch": Recipe(40, 0.3),
    "ridge": Recipe(40, 0.3, ridge=0.8),
    "mini-batches": Recipe(40, 0.2, batch_size=5, seed=1),
    "mini-batches with a ridge": Recipe(41, 0.2, ridge=0.8, batch_size=5, seed=1),
    "single samples": Recipe(30, 0.05, ridge=0.3, batch_size=1),
}
SETS = [np.array([i]) for i in range(N)] + [np.array([0, 3]), np.arange(2, 9), np.arange(11)]


def task_of(module: nn.Module, k: int, seed: int = 0) -> Task:
    """Random inputs and targets in float64."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(N + M, FEATURES, generator=generator, dtype=torch.float64)
    targets = torch.randn(N, k, generator=generator, dtype=torch.float64)
    module = module.double().eval()
    names = descent.trained_names(module, all_coordinates(module))
    return Task(module, lambda rows: images[rows], targets, N + M, names, chunk=5)


def recorded(task: Task, recipe: Recipe, count: int) -> tuple[unrolled.Record, unrolled.Segments, descent.Weights]:
    noted = Noted(frozenset(unrolled.middles(recipe.steps, count)))
    final = descent.train(task, recipe, noted=noted)
    checkpoints = [noted.weights[step] for step in unrolled.middles(recipe.steps, count)]
    kernels = segments.segment_kernels(task, checkpoints, final, all_coordinates(task.module))
    return unrolled.Record(recipe, N, np.stack(noted.residuals)), kernels, final


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", RECIPES)
def test_exact_where_the_network_is_linear(name: str, count: int, k: int, one_thread: None) -> None:
    """Then every segment has the same Jacobian, and nothing is approximated."""
    torch.manual_seed(k)
    task, recipe = task_of(nn.Linear(FEATURES, k), k), RECIPES[name]
    record, kernels, final = recorded(task, recipe, count)
    found = unrolled.leave_out(record, kernels, SETS)
    for column, removed in enumerate(SETS):
        without = descent.train(task, recipe, removed)
        wanted = task.val_outputs(final) - task.val_outputs(without)
        np.testing.assert_allclose(found.val_change[:, :, column], wanted, rtol=1e-9, atol=1e-12)
        distance = descent.squared_distance(final, without)
        np.testing.assert_allclose(found.weight_change[column], distance, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("name", ["full batch", "mini-batches with a ridge"])
def test_other_labels_are_exact_too(name: str, one_thread: None) -> None:
    torch.manual_seed(4)
    task, recipe = task_of(nn.Linear(FEATURES, 2), 2), RECIPES[name]
    record, kernels, final = recorded(task, recipe, 2)
    shift = np.zeros((N, 2))
    shift[[1, 5]] = [[0.5, -1.0], [2.0, 0.3]]
    other = replace(task, targets=task.targets + torch.from_numpy(shift))
    wanted = task.val_outputs(final) - task.val_outputs(descent.train(other, recipe))
    found = unrolled.relabel(record, kernels, shift)
    np.testing.assert_allclose(found.val_change[:, :, 0], wanted, rtol=1e-9, atol=1e-12)
    with pytest.raises(InvalidSetting, match=r"shift must have shape \(12, 2\), got \(12, 1\)"):
        unrolled.relabel(record, kernels, shift[:, :1])


def test_one_kernel_for_all_outputs(one_thread: None) -> None:
    """A linear layer's outputs have the same kernel and nothing in common, so that sharing it is exact."""
    torch.manual_seed(5)
    task, recipe = task_of(nn.Linear(FEATURES, 3), 3), RECIPES["mini-batches with a ridge"]
    noted = Noted(frozenset(unrolled.middles(recipe.steps, 2)))
    final = descent.train(task, recipe, noted=noted)
    checkpoints = [noted.weights[step] for step in unrolled.middles(recipe.steps, 2)]
    record = unrolled.Record(recipe, N, np.stack(noted.residuals))
    both = [
        segments.segment_kernels(task, checkpoints, final, all_coordinates(task.module), shared=shared)
        for shared in (False, True)
    ]
    assert both[1].gram.shape == (2 * N, 2 * N)
    full, shared = (unrolled.leave_out(record, each, SETS) for each in both)
    np.testing.assert_allclose(shared.val_change, full.val_change, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shared.weight_change, full.weight_change, rtol=1e-9, atol=1e-14)


def deep() -> nn.Module:
    torch.manual_seed(6)
    return nn.Sequential(nn.Linear(FEATURES, 30), nn.Tanh(), nn.Linear(30, 1))


def test_more_segments_come_nearer_to_retraining(one_thread: None, tmp_path: Path) -> None:
    """Far from the initial weights; and the number of segments that is chosen is good enough."""
    task, recipe = task_of(deep(), 1), Recipe(400, 0.1)
    sets = [np.array([i]) for i in range(N)]
    run = recorded_run.record(task, recipe, tmp_path)
    truth = retraining.retrain(task, recipe, run.final, sets)
    errors = []
    for count in (1, 8):
        found = recorded_run.choose_segments(task, run, all_coordinates(task.module), count)
        changes = unrolled.leave_each_out(run.record, found.segments)
        errors.append(np.linalg.norm(changes.val_change - truth.val_change) / np.linalg.norm(truth.val_change))
    assert errors[1] < 0.8 * errors[0] and errors[1] < 0.2  # what is left: one of twelve is not a small change
    chosen = recorded_run.choose_segments(task, run, all_coordinates(task.module))
    assert chosen.deviation is not None and chosen.segments.count in (2, 4, 8)
    changes = unrolled.leave_each_out(run.record, chosen.segments)
    r = np.corrcoef(changes.functional_information(), truth.functional_information())[0, 1]
    assert r > 0.98
    again = recorded_run.record(task, recipe, tmp_path)  # kept: nothing is trained
    assert descent.squared_distance(again.final, run.final) == 0


def test_the_network_is_as_before(one_thread: None) -> None:
    task = task_of(deep(), 1)
    before = task.initial()
    recorded(task, RECIPES["full batch"], 3)
    assert descent.squared_distance(before, task.initial()) == 0


@pytest.mark.parametrize("name", RECIPES)
def test_runs_side_by_side_are_the_same_runs(name: str, one_thread: None) -> None:
    task, recipe = task_of(deep(), 1), RECIPES[name]
    sets = [np.array([2]), np.array([0, 3, 4]), np.arange(11)]
    for removed, found in zip(sets, descent.train_together(task, recipe, sets), strict=True):
        alone = descent.train(task, recipe, removed)
        assert descent.squared_distance(alone, found) < 1e-20
        assert descent.squared_distance(alone, task.initial()) > 1e-6


def test_training_is_gradient_descent(one_thread: None) -> None:
    """By definition, with torch's own optimiser: the mean over the batch, and the ridge on the summed loss."""
    task, recipe = task_of(deep(), 1), RECIPES["mini-batches with a ridge"]
    module, removed = deep().double(), [1, 4]
    optimiser = torch.optim.SGD(module.parameters(), recipe.lr)
    start = [each.detach().clone() for each in module.parameters()]
    for batch in recipe.batches(N):
        rows = [int(i) for i in batch if i not in removed]
        optimiser.zero_grad()
        error = module(task.images(np.array(rows))) - task.targets[rows]
        pull = sum(((a - b) ** 2).sum() for a, b in zip(module.parameters(), start, strict=True))
        (error.square().sum() / 2 / len(rows) + recipe.ridge / 2 / (N - 2) * pull).backward()
        optimiser.step()
    found = descent.train(task, recipe, removed)
    wanted = {name: value.detach() for name, value in module.named_parameters()}
    assert descent.squared_distance(found, wanted) < 1e-20


def test_every_sample_is_seen_once_before_any_is_seen_twice() -> None:
    recipe = Recipe(24, 0.1, batch_size=5, seed=3)
    seen = np.concatenate(list(recipe.batches(12)))
    assert len(seen) == 120
    assert np.bincount(seen, minlength=12).tolist() == [10] * 12
    assert all(len(set(batch.tolist())) == 5 for batch in recipe.batches(12))


def test_finished_retrainings_are_kept(tmp_path: Path, one_thread: None) -> None:
    task, recipe = task_of(deep(), 1), RECIPES["full batch"]
    final, sets = descent.train(task, recipe), [np.array([1]), np.array([2]), np.array([3])]
    seen: list[float] = []

    def stop(stage: str, done: float, total: float) -> None:
        seen.append(done)
        if done >= 2:
            raise KeyboardInterrupt

    folder = retraining.Folder(tmp_path / "outcomes")
    with pytest.raises(KeyboardInterrupt):
        retraining.retrain(task, recipe, final, sets, folder, stop)
    kept = [number for number in range(3) if folder.find(number) is not None]
    whole = retraining.retrain(task, recipe, final, sets)
    if kept:
        file = folder._file(kept[0])
        file.write_bytes(file.read_bytes()[:20])  # a damaged one is done again
    again = retraining.retrain(task, recipe, final, sets, folder)
    np.testing.assert_allclose(again.val_change, whole.val_change, atol=1e-10)
    np.testing.assert_allclose(again.weight_change, whole.weight_change, rtol=1e-6)
    seen.clear()
    retraining.retrain(task, recipe, final, sets, folder, stop)
    assert not seen


def test_removals_are_spread_over_the_ranking() -> None:
    score = np.random.default_rng(0).exponential(size=100)
    rows = retraining.stratified(score, 10, seed=1)
    ranks = np.argsort(np.argsort(score))[rows]
    assert sorted(ranks // 10) == list(range(10))
    assert retraining.stratified(score, 100, seed=1).tolist() == list(range(100))
    with pytest.raises(InvalidSetting, match="between 1 and 100, got 101"):
        retraining.stratified(score, 101, seed=1)


def test_errors_say_what_is_allowed(one_thread: None) -> None:
    for wrong, words in (
        ({"steps": 0}, "steps must be at least 1, got 0"), ({"lr": 0.0}, "a finite number above 0, got 0.0"),
        ({"ridge": -1.0}, "ridge must be a finite number, 0 or above; got -1.0"),
        ({"batch_size": 0}, "batch size must be at least 1"),
    ):  # fmt: skip
        with pytest.raises(InvalidSetting, match=words):
            Recipe(**{"steps": 3, "lr": 0.1, **wrong})  # type: ignore[arg-type]
    task = task_of(deep(), 1)
    with pytest.raises(InvalidSetting, match="a batch of 13 samples does not fit 12"):
        descent.train(task, Recipe(3, 0.1, batch_size=13))
    with pytest.raises(NumericalError, match="the learning rate 1e\\+06 is too large"):
        descent.train(task_of(nn.Sequential(nn.Linear(FEATURES, 9), nn.ReLU(), nn.Linear(9, 1)), 1), Recipe(200, 1e6))
    record, kernels, _ = recorded(task, RECIPES["full batch"], 2)
    assert unrolled.leave_out(record, kernels, []).val_change.shape == (M, 1, 0)
    with pytest.raises(InvalidSetting, match="leaves nothing to train on"):
        unrolled.leave_out(record, kernels, [np.arange(N)])
    with pytest.raises(InvalidSetting, match="need kernels of 36 columns"):
        unrolled.leave_out(record, replace(kernels, count=3), SETS)
    with pytest.raises(InvalidSetting, match="between 1 and the 4 steps of the run, got 5"):
        unrolled.bounds(4, 5)

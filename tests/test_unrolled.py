"""Real training, and information along it, against training again by definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sampleinfo import descent, segments, unrolled
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

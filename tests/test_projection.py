"""Projected features: what they keep of the kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sampleinfo import projection
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.jacobians import all_coordinates, jacobian_rows

pytestmark = pytest.mark.usefixtures("one_thread")


def network(outputs: int) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16, outputs)
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize("outputs", [1, 3])
def test_between_landmarks_the_products_are_the_kernel(outputs: int) -> None:
    module, images = network(outputs), torch.randn(20, 3, 6, 6)
    coordinates = all_coordinates(module)
    found = projection.project(module, [images[:12], images[12:]], coordinates, 20 * outputs)
    rows = jacobian_rows(module, images, coordinates).flatten(0, 1).double().numpy()
    features = found.features(module, images)
    assert features.dtype == np.float32 and features.shape == (20 * outputs, found.dimension)
    np.testing.assert_allclose(features @ features.T, rows @ rows.T, atol=2e-4 * float((rows**2).sum(axis=1).max()))
    assert found.kept == pytest.approx(1, abs=1e-5)


def test_of_other_images_it_is_the_projection_onto_the_main_directions() -> None:
    module, images = network(2), torch.randn(30, 3, 6, 6)
    coordinates = all_coordinates(module)
    found = projection.project(module, [images[:20]], coordinates, 10)
    rows = jacobian_rows(module, images, coordinates).flatten(0, 1).double().numpy()
    _, sizes, directions = np.linalg.svd(rows[:40], full_matrices=False)
    wanted = rows @ directions[:10].T
    features = found.features(module, images)
    np.testing.assert_allclose(features @ features.T, wanted @ wanted.T, atol=1e-3 * float((rows**2).sum(axis=1).max()))
    assert found.dimension == 10
    assert found.kept == pytest.approx(float((sizes[:10] ** 2).sum() / (sizes**2).sum()), rel=1e-4)


def test_coordinates_stay_within_their_number_and_use_it() -> None:
    module = network(3)
    sizes = {name: tensor.numel() for name, tensor in module.named_parameters()}
    for most in (7, 40, 200, 300, sum(sizes.values()), 10**6):
        chosen = projection.budgeted(module, most, seed=1)
        counts = {each.name: len(each) for each in chosen}
        assert sum(counts.values()) <= most and set(counts) == set(sizes)
        largest = max(counts.values())
        assert all(count == min(size, largest) for count, size in zip(counts.values(), sizes.values(), strict=True))
        assert sum(min(size, largest + 1) for size in sizes.values()) > most or counts == sizes
    with pytest.raises(InvalidSetting, match="5 coordinates are fewer than the 6 tensors"):
        projection.budgeted(module, 5, seed=1)


def test_landmarks_come_from_every_class_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    found = projection.landmarks(labels, 20, seed=3)
    assert len(set(found)) == 20 and np.array_equal(found, np.sort(found))
    assert np.abs(np.bincount(labels[found]) - [12, 6, 2]).max() <= 1
    assert np.array_equal(projection.landmarks(labels, 500, seed=3), np.arange(100))
    assert not np.array_equal(found, projection.landmarks(labels, 20, seed=4))
    assert projection.landmark_count(2048, 10) == 256 and projection.landmark_count(2048, 1) == 2560


def test_what_cannot_be_projected_is_refused() -> None:
    module, images = network(1), torch.randn(4, 3, 6, 6)
    with pytest.raises(InvalidSetting, match="dimension must be at least 1, got 0"):
        projection.project(module, [images], all_coordinates(module), 0)
    with pytest.raises(NumericalError, match="gradients of the landmarks are zero or not finite"):
        projection.project(module, [images * torch.nan], all_coordinates(module), 3)

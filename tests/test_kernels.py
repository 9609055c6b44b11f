"""Jacobians against autograd, kernels against J J^T, resuming."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sampleinfo import jacobians, kernels
from sampleinfo.errors import InvalidSetting
from sampleinfo.models.cifar_resnet import resnet20


def network(outputs: int) -> nn.Module:
    """A ResNet-20 in eval mode with running statistics that are not 0 and 1."""
    torch.manual_seed(0)
    module = resnet20(outputs)
    module.train()
    with torch.no_grad():
        module(torch.randn(32, 3, 16, 16))
    return module.eval()


def full_jacobian(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(b, k, p) one sample and one output at a time, by plain autograd."""
    parameters = list(module.parameters())
    rows = []
    for image in images:
        outputs = module(image[None])[0]
        grads = [torch.autograd.grad(output, parameters, retain_graph=True) for output in outputs]
        rows.append(torch.stack([torch.cat([g.flatten() for g in grad]) for grad in grads]))
    return torch.stack(rows)


class Grouped(nn.Module):
    """Grouped, strided, dilated convolution with bias, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
        self.wide = nn.Conv2d(6, 5, 2, dilation=2)
        self.norm = nn.BatchNorm2d(5)
        self.out = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.norm(self.wide(torch.relu(self.conv(x))))).mean((2, 3)))


@pytest.mark.parametrize("outputs", [1, 3])
def test_rows_equal_autograd(outputs: int) -> None:
    module = network(outputs).double()
    images = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    got = jacobians.jacobian_rows(module, images, jacobians.all_coordinates(module))
    wanted = full_jacobian(module, images)
    order = [f"{c.layer}.{c.parameter}" for c in jacobians.all_coordinates(module)]
    assert sorted(order) == sorted(name for name, _ in module.named_parameters())
    sizes = {name: p.numel() for name, p in module.named_parameters()}
    offsets = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
    wanted = torch.cat([wanted[..., offsets[name] : offsets[name] + sizes[name]] for name in order], dim=2)
    assert got.shape == wanted.shape
    assert float((got - wanted).abs().max() / wanted.abs().max()) < 1e-12


def test_other_convolutions_equal_autograd() -> None:
    torch.manual_seed(1)
    module = Grouped().eval().double()
    images = torch.randn(5, 4, 11, 9, dtype=torch.float64)
    got = jacobians.jacobian_rows(module, images, jacobians.all_coordinates(module))
    assert torch.allclose(got, full_jacobian(module, images), atol=1e-12)


def test_parameters_keep_their_gradient_flags() -> None:
    module = network(2)
    next(module.parameters()).requires_grad_(False)
    before = [p.requires_grad for p in module.parameters()]
    jacobians.jacobian_rows(module, torch.randn(2, 3, 16, 16), jacobians.all_coordinates(module))
    assert [p.requires_grad for p in module.parameters()] == before


def test_unsupported_layers_are_named() -> None:
    with pytest.raises(InvalidSetting, match="layer '1' is a LayerNorm; supported with parameters: Conv2d"):
        jacobians.all_coordinates(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))


def test_groups_cover_everything_once() -> None:
    coordinates = jacobians.all_coordinates(network(2))
    groups = jacobians.group(coordinates, 5000)
    assert all(sum(map(len, items)) <= 5000 for items in groups)
    for name in ("conv1.weight", "layer3.2.conv2.weight"):
        layer, parameter = name.rsplit(".", 1)
        parts = [i.positions for g in groups for i in g if (i.layer, i.parameter) == (layer, parameter)]
        size = dict(network(2).named_parameters())[name].numel()
        assert torch.equal(torch.cat(parts), torch.arange(size))


def inputs_of(images: torch.Tensor, train: int, outputs: int) -> kernels.Inputs:
    return kernels.Inputs(lambda start, stop: images[start:stop], train, len(images), outputs)


@pytest.mark.parametrize("block", [kernels.BLOCK, 400_000])
def test_exact_kernel_is_the_product_of_jacobians(block: int) -> None:
    module, images = network(3), torch.randn(9, 3, 16, 16)
    gram, cross = kernels.kernel(module, inputs_of(images, 6, 3), jacobians.all_coordinates(module), block=block)
    rows = full_jacobian(module, images).double().flatten(0, 1).numpy()
    assert gram.dtype == np.float64 and gram.shape == (18, 18) and cross.shape == (9, 18)
    assert np.array_equal(gram, gram.T)
    assert np.abs(gram - rows[:18] @ rows[:18].T).max() / gram.max() < 1e-5
    assert np.abs(cross - rows[18:] @ rows[:18].T).max() / gram.max() < 1e-5


def test_strips_of_a_larger_kernel() -> None:
    rows = torch.randn(900, 40)
    gram, cross = np.zeros((700, 700)), np.zeros((200, 700))
    kernels._accumulate(gram, cross, rows, 700, lambda _: None)
    whole = (rows @ rows[:700].T).numpy()
    assert np.allclose(gram, whole[:700], atol=1e-4) and np.allclose(cross, whole[700:], atol=1e-4)


def test_subset_kernel() -> None:
    module, images = network(2), torch.randn(10, 3, 16, 16)
    inputs = inputs_of(images, 10, 2)
    everything = jacobians.random_coordinates(module, 10**9, seed=0)
    exact, _ = kernels.kernel(module, inputs, jacobians.all_coordinates(module))
    same, _ = kernels.kernel(module, inputs, everything)
    assert np.allclose(same, exact, rtol=1e-5)
    estimates = [
        kernels.kernel(module, inputs, jacobians.random_coordinates(module, 200, seed))[0] for seed in range(24)
    ]
    errors = [np.linalg.norm(estimate - exact) / np.linalg.norm(exact) for estimate in estimates]
    mean_error = np.linalg.norm(np.mean(estimates, axis=0) - exact) / np.linalg.norm(exact)
    assert mean_error < 0.5 * np.mean(errors)
    rows = np.arange(10)
    assert kernels.fidelity(module, inputs, exact, rows) < 1e-6
    assert kernels.fidelity(module, inputs, estimates[0], rows) == pytest.approx(errors[0], rel=1e-3)


class Memory:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.kept: tuple[int, np.ndarray, np.ndarray] | None = None
        self.saves = 0

    def load(self) -> tuple[int, np.ndarray, np.ndarray] | None:
        return self.kept

    def save(self, groups: int, gram: np.ndarray, cross: np.ndarray) -> None:
        self.kept, self.saves = (groups, gram.copy(), cross.copy()), self.saves + 1


def test_interrupted_work_goes_on_where_it_stopped() -> None:
    module, images = network(2), torch.randn(5, 3, 16, 16)
    inputs, coordinates = inputs_of(images, 3, 2), jacobians.all_coordinates(module)
    whole = kernels.kernel(module, inputs, coordinates, block=500_000)
    kept = Memory()

    def stop(stage: str, done: float, total: float) -> None:
        if kept.saves == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kernels.kernel(module, inputs, coordinates, stop, kept, block=500_000)
    assert kept.kept is not None and kept.kept[0] == 2
    calls: list[float] = []
    resumed = kernels.kernel(module, inputs, coordinates, lambda s, d, t: calls.append(d), kept, block=500_000)
    assert min(calls) > 0.2 and calls == sorted(calls) and calls[-1] == pytest.approx(1.0)
    assert np.array_equal(resumed[0], whole[0]) and np.array_equal(resumed[1], whole[1])

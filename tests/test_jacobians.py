"""Per-image gradients against plain autograd, one image and one output at a time."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from sampleinfo import gradients, jacobians, recording, selected
from sampleinfo.errors import InvalidSetting
from sampleinfo.models.cifar_resnet import resnet20

RESNETS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip


def randomised(module: nn.Module) -> nn.Module:
    """Eval mode, with running statistics, factors and offsets of normalisations that are not 0 and 1."""
    generator = torch.Generator().manual_seed(5)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d | nn.GroupNorm):
            tensors = [part.weight.data, part.bias.data]
            if isinstance(part, nn.BatchNorm2d):
                tensors += [part.running_mean, part.running_var]
            for tensor, low in zip(tensors, (0.7, -0.3, -0.3, 0.7), strict=False):
                tensor.copy_(low + 0.6 * torch.rand(tensor.shape, generator=generator))
    return module.eval()


def network(outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return randomised(resnet20(outputs))


def full_jacobian(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(b, k, p) in the order of ``all_coordinates``."""
    named = dict(module.named_parameters())
    parameters = [named[item.name] for item in jacobians.all_coordinates(module)]
    rows = []
    for image in images:
        outputs = module(image[None])[0]
        for output in outputs:
            found = torch.autograd.grad(output, parameters, retain_graph=True, allow_unused=True)
            filled = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
            rows.append(torch.cat([g.flatten() for g in filled]))
    return torch.stack(rows).reshape(len(images), -1, rows[0].numel())


def difference(got: torch.Tensor, wanted: torch.Tensor) -> float:
    assert got.shape == wanted.shape
    return float((got - wanted).abs().max() / wanted.abs().max())


def check(module: nn.Module, images: torch.Tensor) -> None:
    """All coordinates, and random ones, against autograd in float64."""
    module, images = module.double(), images.double()
    wanted = full_jacobian(module, images)
    everything = jacobians.all_coordinates(module)
    assert difference(jacobians.jacobian_rows(module, images, everything), wanted) < 1e-12
    chosen = jacobians.random_coordinates(module, 7, seed=3)
    columns = torch.split(wanted, [len(item) for item in everything], dim=2)
    picked = [part[..., item.positions] * item.scale for item, part in zip(chosen, columns, strict=True)]
    assert difference(jacobians.jacobian_rows(module, images, chosen), torch.cat(picked, dim=2)) < 1e-12


@pytest.mark.parametrize("outputs", [1, 3])
def test_rows_equal_autograd(outputs: int) -> None:
    module = network(outputs)
    names = [item.name for item in jacobians.all_coordinates(module)]
    assert names == [name for name, _ in module.named_parameters()]
    check(module, torch.randn(3, 3, 16, 16))


class Head(nn.Module):
    """Layers, then the mean over positions, then a linear layer."""

    def __init__(self, *layers: nn.Module, channels: int, outputs: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)
        self.out = nn.Linear(channels, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.body(x).mean((2, 3)))


CONVOLUTIONS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Conv2d(4, 6, 3),
    "padded": lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False),
    "strided": lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "uneven": lambda: nn.Conv2d(4, 6, (3, 2), stride=(3, 2), padding=(2, 0)),
    "dilated": lambda: nn.Conv2d(4, 6, 3, dilation=2, padding=2),
    "strided and dilated": lambda: nn.Conv2d(4, 6, 3, stride=2, dilation=3, padding=3),
    "grouped": lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
    "depthwise, strided": lambda: nn.Conv2d(4, 4, 3, stride=2, groups=4),
    "1x1": lambda: nn.Conv2d(4, 6, 1),
    "1x1 strided": lambda: nn.Conv2d(4, 6, 1, stride=2, bias=False),
    "1x1 padded": lambda: nn.Conv2d(4, 6, 1, padding=1),
    "7x7 strided": lambda: nn.Conv2d(4, 6, 7, stride=2, padding=3),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_equal_autograd(name: str) -> None:
    torch.manual_seed(1)
    layer = CONVOLUTIONS[name]()
    check(Head(layer, nn.Tanh(), channels=layer.out_channels).eval(), torch.randn(3, 4, 11, 9))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_single_entries_equal_the_whole_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same entries one by one and by boxes, in any order and repeated."""
    torch.manual_seed(2)
    layer = CONVOLUTIONS[name]().double()
    images = torch.randn(5, 4, 11, 9, dtype=torch.float64)
    slopes = torch.randn(5, 3, *layer(images).shape[1:], dtype=torch.float64)
    positions = torch.randint(layer.weight.numel(), (40,))
    whole = gradients.form(
        gradients.entries(layer, "weight", torch.arange(layer.weight.numel())), images, slopes, {}
    )  # fmt: skip
    for choice in (False, True):
        monkeypatch.setattr(gradients, "one_by_one_is_cheaper", lambda *_, choice=choice: choice)
        got = gradients.form(gradients.entries(layer, "weight", positions), images, slopes, {})
        assert difference(got, whole[:, :, positions]) < 1e-13


def test_wide_layers_choose_single_entries() -> None:
    """The count prefers single entries for few of many, the box for most of them."""
    layer = nn.Conv2d(64, 64, 3, padding=1)
    shape, cpu = (64, 14, 14), torch.device("cpu")
    size = layer.weight.numel()
    few, most = torch.randperm(size)[:2000], torch.randperm(size)[: size - 9]
    for positions, cheaper in ((few, True), (most, False)):
        wanted = gradients.entries(layer, "weight", positions)
        assert gradients.one_by_one_is_cheaper(wanted, shape, shape, 1, cpu) == cheaper
        assert gradients.wants_all_outputs(wanted, shape, shape, cpu) != cheaper
    assert not gradients.wants_all_outputs(gradients.entries(layer, "bias", torch.arange(3)), shape, shape, cpu)


def test_infinities_are_not_lost_in_sums() -> None:
    entering, slopes = np.ones((1, 4, 2), np.float32), np.ones((1, 1, 4, 2), np.float32)
    slopes[0, 0, 1, 0] = np.nan
    weighted, plain = selected.channel_sums(entering, slopes, np.zeros(2, np.float32))
    assert np.isnan(weighted[0, 0, 0]) and np.isnan(plain[0, 0, 0]) and plain[0, 0, 1] == 4


class InPlace(nn.Module):
    """Torchvision's pattern: the output of a normalisation is changed in place, twice."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.first, self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), norm
        self.relu, self.out = nn.ReLU(inplace=True), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        out = self.norm(self.conv(x))
        out += x
        return self.out(self.relu(out).mean((2, 3)))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4)], ids=["batch", "group"])
def test_in_place_changes_of_outputs(norm: nn.Module) -> None:
    torch.manual_seed(3)
    module = randomised(InPlace(norm))
    assert jacobians.fallback_reason(module) is None
    images = torch.randn(4, 3, 6, 5)
    recording.record(module, images, ["conv", "norm", "out"])
    check(module, images)


class Twice(nn.Module):
    """One layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.conv(torch.tanh(self.conv(x)))).mean((2, 3)))


class ChangedInput(nn.Module):
    """The input of a layer is changed in place after its use."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 3, 1), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 1
        first = self.conv(x)
        x *= 2
        return self.out((first * first + x).mean((2, 3)))


class Tied(nn.Module):
    """Two layers, one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.second(torch.tanh(self.first(x.mean((2, 3)))))))


class Unused(nn.Module):
    """A layer that no output depends on, one that is never called, and an output that some layers do not reach."""

    def __init__(self) -> None:
        super().__init__()
        self.lost, self.idle = nn.Conv2d(3, 3, 1), nn.Linear(2, 2)
        self.first, self.second = nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.lost(x)
        mean = x.mean((2, 3))
        return torch.cat([self.first(mean), torch.sin(self.second(mean))], dim=1)


def test_layers_used_twice_show_when_running() -> None:
    module = Twice().eval()
    assert jacobians.fallback_reason(module) is None
    with pytest.raises(recording.NotRecordable, match="'conv' is used more than once; its gradients are formed by"):
        recording.record(module, torch.randn(2, 3, 5, 5), ["conv", "out"])
    check(module, torch.randn(3, 3, 5, 5))


def test_inputs_changed_in_place_show_when_running() -> None:
    with pytest.raises(recording.NotRecordable, match="the input of layer 'conv' is changed in place afterwards"):
        recording.record(ChangedInput().eval(), torch.randn(2, 3, 5, 5), ["conv", "out"])


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (
            Head(nn.Conv2d(3, 4, 1), nn.LayerNorm((4, 5, 5)), channels=4),
            "layer 'body.1' is a LayerNorm, for which there",
        ),
        (Head(nn.Conv2d(3, 4, 3, padding="same"), channels=4), r"Conv2d with padding 'same' \(zeros\)"),
        (Head(nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), channels=4), "padding .* \\(circular\\)"),
        (Head(nn.ConvTranspose2d(3, 4, 3), channels=4), "layer 'body.0' is a ConvTranspose2d"),
        (Tied(), "layers 'first' and 'second' share a parameter"),
    ],
    ids=["layer norm", "same", "circular", "transposed", "tied"],
)
def test_other_networks_are_left_to_torch_func(module: nn.Module, reason: str) -> None:
    module.eval()
    said = jacobians.fallback_reason(module)
    assert said is not None and said.endswith(
        "its gradients are formed by torch.func, which needs more time and memory"
    )
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(said)
    check(module, torch.randn(3, 3, 5, 5))


def test_unused_parameters_have_zero_gradients() -> None:
    torch.manual_seed(4)
    check(Unused().eval(), torch.randn(3, 3, 4, 4))


def test_chunks_of_torch_func_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module, images = Twice().eval(), torch.randn(5, 3, 5, 5)
    everything = jacobians.all_coordinates(module)
    whole = jacobians.jacobian_rows(module, images, everything)
    monkeypatch.setattr(jacobians, "FUNCTIONAL_CHUNK", 400)
    assert torch.allclose(jacobians.jacobian_rows(module, images, everything), whole, atol=1e-6)


def test_modes_that_mix_images_are_refused() -> None:
    images = torch.randn(2, 3, 16, 16)
    module = network(2)
    everything = jacobians.all_coordinates(module)
    module.layer1.train()
    with pytest.raises(InvalidSetting, match=r"layer 'layer1' is in training mode; .* call eval\(\) first"):
        jacobians.jacobian_rows(module, images, everything)
    mixing = Head(nn.BatchNorm2d(3, track_running_stats=False), channels=3).eval()
    with pytest.raises(
        InvalidSetting, match=r"layer 'body.0' is a BatchNorm2d without running statistics .* GroupNorm"
    ):
        jacobians.jacobian_rows(mixing, images, jacobians.all_coordinates(mixing))


def test_outputs_of_other_shapes_are_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 1)).eval()
    with pytest.raises(
        InvalidSetting, match=r"gave \(2, 2, 4, 4\) for 2 images; allowed: a tensor \(images, outputs\)"
    ):
        jacobians.jacobian_rows(module, torch.randn(2, 3, 4, 4), jacobians.all_coordinates(module))


def test_parameters_and_hooks_are_left_as_they_were() -> None:
    module = network(2)
    next(module.parameters()).requires_grad_(False)
    before = [p.requires_grad for p in module.parameters()]
    with torch.no_grad():
        jacobians.jacobian_rows(module, torch.randn(2, 3, 16, 16), jacobians.all_coordinates(module))
    assert [p.requires_grad for p in module.parameters()] == before
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_graphs_begin_at_the_first_wanted_layer() -> None:
    module, calls = network(2), []
    module.layer1.register_full_backward_hook(lambda *_: calls.append(1))
    noted = recording.record(module, torch.randn(2, 3, 16, 16), ["layer3.0.conv1", "linear"])
    found: recording.Noted = {}
    noted.visit(lambda layers, _: found.update(layers))
    assert not calls and list(found) == ["linear", "layer3.0.conv1"]
    assert not any(tensor.requires_grad for pair in found.values() for tensor in pair)


def test_graphs_and_gradients_are_freed_at_once() -> None:
    """Without a cycle that only the garbage collector would find, late."""
    module, tangents = network(2), list[torch.Tensor]()
    gc.collect()
    gc.disable()
    try:
        for consume in (None, lambda layers, _: tangents.append(layers["layer2.0.bn1"][1])):
            noted = recording.record(module, torch.randn(2, 3, 16, 16), ["conv1", "layer2.0.bn1", "linear"])
            held = [weakref.ref(noted.outputs), weakref.ref(noted.entering["layer2.0.bn1"])]
            if consume is not None:
                noted.visit(consume)
                held.append(weakref.ref(tangents.pop()))
            del noted
            assert [each() for each in held] == [None] * len(held)
    finally:
        gc.enable()


def test_layers_are_handed_over_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "TOGETHER", 1000)
    torch.manual_seed(6)
    for module in (network(1), network(2)):
        check(module, torch.randn(3, 3, 16, 16))


def test_scopes() -> None:
    module = nn.ModuleDict({"layer4": nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 3)), "layer40": nn.Linear(3, 3),
                            "fc": nn.Linear(3, 2)})  # fmt: skip
    chosen = jacobians.random_coordinates(module, 11, seed=0)
    kept = jacobians.in_scope(chosen, ["layer4", "fc"])
    assert [item.name for item in kept] == [
        "layer4.0.weight", "layer4.0.bias", "layer4.1.weight", "layer4.1.bias", "fc.weight", "fc.bias"
    ]  # fmt: skip
    assert all(any(item is other for other in chosen) for item in kept)
    assert jacobians.in_scope(chosen, ["layer4.1"]) == [item for item in chosen if item.layer == "layer4.1"]
    with pytest.raises(InvalidSetting, match=r"no parameters in the scope 'layer'; .* in 'layer4', 'layer40', 'fc'"):
        jacobians.in_scope(chosen, ["layer"])


def test_random_coordinates_repeat_and_scale() -> None:
    module = network(2)
    first, again = (jacobians.random_coordinates(module, 50, seed=1) for _ in range(2))
    assert all(torch.equal(a.positions, b.positions) for a, b in zip(first, again, strict=True))
    sizes = {name: p.numel() for name, p in module.named_parameters()}
    assert all(item.scale == pytest.approx((sizes[item.name] / min(50, sizes[item.name])) ** 0.5) for item in first)


def test_groups_cover_everything_once() -> None:
    module = network(2)
    groups = jacobians.group(jacobians.all_coordinates(module), 5000)
    assert all(sum(map(len, items)) <= 5000 for items in groups)
    for name, parameter in module.named_parameters():
        parts = [item.positions for items in groups for item in items if item.name == name]
        assert torch.equal(torch.cat(parts), torch.arange(parameter.numel()))


@pytest.mark.parametrize("name", RESNETS)
def test_torchvision_resnets_equal_autograd(name: str) -> None:
    """One image of a batch against autograd on its output: entries of every tensor, some tensors whole.

    Both run on the same batch, since in float32 a random network's ReLUs switch with the order of its sums.
    """
    torch.manual_seed(0)
    module = randomised(getattr(torchvision.models, name)(weights=None, num_classes=1))
    assert jacobians.fallback_reason(module) is None
    images = jacobians.channels_last(torch.randn(2, 3, 64, 64))
    named = dict(module.named_parameters())
    wanted = dict(zip(named, torch.autograd.grad(module(images)[1, 0], list(named.values())), strict=True))
    everything = jacobians.all_coordinates(module)
    chosen = jacobians.random_coordinates(module, 300, seed=0)
    chosen += [everything[i] for i in (0, 3, 6, len(everything) // 2, -4, -3)]
    rows = jacobians.jacobian_rows(module, images, chosen)[1, 0].split([len(item) for item in chosen])
    for item, row in zip(chosen, rows, strict=True):
        gradient = wanted[item.name].flatten()
        share = (len(item) / len(gradient)) ** 0.5
        assert float((row / item.scale - gradient[item.positions]).norm() / (share * gradient.norm())) < 1e-4, item.name


def test_functional_is_what_the_rules_are_tested_against() -> None:
    """torch.func and the rules agree on a network that both can do."""
    module, images = network(2).double(), torch.randn(2, 3, 16, 16, dtype=torch.float64)
    everything = jacobians.all_coordinates(module)
    by_func = torch.cat(list(jacobians.functional_rows(module, images, everything)), dim=2)
    assert difference(jacobians.jacobian_rows(module, images, everything), by_func) < 1e-12

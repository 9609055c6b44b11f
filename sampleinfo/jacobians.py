"""Per-sample Jacobians of the outputs, from one forward pass and one backward pass per output.

For a batch of b images in eval mode the samples do not mix, so the gradient of sum_b f_o(x_b) with respect to the
*output* Z of a layer holds every sample's own gradient. With the layer's input A the parameter gradients are

    convolution   dW_b = G_b unfold(A_b)^T,   db_b = sum_p G_b      (p: positions)
    linear        dW_b = g_b a_b^T,           db_b = g_b
    batch norm    dgamma_b = sum_p G_b x^_b,  dbeta_b = sum_p G_b   (x^: input normalised by the running statistics)

No loop over images is needed and only the coordinates asked for are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sampleinfo.errors import InvalidSetting

SUPPORTED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Entries of one parameter tensor, as flat positions (d,), and the factor their gradients are multiplied by."""

    layer: str
    parameter: str
    positions: Tensor
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.positions)


def all_coordinates(module: nn.Module) -> list[Coordinates]:
    """Every entry of every parameter.

    Raises:
        InvalidSetting: a parameter that belongs to a kind of layer without a rule here.
    """
    found = []
    for layer, part in module.named_modules():
        for parameter, tensor in part.named_parameters(recurse=False):
            if not isinstance(part, SUPPORTED):
                kinds = ", ".join(kind.__name__ for kind in SUPPORTED)
                raise InvalidSetting(f"layer {layer!r} is a {type(part).__name__}; supported with parameters: {kinds}.")
            found.append(Coordinates(layer, parameter, torch.arange(tensor.numel())))
    return found


def random_coordinates(module: nn.Module, per_tensor: int, seed: int) -> list[Coordinates]:
    """At most ``per_tensor`` random entries of every parameter tensor, scaled by sqrt(size / kept).

    The scaled kernel is an unbiased estimate of the exact one (the random subset of Harutyunyan et al. 2021).
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for whole in all_coordinates(module):
        size, kept = len(whole), min(per_tensor, len(whole))
        positions = torch.randperm(size, generator=generator)[:kept].sort().values
        chosen.append(Coordinates(whole.layer, whole.parameter, positions, (size / kept) ** 0.5))
    return chosen


def group(coordinates: Iterable[Coordinates], limit: int) -> list[list[Coordinates]]:
    """Cut into consecutive groups of at most ``limit`` entries each; a tensor larger than that is cut, too."""
    groups: list[list[Coordinates]] = [[]]
    room = limit
    for item in coordinates:
        start = 0
        while start < len(item):
            if room == 0:
                groups.append([])
                room = limit
            part = item.positions[start : start + room]
            groups[-1].append(Coordinates(item.layer, item.parameter, part, item.scale))
            start += len(part)
            room -= len(part)
    return groups


def jacobian_rows(module: nn.Module, images: Tensor, coordinates: list[Coordinates]) -> Tensor:
    """(b, k, d) derivatives of every output by the chosen entries, times their scales; d = sum of their numbers."""
    layers = list(dict.fromkeys(item.layer for item in coordinates))
    outputs, inputs, activations = _record(module, images, layers)
    k = outputs.shape[1]
    tangents = [
        torch.autograd.grad(outputs[:, o].sum(), [activations[name] for name in layers], retain_graph=o + 1 < k)
        for o in range(k)
    ]
    by_layer = {name: torch.stack([tangents[o][i] for o in range(k)], dim=1) for i, name in enumerate(layers)}
    parts, cache = [], dict[tuple[str, str], Tensor]()
    for item in coordinates:
        key = (item.layer, item.parameter)
        if key not in cache:
            part = module.get_submodule(item.layer)
            cache[key] = _gradient(part, item.parameter, inputs[item.layer], by_layer[item.layer]).flatten(2)
        full = cache[key]
        picked = full if len(item) == full.shape[2] else full[:, :, item.positions]
        parts.append(picked if item.scale == 1.0 else picked * item.scale)
    return torch.cat(parts, dim=2)


def _record(
    module: nn.Module, images: Tensor, layers: list[str]
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Outputs, and the inputs and outputs of ``layers``, of one forward pass; parameters get no gradients."""
    inputs: dict[str, Tensor] = {}
    activations: dict[str, Tensor] = {}

    def hook_for(name: str):  # type: ignore[no-untyped-def]
        def hook(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            inputs[name] = args[0].detach()
            activations[name] = output if output.requires_grad else output.detach().requires_grad_()
            return activations[name]

        return hook

    handles = [module.get_submodule(name).register_forward_hook(hook_for(name)) for name in layers]
    frozen = [p for p in module.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        outputs = module(images)
    finally:
        for handle in handles:
            handle.remove()
        for parameter in frozen:
            parameter.requires_grad_(True)
    return outputs, inputs, activations


def _gradient(layer: nn.Module, parameter: str, entering: Tensor, tangent: Tensor) -> Tensor:
    """(b, k, *shape) parameter gradients from the layer's input and the gradients (b, k, ...) at its output."""
    if isinstance(layer, nn.Linear):
        return tangent if parameter == "bias" else tangent[..., :, None] * entering[:, None, None, :]
    if parameter == "bias":
        return tangent.sum(dim=(3, 4))
    if isinstance(layer, nn.BatchNorm2d):
        assert layer.running_mean is not None and layer.running_var is not None
        normalised = functional.batch_norm(entering, layer.running_mean, layer.running_var, eps=layer.eps)
        return torch.einsum("bkchw,bchw->bkc", tangent, normalised)
    assert isinstance(layer, nn.Conv2d)
    return _convolution_gradient(layer, entering, tangent)


def _convolution_gradient(layer: nn.Conv2d, entering: Tensor, tangent: Tensor) -> Tensor:
    """(b, k, c_out, c_in / groups, kh, kw), one batched product per group of channels."""
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise InvalidSetting(f"convolutions with padding {layer.padding!r} ({layer.padding_mode}) are not supported.")
    b, k, c_out = tangent.shape[:3]
    columns = functional.unfold(
        entering, layer.kernel_size, dilation=layer.dilation, padding=layer.padding, stride=layer.stride
    )
    columns = columns.reshape(b, layer.groups, -1, columns.shape[2])
    rows = tangent.reshape(b, k, layer.groups, c_out // layer.groups, -1).transpose(1, 2)
    rows = rows.reshape(b, layer.groups, -1, rows.shape[-1])
    products = rows @ columns.transpose(2, 3)
    products = products.reshape(b, layer.groups, k, c_out // layer.groups, -1).transpose(1, 2)
    return products.reshape(b, k, c_out, layer.weight[0].numel())

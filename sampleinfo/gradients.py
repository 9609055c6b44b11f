"""Parameter gradients of single images from a layer's input A and the gradients G at its output.

    convolution   dW_b = G_b unfold(A_b)^T,   db_b = sum_p G_b      (p: positions)
    linear        dW_b = g_b a_b^T,           db_b = g_b
    batch norm    dgamma_b = sum_p G_b x^_b,  dbeta_b = sum_p G_b   (x^: input normalised by the running statistics)
    group norm    the same with x^ normalised by the image's own statistics

Source: Goodfellow, "Efficient per-example gradient computations", 2015 (arXiv 1510.01799), extended to convolutions.

Shapes: A (b, c, ...), G (b, k, c_out, ...) for k outputs. Entries of a weight are formed either for the smallest
box of output and input channels that holds all that are wanted, or one by one, whichever costs less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sampleinfo import selected

#: Cost of copying one number while unfolding, and while rearranging for single entries, and of one multiply-add of a
#: single entry; in multiply-adds of a matrix product.
UNFOLDING, REARRANGING, SINGLE = 100, 18, 3


@dataclass(frozen=True, eq=False)
class Entries:
    """Wanted entries of one parameter: of a weight (c_out, c_in / groups, kh * kw) those in ``box`` at ``within``.

    ``within`` (d,) are flat positions inside the box, None for all of them; ``places`` (d, 3) are the indices.
    """

    layer: nn.Module
    parameter: str
    positions: Tensor
    box: tuple[slice, slice]
    within: Tensor | None
    places: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def box_size(self) -> int:
        """Number of entries that are formed when the whole box is."""
        rows, columns = self.box
        return int((rows.stop - rows.start) * (columns.stop - columns.start) * _kernel_size(self.layer))


Sums = dict[int, tuple[Tensor, Tensor]]


def entries(layer: nn.Module, parameter: str, positions: Tensor) -> Entries:
    """Work out, once, where the wanted flat positions (d,) of a parameter lie."""
    shape = _weight_shape(layer) if parameter == "weight" and isinstance(layer, nn.Conv2d | nn.Linear) else None
    if shape is None or len(positions) == 0:
        return Entries(layer, parameter, positions, (slice(0, 0), slice(0, 0)), None, positions[:, None])
    places = torch.stack(torch.unravel_index(positions, shape), dim=1)
    low, high = places.min(0).values.tolist(), (places.max(0).values + 1).tolist()
    rows, columns = slice(low[0], high[0]), slice(low[1], high[1])
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        rows, columns = slice(0, shape[0]), slice(0, shape[1])
    width = columns.stop - columns.start
    inside = ((places[:, 0] - rows.start) * width + places[:, 1] - columns.start) * shape[2] + places[:, 2]
    size = (rows.stop - rows.start) * width * shape[2]
    whole = len(inside) == size and torch.equal(inside, torch.arange(size))
    return Entries(layer, parameter, positions, (rows, columns), None if whole else inside, places)


def form(wanted: Entries, entering: Tensor, tangents: Tensor, known: Sums) -> Tensor:
    """(b, k, d) gradients; ``known`` keeps sums that the two parameters of one normalisation layer share."""
    layer = wanted.layer
    if isinstance(layer, nn.BatchNorm2d | nn.GroupNorm):
        if id(layer) not in known:
            known[id(layer)] = _normalisation(layer, entering, tangents)
        both = known[id(layer)][0 if wanted.parameter == "weight" else 1]
        return _at(both, wanted.positions)
    if wanted.parameter == "bias":
        return _at(tangents.flatten(3).sum(3) if tangents.dim() > 3 else tangents, wanted.positions)
    if isinstance(layer, nn.Linear):
        return _linear(wanted, entering, tangents)
    assert isinstance(layer, nn.Conv2d)
    if one_by_one_is_cheaper(wanted, entering.shape[1:], tangents.shape[2:], tangents.shape[1], entering.device):
        return _single(wanted, layer, entering, tangents)
    formed = _box(wanted, layer, entering, tangents)
    return formed if wanted.within is None else formed[:, :, wanted.within.to(formed.device)]


def used(layer: nn.Module, entering: Tensor) -> Tensor:
    """The part of a layer's input that its weight gradient depends on: what a strided 1x1 convolution looks at."""
    if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.padding == (0, 0):
        return entering[:, :, :: layer.stride[0], :: layer.stride[1]]
    return entering


def _at(values: Tensor, positions: Tensor) -> Tensor:
    whole = len(positions) == values.shape[2] and torch.equal(positions, torch.arange(len(positions)))
    return values if whole else values[:, :, positions.to(values.device)]


def _weight_shape(layer: nn.Module) -> tuple[int, int, int]:
    """(c_out, c_in / groups, kh * kw)."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.shape[0], weight.shape[1], _kernel_size(layer)


def _kernel_size(layer: nn.Module) -> int:
    return layer.kernel_size[0] * layer.kernel_size[1] if isinstance(layer, nn.Conv2d) else 1


def _channels_last(values: Tensor) -> Tensor:
    """(..., h, w, c), contiguous; a view where the memory lies so already."""
    return values.movedim(-3, -1).contiguous()


def _normalisation(layer: nn.BatchNorm2d | nn.GroupNorm, entering: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """(b, k, c) gradients of the factors and of the offsets."""
    b, c = entering.shape[:2]
    if isinstance(layer, nn.BatchNorm2d) and entering.device.type == "cpu":
        assert layer.running_mean is not None and layer.running_var is not None
        weighted, plain = selected.channel_sums(
            _channels_last(entering).flatten(1, 2).numpy(),
            _channels_last(tangents).flatten(2, 3).numpy(),
            layer.running_mean.to(entering.dtype).numpy(),
        )
        spread = (layer.running_var + layer.eps).sqrt().to(entering.dtype)
        return torch.from_numpy(weighted) / spread, torch.from_numpy(plain)
    if isinstance(layer, nn.BatchNorm2d):
        normalised = functional.batch_norm(entering, layer.running_mean, layer.running_var, eps=layer.eps)
    else:
        normalised = functional.group_norm(entering, layer.num_groups, eps=layer.eps)
    slopes = tangents.reshape(*tangents.shape[:3], -1)
    return (slopes * normalised.reshape(b, 1, c, -1)).sum(3), slopes.sum(3)


def _linear(wanted: Entries, entering: Tensor, tangents: Tensor) -> Tensor:
    if wanted.within is None:
        rows, columns = wanted.box
        return (tangents[:, :, rows, None] * entering[:, None, None, columns]).flatten(2)
    places = wanted.places.to(entering.device)
    return tangents[:, :, places[:, 0]] * entering[:, None, places[:, 1]]


def wants_all_outputs(wanted: Entries, entering: Sequence[int], leaving: Sequence[int], device: torch.device) -> bool:
    """Whether all outputs are better formed at once, since that unfolds the input only once."""
    if wanted.parameter != "weight" or not isinstance(wanted.layer, nn.Conv2d):
        return False
    return not one_by_one_is_cheaper(wanted, entering, leaving, 1, device)


def one_by_one_is_cheaper(
    wanted: Entries, entering: Sequence[int], leaving: Sequence[int], k: int, device: torch.device
) -> bool:
    """Count multiply-adds for k outputs of an image with input (c, h, w) and output (c_out, h', w'); CPU only."""
    if wanted.within is None or device.type != "cpu":
        return False
    kernel_size, positions = _kernel_size(wanted.layer), leaving[1] * leaving[2]
    columns = (wanted.box[1].stop - wanted.box[1].start) * kernel_size
    box = positions * (k * wanted.box_size + UNFOLDING * columns)
    single = SINGLE * k * len(wanted) * positions + REARRANGING * (math.prod(entering) + k * math.prod(leaving))
    return bool(single < box)


def _single(wanted: Entries, layer: nn.Conv2d, entering: Tensor, tangents: Tensor) -> Tensor:
    """(b, k, d), one by one."""
    outputs, within_group, cell = wanted.places.unbind(1)
    per_group = layer.in_channels // layer.groups
    inputs = within_group + outputs // (layer.out_channels // layer.groups) * per_group
    places = torch.stack([outputs, inputs, cell // layer.kernel_size[1], cell % layer.kernel_size[1]], dim=1)
    stride, entering = _stride(layer, entering, tangents)
    assert not isinstance(layer.padding, str)
    geometry = selected.Geometry(stride, (layer.padding[0], layer.padding[1]), (layer.dilation[0], layer.dilation[1]))
    found = selected.convolution_entries(
        _channels_last(entering).numpy(),
        _channels_last(tangents).numpy(),
        places.numpy(),
        geometry,
    )
    return torch.from_numpy(found)


def _stride(layer: nn.Conv2d, entering: Tensor, tangents: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Stride and input; a 1x1 convolution becomes one of stride 1 over the positions it looks at (or was given)."""
    if layer.kernel_size == (1, 1) and layer.padding == (0, 0):
        return (1, 1), entering if entering.shape[2:] == tangents.shape[3:] else used(layer, entering)
    return (layer.stride[0], layer.stride[1]), entering


def _box(wanted: Entries, layer: nn.Conv2d, entering: Tensor, tangents: Tensor) -> Tensor:
    """(b, k, box), one batched product per group of channels."""
    (b, k), groups = tangents.shape[:2], layer.groups
    outputs, inputs = wanted.box
    stride, entering = _stride(layer, entering, tangents)
    assert not isinstance(layer.padding, str)
    if groups == 1:
        entering = entering[:, inputs]
    if layer.kernel_size == (1, 1) and layer.padding == (0, 0):
        columns = entering.flatten(2)
    else:
        columns = functional.unfold(entering, layer.kernel_size, layer.dilation, layer.padding, stride)
    if groups == 1:
        slopes = tangents[:, :, outputs].flatten(3).flatten(1, 2)
        return (slopes @ columns.transpose(1, 2)).reshape(b, k, -1)
    slopes = tangents.reshape(b, k, groups, -1, columns.shape[2]).transpose(1, 2).flatten(2, 3)
    products = slopes @ columns.reshape(b, groups, -1, columns.shape[2]).transpose(2, 3)
    return products.reshape(b, groups, k, -1).transpose(1, 2).flatten(2)

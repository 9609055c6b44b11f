"""Sizes of residual networks, counted from their architecture: what a plan needs to know without torch.

Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016; with the stride in the 3x3
convolution of a bottleneck, and the groups of Xie et al., "Aggregated residual transformations", CVPR 2017, and widths
of Zagoruyko and Komodakis, "Wide residual networks", BMVC 2016, as torchvision builds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """``block`` is cifar (3 stages, option A shortcuts), basic or bottleneck (4); ``layers`` are blocks per stage."""

    block: str
    layers: tuple[int, ...]
    groups: int = 1
    width_per_group: int = 64

    @property
    def features(self) -> int:
        """Width of the penultimate layer."""
        return {"cifar": 64, "basic": 512, "bottleneck": 2048}[self.block]


@dataclass(frozen=True)
class Convolution:
    """A convolution without offsets, the normalisation behind it, and the ``side`` of the square that it puts out."""

    name: str
    norm: str
    inputs: int
    outputs: int
    kernel: int
    side: int
    groups: int = 1

    @property
    def weights(self) -> int:
        """Entries of its weight."""
        return self.inputs // self.groups * self.outputs * self.kernel**2

    @property
    def values(self) -> int:
        """Values it puts out for one image."""
        return self.outputs * self.side**2


def tensors(architecture: Architecture) -> tuple[tuple[str, int], ...]:
    """Names and sizes of the parameter tensors without the head, in the order of the torch module."""
    found: list[tuple[str, int]] = []
    for each in convolutions(architecture, 32):
        found += [(f"{each.name}.weight", each.weights)]
        found += [(f"{each.norm}.weight", each.outputs), (f"{each.norm}.bias", each.outputs)]
    return tuple(found)


def multiply_adds(architecture: Architecture, image_size: int) -> int:
    """Of all convolutions for one image of ``image_size`` x ``image_size``."""
    return sum(each.weights * each.side**2 for each in convolutions(architecture, image_size))


def activations(architecture: Architecture, image_size: int) -> int:
    """Values that convolutions and normalisations put out for one image."""
    return sum(2 * each.values for each in convolutions(architecture, image_size))


def convolutions(architecture: Architecture, image_size: int) -> Iterator[Convolution]:
    """All of them, first to last; a shortcut's comes behind its block's."""
    if architecture.block == "cifar":
        inputs, side = 16, image_size
        yield Convolution("conv1", "bn1", 3, inputs, 3, side)
    else:
        inputs, side = 64, _halved(image_size)
        yield Convolution("conv1", "bn1", 3, inputs, 7, side)
        side = _halved(side)
    base, make = inputs, {"cifar": _cifar, "basic": _basic, "bottleneck": _bottleneck}[architecture.block]
    for stage, blocks in enumerate(architecture.layers):
        for block in range(blocks):
            before, side = side, _halved(side) if stage and not block else side
            made = make(architecture, f"layer{stage + 1}.{block}", inputs, base * 2**stage, before, side)
            yield from made
            inputs = made[-1].outputs


def _halved(side: int) -> int:
    """Side after a step of 2 with half a kernel of padding."""
    return (side + 1) // 2


def _cifar(_: Architecture, name: str, inputs: int, planes: int, __: int, side: int) -> list[Convolution]:
    return [
        Convolution(f"{name}.conv1", f"{name}.bn1", inputs, planes, 3, side),
        Convolution(f"{name}.conv2", f"{name}.bn2", planes, planes, 3, side),
    ]


def _basic(
    architecture: Architecture, name: str, inputs: int, planes: int, before: int, side: int
) -> list[Convolution]:
    return _cifar(architecture, name, inputs, planes, before, side) + _shortcut(name, inputs, planes, before, side)


def _bottleneck(
    architecture: Architecture, name: str, inputs: int, planes: int, before: int, side: int
) -> list[Convolution]:
    groups, outputs = architecture.groups, 4 * planes
    width = planes * architecture.width_per_group // 64 * groups
    return [
        Convolution(f"{name}.conv1", f"{name}.bn1", inputs, width, 1, before),
        Convolution(f"{name}.conv2", f"{name}.bn2", width, width, 3, side, groups),
        Convolution(f"{name}.conv3", f"{name}.bn3", width, outputs, 1, side),
        *_shortcut(name, inputs, outputs, before, side),
    ]


def _shortcut(name: str, inputs: int, outputs: int, before: int, side: int) -> list[Convolution]:
    if inputs == outputs and before == side:
        return []
    return [Convolution(f"{name}.downsample.0", f"{name}.downsample.1", inputs, outputs, 1, side)]

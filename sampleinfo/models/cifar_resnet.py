"""CIFAR-style ResNets with parameter-free (option A) shortcuts.

Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Callable[[int], nn.Module]
NORMS: dict[str, Norm] = {"batch": nn.BatchNorm2d, "group": partial(nn.GroupNorm, 8)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and an option A shortcut: stride by slicing, new channels filled with zeros."""

    def __init__(self, in_channels: int, channels: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, padding=1, bias=False)
        self.bn2 = norm(channels)
        self.activation = nn.ReLU()
        self.stride = stride
        self.extra_channels = channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, channels, h / stride, w / stride)."""
        shortcut = x
        if self.stride != 1 or self.extra_channels:
            before = self.extra_channels // 2
            shortcut = functional.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.extra_channels - before)
            )
        out = self.activation(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        result: Tensor = self.activation(out + shortcut)
        return result


class CifarResNet(nn.Module):
    """A ResNet of 6 ``blocks_per_stage`` + 2 layers for small images.

    Inputs are (b, 3, h, w); outputs are (b, num_outputs). The input of ``linear`` are the (b, 64) features.
    """

    def __init__(self, blocks_per_stage: int, num_outputs: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, padding=1, bias=False)
        self.bn1 = norm(16)
        self.activation = nn.ReLU()
        self.layer1 = _stage(16, 16, blocks_per_stage, 1, norm)
        self.layer2 = _stage(16, 32, blocks_per_stage, 2, norm)
        self.layer3 = _stage(32, 64, blocks_per_stage, 2, norm)
        self.linear = nn.Linear(64, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of the head, (b, num_outputs)."""
        out = self.activation(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        outputs: Tensor = self.linear(torch.flatten(functional.adaptive_avg_pool2d(out, 1), 1))
        return outputs


def _stage(in_channels: int, channels: int, blocks: int, stride: int, norm: Norm) -> nn.Sequential:
    first = BasicBlock(in_channels, channels, stride, norm)
    return nn.Sequential(first, *(BasicBlock(channels, channels, 1, norm) for _ in range(blocks - 1)))


def resnet20(num_outputs: int = 10) -> CifarResNet:
    """ResNet-20: 0.27 million parameters."""
    return CifarResNet(3, num_outputs)

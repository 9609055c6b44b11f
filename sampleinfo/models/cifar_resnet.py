"""CIFAR-style ResNets with parameter-free (option A) shortcuts.

Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Per-channel mean and standard deviation of the CIFAR-10 training images, scaled to [0, 1].
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2470, 0.2435, 0.2616)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and an option A shortcut: stride by slicing, new channels filled with zeros."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
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
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return functional.relu(out + shortcut)


class CifarResNet(nn.Module):
    """A ResNet of 6 ``blocks_per_stage`` + 2 layers for 32x32 images.

    Inputs are (b, 3, h, w); outputs are (b, num_outputs). ``embed`` gives the (b, 64) penultimate features.
    """

    def __init__(self, blocks_per_stage: int, num_outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks_per_stage, stride=1)
        self.layer2 = _stage(16, 32, blocks_per_stage, stride=2)
        self.layer3 = _stage(32, 64, blocks_per_stage, stride=2)
        self.linear = nn.Linear(64, num_outputs)

    def embed(self, x: Tensor) -> Tensor:
        """Penultimate features, (b, 64)."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        return torch.flatten(functional.adaptive_avg_pool2d(out, 1), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of the head, (b, num_outputs)."""
        outputs: Tensor = self.linear(self.embed(x))
        return outputs


def _stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(BasicBlock(channels, channels, 1) for _ in range(blocks - 1)))


def resnet20(num_outputs: int = 10) -> CifarResNet:
    """ResNet-20: 0.27 million parameters."""
    return CifarResNet(3, num_outputs)

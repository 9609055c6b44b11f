"""From weights on disk to a network ready for a task, and from pictures to its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from sampleinfo.models import ModelSpec
from sampleinfo.models.cifar_resnet import CIFAR_MEAN, CIFAR_STD, CifarResNet, resnet20
from sampleinfo.types import Images

HEAD = "linear"


@dataclass(frozen=True)
class Network:
    """A network in eval mode, parameters without gradients switched off, and the way pictures enter it."""

    spec: ModelSpec
    module: CifarResNet

    def prepare(self, images: Images, rows: Sequence[int]) -> Tensor:
        """(b, 3, s, s) float32: RGB, resized bilinearly to the network's size, normalised as in its pre-training."""
        size = self.spec.image_size
        batch = np.stack([_resized(images[int(row)], size) for row in rows])
        scaled = torch.from_numpy(batch).float() / 255
        return ((scaled - torch.tensor(CIFAR_MEAN)) / torch.tensor(CIFAR_STD)).permute(0, 3, 1, 2).contiguous()


def build(spec: ModelSpec, outputs: int, seed: int) -> Network:
    """Load the weights, replace the head by a seeded one: weight N(0, 1/features), bias 0."""
    module = resnet20(outputs)
    state = {key: value for key, value in load_file(spec.weights).items() if not key.startswith(HEAD)}
    generator = torch.Generator().manual_seed(seed)
    state[f"{HEAD}.weight"] = torch.randn(outputs, spec.features, generator=generator) / spec.features**0.5
    state[f"{HEAD}.bias"] = torch.zeros(outputs)
    missing, unexpected = module.load_state_dict(state, strict=False)
    unknown = [key for key in missing if "num_batches_tracked" not in key] + list(unexpected)
    if unknown:
        raise ValueError(f"weights of {spec.name} do not fit the network: {', '.join(unknown)}")
    return Network(spec, module.eval())


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    picture = Image.fromarray(image).convert("RGB")
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))

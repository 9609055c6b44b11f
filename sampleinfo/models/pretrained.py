"""From weights on disk to a network ready for a task, and from pictures to its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sampleinfo.models import checkpoints, cifar_resnet, torchvision_resnet
from sampleinfo.models.cifar_resnet import CifarResNet
from sampleinfo.models.sources import bundled_file
from sampleinfo.models.specs import BUNDLED, CIFAR, ModelSpec, resolve
from sampleinfo.types import ImageArray, Images, Reporter

#: Slope of "leaky" below 0. A choice of this package: leaky activations are from Achille et al., "LQF: linear quadratic
#: fine-tuning", CVPR 2021.
SLOPE = 0.2


@dataclass(frozen=True, eq=False)
class Network:
    """A network in eval mode, parameters without gradients switched off, and the way pictures enter it.

    ``source`` says where the weights are from: ``bundled``, the name of torchvision's, or a file's name. ``ignored``
    are the keys of the weights that were left out: the head.
    """

    spec: ModelSpec
    module: nn.Module
    source: str
    ignored: tuple[str, ...]

    @property
    def head(self) -> nn.Linear:
        """The last layer."""
        layer = self.module.get_submodule(self.spec.head)
        assert isinstance(layer, nn.Linear)
        return layer

    def normalise(self, batch: ImageArray) -> Tensor:
        """(b, s, s, 3) uint8 to (b, 3, s, s) float32, as in the network's pre-training."""
        mean, std = torch.tensor(self.spec.transform.mean), torch.tensor(self.spec.transform.std)
        scaled = torch.from_numpy(batch).float() / 255
        return ((scaled - mean) / std).permute(0, 3, 1, 2).contiguous()

    def prepare(self, images: Images, rows: Sequence[int]) -> Tensor:
        """(b, 3, s, s) float32: pictures of any size, transformed and normalised."""
        return self.normalise(np.stack([self.spec.transform.apply(images[int(row)]) for row in rows]))

    def features_and_outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(b, features) penultimate features and (b, k) outputs of prepared images (b, 3, s, s), in one pass."""
        caught: list[Tensor] = []
        handle = self.head.register_forward_pre_hook(lambda _, args: caught.append(args[0]))
        try:
            with torch.no_grad():
                outputs: Tensor = self.module(images)
        finally:
            handle.remove()
        (features,) = caught
        return features, outputs

    def set_head(self, weight: npt.NDArray[np.floating], bias: npt.NDArray[np.floating]) -> None:
        """Put ``weight`` (k, features) and ``bias`` (k,) into the head, as float32 and on its device."""
        for parameter, values in ((self.head.weight, weight), (self.head.bias, bias)):
            if parameter.shape != values.shape:
                raise ValueError(f"the head has {tuple(parameter.shape)}, got {values.shape}")
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(np.array(values, dtype=np.float32)))


def load(
    spec: ModelSpec, outputs: int, seed: int, weights: str | None, norm: str, activation: str, report: Reporter
) -> Network:
    """The network with its weights and a fresh head; see ``models.load``."""
    chosen = resolve(spec, weights)
    path = _file(spec, chosen, report)
    found = checkpoints.read(path)
    with torch.device("meta"):  # no memory and no random numbers for what is replaced
        module = _network(spec, outputs, norm, activation)
    state, ignored = checkpoints.fitted(found, module, spec, norm, path)
    module.load_state_dict(_completed(state, module, spec, seed), assign=True)
    return Network(spec, module.eval(), chosen.name if isinstance(chosen, Path) else chosen, ignored)


def _file(spec: ModelSpec, chosen: str | Path, report: Reporter) -> Path:
    if isinstance(chosen, Path):
        return chosen
    return bundled_file() if chosen == BUNDLED else torchvision_resnet.weights_file(spec.name, chosen, report)


def _network(spec: ModelSpec, outputs: int, norm: str, activation: str) -> nn.Module:
    if spec.family == CIFAR:
        module: nn.Module = CifarResNet(spec.architecture.layers[0], outputs, cifar_resnet.NORMS[norm])
    else:
        module = torchvision_resnet.network(spec.name, outputs, norm)
    return _leaky(module) if activation == "leaky" else module


def _leaky(module: nn.Module) -> nn.Module:
    """The same with every ReLU replaced."""
    for part in list(module.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.ReLU):
                setattr(part, name, nn.LeakyReLU(SLOPE, child.inplace))
    return module


def _completed(state: dict[str, Tensor], module: nn.Module, spec: ModelSpec, seed: int) -> dict[str, Tensor]:
    """With a head, weight N(0, 1/features) and bias 0, and the counts of batches that eval mode does not read."""
    head = module.get_submodule(spec.head)
    assert isinstance(head, nn.Linear)
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(head.out_features, spec.features, generator=generator) / spec.features**0.5
    made = {**state, f"{spec.head}.weight": weight, f"{spec.head}.bias": torch.zeros(head.out_features)}
    counts = {name: torch.tensor(0) for name in module.state_dict() if name.endswith("num_batches_tracked")}
    return {**counts, **made}

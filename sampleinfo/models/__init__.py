"""Networks by name. One file per family; this table is free of torch so that pages may read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sampleinfo.errors import InvalidData, StorageError, UnknownName

if TYPE_CHECKING:
    from sampleinfo.models.pretrained import Network

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@dataclass(frozen=True)
class ModelSpec:
    """A pre-trained network.

    ``tensor_sizes`` are the sizes of its parameter tensors without the head, ``features`` the width of the
    penultimate layer, ``multiply_adds`` the cost of one forward pass of one image.
    """

    name: str
    title: str
    weights: Path
    sha256: str
    image_size: int
    features: int
    multiply_adds: float
    tensor_sizes: tuple[int, ...]

    def parameters(self, outputs: int) -> int:
        """Parameters with a head of ``outputs`` outputs."""
        return sum(self.tensor_sizes) + (self.features + 1) * outputs

    def subset_coordinates(self, outputs: int, per_tensor: int) -> int:
        """Coordinates of a random subset of at most ``per_tensor`` per parameter tensor."""
        sizes = (*self.tensor_sizes, self.features * outputs, outputs)
        return sum(min(size, per_tensor) for size in sizes)


def _resnet20_tensors() -> tuple[int, ...]:
    sizes = [27 * 16, 16, 16]
    channels = 16
    for width in (16, 32, 64):
        for _ in range(3):
            sizes += [9 * channels * width, width, width, 9 * width * width, width, width]
            channels = width
    return tuple(sizes)


MODELS = {
    "resnet20": ModelSpec(
        name="resnet20",
        title="ResNet-20, pre-trained on CIFAR-10",
        weights=ASSETS / "resnet20_cifar10.safetensors",
        sha256="7413b224e8f32b14406bd162eedd51b442eb7583f61466dd1dfb53877a1da5e4",
        image_size=32,
        features=64,
        multiply_adds=40.8e6,
        tensor_sizes=_resnet20_tensors(),
    ),
}


def find(name: str) -> ModelSpec:
    """The network called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    if name not in MODELS:
        raise UnknownName("model", name, MODELS)
    return MODELS[name]


def load(name: str, outputs: int, seed: int) -> Network:
    """The network with its pre-trained weights, a fresh head of ``outputs`` outputs, in eval mode.

    Raises:
        StorageError: the weights file is missing.
        InvalidData: the weights file is not the one this version was tested with.
    """
    import hashlib

    from sampleinfo.models.pretrained import build

    spec = find(name)
    if not spec.weights.is_file():
        raise StorageError(f"the weights of {name} are missing: {spec.weights}. Restore assets/ from the repository.")
    if hashlib.sha256(spec.weights.read_bytes()).hexdigest() != spec.sha256:
        raise InvalidData(f"{spec.weights} is not the file this version expects (checksum differs). Restore assets/.")
    return build(spec, outputs, seed)

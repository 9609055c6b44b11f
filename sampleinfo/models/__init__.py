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

    ``tensors`` are the names and sizes of its parameter tensors without the head, ``features`` the width of the
    penultimate layer, ``multiply_adds`` the cost of one forward pass of one image, ``activations`` the values that its
    layers put out for one image; ``last_stage`` and ``head`` name layers.
    """

    name: str
    title: str
    weights: Path
    sha256: str
    image_size: int
    features: int
    multiply_adds: float
    activations: int
    last_stage: str
    head: str
    tensors: tuple[tuple[str, int], ...]

    def layers(self, scope: str) -> tuple[str, ...]:
        """The layers of a scope: ``last-stage`` (and head) or ``head``; none named means all."""
        return {"all": (), "last-stage": (self.last_stage, self.head), "head": (self.head,)}[scope]

    def parameters(self, outputs: int, scope: str = "all") -> int:
        """Parameters in a scope, with a head of ``outputs`` outputs."""
        return sum(self._sizes(outputs, scope))

    def subset_coordinates(self, outputs: int, per_tensor: int, scope: str = "all") -> int:
        """Coordinates of a random subset of at most ``per_tensor`` per parameter tensor."""
        return sum(min(size, per_tensor) for size in self._sizes(outputs, scope))

    def _sizes(self, outputs: int, scope: str) -> list[int]:
        layers = self.layers(scope)
        body = [size for name, size in self.tensors if not layers or name.split(".")[0] in layers]
        return [*body, self.features * outputs, outputs]


def _resnet20_tensors() -> tuple[tuple[str, int], ...]:
    found = [("conv1", 27 * 16), ("bn1", 16), ("bn1", 16)]
    channels = 16
    for stage, width in enumerate((16, 32, 64), start=1):
        for block in range(3):
            sizes = (9 * channels * width, width, width, 9 * width * width, width, width)
            found += [(f"layer{stage}.{block}", size) for size in sizes]
            channels = width
    return tuple(found)


MODELS = {
    "resnet20": ModelSpec(
        name="resnet20",
        title="ResNet-20, pre-trained on CIFAR-10",
        weights=ASSETS / "resnet20_cifar10.safetensors",
        sha256="7413b224e8f32b14406bd162eedd51b442eb7583f61466dd1dfb53877a1da5e4",
        image_size=32,
        features=64,
        multiply_adds=40.8e6,
        activations=2 * (7 * 16 * 32**2 + 6 * 32 * 16**2 + 6 * 64 * 8**2),
        last_stage="layer3",
        head="linear",
        tensors=_resnet20_tensors(),
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

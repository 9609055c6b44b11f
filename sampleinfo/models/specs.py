"""The table of networks, and what is known of each without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sampleinfo.errors import InvalidSetting, lookup
from sampleinfo.models import sizes
from sampleinfo.models.sizes import Architecture
from sampleinfo.models.transforms import CIFAR_MEAN, CIFAR_STD, IMAGENET_MEAN, IMAGENET_STD, Transform

NORMS, ACTIVATIONS = ("batch", "group"), ("relu", "leaky")
#: Suffixes of the files that own weights may come in.
SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
BUNDLED, V1, V2 = "bundled", "IMAGENET1K_V1", "IMAGENET1K_V2"
CIFAR, TORCHVISION = "cifar", "torchvision"
LEAST_SIZE, MOST_SIZE = 16, 1024


@dataclass(frozen=True)
class ModelSpec:
    """A pre-trained network.

    ``family`` is cifar or torchvision. ``weights_names`` are the weights that come with it, the default last; none
    where own weights are needed. ``tensors`` are the names and sizes of its parameter tensors without the head,
    ``features`` the width of the penultimate layer, ``multiply_adds`` the cost of the convolutions for one image of
    ``image_size``, ``activations`` the values that its layers put out for one image; ``last_stage`` and ``head`` name
    layers. ``transform`` turns pictures into inputs.
    """

    name: str
    title: str
    family: str
    architecture: Architecture
    weights_names: tuple[str, ...]
    image_size: int
    transform: Transform
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


def find(name: str, image_size: int | None = None, weights: str | None = None) -> ModelSpec:
    """The network called ``name`` for images of ``image_size``, with the transform that its ``weights`` need.

    ``image_size`` None is that of its pre-training; the shorter side before the crop keeps its proportion to it.
    ``weights`` None are the default ones; a file's are taken to want what torchvision's first weights want (256, 224).

    Raises:
        UnknownName: with the known names.
        InvalidSetting: an image size or weights that are not allowed.
    """
    spec = lookup("model", name, MODELS)
    if image_size is not None and not LEAST_SIZE <= image_size <= MOST_SIZE:
        raise InvalidSetting(f"image size must be between {LEAST_SIZE} and {MOST_SIZE} pixels, got {image_size}.")
    chosen = None if weights is None and not spec.weights_names else resolve(spec, weights)
    size = spec.image_size if image_size is None else image_size
    return replace(
        spec,
        image_size=size,
        transform=_transform(spec.family, spec.name, None if isinstance(chosen, Path) else chosen, size),
        multiply_adds=float(sizes.multiply_adds(spec.architecture, size)),
        activations=sizes.activations(spec.architecture, size),
    )


def resolve(spec: ModelSpec, weights: str | None) -> str | Path:
    """The name of weights that come with the network, or the path of a file that is given instead.

    Raises:
        InvalidSetting: neither, or none given for a network without weights of its own.
    """
    if weights is None and spec.weights_names:
        return spec.weights_names[-1]
    if weights in spec.weights_names:
        return str(weights)
    if weights is not None and weights.lower().endswith(SUFFIXES):
        return Path(weights).expanduser()
    got = "none were given" if weights is None else f"got {weights!r}"
    if not spec.weights_names:
        raise InvalidSetting(
            f"{spec.name} comes without weights; give a file with --weights ({', '.join(SUFFIXES)}); {got}."
        )
    raise InvalidSetting(
        f"weights of {spec.name} must be one of {', '.join(spec.weights_names)}, or a file ({', '.join(SUFFIXES)}); "
        f"{got}."
    )


def _transform(family: str, name: str, weights: str | None, size: int) -> Transform:
    if family == CIFAR:
        return Transform(None, size, CIFAR_MEAN, CIFAR_STD)
    # The one network whose first weights came from the newer recipe.
    newer = weights == V2 or (weights == V1 and name == "resnext101_64x4d")
    return Transform(round((232 if newer else 256) * size / 224), size, IMAGENET_MEAN, IMAGENET_STD)


def _spec(name: str, title: str, family: str, architecture: Architecture, weights: tuple[str, ...]) -> ModelSpec:
    size = 32 if family == CIFAR else 224
    return ModelSpec(
        name=name,
        title=title,
        family=family,
        architecture=architecture,
        weights_names=weights,
        image_size=size,
        transform=_transform(family, name, weights[-1] if weights else None, size),
        features=architecture.features,
        multiply_adds=float(sizes.multiply_adds(architecture, size)),
        activations=sizes.activations(architecture, size),
        last_stage=f"layer{len(architecture.layers)}",
        head="linear" if family == CIFAR else "fc",
        tensors=sizes.tensors(architecture),
    )


def _cifar(depth: int) -> ModelSpec:
    bundled = depth == 20
    words = "pre-trained on CIFAR-10" if bundled else "CIFAR family, weights of your own"
    architecture = Architecture("cifar", ((depth - 2) // 6,) * 3)
    return _spec(f"resnet{depth}", f"ResNet-{depth}, {words}", CIFAR, architecture, (BUNDLED,) if bundled else ())


def _imagenet(name: str, title: str, architecture: Architecture, weights: tuple[str, ...] = (V1, V2)) -> ModelSpec:
    return _spec(name, f"{title}, pre-trained on ImageNet", TORCHVISION, architecture, weights)


_SHORT, _MIDDLE, _LONG = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)
MODELS = {
    spec.name: spec
    for spec in (
        _cifar(20),
        _imagenet("resnet18", "ResNet-18", Architecture("basic", (2, 2, 2, 2)), (V1,)),
        _imagenet("resnet34", "ResNet-34", Architecture("basic", _SHORT), (V1,)),
        _imagenet("resnet50", "ResNet-50", Architecture("bottleneck", _SHORT)),
        _imagenet("resnet101", "ResNet-101", Architecture("bottleneck", _MIDDLE)),
        _imagenet("resnet152", "ResNet-152", Architecture("bottleneck", _LONG)),
        _imagenet("resnext50_32x4d", "ResNeXt-50 32x4d", Architecture("bottleneck", _SHORT, 32, 4)),
        _imagenet("resnext101_32x8d", "ResNeXt-101 32x8d", Architecture("bottleneck", _MIDDLE, 32, 8)),
        _imagenet("resnext101_64x4d", "ResNeXt-101 64x4d", Architecture("bottleneck", _MIDDLE, 64, 4), (V1,)),
        _imagenet("wide_resnet50_2", "Wide ResNet-50-2", Architecture("bottleneck", _SHORT, 1, 128)),
        _imagenet("wide_resnet101_2", "Wide ResNet-101-2", Architecture("bottleneck", _MIDDLE, 1, 128)),
        *(_cifar(depth) for depth in (32, 44, 56, 110)),
    )
}

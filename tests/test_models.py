"""Networks against torchvision's, weights of every origin and quality, and the trained head against refitting."""

from __future__ import annotations

import argparse
import hashlib
import http.server
import io
import json
import pickle
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.linear_model import Ridge
from torch import nn

from sampleinfo import downloads, jacobians, models, recording
from sampleinfo.errors import Cancelled, InvalidData, InvalidSetting, StorageError, UnknownName
from sampleinfo.models import heads, pretrained, sources
from sampleinfo.models.transforms import IMAGENET_MEAN, IMAGENET_STD, Transform
from tests.test_jacobians import randomised

TORCHVISION = [spec.name for spec in models.MODELS.values() if spec.family == "torchvision"]


def network(name: str, norm: str = "batch", outputs: int = 2, seed: int = 0) -> nn.Module:
    """A network with random weights, statistics and factors."""
    torch.manual_seed(seed)
    return randomised(pretrained._network(models.find(name), outputs, norm, "relu"))


def saved(path: Path, name: str, norm: str = "batch") -> str:
    """A checkpoint of such a network."""
    torch.save(network(name, norm).state_dict(), path)
    return str(path)


# Sizes.


@pytest.mark.parametrize("name", models.MODELS)
def test_sizes_are_those_of_the_torch_modules(name: str) -> None:
    """Parameters exactly and in order; multiply-adds and activations by hooks, at the usual and at an odd size."""
    with torch.device("meta"):
        module = pretrained._network(models.find(name), 7, "batch", "relu").eval()
    counts = {"multiply_adds": 0, "activations": 0}

    def count(layer: nn.Module, _: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            counts["multiply_adds"] += layer.weight.numel() * output.shape[2] * output.shape[3]
        if not isinstance(layer, nn.Linear):
            counts["activations"] += output.numel()

    for part in module.modules():
        if any(True for _ in part.parameters(recurse=False)):
            part.register_forward_hook(count)
    for size in (None, 97):
        spec = models.find(name, size)
        named = [(key, each.numel()) for key, each in module.named_parameters()]
        assert named == [*spec.tensors, (f"{spec.head}.weight", 7 * spec.features), (f"{spec.head}.bias", 7)]
        counts.update(multiply_adds=0, activations=0)
        with torch.no_grad():
            module(torch.empty(1, 3, spec.image_size, spec.image_size, device="meta"))
        assert counts == {"multiply_adds": spec.multiply_adds, "activations": spec.activations}


@pytest.mark.parametrize("name", ["resnet18", "resnet20", "resnet32"])
@pytest.mark.parametrize("scope", ["last-stage", "head"])
def test_scopes_are_counted(name: str, scope: str) -> None:
    spec, module = models.find(name), network(name, outputs=7)
    everything, some = jacobians.all_coordinates(module), jacobians.random_coordinates(module, 100, 0)
    assert sum(map(len, jacobians.in_scope(everything, spec.layers(scope)))) == spec.parameters(7, scope)
    assert sum(map(len, jacobians.in_scope(some, spec.layers(scope)))) == spec.subset_coordinates(7, 100, scope)
    assert sum(map(len, everything)) == spec.parameters(7)


def test_the_table_is_free_of_torch() -> None:
    code = (
        "import sys; from sampleinfo import models; models.identity(models.find('resnet50', 160), 'IMAGENET1K_V1');"
        "assert models.find('resnet20').parameters(10) == 269722;"
        "print({'torch', 'torchvision', 'sklearn'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("name", TORCHVISION)
def test_weights_and_transforms_are_torchvisions(name: str) -> None:
    weights = torchvision.models.get_model_weights(name)
    spec = models.find(name)
    assert set(spec.weights_names) == {each.name for each in weights}
    assert weights.DEFAULT.name == spec.weights_names[-1]
    for each in weights:
        theirs, ours = each.transforms(), models.find(name, weights=each.name).transform
        assert ([ours.resize], [ours.crop]) == (theirs.resize_size, theirs.crop_size)
        assert (list(ours.mean), list(ours.std)) == (theirs.mean, theirs.std)


def test_find() -> None:
    smaller = models.find("resnet50", 160)
    assert (smaller.image_size, smaller.transform.crop, smaller.transform.resize) == (160, 160, round(232 * 160 / 224))
    assert models.find("resnet50", weights="own.pth").transform.resize == 256
    assert models.find("resnet20", 48).transform == replace(models.find("resnet20").transform, crop=48)
    assert models.find("resnet110").weights_names == ()
    with pytest.raises(UnknownName, match=r"Unknown model 'resnet19'\. Did you mean 'resnet1"):
        models.find("resnet19")
    for size in (15, 1025, 0, -3):
        with pytest.raises(InvalidSetting, match=f"image size must be between 16 and 1024 pixels, got {size}."):
            models.find("resnet18", size)
    with pytest.raises(InvalidSetting, match=r"weights of resnet18 must be one of IMAGENET1K_V1, or a file \(.pth"):
        models.find("resnet18", weights="IMAGENET1K_V2")


# Pictures.


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(300, 400), (401, 299), (224, 224), (50, 37), (17, 200), (256, 256), (333, 1000),
                                   (1, 1), (2, 31)])  # fmt: skip
@pytest.mark.parametrize(("weights", "size"), [("IMAGENET1K_V1", 224), ("IMAGENET1K_V2", 224), ("IMAGENET1K_V1", 97)])
def test_pictures_equal_torchvisions(shape: tuple[int, int], weights: str, size: int) -> None:
    transform = models.find("resnet50", size, weights).transform
    assert transform.resize is not None
    image = picture(*shape)
    theirs = torchvision.transforms.Compose(
        [torchvision.transforms.Resize(transform.resize), torchvision.transforms.CenterCrop(size)]
    )
    assert np.array_equal(transform.apply(image), np.asarray(theirs(Image.fromarray(image))))
    assert np.array_equal(
        transform.apply(image[..., 0]), np.asarray(theirs(Image.fromarray(image[..., 0]).convert("RGB")))
    )


def test_small_pictures_are_padded_as_by_torchvision() -> None:
    for resize, crop, shape in ((20, 32, (9, 11)), (20, 33, (9, 30)), (31, 32, (60, 20)), (20, 32, (400, 2))):
        transform = Transform(resize, crop, IMAGENET_MEAN, IMAGENET_STD)
        theirs = torchvision.transforms.Compose(
            [torchvision.transforms.Resize(resize), torchvision.transforms.CenterCrop(crop)]
        )
        image = picture(*shape)
        assert np.array_equal(transform.apply(image), np.asarray(theirs(Image.fromarray(image))))


def test_network_inputs_equal_torchvisions() -> None:
    """All the way to the tensor, through the published transform."""
    weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V2
    spec = models.find("resnet50")
    net = pretrained.Network(spec, nn.Identity(), "", ())
    images = [picture(260, 310), picture(120, 480, 1)]
    wanted = torch.stack([weights.transforms()(Image.fromarray(image)) for image in images])
    got = net.prepare(images, [0, 1])
    assert torch.equal(got, wanted) and got.is_contiguous() and got.dtype == torch.float32


@pytest.mark.parametrize("shape", [(20000, 10), (10, 20000), (1, 5000), (3, 3000), (700, 12000)])
def test_long_strips_need_little_memory(shape: tuple[int, int]) -> None:
    """The middle, within a level of what resizing the whole picture gives; 20000 x 10 would be 512000 x 256."""
    rng = np.random.default_rng(0)
    steps = rng.integers(-3, 4, (*shape, 3)).cumsum(axis=int(np.argmax(shape)))
    image = np.clip(128 + steps, 0, 255).astype(np.uint8)
    transform = Transform(64, 56, IMAGENET_MEAN, IMAGENET_STD)
    whole = torchvision.transforms.Compose([torchvision.transforms.Resize(64), torchvision.transforms.CenterCrop(56)])
    wanted = np.asarray(whole(Image.fromarray(image))).astype(int)
    assert np.abs(transform.apply(image).astype(int) - wanted).max() <= 1
    for name in ("resnet18", "resnet20"):
        size = models.find(name).image_size
        assert models.find(name).transform.apply(image).shape == (size, size, 3)


# Networks.


def test_the_bundled_network() -> None:
    """Bit for bit the file's tensors and the head of old; features are the head's inputs."""
    spec = models.find("resnet20")
    net = models.load(spec, 3, seed=7)
    kept = load_file(sources.BUNDLED_FILE)
    state = net.module.state_dict()
    assert all(torch.equal(state[key], value) for key, value in kept.items() if not key.startswith("linear"))
    generator = torch.Generator().manual_seed(7)
    assert torch.equal(net.head.weight, torch.randn(3, 64, generator=generator) / 64**0.5)
    assert not net.head.bias.any() and net.source == "bundled" and {*net.ignored} == {"linear.weight", "linear.bias"}
    assert not net.module.training and all(p.requires_grad for p in net.module.parameters())
    images = net.prepare(picture(4, 28 * 28)[..., 0].reshape(4, 28, 28), range(4))
    assert images.shape == (4, 3, 32, 32) and images.is_contiguous()
    features, outputs = net.features_and_outputs(images)
    assert torch.equal(outputs, net.module(images)) and not outputs.requires_grad
    assert torch.allclose(net.head(features), outputs, atol=1e-6)
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(3, 64)), rng.normal(size=3)
    net.set_head(weight, bias)
    assert np.allclose(net.features_and_outputs(images)[1], features.numpy() @ weight.T + bias, atol=1e-4)
    with pytest.raises(ValueError, match="the head has"):
        net.set_head(weight[:2], bias)


def test_loading_draws_no_global_random_numbers() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    models.load(models.find("resnet20"), 2, 0)
    assert torch.equal(torch.get_rng_state(), before)


VARIANTS = [("resnet18", "batch", "relu"), ("resnet18", "group", "relu"), ("resnet18", "batch", "leaky"),
            ("resnet18", "group", "leaky"), ("resnext50_32x4d", "batch", "relu"), ("resnet20", "group", "relu"),
            ("resnet20", "batch", "leaky"), ("resnet50", "group", "leaky")]  # fmt: skip


@pytest.mark.parametrize(("name", "norm", "activation"), VARIANTS)
def test_variants_give_the_gradients_of_autograd(name: str, norm: str, activation: str, tmp_path: Path) -> None:
    """No layer is left to torch.func, none complains while it is recorded; one image's gradients against autograd."""
    spec = models.find(name, 32)
    net = models.load(spec, 2, 0, saved(tmp_path / "w.pth", name, norm), norm, activation)
    kinds = {type(part) for part in net.module.modules()}
    assert (nn.LeakyReLU in kinds, nn.ReLU in kinds) == (activation == "leaky", activation == "relu")
    assert (nn.GroupNorm in kinds, nn.BatchNorm2d in kinds) == (norm == "group", norm == "batch")
    assert all(part.negative_slope == 0.2 for part in net.module.modules() if isinstance(part, nn.LeakyReLU))
    assert recording.static_reason(net.module) is None and jacobians.fallback_reason(net.module) is None
    images = jacobians.channels_last(net.prepare([picture(40, 50), picture(32, 32, 1)], [0, 1]))
    chosen = jacobians.random_coordinates(net.module, 200, seed=0)
    recording.record(net.module, images, list(dict.fromkeys(item.layer for item in chosen)))
    named = dict(net.module.named_parameters())
    wanted = dict(zip(named, torch.autograd.grad(net.module(images)[0, 1], list(named.values())), strict=True))
    rows = jacobians.jacobian_rows(net.module, images, chosen)[0, 1].split([len(item) for item in chosen])
    for item, row in zip(chosen, rows, strict=True):
        gradient = wanted[item.name].flatten()[item.positions]
        assert float((row / item.scale - gradient).norm()) <= 1e-4 * float(gradient.norm()) + 1e-7, item.name


# Checkpoints.


WRAPS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}},
    "module": lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
    "compiled": lambda state: {f"_orig_mod.module.backbone.{key}": value for key, value in state.items()},
    "lightning": lambda state: {"state_dict": {f"model.net.{key}": value for key, value in state.items()}},
    "deep": lambda state: {"ema": {"network": {f"encoder.{key}": value for key, value in state.items()}}},
    "half": lambda state: {key: value.half() if value.is_floating_point() else value for key, value in state.items()},
    "double": lambda state: {key: value.double() for key, value in state.items() if "num_batches" not in key},
    "no head": lambda state: {key: value for key, value in state.items() if "fc." not in key},
    "other heads": lambda state: {**state, "head.weight": torch.zeros(5), "classifier.1.bias": torch.zeros(2)},
    "not contiguous": lambda state: {k: v.mT.contiguous().mT if v.dim() == 4 else v for k, v in state.items()},
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_own_checkpoints(wrap: str, tmp_path: Path) -> None:
    module = network("resnet18", outputs=11)
    old = wrap == "module"  # the format before the archives
    torch.save(WRAPS[wrap](module.state_dict()), tmp_path / "own.ckpt", _use_new_zipfile_serialization=not old)
    net = models.load(models.find("resnet18"), 3, 0, str(tmp_path / "own.ckpt"))
    assert net.source == "own.ckpt" and len(net.ignored) == {"no head": 0, "other heads": 4}.get(wrap, 2)
    for key, value in module.state_dict().items():
        if "num_batches" not in key and not key.startswith("fc"):
            wanted = value.half().float() if wrap == "half" else value
            got = net.module.state_dict()[key]
            assert torch.equal(got, wanted) and got.dtype == torch.float32 and got.is_contiguous()


def test_safetensors_and_identity(tmp_path: Path) -> None:
    state = network("resnet20").state_dict()
    save_file(state, tmp_path / "a.safetensors")
    save_file(state, tmp_path / "b.SAFETENSORS")
    spec = models.find("resnet20")
    for name in ("a.safetensors", "b.SAFETENSORS"):
        assert torch.equal(models.load(spec, 1, 0, str(tmp_path / name)).module.conv1.weight, state["conv1.weight"])
    kept = models.identity(spec, str(tmp_path / "a.safetensors"))
    assert kept == models.identity(spec, str(tmp_path / "b.SAFETENSORS")) == json.loads(json.dumps(kept))
    assert kept["sha256"] == hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()
    others = [models.identity(spec), models.identity(models.find("resnet20", 64), str(tmp_path / "a.safetensors")),
              models.identity(spec, str(tmp_path / "a.safetensors"), "group"),
              models.identity(spec, str(tmp_path / "a.safetensors"), "batch", "leaky"),
              models.identity(models.find("resnet50")),
              models.identity(models.find("resnet50"), "IMAGENET1K_V1")]  # fmt: skip
    assert len({json.dumps(each) for each in [kept, *others]}) == 7


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def altered(**changes: Any) -> Callable[[Path], None]:
    """A checkpoint of resnet20 with tensors changed, added, or (None) left out; a dot is written as two underscores."""

    def write(path: Path) -> None:
        state = dict(network("resnet20").state_dict())
        for key, value in changes.items():
            name = key.replace("__", ".")
            state.pop(name, None)
            if value is not None:
                state[name] = value
        torch.save(state, path)

    return write


def content(make: Callable[[], Any]) -> Callable[[Path], None]:
    return lambda path: torch.save(make(), path)


def raw(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def cut(share: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        altered()(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return write


def bomb(path: Path) -> None:
    """100 MB of zeros in a small archive."""
    altered()(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, bytes(10**8) if name.endswith("data/0") else data)


def claim(old: bool) -> Callable[[Path], None]:
    """One storage of four numbers that says it has two thousand million."""

    def write(path: Path) -> None:
        stream = io.BytesIO()
        torch.save({"conv1.weight": torch.arange(4.0)}, stream, _use_new_zipfile_serialization=not old)
        huge = b"J" + (2 * 10**9).to_bytes(4, "little")
        if old:
            data = stream.getvalue()
            assert data.count(b"K\x04") >= 2
            path.write_bytes(data.replace(b"K\x04", huge))
            return
        with zipfile.ZipFile(stream) as archive, zipfile.ZipFile(path, "w") as made:
            for name in archive.namelist():
                data = archive.read(name)
                made.writestr(name, data.replace(b"K\x04", huge) if name.endswith("data.pkl") else data)

    return write


def scripted(path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(path))


def nested(path: Path) -> None:
    state: dict[str, Any] = {"conv1.weight": torch.zeros(1)}
    for _ in range(50):
        state = {"model": state}
    torch.save(state, path)


CODE = "which is never run; save the state_dict with torch.save or safetensors"
DAMAGED = "is damaged or no checkpoint"
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "payload": (lambda path: content(lambda: Payload(path.with_name("ran")))(path), CODE),
    "payload inside": (
        lambda path: content(lambda: {"state_dict": {}, "args": Payload(path.with_name("ran"))})(path), CODE
    ),
    "plain pickle": (lambda path: raw(pickle.dumps(Payload(path.with_name("ran"))))(path), CODE),
    "old payload": (
        lambda path: torch.save(Payload(path.with_name("ran")), path, _use_new_zipfile_serialization=False), CODE
    ),
    "whole module": (content(lambda: network("resnet20")), CODE),
    "torchscript": (scripted, "is a TorchScript file, which holds code and is never run"),
    "empty": (raw(b""), "is empty; a checkpoint with the network's weights is needed"),
    "text": (raw(b"hello, these are not weights\n"), DAMAGED),
    "page": (raw(b"<!DOCTYPE html><html>Not found</html>"), DAMAGED),
    "zeros": (raw(bytes(5000)), DAMAGED),
    "noise": (raw(np.random.default_rng(0).bytes(5000)), DAMAGED),
    "zip of nothing": (raw(b"PK\x03\x04" + bytes(100)), DAMAGED),
    "half a file": (cut(0.5), DAMAGED),
    "nearly a file": (cut(0.99), DAMAGED),
    "bomb": (bomb, "claims to unpack to 1"),
    "claim": (claim(old=False), DAMAGED),
    "old claim": (claim(old=True), DAMAGED),
    "empty dictionary": (content(dict), "holds no state dict (names and tensors), but the keys none"),
    "empty state": (content(lambda: {"state_dict": {}}), "but the keys state_dict; looked in it and under state_dict"),
    "numbers": (content(lambda: {"epoch": 3, "lr": 0.1}), "but the keys epoch, lr;"),
    "a tensor": (content(lambda: torch.zeros(3)), "holds no state dict (names and tensors), but a Tensor"),
    "a list": (content(lambda: [torch.zeros(3)]), "holds no state dict (names and tensors), but a list"),
    "too deep": (nested, "holds no state dict"),
    "missing": (altered(bn1__weight=None, layer1__0__conv1__weight=None),
                "does not fit resnet20, of its tensors are 2 missing (bn1.weight, layer1.0.conv1.weight)."),
    "unexpected": (altered(layer9__weight=torch.zeros(2)), "are 1 unexpected (layer9.weight)."),
    "shape": (altered(conv1__weight=torch.zeros(16, 3, 5, 5)),
              "1 of another shape (conv1.weight: 16 x 3 x 5 x 5 where 16 x 3 x 3 x 3 is needed)."),
    "number": (altered(conv1__weight=3.5), "(conv1.weight: no tensor where 16 x 3 x 3 x 3 is needed)"),
    "huge shape": (altered(conv1__weight=torch.zeros(1).expand(10**6, 10**6)), "1000000 x 1000000 where"),
    "nan": (altered(conv1__weight=torch.full((16, 3, 3, 3), float("nan"))), "tensor conv1.weight holds values that"),
    "infinite in float32": (altered(bn1__bias=torch.full((16,), 1e300, dtype=torch.float64)), "tensor bn1.bias holds"),
    "negative variance": (altered(bn1__running_var=-torch.ones(16)), "bn1.running_var holds negative variances"),
    "integers": (altered(bn1__bias=torch.zeros(16, dtype=torch.int64)), "bn1.bias is int64, strided, cpu; allowed are"),
    "sparse": (altered(bn1__bias=torch.ones(16).to_sparse()), "bn1.bias is float32, sparse_coo, cpu"),
    "no memory": (altered(bn1__bias=torch.empty(16, device="meta")), "bn1.bias is float32, strided, meta"),
    "twice": (altered(**{"module.conv1__weight": torch.zeros(16, 3, 3, 3)}), "holds two tensors for conv1.weight"),
    "names": (altered(**{"layer1__a\nb" + "c" * 500: torch.zeros(1)}), "1 unexpected ('layer1.a\\nbccc"),
    "odd keys": (content(lambda: {3: torch.zeros(1), None: 4, ("a",): 5}), "3 unexpected (3, None, ('a',))"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("ignore")
def test_hostile_checkpoints_get_one_sentence(name: str, tmp_path: Path) -> None:
    write, sentence = HOSTILE[name]
    path = tmp_path / "given.pth"
    write(path)
    with pytest.raises(InvalidData) as caught:
        models.load(models.find("resnet20"), 2, 0, str(path))
    text = str(caught.value)
    assert text.startswith(str(path)) and sentence in text and "\n" not in text and len(text) < 1200
    assert not (tmp_path / "ran").exists()


SAFETENSORS = {
    "text": b"no header", "header": (10**15).to_bytes(8, "little") + b"{}", "empty": b"", "noise": bytes(range(256)),
    "offsets": (74).to_bytes(8, "little")
    + b'{"conv1.weight":{"dtype":"F32","shape":[999999],"data_offsets":[0,3999996]}}'[:74],
}  # fmt: skip


@pytest.mark.parametrize("name", SAFETENSORS)
def test_hostile_safetensors(name: str, tmp_path: Path) -> None:
    (tmp_path / "given.safetensors").write_bytes(SAFETENSORS[name])
    with pytest.raises(InvalidData, match="is empty" if name == "empty" else "is damaged or no safetensors file"):
        models.load(models.find("resnet20"), 2, 0, str(tmp_path / "given.safetensors"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    spec = models.find("resnet20")
    (tmp_path / "folder.pth").mkdir()
    for path in (tmp_path / "nothing.pth", tmp_path / "folder.pth", tmp_path / "nothing" / "a.pth", Path("a\0.pth")):
        for call in (lambda given: models.load(spec, 2, 0, given), lambda given: models.identity(spec, given)):
            with pytest.raises(StorageError, match="cannot read the weights"):
                call(str(path))


def test_checkpoints_of_another_network_are_recognised(tmp_path: Path) -> None:
    for name, wanted in (("resnet34", "resnet18"), ("resnet56", "resnet20"), ("wide_resnet50_2", "resnet50")):
        with pytest.raises(InvalidData, match=rf"does not fit {wanted}.* It fits {name}: use --model"):
            models.load(models.find(wanted), 2, 0, saved(tmp_path / "w.pth", name))
    with pytest.raises(
        InvalidData, match=r"180 missing \(conv1.weight, bn1.weight.* and 174 more\), 1 unexpected \(x\)"
    ):
        torch.save({"x": torch.zeros(1)}, tmp_path / "x.pth")
        models.load(models.find("resnet34"), 2, 0, str(tmp_path / "x.pth"))


def test_normalisations_are_told_apart(tmp_path: Path) -> None:
    for name in ("resnet18", "resnet20"):
        spec = models.find(name)
        batch, group = saved(tmp_path / "batch.pth", name), saved(tmp_path / "group.pth", name, "group")
        assert models.load(spec, 1, 0, group, "group").module.bn1.num_groups == {"resnet18": 32, "resnet20": 8}[name]
        with pytest.raises(InvalidData, match=r"holds running statistics .*trained with BatchNorm.* use --norm batch"):
            models.load(spec, 1, 0, batch, "group")
        with pytest.raises(InvalidData, match="if it was trained with GroupNorm, use --norm group"):
            models.load(spec, 1, 0, group)
        with pytest.raises(InvalidSetting, match=r"were trained with BatchNorm and do not fit norm 'group'"):
            models.load(spec, 1, 0, norm="group")


def test_settings_that_are_refused() -> None:
    spec = models.find("resnet20")
    with pytest.raises(InvalidSetting, match="norm must be one of batch, group; got 'layer'"):
        models.load(spec, 1, 0, norm="layer")
    with pytest.raises(InvalidSetting, match="activation must be one of relu, leaky; got 'gelu'"):
        models.identity(spec, activation="gelu")
    with pytest.raises(InvalidSetting, match=r"weights of resnet20 must be one of bundled, or a file .* got 'a.zip'"):
        models.load(spec, 1, 0, "a.zip")
    for call in (lambda each: models.load(each, 1, 0), models.identity, models.check):
        with pytest.raises(InvalidSetting, match=r"resnet56 comes without weights; give a file with --weights"):
            call(models.find("resnet56"))


# Downloads.


class Handler(http.server.BaseHTTPRequestHandler):
    """/cut sends half, /endless no length, /away leads elsewhere, anything else the whole."""

    data = b""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind in ("missing", "away"):
            self.send_response(404 if kind == "missing" else 302)
            self.send_header("Location", "http://example.invalid/file")
            self.end_headers()
            return
        self.send_response(200)
        if kind != "endless":
            self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data[: len(self.data) // 2] if kind == "cut" else self.data)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on this machine; its address."""
    monkeypatch.setattr(Handler, "data", np.random.default_rng(0).bytes(300_000))
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


def named() -> str:
    return f"weights-{hashlib.sha256(Handler.data).hexdigest()[:8]}.pth"


@pytest.mark.parametrize("kind", ["whole", "endless"])
def test_downloads(server: str, kind: str, tmp_path: Path) -> None:
    seen: list[tuple[str, float, float]] = []
    target = tmp_path / "new" / named()
    for _ in range(2):
        found = downloads.fetch(f"{server}/{kind}/{named()}", target, lambda *each: seen.append(each), "fetching")
        assert found == target and target.read_bytes() == Handler.data
    assert seen[-1] == ("fetching", 300_000, 300_000) and len(seen) == 5
    assert [each.name for each in target.parent.iterdir()] == [named()]


FAILURES = [("{server}/cut/", "the connection ended after 150000 of 300000 bytes"),
            ("{server}/missing/", "answered 404"), ("{server}/away/", "only https is allowed, not http://example.invalid"),
            ("http://127.0.0.1:9/", "Connection refused"), ("https://127.0.0.1:9/", "Connection refused"),
            ("http://example.com/", "only https is allowed, not http://example.com"), ("file:///etc/", "only https"),
            ("https://nowhere.invalid/", "("), ("https://[::1/", "Invalid IPv6 URL")]  # fmt: skip


@pytest.mark.parametrize(("url", "reason"), FAILURES)
def test_downloads_that_fail(server: str, url: str, reason: str, tmp_path: Path) -> None:
    whole = url.format(server=server) + named()
    with pytest.raises(StorageError) as caught:
        downloads.fetch(whole, tmp_path / named())
    text = str(caught.value)
    assert text.startswith(f"the download of {whole} failed (") and reason in text
    assert f"put the file at {tmp_path / named()} yourself, or give your own with --weights." in text
    assert list(tmp_path.iterdir()) == []


def test_downloads_with_another_checksum(server: str, tmp_path: Path) -> None:
    target = tmp_path / "weights-0123456789.pth"
    with pytest.raises(StorageError, match=r"the checksum of what came is .*, not 0123456789"):
        downloads.fetch(f"{server}/whole/{target.name}", target)
    assert not target.exists()
    target.write_text("mine")
    with pytest.raises(InvalidData, match=rf"{target} is not the file that belongs there.*delete it"):
        downloads.fetch(f"{server}/whole/{target.name}", target)
    assert target.read_text() == "mine"


def test_downloads_that_are_cancelled_or_have_no_place(server: str, tmp_path: Path) -> None:
    def stop(stage: str, done: float, total: float) -> None:
        if done > 100_000:
            raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        downloads.fetch(f"{server}/whole/{named()}", tmp_path / named(), stop)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"failed \((File exists|Not a directory)\)|cannot read"):
        downloads.fetch(f"{server}/whole/{named()}", tmp_path / "file" / named())


def test_torchvisions_weights(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloaded to where torch.hub looks for them, once; a file there with other bytes is refused."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    spec, folder = models.find("resnet18"), tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").write_text("something else")
    with pytest.raises(InvalidData, match=r"resnet18-f37072fd.pth is not the file that belongs there"):
        models.load(spec, 2, 0)
    module, stream = network("resnet18", outputs=1000), io.BytesIO()
    torch.save(module.state_dict(), stream)
    monkeypatch.setattr(Handler, "data", stream.getvalue())
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    monkeypatch.setattr(weights.value, "url", f"{server}/whole/{named()}")
    seen: list[str] = []
    for _ in range(2):
        net = models.load(spec, 2, 0, "IMAGENET1K_V1", report=lambda stage, *_: seen.append(stage))
        assert net.source == "IMAGENET1K_V1" and net.ignored == ("fc.weight", "fc.bias")
        assert torch.equal(net.module.layer4[1].conv2.weight, module.layer4[1].conv2.weight)
    assert {*seen} == {"weights"} and len(seen) == -(-len(Handler.data) // downloads.CHUNK)
    assert torch.equal(torch.hub.load_state_dict_from_url(weights.url, check_hash=True)["fc.bias"], module.fc.bias)


# The trained head.


@pytest.mark.parametrize("d", [5, 50])
@pytest.mark.parametrize("k", [1, 3])
def test_the_trained_head_has_the_least_leave_one_out_error(d: int, k: int) -> None:
    """Against refitting without each sample at every ridge of the grid."""
    rng = np.random.default_rng(d + k)
    x = np.maximum(rng.normal(size=(30, d)) + 1, 0)
    y = x[:, :5] @ rng.normal(size=(5, k)) + rng.normal(size=(30, k)) + 3
    spread = np.mean(np.sum((x - x.mean(0)) ** 2, axis=1))
    ridges, errors = [spread * each for each in heads.GRID], []
    for ridge in ridges:
        without = [Ridge(ridge).fit(np.delete(x, i, 0), np.delete(y, i, 0)).predict(x[i : i + 1]) for i in range(30)]
        errors.append(np.mean((y - np.reshape(without, (30, k))) ** 2))
    head = heads.closed_form_head(x, y)
    best = int(np.argmin(errors))
    assert head.ridge == pytest.approx(ridges[best]) and head.error == pytest.approx(errors[best], rel=1e-6)
    assert (head.weight.shape, head.bias.shape) == ((k, d), (k,)) and head.weight.dtype == np.float64
    augmented = np.hstack([x, np.ones((30, 1))])
    penalty = head.ridge * np.diag([*np.ones(d), 0.0])
    wanted = np.linalg.solve(augmented.T @ augmented + penalty, augmented.T @ y).T
    assert np.allclose(np.column_stack([head.weight, head.bias]), wanted, atol=1e-8)
    moved = heads.closed_form_head(x + 7, y - 2)
    assert np.allclose(moved.weight, head.weight, atol=1e-6) and moved.ridge == pytest.approx(head.ridge)


def test_heads_of_odd_data() -> None:
    same = heads.closed_form_head(np.ones((4, 3)), np.array([[0.0], [1], [2], [3]]))
    assert np.allclose(same.weight, 0) and np.allclose(same.bias, 1.5)
    for x, y in ((np.ones((1, 3)), np.ones((1, 1))), (np.ones((4, 3)), np.ones((3, 1))), (np.ones(4), np.ones((4, 1)))):
        with pytest.raises(InvalidData, match="a head needs features"):
            heads.closed_form_head(x, y)
    with pytest.raises(InvalidData, match="finite"):
        heads.closed_form_head(np.full((4, 3), np.nan), np.ones((4, 1)))


def test_what_stands_beside_the_layers_is_left_out_and_plain_settings_are_read(tmp_path: Path) -> None:
    module = torchvision.models.resnet18(num_classes=5)
    state = {f"module.encoder_q.{name}": value for name, value in module.state_dict().items()}
    state |= {"module.projector.0.weight": torch.zeros(4, 512), "module.encoder_k.conv1.weight": torch.zeros(1)}
    torch.save({"model": state, "args": argparse.Namespace(lr=0.1), "epoch": 3}, tmp_path / "train.pth")
    spec = models.find("resnet18", 32, str(tmp_path / "train.pth"))
    network = models.load(spec, 2, 0, str(tmp_path / "train.pth"))
    assert torch.equal(network.module.get_parameter("conv1.weight"), module.conv1.weight)
    assert set(network.ignored) == {
        "module.encoder_q.fc.weight", "module.encoder_q.fc.bias", "projector.0.weight",
        "encoder_k.conv1.weight",
    }  # fmt: skip
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "deeper.pth")
    with pytest.raises(InvalidData, match=r"unexpected .* It fits resnet34: use --model"):
        models.load(spec, 2, 0, str(tmp_path / "deeper.pth"))

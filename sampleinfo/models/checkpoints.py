"""Weights from files of any origin: found, checked against a network, and never run.

A file is data here: ``.safetensors`` is read by safetensors, everything else by ``torch.load(weights_only=True)``,
which builds tensors and plain containers and refuses whatever else a pickle asks for.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sampleinfo.errors import InvalidData, StorageError
from sampleinfo.models import fitting
from sampleinfo.models.specs import ModelSpec

#: Where a state dict lies inside what training scripts save, best first, and how deep.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params", "ema",
            "ema_state_dict", "model_ema", "state_dict_ema")  # fmt: skip
DEPTH = 4
#: The number at the end of a layer's name.
LAYER = re.compile(r"[0-9]+$")
PREFIXES = ("module.", "backbone.", "model.", "encoder.", "net.", "network.", "_orig_mod.", "resnet.", "encoder_q.")
HEADS = ("fc", "linear", "head", "classifier")
#: What training scripts save beside the weights and what only holds values: settings of the command line.
PLAIN: list[Any] = [argparse.Namespace]
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def read(path: Path) -> dict[str, Any]:
    """The state dict in a file: names and, as far as the file is one, tensors on the CPU.

    It may lie under one of ``WRAPPERS``.

    Raises:
        StorageError: the file cannot be read.
        InvalidData: it is damaged, holds other things than tensors, or no state dict.
    """
    try:
        if not path.exists():
            raise StorageError(f"cannot read the weights {path}: no such file.")
        if not path.is_file():
            raise StorageError(f"cannot read the weights {path}: not a file.")
        path.open("rb").close()
        size = path.stat().st_size
    except OSError as error:
        raise StorageError(f"cannot read the weights {path}: {error.strerror or error}.") from error
    if size == 0:
        raise InvalidData(f"{path} is empty; a checkpoint with the network's weights is needed.")
    content = _safetensors(path) if path.suffix.lower() == ".safetensors" else _torch(path, size)
    state = _state(content, DEPTH)
    if state is None:
        what = f"the keys {fitting.listed(content)}" if isinstance(content, Mapping) else f"a {type(content).__name__}"
        raise InvalidData(
            f"{path} holds no state dict (names and tensors), but {what}; looked in it and under {', '.join(WRAPPERS)}."
        )
    return state


def fitted(
    state: Mapping[str, Any], module: nn.Module, spec: ModelSpec, norm: str, path: Path
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Everything but the head of ``module``'s state, float32 and contiguous, and the keys of ``state`` left out.

    ``PREFIXES`` are taken off the names; a head (``HEADS``) is left out whatever its size, and so are the number of
    batches that a BatchNorm has seen and whatever stands beside the network's own layers, such as a projector.

    Raises:
        InvalidData: names, shapes, kinds or values that do not fit.
    """
    named, ignored = _renamed(state, path)
    own = {LAYER.sub("", name) for name, _ in module.named_children()}
    foreign = [name for name in named if LAYER.sub("", name.split(".")[0]) not in own]
    wanted = {
        name: tuple(value.shape)
        for name, value in module.state_dict().items()
        if name.split(".")[0] != spec.head and not _counts(name)
    }
    shapes = {name: tuple(value.shape) if isinstance(value, Tensor) else None for name, value in named.items()}
    inner = {name: shape for name, shape in shapes.items() if name not in foreign}
    if fitting.problem(inner, wanted, spec, norm) is not None:
        raise InvalidData(f"{path} {fitting.problem(shapes, wanted, spec, norm)}")
    return {name: _checked(name, named[name], path) for name in wanted}, (*ignored, *foreign)


def _torch(path: Path, size: int) -> object:
    try:
        _refuse_bombs(path, size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with torch.serialization.safe_globals(PLAIN):
                return torch.load(path, map_location="cpu", weights_only=True)
    except InvalidData:
        raise
    except Exception as error:  # whatever a parser meets in a foreign file
        text = str(error)
        # The last one begins the objects that pickle writes by itself, which torch.save never does.
        wants_code = (
            "GLOBAL",
            "Can only create new object",
            "Can only build",
            "TorchScript",
            "Unsupported operand 149",
        )
        if isinstance(error, pickle.UnpicklingError | RuntimeError) and any(word in text for word in wants_code):
            raise InvalidData(
                f"{path} holds code or objects other than tensors{_named(text)}, which is never run; save the "
                "state_dict with torch.save or safetensors."
            ) from error
        raise InvalidData(
            f"{path} is damaged or no checkpoint ({type(error).__name__}); files of torch.save and, with the suffix "
            ".safetensors, of safetensors are read."
        ) from error


def _named(text: str) -> str:
    """The object that torch refused, as far as its message names it."""
    found = re.search(r"GLOBAL ([\w.]{1,80})", text)
    return f" ({found[1]})" if found else ""


def _refuse_bombs(path: Path, size: int) -> None:
    """torch.save compresses nothing: what unpacks to more than the file's own size was not written by it."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return
    with zipfile.ZipFile(path) as archive:
        if any(entry.filename.endswith("/constants.pkl") for entry in archive.infolist()):
            raise InvalidData(
                f"{path} is a TorchScript file, which holds code and is never run; save the state_dict with torch.save "
                "or safetensors."
            )
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > size:
        raise InvalidData(
            f"{path} claims to unpack to {unpacked} bytes, more than its own {size}; torch.save writes no such files."
        )


def _safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except Exception as error:  # whatever a parser meets in a foreign file
        raise InvalidData(
            f"{path} is damaged or no safetensors file ({type(error).__name__}); files of torch.save need one of the "
            "suffixes .pth, .pt, .bin and .ckpt."
        ) from error


def _state(content: object, depth: int) -> dict[str, Any] | None:
    """The first mapping with tensors, of the wrapped ones before the mapping itself."""
    if not isinstance(content, Mapping) or depth == 0:
        return None
    for wrapper in WRAPPERS:
        found = _state(content.get(wrapper), depth - 1)
        if found is not None:
            return found
    if any(isinstance(value, Tensor) for value in content.values()):
        return {str(name): value for name, value in content.items()}
    return None


def _renamed(state: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Without prefixes, counts and head; and the head's keys as they were."""
    named: dict[str, Any] = {}
    ignored = []
    for key, value in state.items():
        name = key
        while prefix := next((each for each in PREFIXES if name.startswith(each)), ""):
            name = name[len(prefix) :]
        if name.split(".")[0] in HEADS:
            ignored.append(key)
        elif name in named:
            raise InvalidData(
                f"{path} holds two tensors for {fitting.shown(name)}, one of them called {fitting.shown(key)}; save "
                "the state_dict of one network."
            )
        elif not _counts(name):
            named[name] = value
    return named, tuple(ignored)


def _counts(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _checked(name: str, value: Tensor, path: Path) -> Tensor:
    """float32, contiguous, in memory, finite; variances not negative."""
    if value.layout != torch.strided or value.device.type != "cpu" or value.dtype not in DTYPES:
        kinds = ", ".join(str(each).removeprefix("torch.") for each in DTYPES)
        got = f"{str(value.dtype).removeprefix('torch.')}, {str(value.layout).removeprefix('torch.')}, {value.device}"
        raise InvalidData(f"{path}: tensor {name} is {got}; allowed are dense ones of {kinds}.")
    plain = value.detach().to(torch.float32).contiguous()
    if not bool(torch.isfinite(plain).all()):
        raise InvalidData(f"{path}: tensor {name} holds values that are not finite numbers in float32.")
    if name.endswith("running_var") and bool((plain < 0).any()):
        raise InvalidData(f"{path}: tensor {name} holds negative variances.")
    return plain

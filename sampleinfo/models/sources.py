"""Where a network's weights come from, and what determines the network. Free of torch."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

from sampleinfo.errors import InvalidData, InvalidSetting, StorageError
from sampleinfo.models.specs import ACTIVATIONS, BUNDLED, NORMS, ModelSpec, resolve

ASSETS = Path(__file__).resolve().parents[2] / "assets"
BUNDLED_FILE = ASSETS / "resnet20_cifar10.safetensors"
BUNDLED_SHA256 = "7413b224e8f32b14406bd162eedd51b442eb7583f61466dd1dfb53877a1da5e4"


def check(spec: ModelSpec, weights: str | None = None, norm: str = "batch", activation: str = "relu") -> None:
    """Whether a network can be made so, before anything is read.

    Raises:
        InvalidSetting: a word that is not allowed, weights that are needed and not given, or weights that come with the
            network together with another normalisation than theirs.
        StorageError: a file of weights that is not there.
    """
    for what, got, allowed in (("norm", norm, NORMS), ("activation", activation, ACTIVATIONS)):
        if got not in allowed:
            raise InvalidSetting(f"{what} must be one of {', '.join(allowed)}; got {got!r}.")
    chosen = resolve(spec, weights)
    if norm != "batch" and not isinstance(chosen, Path):
        raise InvalidSetting(
            f"the weights {chosen} of {spec.name} were trained with BatchNorm and do not fit norm '{norm}'; give a "
            "checkpoint that was trained so with --weights, or use --norm batch."
        )
    if isinstance(chosen, Path):
        _check_file(chosen)


def identity(
    spec: ModelSpec, weights: str | None = None, norm: str = "batch", activation: str = "relu"
) -> dict[str, Any]:
    """What determines the network's weights and inputs, ready for JSON: equal exactly where the networks are.

    A file counts by the SHA-256 of its bytes, not by its name.

    Raises:
        InvalidSetting: as ``check``.
        StorageError: a file that cannot be read.
    """
    check(spec, weights, norm, activation)
    chosen = resolve(spec, weights)
    transform = spec.transform
    return {
        "model": spec.name,
        "image_size": spec.image_size,
        "transform": {
            "resize": transform.resize,
            "crop": transform.crop,
            "mean": list(transform.mean),
            "std": list(transform.std),
        },
        "norm": norm,
        "activation": activation,
        "weights": None if isinstance(chosen, Path) else chosen,
        "sha256": sha256(chosen) if isinstance(chosen, Path) else BUNDLED_SHA256 if chosen == BUNDLED else None,
    }


def sha256(path: Path) -> str:
    """Of a file's bytes.

    Raises:
        StorageError: no file, or one that cannot be read.
    """
    _check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"cannot read the weights {path}: {error.strerror or error}.") from error


def _check_file(path: Path) -> None:
    """Whether there is such a file, without reading it."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise StorageError(f"cannot read the weights {path}: {reason}.") from error
    if not stat.S_ISREG(mode):
        raise StorageError(f"cannot read the weights {path}: not a file.")


def bundled_file() -> Path:
    """The weights that come with this package.

    Raises:
        StorageError: the file is missing.
        InvalidData: it is not the one this version was tested with.
    """
    if not BUNDLED_FILE.is_file():
        raise StorageError(f"the bundled weights are missing: {BUNDLED_FILE}. Restore assets/ from the repository.")
    if sha256(BUNDLED_FILE) != BUNDLED_SHA256:
        raise InvalidData(f"{BUNDLED_FILE} is not the file this version expects (checksum differs). Restore assets/.")
    return BUNDLED_FILE

"""The device that a network runs on."""

from __future__ import annotations

import torch
from torch import nn

from sampleinfo.errors import InvalidSetting


def choose_device(name: str) -> torch.device:
    """Device for "auto" (cuda, then mps, then cpu), "cpu", "cuda" or "mps".

    Raises:
        InvalidSetting: an unknown device, or one that this computer lacks.
    """
    there = available()
    if name == "auto":
        return torch.device(there[0])
    if name not in there:
        raise InvalidSetting(f"device {name!r} is not available; allowed here: auto, {', '.join(there)}.")
    return torch.device(name)


def available() -> list[str]:
    """Kinds of devices of this computer, fastest first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, is_there in there.items() if is_there]


def device_of(module: nn.Module) -> torch.device:
    """Where the parameters of a network are."""
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))

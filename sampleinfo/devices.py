"""The device that a network runs on, and memory there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

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


def empty(shape: Sequence[int], like: Tensor, channels_last: bool = False) -> Tensor:
    """Uninitialised memory of the type and on the device of ``like``; (..., c, h, w) with channels innermost if asked.

    On the CPU it comes from NumPy, which asks the system for huge pages: new memory is filled several times as fast.
    """
    laid = [*shape[:-3], *shape[-2:], shape[-3]] if channels_last else list(shape)
    if like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64):
        made = torch.from_numpy(np.empty(laid, np.float32 if like.dtype == torch.float32 else np.float64))
    else:
        made = torch.empty(laid, dtype=like.dtype, device=like.device)
    return made.movedim(-1, -3) if channels_last else made


def device_of(module: nn.Module) -> torch.device:
    """Where the parameters of a network are."""
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))

"""Settings of a run: frozen values with their ranges checked in one place."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sampleinfo.errors import InvalidSetting

KERNELS = ("auto", "exact", "subset")
OUTPUTS = ("centred", "initial")
#: Random coordinates per parameter tensor of the subset kernel, as in the paper's code.
SUBSET_SIZE = 2000


@dataclass(frozen=True)
class RunConfig:
    """What a run computes.

    ``ridge`` None chooses it by closed-form leave-one-out error; ``train`` and ``validation`` None take the data
    set's defaults. ``outputs``: ``centred`` trains f_w - f_w0 + 1/k (1/2 for one output), ``initial`` trains f_w.
    """

    dataset: str
    model: str = "resnet20"
    train: int | None = None
    validation: int | None = None
    classes: tuple[str, ...] = ()
    ridge: float | None = None
    kernel: str = "auto"
    outputs: str = "centred"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("train", 4), ("validation", 1)):
            size = getattr(self, name)
            if size is not None and size < least:
                raise InvalidSetting(f"{name} must be at least {least} images, got {size}.")
        if self.ridge is not None and not (math.isfinite(self.ridge) and self.ridge > 0):
            raise InvalidSetting(f"ridge must be a finite number above 0, or 'auto'; got {self.ridge}.")
        for name, allowed in (("kernel", KERNELS), ("outputs", OUTPUTS)):
            if getattr(self, name) not in allowed:
                raise InvalidSetting(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}.")
        if not 0 <= self.seed < 2**32:
            raise InvalidSetting(f"seed must be between 0 and {2**32 - 1}, got {self.seed}.")

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {**asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """The inverse of ``as_dict``.

        Raises:
            InvalidSetting: an unknown key, or a value outside its range.
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise InvalidSetting(f"unknown settings: {', '.join(unknown)}.")
        return cls(**{**values, "classes": tuple(values.get("classes", ()))})


def fingerprint(*parts: Any) -> str:
    """SHA-256 of JSON-ready values: equal settings have equal fingerprints."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def home() -> Path:
    """Where runs and jobs are kept: ``SAMPLEINFO_HOME``, or the user's data folder."""
    given = os.environ.get("SAMPLEINFO_HOME")
    if given:
        return Path(given).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser().absolute() / "sampleinfo"

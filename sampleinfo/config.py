"""Settings of a run: frozen values with their ranges checked in one place."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from sampleinfo.errors import InvalidSetting

KERNELS = ("auto", "exact", "subset", "shared", "primal")
SCOPES = ("all", "last-stage", "head")
DEVICES = ("auto", "cpu", "cuda", "mps")
OUTPUTS = ("centred", "initial")
HEADS = ("random", "trained")
#: No kernel: features of few dimensions, in shards.
PRIMAL = "primal"
CLOSED_FORM, ALONG_TRAINING = "closed-form", "along-training"
METHODS = (CLOSED_FORM, ALONG_TRAINING)
#: Errors that can be planted (``planting.PLANTS`` says what they are), after none.
NOTHING = "nothing"
PLANTS = (NOTHING, "labels", "noise", "blur", "occlusion", "contrast", "fgsm", "pgd")
#: Steps of real training where none are given.
REAL_STEPS = 100
#: Settings that change nothing but cost, or only what is read, which has a fingerprint of its own.
NOT_IDENTITY = ("device", "memory", "layout", "columns", "workers", "ray", "storage")
#: Settings that only the primal kernel has a use for.
OF_PRIMAL = ("workers", "ray", "storage", "shard", "coordinates")
#: Random coordinates per parameter tensor of the subset kernel, as in the paper's code.
SUBSET_SIZE = 2000


@dataclass(frozen=True)
class RunConfig:
    """What a run computes, and on what.

    ``train`` and ``validation`` are numbers of images, or shares of all between 0 and 1; None takes the data set's
    defaults. ``steps`` None trains to convergence, where
    ``ridge`` None chooses it by closed-form leave-one-out error; a number trains for that many steps of gradient
    descent at ``lr`` (on the mean loss; None: half the largest stable one), ``auto`` for the number with the least
    leave-one-out error, and ``ridge`` None is 0 then. ``continuous`` is gradient flow. ``outputs``: ``centred`` trains
    f_w - f_w0 + 1/k (1/2 for one output), ``initial`` trains f_w. ``scope`` is what is trained.
    ``method`` ``along-training`` trains the real network once as well (``steps``, 100 if None, at ``lr``, None: a
    quarter of the largest stable one, in batches of ``batch_size``, None: full ones) and follows what leaving out each
    image does to that run, in ``segments`` pieces (None: as many as it takes).
    ``dimension``: features of a row where no kernel is made (kernel ``primal``; None: 2048), projected from as many
    random ``coordinates`` of the gradients at most (None: fewer, the more images there are).
    ``layout``, ``columns`` (pairs of meaning and column), ``classes``, ``per_class`` (at most so many images of each
    class, drawn by ``seed``) and ``validation_split`` (``auto``, ``share`` or a split of the data set) say what is read
    and how it is split: see ``datasets.Options`` and ``datasets.splitting.eligible``. ``weights`` (None: the default
    ones), ``image_size``, ``norm`` and ``activation`` say which network: see ``models``; ``head`` is ``random``, or
    ``trained`` in closed form on the frozen features before anything else. ``corrections`` are pairs of a sample id and
    its class (None: the image is dropped), applied after the split; ids that the run does not have are passed over.
    ``plant`` puts an error into the share ``planted`` of the training images (``planting``). ``device`` and ``memory``
    (GiB, None: 70 % of what is free) do not change the result.
    ``workers`` (processes, or tasks at a time with ``ray``), ``ray`` (``auto``, ``local`` or HOST:PORT) and ``storage``
    (a path or an address such as ``s3://bucket/folder``) say where the features of the kernel ``primal`` are computed
    and kept; with ``auto`` they count where it becomes ``primal``. ``shard``: images of a shard (None: 256).
    """

    dataset: str
    model: str = "resnet20"
    weights: str | None = None
    image_size: int | None = None
    norm: str = "batch"
    activation: str = "relu"
    head: str = "random"
    train: int | float | None = None
    validation: int | float | None = None
    classes: tuple[str, ...] = ()
    per_class: int | None = None
    validation_split: str = "auto"
    layout: str = "auto"
    columns: tuple[tuple[str, str], ...] = ()
    ridge: float | None = None
    steps: int | str | None = None
    lr: float | None = None
    continuous: bool = False
    kernel: str = "auto"
    dimension: int | None = None
    coordinates: int | None = None
    scope: str = "all"
    outputs: str = "centred"
    method: str = CLOSED_FORM
    batch_size: int | None = None
    segments: int | None = None
    corrections: tuple[tuple[str, str | None], ...] = ()
    plant: str = NOTHING
    planted: float = 0.1
    seed: int = 0
    device: str = "auto"
    memory: float | None = None
    workers: int | None = None
    ray: str | None = None
    storage: str | None = None
    shard: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("train", 4), ("validation", 1), ("per_class", 2)):
            size, words = getattr(self, name), name.replace("_", " ")
            if isinstance(size, float) and not 0 < size < 1:
                raise InvalidSetting(f"{words} as a share must lie between 0 and 100 %, got {100 * size:g} %.")
            if isinstance(size, int) and size < least:
                raise InvalidSetting(f"{words} must be at least {least} images, got {size}.")
        if not self.validation_split.strip():
            raise InvalidSetting("the validation split must be 'auto', 'share' or the name of a split; got nothing.")
        if self.ridge is not None and not (math.isfinite(self.ridge) and self.ridge >= 0):
            raise InvalidSetting(f"ridge must be a finite number, 0 or above, or 'auto'; got {self.ridge}.")
        for name in ("lr", "memory"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InvalidSetting(f"{name} must be a finite number above 0, or 'auto'; got {value}.")
        if not (self.steps is None or self.steps == "auto" or (isinstance(self.steps, int) and self.steps >= 1)):
            raise InvalidSetting(f"steps must be at least 1, 'auto', or left out for convergence; got {self.steps!r}.")
        self._check_method()
        self._check_changes()
        self._check_spreading()
        if self.steps is None and self.method == CLOSED_FORM and (self.lr is not None or self.continuous):
            raise InvalidSetting("a learning rate and gradient flow need a number of steps, or steps 'auto'.")
        allowed_words = (
            ("head", HEADS),
            ("kernel", KERNELS),
            ("scope", SCOPES),
            ("outputs", OUTPUTS),
            ("method", METHODS),
            ("plant", PLANTS),
            ("device", DEVICES),
        )
        for name, allowed in allowed_words:
            if getattr(self, name) not in allowed:
                raise InvalidSetting(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}.")
        if not 0 <= self.seed < 2**32:
            raise InvalidSetting(f"seed must be between 0 and {2**32 - 1}, got {self.seed}.")

    def _check_method(self) -> None:
        """What the kernel and real training can and cannot do."""
        if self.dimension is not None and self.dimension < 16:
            raise InvalidSetting(f"the dimension must be at least 16 features, got {self.dimension}.")
        for name in ("batch_size", "segments"):
            value, words = getattr(self, name), name.replace("_", " ")
            if value is not None and self.method == CLOSED_FORM:
                raise InvalidSetting(f"{words} belongs to the method '{ALONG_TRAINING}'; the closed form has none.")
            if value is not None and value < 1:
                raise InvalidSetting(f"{words} must be at least 1, got {value}.")
        if self.method == ALONG_TRAINING and self.kernel == PRIMAL:
            raise InvalidSetting(f"the method '{ALONG_TRAINING}' needs a kernel; choose another than '{PRIMAL}'.")
        if self.steps == "auto" and self.kernel == PRIMAL:
            raise InvalidSetting("steps 'auto' needs the kernel between all images; give a number, or leave steps out.")
        if self.method == ALONG_TRAINING and (self.continuous or self.steps == "auto"):
            raise InvalidSetting(
                f"the method '{ALONG_TRAINING}' trains for a number of steps; got "
                + ("gradient flow." if self.continuous else "steps 'auto'.")
            )

    def _check_changes(self) -> None:
        """What is corrected and planted."""
        if not 0 < self.planted < 1:
            raise InvalidSetting(f"the planted share must lie between 0 and 100 %, got {100 * self.planted:g} %.")
        if len(dict(self.corrections)) != len(self.corrections):
            raise InvalidSetting("an image is corrected twice.")

    def _check_spreading(self) -> None:
        """Where the features are computed and kept."""
        if self.spreading and self.kernel not in ("auto", PRIMAL):
            raise InvalidSetting(
                f"{' and '.join(self.spreading)} belong{'s' * (len(self.spreading) == 1)} to the kernel '{PRIMAL}', "
                f"whose features are made in shards; got the kernel {self.kernel!r}."
            )
        for name in ("workers", "shard", "coordinates"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InvalidSetting(f"{name} must be at least 1, got {value}.")
        if self.ray is not None and not re.fullmatch(r"auto|local|[A-Za-z0-9_.\[\]:-]+:[0-9]{1,5}", self.ray):
            raise InvalidSetting(f"ray must be auto, local or HOST:PORT of a cluster's head; got {self.ray!r}.")
        if self.storage is None:
            return
        if not self.storage.strip() or "::" in self.storage or "\0" in self.storage:
            raise InvalidSetting(f"storage must be a path or PROTOCOL://PLACE; got {self.storage!r}.")
        if re.search(r"//[^/@]*:[^/@]*@", self.storage):
            raise InvalidSetting(
                "the address of the storage must not hold a password, since runs keep it; give it as the storage's "
                "own settings or environment variables do."
            )
        if self.storage.startswith("memory:") and (self.ray is not None or (self.workers or 1) > 1):
            raise InvalidSetting("storage memory:// lives in one process, which other workers cannot see.")

    @property
    def spreading(self) -> list[str]:
        """The settings given that only the kernel ``primal`` uses."""
        return [name for name in OF_PRIMAL if getattr(self, name) is not None]

    def with_kernel(self, kernel: str) -> RunConfig:
        """With the kernel that ``auto`` stands for, without the settings that it does not use."""
        idle: dict[str, Any] = {} if kernel in ("auto", PRIMAL) else dict.fromkeys(OF_PRIMAL)
        return replace(self, kernel=kernel, **idle)

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        lists = {"columns": self.columns, "corrections": self.corrections}
        pairs = {name: [list(pair) for pair in each] for name, each in lists.items()}
        return {**asdict(self), "classes": list(self.classes), **pairs}

    def identity(self) -> dict[str, Any]:
        """The settings that change the result, but for those that say how the data set is read: its content counts."""
        unused = {
            "planted": self.plant == NOTHING, "dimension": self.kernel != PRIMAL, "shard": self.shard is None,
            "coordinates": self.coordinates is None,
        }  # fmt: skip
        hidden = {*NOT_IDENTITY, *(name for name, idle in unused.items() if idle)}
        return {name: value for name, value in self.as_dict().items() if name not in hidden}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """The inverse of ``as_dict``.

        Raises:
            InvalidSetting: an unknown key, or a value outside its range.
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise InvalidSetting(f"unknown settings: {', '.join(unknown)}.")
        lists = {
            "classes": tuple(values.get("classes", ())),
            "columns": tuple((str(role), str(column)) for role, column in values.get("columns", ())),
            "corrections": tuple(
                (str(name), None if label is None else str(label)) for name, label in values.get("corrections", ())
            ),
        }
        return cls(**{**values, **lists})


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

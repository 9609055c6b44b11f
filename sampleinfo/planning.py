"""What a run will cost, before it starts. Free of torch: pages and the command line ask here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import numpy as np
import psutil

from sampleinfo import datasets, models
from sampleinfo.config import SUBSET_SIZE, RunConfig
from sampleinfo.errors import InvalidSetting
from sampleinfo.targets import num_outputs

#: Share of the free memory a run may use, and seconds of kernel products up to which ``auto`` stays exact.
MEMORY_SHARE, EXACT_SECONDS = 0.7, 600.0
STAGES = ("images", "features", "kernel", "ridge", "scores", "map", "writing")
STAGE_WORDS = {
    "images": "Reading the images",
    "features": "Running the network",
    "kernel": "Comparing all pairs of images (kernel)",
    "ridge": "Choosing the ridge by leave-one-out error",
    "scores": "Leaving each image out",
    "map": "Laying out the map (UMAP)",
    "writing": "Writing the run",
}


@dataclass(frozen=True)
class Estimate:
    """Expected wall time (s) and peak memory (bytes), the kernel that will be used and why, and the sizes.

    ``stages`` splits the time over ``STAGES``.
    """

    seconds: float
    memory: int
    kernel: str
    reason: str
    train: int
    validation: int
    outputs: int
    stages: dict[str, float]


def estimate(config: RunConfig) -> Estimate:
    """Plan a run.

    Raises:
        UnknownName: data set, model or class.
        InvalidSetting: sizes that the data set or the memory does not allow.
    """
    preset, spec = datasets.find(config.dataset), models.find(config.model)
    classes = _num_classes(config)
    train, validation = config.train or preset.train, config.validation or preset.validation
    images = preset.counts[0] * classes // preset.counts[1]
    if config.train is None and config.validation is None and train + validation > images:
        train, validation = images * 2 // 3, images // 3
    if not config.classes and train + validation > images:
        raise InvalidSetting(
            f"{config.dataset} has {images} images; {train} for training and {validation} for validation make "
            f"{train + validation}. Ask for at most {images} in all."
        )
    if train < 2 * classes:
        raise InvalidSetting(
            f"{train} training images for {classes} classes leave some class with fewer than two samples; "
            f"ask for at least {2 * classes}."
        )
    k = num_outputs(classes)
    sizes = (spec.parameters(k), spec.subset_coordinates(k, SUBSET_SIZE))
    kernel, reason = _choose_kernel(config.kernel, train * k, validation * k, sizes)
    stages = _stages(config, kernel, (train, validation, k), sizes)
    memory = _memory(train * k, validation * k, train)
    free = int(psutil.virtual_memory().available)
    if memory > MEMORY_SHARE * free:
        fitting = int(((MEMORY_SHARE * free - 3 * 2**30) / 8 / 3.5) ** 0.5 / k)
        raise InvalidSetting(
            f"{train} training images with {k} output{'s' * (k > 1)} need about {memory / 2**30:.0f} GiB of memory; "
            f"{MEMORY_SHARE:.0%} of what is free is {MEMORY_SHARE * free / 2**30:.0f} GiB. "
            f"Ask for at most about {max(fitting, 0)} training images, or for fewer classes."
        )
    beside = max(sum(stages.values()) - stages["images"], 30.0)
    return Estimate(stages["images"] + beside, memory, kernel, reason, train, validation, k, stages)


def _num_classes(config: RunConfig) -> int:
    names = datasets.find(config.dataset).class_names
    if config.classes:
        datasets.check_classes(config.dataset, names, config.classes)
    return len(config.classes) or len(names)


def _choose_kernel(wanted: str, nk: int, mk: int, sizes: tuple[int, int]) -> tuple[str, str]:
    if wanted != "auto":
        return wanted, "asked for"
    seconds = _products(nk, mk, sizes[0])
    if seconds <= EXACT_SECONDS:
        return "exact", f"every parameter: about {_words(seconds)} of products, within {_words(EXACT_SECONDS)}"
    return "subset", (
        f"{SUBSET_SIZE} random coordinates per parameter tensor: the exact kernel would take about {_words(seconds)}, "
        f"more than {_words(EXACT_SECONDS)}"
    )


def _products(nk: int, mk: int, coordinates: int) -> float:
    """Seconds of the kernel's products: half of the square plus the cross part."""
    return (1.07 * nk**2 + 2.0 * mk * nk) * coordinates / gemm_rate()


def _stages(
    config: RunConfig, kernel: str, sizes: tuple[int, int, int], coordinates: tuple[int, int]
) -> dict[str, float]:
    train, validation, k = sizes
    n, nk = train + validation, train * k
    d = coordinates[0] if kernel == "exact" else coordinates[1]
    forward = 2 * models.find(config.model).multiply_adds * n / gemm_rate() * 5
    eigen = 10.0 * float(nk) ** 3 / gemm_rate() * 2
    return {
        "images": 9.0,
        "features": 1.0 + forward,
        "kernel": _products(nk, validation * k, d) + forward * (1 + 4 * k),
        "ridge": eigen + 0.3 if config.ridge is None else 0.0,
        "scores": 0.3 + eigen / 4,
        "map": 1.0,
        "writing": 1.0 + n / 2000,
    }


def _memory(nk: int, mk: int, n: int) -> int:
    """Peak bytes: gram and three more of its size, cross and the changes, a Jacobian block, the libraries."""
    return 8 * (int(3.5 * nk**2) + 2 * mk * nk + (nk + mk) * n) + 3 * 2**30


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@cache
def gemm_rate() -> float:
    """Measured float32 multiply-adds x 2 per second of this machine (takes some 50 ms, once)."""
    square = np.ones((1024, 1024), dtype=np.float32)
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        square @ square
        best = min(best, time.perf_counter() - start)
    return float(2 * 1024**3 / best)

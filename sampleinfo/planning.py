"""What a run will cost, before it starts. Free of torch: pages and the command line ask here.

The first estimate rests on counts and on the speed of one small product; the run itself then times a batch and
corrects it (``Estimate.measured``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import psutil

from sampleinfo import datasets, models, neighbours, planning_primal
from sampleinfo.config import ALONG_TRAINING, PRIMAL, REAL_STEPS, SUBSET_SIZE, RunConfig
from sampleinfo.datasets import Facts, Options
from sampleinfo.errors import InvalidSetting
from sampleinfo.models import ModelSpec
from sampleinfo.parallel import workers
from sampleinfo.targets import num_outputs

#: Share of the free memory a run may use, and seconds of kernel products up to which ``auto`` stays exact.
MEMORY_SHARE, EXACT_SECONDS = 0.7, 600.0
GIB = 2**30
#: Bytes of the libraries, and the least and the most that a kernel's blocks and caches are given.
LIBRARIES, LEAST_WORK, MOST_WORK = int(1.1 * GIB), GIB // 2, 4 * GIB
#: Passes over all images, in steps of training, that the slopes by pixels at the checkpoints take (``scores.vog``).
SLOPES = 8
#: Segments that a training run is expected to need, and how much slower convolutions train than plain products run.
SEGMENTS, TRAINING_COST = 4, 2.0
#: Views of every training image that the network runs over besides (``models.views``), and kernels between the images
#: that are decomposed to judge labels (``scores.held_out``).
VIEWS, JUDGES = 2, 3
#: Bytes of the activations of a batch, and of image files that one core decodes in a second.
BATCH_MEMORY, DECODED = 2**28, 25e6
#: Kernels and scopes, best first, by how well they rank the images at the ridge of least leave-one-out error: rank
#: correlation of F-SI with the exact kernel of all layers 1, .95, .91, .85, .80, .77, .52 (benchmarks/fidelity.py).
BY_FIDELITY = (
    ("exact", "all"), ("exact", "last-stage"), ("subset", "all"), ("subset", "last-stage"), ("shared", "last-stage"),
    ("shared", "all"), ("exact", "head"),
)  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """Expected wall time (s) and peak memory (bytes), the kernel that will be used and why, and the sizes.

    ``stages`` splits the time over ``stages.STAGES``; ``work`` is what the kernel's blocks and caches may take (bytes).
    """

    seconds: float
    memory: int
    kernel: str
    reason: str
    train: int
    validation: int
    outputs: int
    stages: dict[str, float]
    work: int

    def measured(self, kernel_seconds: float) -> Estimate:
        """The same with the kernel's time as foreseen from a timed batch."""
        stages = {**self.stages, "kernel": kernel_seconds}
        return replace(self, stages=stages, seconds=_total(stages))


@dataclass(frozen=True)
class _Sizes:
    """n training and m validation images with k outputs, the kernel's rows per image, and its coordinates."""

    train: int
    validation: int
    outputs: int
    rows: int
    coordinates: int


def estimate(config: RunConfig, known: Facts | None = None) -> Estimate:
    """Plan a run on a data set, or on what is ``known`` of it once its classes are chosen and its images are read.

    Raises:
        UnknownName: data set, model or class.
        StorageError, InvalidData: a data set or weights that cannot be read, or too few classes or images.
        InvalidSetting: sizes that the data set does not allow, or more memory than the limit; the message names what
            would fit, best first.
    """
    spec = models.find(config.model, config.image_size, config.weights)
    models.check(spec, config.weights, config.norm, config.activation)
    facts = known or datasets.find_facts(config.dataset, Options.of(config)).chosen(config.classes, config.per_class)
    train, validation = _images(config, facts)
    k, limit = num_outputs(len(facts.class_names)), _limit(config)
    kernel, reason = _choose_kernel(config, spec, train, validation, k, limit)
    if kernel == PRIMAL:
        return _primal(config, spec, facts, train, validation, k, reason, limit)
    sizes = _sizes(spec, kernel, config.scope, train, validation, k)
    if _memory(sizes, spec) > limit:
        raise InvalidSetting(_refusal(config, spec, sizes, limit, kernel))
    work = int(np.clip(limit - _memory(sizes, spec) + LEAST_WORK, LEAST_WORK, MOST_WORK))
    stages = _stages(config, spec, sizes, facts)
    memory = _memory(sizes, spec) - LEAST_WORK + min(work, _useful_work(sizes))
    return Estimate(_total(stages), memory, kernel, reason, train, validation, k, stages, work)


def _primal(
    config: RunConfig, spec: ModelSpec, facts: Facts, train: int, validation: int, k: int, reason: str, limit: int
) -> Estimate:
    """Without a kernel.

    Raises:
        InvalidSetting: more memory than the limit.
    """
    needed = LIBRARIES + planning_primal.memory(config, train, validation, k, spec)
    if needed > limit:
        fewer = ", or for fewer workers" if planning_primal.processes(config) else ""
        raise InvalidSetting(
            f"{train} training images with {k} output{'s' * (k > 1)} and features of "
            f"{planning_primal.dimension(config)} dimensions need about {needed / GIB:.1f} GiB of memory; the limit is "
            f"{limit / GIB:.1f} GiB. Ask for fewer dimensions with --dimension{fewer}."
        )
    n = train + validation
    forward = _forward(spec, n)
    solving = planning_primal.solving(config, n, k) / gemm_rate()
    stages = _stages(config, spec, _sizes(spec, "shared", config.scope, train, validation, k), facts) | {
        "kernel": planning_primal.starting(config)
        + planning_primal.SLOWER
        * (planning_primal.projecting(config, n, k, spec) / gemm_rate() + forward * (1 + planning_primal.BACKWARD * k)),
        "ridge": 1.0 + solving,
        "scores": 5.0 + solving + 20 * float(train) * min(train, neighbours.EXACT) * spec.features / gemm_rate(),
    }
    return Estimate(_total(stages), needed, PRIMAL, reason, train, validation, k, stages, LEAST_WORK)


def is_shared(kernel: str, scope: str) -> bool:
    """Whether one kernel serves all outputs; that of the head alone does so exactly."""
    return kernel == "shared" or scope == "head"


def batch_size(spec: ModelSpec) -> int:
    """Images of one forward pass."""
    return int(np.clip(BATCH_MEMORY // (4 * spec.activations), 1, 64))


def _images(config: RunConfig, facts: Facts) -> tuple[int, int]:
    """Training and validation images."""
    train, validation = facts.sizes(config.train, config.validation, config.validation_split)
    classes = len(facts.class_names)
    if train < 2 * classes:
        raise InvalidSetting(
            f"{train} training images for {classes} classes leave some class with fewer than two samples; "
            f"ask for at least {2 * classes}."
        )
    return train, validation


def _sizes(spec: ModelSpec, kernel: str, scope: str, train: int, validation: int, k: int) -> _Sizes:
    subset = spec.subset_coordinates(k, SUBSET_SIZE, scope)
    coordinates = subset if kernel == "subset" else spec.parameters(k, scope)
    return _Sizes(train, validation, k, 1 if is_shared(kernel, scope) else k, coordinates)


def _choose_kernel(
    config: RunConfig, spec: ModelSpec, train: int, validation: int, k: int, limit: int
) -> tuple[str, str]:
    """The kernel asked for; or the exact one within its time, else the best approximate one within the memory."""
    if config.kernel != "auto":
        return config.kernel, "asked for"
    by_kind = {kind: _sizes(spec, kind, config.scope, train, validation, k) for kind in ("exact", "subset", "shared")}
    subset, shared = _memory(by_kind["subset"], spec), _memory(by_kind["shared"], spec)
    features, words = LIBRARIES + planning_primal.memory(config, train, validation, k, spec), f"{subset / GIB:.0f} GiB"
    if subset > limit >= shared and k > 1:
        return "shared", f"one kernel for all {k} outputs: one per output would need about {words}"
    if min(subset, shared) > limit >= features and config.method != ALONG_TRAINING and config.steps != "auto":
        return PRIMAL, (
            f"features of {planning_primal.dimension(config)} dimensions in shards, which rank the images less truly: "
            f"a kernel between all images would need about {words}"
        )
    seconds = _products(by_kind["exact"])
    if seconds <= EXACT_SECONDS:
        what = "every parameter" if config.scope == "all" else f"every parameter of the scope '{config.scope}'"
        return "exact", f"{what}: about {_words(seconds)} of products, within {_words(EXACT_SECONDS)}"
    return "subset", (
        f"{SUBSET_SIZE} random coordinates per parameter tensor: the exact kernel would take about {_words(seconds)}, "
        f"more than {_words(EXACT_SECONDS)}"
    )


def _products(sizes: _Sizes) -> float:
    """Seconds of the kernel's products: half of the square plus the cross part, per output where it is shared."""
    n, m = sizes.train * sizes.rows, sizes.validation * sizes.rows
    return (1.07 * n**2 + 2.0 * m * n) * sizes.coordinates * (sizes.outputs / sizes.rows) / gemm_rate()


def reading(facts: Facts, images: int) -> float:
    """Seconds to read all images once, and those of the run once more to make them ready."""
    if not facts.images:
        return 0.0
    each = facts.bytes / facts.images / DECODED
    return (facts.images * (each + 1e-4 * bool(facts.bytes)) + images * (each + 2e-3)) / workers()


def _stages(config: RunConfig, spec: ModelSpec, sizes: _Sizes, facts: Facts) -> dict[str, float]:
    n, rows = sizes.train + sizes.validation, sizes.train * sizes.rows
    forward = _forward(spec, n)
    eigen, held_out = (10.0 * float(size) ** 3 / gemm_rate() * 2 for size in (rows, sizes.train))
    search = config.ridge is None or config.steps is not None
    return {
        "weights": 0.0,
        "images": 9.0 + reading(facts, n),
        "features": 2.0 + 0.4 * forward * (1 + VIEWS * sizes.train / n),
        "kernel": _products(sizes) + forward * (1 + 4 * sizes.outputs),
        "ridge": eigen + 0.3 if search else 0.0,
        "scores": 0.3 + (eigen if config.steps is not None else eigen / 4) + JUDGES * held_out,
        **(_along(config, sizes) if config.method == ALONG_TRAINING else {}),
        "map": 1.0,
        "writing": 1.0 + n / 2000,
    }


def _forward(spec: ModelSpec, images: int) -> float:
    """Seconds of a forward pass that keeps what gradients need; without, it takes less than half of them."""
    return 2 * spec.multiply_adds * images / gemm_rate() * 5


def _along(config: RunConfig, sizes: _Sizes) -> dict[str, float]:
    steps, batch = int(config.steps or REAL_STEPS), min(config.batch_size or sizes.train, sizes.train)
    return along_stages(config, steps, batch, config.segments, (sizes.train, sizes.validation), sizes.outputs)


def along_stages(
    config: RunConfig, steps: int, batch: int, segments: int | None, images: tuple[int, int], outputs: int
) -> dict[str, float]:
    """One real training run on (n, m) images, the kernels of its segments, and the recursion.

    Where the number of segments is chosen, up to ``SEGMENTS`` are expected, and half as many before.
    """
    spec = models.find(config.model, config.image_size, config.weights)
    sizes = _sizes(spec, config.kernel, config.scope, *images, outputs)
    rows, tried = sizes.train * sizes.rows, SEGMENTS if segments is None else segments
    larger = replace(sizes, train=sizes.train * tried)
    passes = (tried + 1) * (1 + 4 * sizes.outputs) * 10 * spec.multiply_adds * sizes.train / gemm_rate()
    recursion = 2.0 * rows**2 * sizes.train * batch / sizes.train * (sizes.outputs / sizes.rows) / gemm_rate()
    return {
        "training": (steps + SLOPES * sizes.train / batch) * step_seconds(spec, batch),
        "segments": (1.3 if segments is None else 1.0) * (_products(larger) + passes),
        "along": 2 * steps * recursion,
    }


def step_seconds(spec: ModelSpec, images: int) -> float:
    """One step of training on so many images: forward and backward, at some half of the speed of plain products."""
    return 0.002 + 6 * spec.multiply_adds * images / gemm_rate() * TRAINING_COST


def _total(stages: dict[str, float]) -> float:
    """Wall time: after the images, UMAP runs beside the rest for at least half a minute."""
    return stages["images"] + max(sum(stages.values()) - stages["images"], 30.0)


def _memory(sizes: _Sizes, spec: ModelSpec) -> int:
    """Peak bytes with the least work memory.

    gram and an eigendecomposition's four more of its size, cross and what it is multiplied to, the changes; or the
    kernel's own blocks; a batch of activations; the libraries.
    """
    rows, val_rows = sizes.train * sizes.rows, sizes.validation * sizes.rows
    changes = 2 * (sizes.train + sizes.validation) * sizes.outputs * sizes.train
    solving = 8 * (int(4.2 * rows**2) + rows * val_rows + changes)
    kernel = 8 * (rows**2 + rows * val_rows) + LEAST_WORK
    return max(solving, kernel) + 4 * spec.activations * batch_size(spec) + LIBRARIES


def _useful_work(sizes: _Sizes) -> int:
    """Bytes beyond which more work memory is of no use: the whole Jacobian at once."""
    return 4 * (sizes.train + sizes.validation) * sizes.outputs * sizes.coordinates + LEAST_WORK


def _limit(config: RunConfig) -> int:
    """Bytes that a run may take."""
    if config.memory is not None:
        return int(config.memory * GIB)
    return int(MEMORY_SHARE * psutil.virtual_memory().available)


def _refusal(config: RunConfig, spec: ModelSpec, sizes: _Sizes, limit: int, kernel: str) -> str:
    """Why a run does not fit, and what would."""
    k = sizes.outputs
    ways = list(_alternatives(config, spec, sizes, limit, kernel))
    said = "given" if config.memory is not None else f"{MEMORY_SHARE:.0%} of what is free"
    hint = f"What fits, best first: {'; '.join(ways)}." if ways else "Nothing fits: raise the limit or free memory."
    return (
        f"{sizes.train} training images with {k} output{'s' * (k > 1)} and the {kernel} kernel need about "
        f"{_memory(sizes, spec) / GIB:.1f} GiB of memory; the limit is {limit / GIB:.1f} GiB ({said}). {hint}"
    )


def _alternatives(config: RunConfig, spec: ModelSpec, sizes: _Sizes, limit: int, kernel: str) -> Iterator[str]:
    """Fewer images with the same kernel, then the other kernels and scopes that fit, by fidelity."""
    share = sizes.validation / sizes.train

    def fits(train: int) -> bool:
        smaller = _sizes(spec, kernel, config.scope, train, max(1, round(share * train)), sizes.outputs)
        return _memory(smaller, spec) <= limit

    low, high = 0, sizes.train
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    if low >= 20:
        low -= low % 10
        yield f"--train {low} --validation {max(1, round(share * low))} with the same kernel"
    for other, scope in BY_FIDELITY:
        if (other, scope) == (kernel, config.scope) or (other == "shared" and sizes.outputs == 1):
            continue
        needed = _memory(_sizes(spec, other, scope, sizes.train, sizes.validation, sizes.outputs), spec)
        if needed <= limit:
            yield f"--kernel {other} --scope {scope} ({needed / GIB:.1f} GiB)"


def _words(seconds: float) -> str:
    if seconds < 1:
        return "a second"
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

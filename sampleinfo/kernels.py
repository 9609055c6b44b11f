"""The neural tangent kernel K = J J^T and K_val = J_val J^T, without the full Jacobian ever existing.

The parameters are cut into groups whose Jacobian block fits a memory budget (``passes``); the products of each block
(float32) are summed in float64. Finished groups can be kept, so that interrupted work goes on where it stopped.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sampleinfo import dense, passes, products
from sampleinfo.devices import device_of
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.forming import Former
from sampleinfo.jacobians import Coordinates
from sampleinfo.passes import Plan, Probe
from sampleinfo.types import FloatArray, Reporter, silent

#: Bytes that blocks, caches and batches may take by default.
MEMORY = 2 * 2**30
Batches = Callable[[int, int], Tensor]


class Checkpoint(Protocol):
    """Keeps the sums over the first groups."""

    def load(self) -> tuple[int, FloatArray, FloatArray] | None:
        """Number of finished parameter entries, gram (lower half) and cross; None when nothing was kept."""
        ...

    def save(self, groups: int, gram: FloatArray, cross: FloatArray) -> None:
        """Keep the sums over the finished groups, which are ``groups`` parameter entries in all."""
        ...


@dataclass(frozen=True)
class Inputs:
    """``batch(start, stop)`` gives the prepared images of rows start..stop-1; the first ``train`` are trained on.

    No batch reaches over a row of ``cuts``: ``batch`` may change the network's weights there.
    """

    batch: Batches
    train: int
    total: int
    outputs: int
    cuts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Speed:
    """Measured speed: seconds per image and pass, and multiply-adds of products per second; and the planned work."""

    image_seconds: float
    products_per_second: float
    passes: int
    images: int
    products: float

    @property
    def kernel_seconds(self) -> float:
        """Predicted wall time of ``kernel``."""
        return self.passes * self.images * self.image_seconds + self.products / self.products_per_second


def kernel(
    module: nn.Module,
    inputs: Inputs,
    coordinates: list[Coordinates],
    report: Reporter = silent,
    checkpoint: Checkpoint | None = None,
    memory: int = MEMORY,
) -> tuple[FloatArray, FloatArray]:
    """gram (nk, nk) and cross (mk, nk), float64, over the chosen parameter entries.

    Cost: (nk)^2 d / 2 + mk nk d multiply-adds for d entries, and one or more passes over the images; memory: the two
    results and ``memory`` bytes (``peak_memory``). A warning says so when a network needs ``torch.func``.

    Raises:
        InvalidSetting: a network in training mode, whose images influence one another, or with other outputs.
        NumericalError: results that are not finite.
    """
    return _stream(module, inputs, coordinates, report, checkpoint, memory, inputs.outputs)


def shared_kernel(
    module: nn.Module,
    inputs: Inputs,
    coordinates: list[Coordinates],
    report: Reporter = silent,
    checkpoint: Checkpoint | None = None,
    memory: int = MEMORY,
) -> tuple[FloatArray, FloatArray]:
    """gram (n, n) and cross (m, n): the mean over the outputs of their own kernels, so that K ~ gram (x) I_k.

    Cost, memory and errors as of ``kernel``, with k times fewer multiply-adds and k^2 times smaller results.
    """
    gram, cross = _stream(module, inputs, coordinates, report, checkpoint, memory, 1)
    return gram / inputs.outputs, cross / inputs.outputs


def _stream(
    module: nn.Module,
    inputs: Inputs,
    coordinates: list[Coordinates],
    report: Reporter,
    checkpoint: Checkpoint | None,
    memory: int,
    rows: int,
) -> tuple[FloatArray, FloatArray]:
    """Sum the products of all groups; each image has ``rows`` rows: its k outputs, or 1 where these are summed up."""
    seen = _probed(module, inputs, coordinates)
    if seen.reason is not None:
        warnings.warn(seen.reason, stacklevel=3)
    coordinates, factored = dense.factored(module, seen, coordinates)
    plan = passes.plan(module, inputs.total, seen, coordinates, memory)
    n, total = inputs.train * rows, inputs.total * rows
    done, gram, cross = _kept(checkpoint, plan, (n, total - n))
    count = len(plan.passes) + bool(factored)
    meter = _Meter(report, _work(inputs, seen, coordinates, rows), count, sum(map(len, coordinates)))
    former = Former(module, inputs.batch, inputs.total, seen, plan.batch, inputs.cuts)
    finished = 0
    for current in plan.passes:
        sizes = [sum(map(len, group)) for group in current.groups]
        skipped = int(np.searchsorted(np.cumsum(sizes), done - finished, side="right"))
        finished += sum(sizes[:skipped])
        meter.skip(sum(sizes[:skipped]), skipped == len(sizes))
        if skipped == len(sizes):
            continue
        kept = former.run(replace(current, groups=current.groups[skipped:]), meter.forming)
        for size in sizes[skipped:]:
            products.accumulate(gram, cross, [chunk.view(total, -1) for chunk in next(kept)], meter.multiplying(size))
            finished += size
            _check_finite(gram.diagonal(), cross[:, :1])
            if checkpoint is not None and finished < sum(map(len, coordinates)):
                checkpoint.save(finished, gram, cross)
    for entering, tangents in former.dense(factored, meter.forming).values() if factored else ():
        products.accumulate_dense(gram, cross, entering, tangents.reshape(total, -1), meter.multiplying(0))
    _check_finite(gram.diagonal(), cross)
    products.mirror(gram)
    return gram, cross


def _planned(module: nn.Module, inputs: Inputs, coordinates: list[Coordinates], memory: int) -> tuple[Probe, Plan]:
    seen = _probed(module, inputs, coordinates)
    return seen, passes.plan(module, inputs.total, seen, dense.factored(module, seen, coordinates)[0], memory)


def _probed(module: nn.Module, inputs: Inputs, coordinates: list[Coordinates]) -> Probe:
    if not coordinates:
        raise InvalidSetting("no parameter entries to form a kernel over; choose at least one.")
    seen = passes.probe(module, inputs.batch(0, 1).to(device_of(module)))
    if seen.outputs != inputs.outputs:
        raise InvalidSetting(f"the network has {seen.outputs} outputs, but the kernel is to have {inputs.outputs}.")
    return seen


def _kept(checkpoint: Checkpoint | None, plan: Plan, shape: tuple[int, int]) -> tuple[int, FloatArray, FloatArray]:
    """Finished entries and their sums; nothing where they were kept by a plan with other groups."""
    n, m = shape
    if checkpoint is not None and (kept := checkpoint.load()) is not None:
        ends = np.cumsum([sum(map(len, group)) for each in plan.passes for group in each.groups])
        if kept[0] in ends and kept[1].shape == (n, n) and kept[2].shape == (m, n):
            return kept
    return 0, np.zeros((n, n)), np.zeros((m, n))


def _multiplications(inputs: Inputs, rows: int) -> float:
    """Multiply-adds of the products per parameter entry; ``rows`` of each image."""
    n, m = inputs.train * rows, (inputs.total - inputs.train) * rows
    return (n * (n + 1) / 2 + m * n) * inputs.outputs / rows


def _work(inputs: Inputs, seen: Probe, coordinates: list[Coordinates], rows: int) -> tuple[float, float]:
    """Multiply-adds of one pass, and of the products of one entry."""
    forming = inputs.total * seen.work * (1 + 2 * inputs.outputs)
    if seen.reason is not None:
        forming = 10 * inputs.total * inputs.outputs * sum(map(len, coordinates))
    return float(forming), _multiplications(inputs, rows)


@dataclass
class _Meter:
    """Turns finished passes and products of entries into one share of the whole; ``work`` of one of each."""

    report: Reporter
    work: tuple[float, float]
    passes: int
    entries: int
    formed: float = 0.0
    multiplied: float = 0.0

    def skip(self, entries: int, whole: bool) -> None:
        """A pass of which some entries, or all, were finished earlier."""
        self.multiplied += entries
        self.formed += whole

    def forming(self, share: float) -> None:
        """Another share of a pass is done."""
        self.formed += share
        self._tell(0.0)

    def multiplying(self, entries: int) -> Callable[[float], None]:
        """Progress of the products of one group."""

        def progress(share: float) -> None:
            self._tell(share * entries)
            if share >= 1:
                self.multiplied += entries

        return progress

    def _tell(self, beside: float) -> None:
        forming, multiplying = self.work
        done = forming * self.formed + multiplying * (self.multiplied + beside)
        self.report("kernel", min(1.0, done / (forming * self.passes + multiplying * self.entries)), 1.0)


def _check_finite(*values: FloatArray) -> None:
    if not all(np.isfinite(each.sum()) for each in values):
        raise NumericalError(
            "the kernel is not finite (NaN or infinity): check the network's weights and the prepared images for such "
            "values; allowed: finite numbers whose gradients fit float32."
        )


def peak_memory(module: nn.Module, inputs: Inputs, coordinates: list[Coordinates], memory: int = MEMORY) -> int:
    """Bytes that ``kernel`` needs at its peak beside the network and the images; runs one image forward."""
    return _peak(module, inputs, coordinates, memory, inputs.outputs)


def shared_peak_memory(module: nn.Module, inputs: Inputs, coordinates: list[Coordinates], memory: int = MEMORY) -> int:
    """The same for ``shared_kernel``."""
    return _peak(module, inputs, coordinates, memory, 1)


def _peak(module: nn.Module, inputs: Inputs, coordinates: list[Coordinates], memory: int, rows: int) -> int:
    seen, plan = _planned(module, inputs, coordinates, memory)
    results = 8 * inputs.total * rows * inputs.train * rows
    kept = dense.kept_memory(seen, dense.factored(module, seen, coordinates)[1], inputs.total)
    return results + plan.memory + kept + products.scratch(inputs.total * rows, inputs.outputs // rows)


def warm_up(module: nn.Module, inputs: Inputs, coordinates: list[Coordinates], memory: int = MEMORY) -> Speed:
    """Time one batch of the first pass and one product of the true shape (some seconds for large networks)."""
    seen, plan = _planned(module, inputs, coordinates, memory)
    first, size = plan.passes[0], min(plan.batch, inputs.total)
    former = Former(module, inputs.batch, size, seen, plan.batch)
    forming = _best(2, lambda: [None for _ in former.run(first, lambda _: None)])
    rows, entries = inputs.total * inputs.outputs, sum(map(len, dense.factored(module, seen, coordinates)[0]))
    width = min(products.CHUNK, entries)
    block = torch.randn(min(rows, products.ROWS), width, device=device_of(module))
    strip = block[: min(inputs.train * inputs.outputs, products.STRIP)]
    multiplying = _best(2, lambda: products.product(block, strip).cpu())
    return Speed(
        forming / size,
        len(block) * len(strip) * width / multiplying,
        len(plan.passes),
        inputs.total,
        _multiplications(inputs, inputs.outputs) * entries,
    )


def _best(times: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)

"""How well cheaper kernels rank the images: rank correlation of F-SI with that of the exact kernel of all layers.

ResNet-20 on MNIST, ten outputs, at a small, a middle and a large ridge (multiples of the kernel's mean diagonal), and
at the ridge with the least leave-one-out error, which is what runs choose.

python -m benchmarks.fidelity [--quick]
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from sampleinfo import datasets, information, kernels, linearized, models, targets
from sampleinfo.datasets import splitting
from sampleinfo.fidelity import alignment
from sampleinfo.jacobians import Coordinates, all_coordinates, in_scope, random_coordinates
from sampleinfo.linearized import Problem, Training
from sampleinfo.models.pretrained import Network
from sampleinfo.types import Dataset, FloatArray

OUTPUTS = 10
RIDGES = (1e-3, 1e-1, 1.0)


@dataclass(frozen=True)
class Row:
    """One kernel: entries summed over, seconds, alignment with the exact one, rank correlations at each ridge."""

    kernel: str
    entries: int
    seconds: float
    alignment: float
    small: float
    middle: float
    large: float
    chosen: float


@dataclass(frozen=True)
class Task:
    """A network and its images, the training ones first."""

    network: Network
    data: Dataset
    train: int

    @classmethod
    def of(cls, train: int, validation: int) -> Task:
        """MNIST with ten classes."""
        data = splitting.split(datasets.read("mnist"), train, validation, seed=0)
        return cls(models.load(models.find("resnet20"), OUTPUTS, seed=0), data, train)

    def problem(self, chosen: list[Coordinates], shared: bool) -> tuple[Problem, float]:
        """The problem with centred outputs, and the seconds that its kernel took."""

        def batch(start: int, stop: int) -> torch.Tensor:
            return self.network.prepare(self.data.images, range(start, stop))

        inputs = kernels.Inputs(batch, self.train, len(self.data), OUTPUTS)
        compute = kernels.shared_kernel if shared else kernels.kernel
        start = time.perf_counter()
        gram, cross = compute(self.network.module, inputs, chosen)
        wanted = targets.encode(self.data.labels, OUTPUTS)
        centre = np.full_like(wanted, targets.centre(OUTPUTS))
        n = self.train
        return Problem(gram, cross, wanted[:n] - centre[:n], centre[n:], wanted[n:]), time.perf_counter() - start


def compared(task: Task) -> list[Row]:
    """All kernels against the exact one."""
    module = task.network.module
    everything = all_coordinates(module)
    exact, seconds = task.problem(everything, shared=False)
    diagonal = float(np.trace(exact.gram)) / len(exact.gram)
    ridges = [each * diagonal for each in RIDGES] + [Training.auto(exact).ridge]
    wanted = [_information(exact, each) for each in ridges]
    rows = [Row("exact, all layers", sum(map(len, everything)), seconds, *[1.0] * 5)]
    for name, chosen, shared in _kernels(task):
        given, seconds = task.problem(chosen, shared)
        found = [_information(given, each) for each in ridges]
        ranks = [float(stats.spearmanr(a, b).statistic) for a, b in zip(found, wanted, strict=True)]
        gram = given.gram if given.rows == OUTPUTS else np.asarray(np.kron(given.gram, np.eye(OUTPUTS)), dtype=float)
        aligned = alignment(gram, exact.gram)
        rows.append(Row(name, sum(map(len, chosen)), seconds, aligned, *ranks))
    return rows


def _kernels(task: Task) -> list[tuple[str, list[Coordinates], bool]]:
    """Name, coordinates, and whether one kernel stands for all outputs."""
    module, spec = task.network.module, task.network.spec
    subsets = {size: random_coordinates(module, size, seed=0) for size in (100, 500, 2000)}
    stage, head = (in_scope(all_coordinates(module), spec.layers(scope)) for scope in ("last-stage", "head"))
    return [
        *((f"subset of {size} per tensor, all layers", chosen, False) for size, chosen in subsets.items()),
        ("exact, last stage and head", stage, False),
        ("shared, all layers", all_coordinates(module), True),
        ("subset of 2000 per tensor, last stage and head", in_scope(subsets[2000], spec.layers("last-stage")), False),
        ("shared, last stage and head", stage, True),
        ("exact, head only", head, True),
    ]


def _information(given: Problem, ridge: float) -> FloatArray:
    return information.functional_information(linearized.fit(given, Training(ridge=ridge)))


def rows(quick: bool) -> list[Row]:
    """The table: 100 + 50 images, or the 400 + 200 of the full measurement."""
    return compared(Task.of(*((100, 50) if quick else (400, 200))))


def show(found: list[Row]) -> None:
    """Print the table."""
    ridges = "".join(f"{name:>8}" for name in ("small", "middle", "large", "chosen"))
    print(f"{'kernel':50}{'entries':>9}{'time, s':>9}{'alignment':>11}{ridges}  ridge")
    for row in found:
        print(
            f"{row.kernel:50}{row.entries:9}{row.seconds:9.1f}{row.alignment:11.3f}"
            f"{row.small:8.3f}{row.middle:8.3f}{row.large:8.3f}{row.chosen:8.3f}"
        )


if __name__ == "__main__":
    show(rows("--quick" in sys.argv[1:]))

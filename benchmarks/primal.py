"""The primal solver alone on synthetic features: seconds and GFLOP/s of every pass, peak of memory, rounding errors.

Features of decaying spectrum are made shard by shard in float16; making them does not count. One output, training to
convergence with the ridge of least leave-one-out error.

python -m benchmarks.primal [--rows N] [--dimension D] [--validation M] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from sampleinfo import primal
from sampleinfo.linearized import Training
from sampleinfo.primal_passes import Selection, in_turn, scores
from sampleinfo.primal_problem import PrimalProblem
from sampleinfo.primal_sets import Moments, Validation
from sampleinfo.shards import Shards
from sampleinfo.types import FloatArray

Result = TypeVar("Result")
#: Rows for which the times are extrapolated, and the limits there.
GOAL, SECONDS, GIBIBYTES = 1_000_000, 900, 4
PER_SHARD = 8192
#: Reflections that mix the features, so that no spectrum shows in a single one.
_REFLECTIONS = 3


@dataclass(frozen=True)
class Stage:
    """Seconds and floating-point operations of one step; ``streamed``: proportional to the number of rows."""

    name: str
    seconds: float
    operations: float
    streamed: bool

    def at(self, factor: float) -> float:
        """Seconds for that many times the rows."""
        return self.seconds * (factor if self.streamed else 1.0)


def make(folder: Path, rows: int, dimension: int, seed: int) -> Shards:
    """Features whose standard deviations fall as 1 / sqrt(rank), mixed; finished shards of an earlier run stay."""
    store = Shards.create(folder, 1, dimension, "float16", PER_SHARD)
    finished = set(store.finished())
    mirrors = np.random.default_rng(0).normal(size=(_REFLECTIONS, dimension)).astype(np.float32)
    mirrors /= np.linalg.norm(mirrors, axis=1, keepdims=True)
    deviations = (1.0 / np.sqrt(np.arange(1, dimension + 1))).astype(np.float32)
    for number, start in enumerate(range(0, rows, PER_SHARD)):
        if number in finished:
            continue
        rng = np.random.default_rng([seed, number])
        values = rng.standard_normal((min(PER_SHARD, rows - start), dimension), dtype=np.float32) * deviations
        for mirror in mirrors:
            values -= np.outer(values @ mirror, 2 * mirror)
        store.write(number, values)
    return store


def targets(store: Shards, seed: int) -> FloatArray:
    """(n, 1) a linear function of the features and as much noise."""
    rng = np.random.default_rng(seed)
    direction = np.random.default_rng(1).normal(size=store.dimension)
    signal = np.concatenate([store.read(number) @ direction for number in range(len(store.sizes()))])
    return np.asarray((signal / signal.std() + rng.normal(size=len(signal)))[:, None])


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """The result and the seconds."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def run(problem: PrimalProblem) -> tuple[list[Stage], float]:
    """Every stage, and the largest deviation of a score from products in float64, relative to the largest score."""
    n, m, size = problem.n, problem.m, problem.train.dimension
    moments, first = timed(lambda: Moments.of(Selection.everything(problem.train), problem.residual[:, None], in_turn))
    validation, second = timed(lambda: Validation.of(Selection.everything(problem.val), in_turn))
    _, third = timed(lambda: moments.spectrum)
    solver = primal.Primal(problem, moments, validation, "float32")
    choice, fourth = timed(solver.choose_ridge)
    fit = solver.fit(Training(ridge=choice.value))
    _, fifth = timed(lambda: fit.leave_each_out().functional_information)
    rank = len(validation.factor)
    stages = [
        Stage("sums over the training rows", first, n * size**2, True),
        Stage("validation rows", second, m * size**2, False),
        Stage("eigendecomposition", third, 9.0 * size**3, False),
        Stage(f"errors for {len(choice.grid)} ridges", fourth, 2.0 * n * size**2, True),
        Stage("scores", fifth, 2.0 * n * size * (size + rank), True),
    ]
    return stages, _deviation(solver, Training(ridge=choice.value))


def _deviation(solver: primal.Primal, training: Training) -> float:
    """On the first samples."""
    chosen = np.arange(min(2048, solver.problem.n))
    found = []
    for precision in ("float32", "float64"):
        plan = replace(solver, precision=precision).fit(training).leave_each_out().plan
        moments = solver.moments
        found.append(scores(moments.selection.only(chosen), moments.residual[chosen], plan, in_turn))
    single, double = found
    names = ("errors", "weights", "outputs")
    return max(
        float(np.abs(getattr(single, name) - getattr(double, name)).max() / np.abs(getattr(double, name)).max())
        for name in names
    )


def show(stages: list[Stage], rows: int, deviation: float) -> None:
    """Print the table and what follows from it for the goal."""
    factor = GOAL / rows
    print(f"{'stage':32}{'seconds':>10}{'GFLOP/s':>10}{f'at {GOAL:,} rows':>22}")
    for each in stages:
        print(f"{each.name:32}{each.seconds:10.1f}{each.operations / each.seconds / 1e9:10.0f}{each.at(factor):22.0f}")
    total = sum(each.seconds for each in stages)
    print(f"{'together':32}{total:10.1f}{'':10}{sum(each.at(factor) for each in stages):22.0f} (limit {SECONDS})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak of memory {peak:.2f} GiB (limit {GIBIBYTES}); deviation from products in float64 {deviation:.0e}")


def main() -> None:
    """Make the features where they are missing, run, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=50_000, help="training rows")
    parser.add_argument("--dimension", type=int, default=2048, help="features per row")
    parser.add_argument("--validation", type=int, default=10_000, help="validation rows")
    parser.add_argument("--folder", type=Path, help="where the features are kept; by default a temporary folder")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="features-"))
    try:
        train, val = (
            make(folder / f"{name}-{rows}x{given.dimension}", rows, given.dimension, seed)
            for name, rows, seed in (("train", given.rows, 0), ("val", given.validation, 1))
        )
        wanted = targets(train, 2)
        stages, deviation = run(PrimalProblem(train, val, wanted, np.zeros((given.validation, 1))))
        show(stages, given.rows, deviation)
    finally:
        if given.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()

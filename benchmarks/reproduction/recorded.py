"""One training run of the real network with notes, and every leave-one-out along it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.reproduction.options import Journal
from benchmarks.reproduction.setups import Setup
from sampleinfo import descent, segments, targets, unrolled
from sampleinfo.descent import Noted, Task, Weights
from sampleinfo.recipe import Recipe
from sampleinfo.unrolled import Changes

RUN, KERNELS, RECURSION = "training run", "segment kernels", "recursion for all"


@dataclass(frozen=True, eq=False)
class Recorded:
    """A run on all samples: final weights, loss before the first and the last step, and all leave-one-outs along it."""

    task: Task
    final: Weights
    loss: tuple[float, float]
    along: Changes


def record(setup: Setup, recipe: Recipe, count: int, journal: Journal) -> Recorded:
    """Train once, noting the weights in the middle of ``count`` segments, and follow every leave-one-out."""
    task, marks = setup.task(), unrolled.middles(recipe.steps, count)
    noted = Noted(frozenset(marks))
    with journal.stage(RUN):
        final = descent.train(task, recipe, noted=noted, progress=share_of(journal, RUN))
    with journal.stage(KERNELS):
        checkpoints = [noted.weights[step] for step in marks]
        formed = segments.segment_kernels(task, checkpoints, final, setup.coordinates, journal.report)
    residuals = np.stack(noted.residuals)
    with journal.stage(RECURSION):
        along = unrolled.leave_each_out(unrolled.Record(recipe, setup.n, residuals), formed, journal.report)
    first, last = (float(np.square(residuals[step]).sum(axis=1).mean() / 2) for step in (0, -1))
    return Recorded(task, final, (first, last), along)


def share_of(journal: Journal, stage: str) -> Callable[[float], None]:
    """Progress of one training run."""
    return lambda share: journal.report(stage, share, 1)


def accuracy(setup: Setup, task: Task, weights: Weights, rows: slice) -> float:
    """Share of the images ``rows`` that the trained network predicts rightly."""
    outputs = task.outputs(weights, np.arange(len(setup.images))[rows]).double().numpy()
    predicted = targets.decode(setup.predictions(outputs, rows))
    return float((predicted == targets.decode(setup.targets[rows])).mean())

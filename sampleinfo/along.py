"""What a run keeps of information along the training, and how it trains for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sampleinfo.config import REAL_STEPS, RunConfig
from sampleinfo.problem import Problem, half_stable_lr
from sampleinfo.recipe import Recipe
from sampleinfo.recorded import Chosen
from sampleinfo.scores import Evidence
from sampleinfo.targets import decode
from sampleinfo.types import FloatArray
from sampleinfo.unrolled import Changes, Record


def real_recipe(config: RunConfig, problem: Problem) -> Recipe:
    """How the real network is trained; see ``RunConfig``."""
    ridge = config.ridge or 0.0
    lr = config.lr if config.lr is not None else gentle_lr(problem, ridge)
    steps = REAL_STEPS if config.steps is None else int(config.steps)
    return Recipe(steps, lr, ridge, config.batch_size, config.seed)


def gentle_lr(problem: Problem, ridge: float) -> float:
    """A quarter of the largest learning rate that is stable at the initial weights.

    The curvature grows while a network trains, often to what its rate just allows (Cohen et al., "Gradient descent on
    neural networks typically occurs at the edge of stability", ICLR 2021); beyond that, runs with and without a sample
    part ways by chance.
    """
    return half_stable_lr(problem, ridge) / 2


@dataclass(frozen=True, eq=False)
class Along:
    """A recorded run, its kernels, what leaving out each training image changes, how far the slopes of its outputs by
    the pixels of each training image (n,) varied, its outputs (m, k) on the validation images after training (in the
    terms of the run's problem), and their targets (m, k)."""

    record: Record
    chosen: Chosen
    changes: Changes
    gradient_spread: FloatArray
    outputs: FloatArray
    targets: FloatArray

    def complete(self, evidence: Evidence) -> Evidence:
        """With what the recorded run says of the training images."""
        return replace(evidence, changes=self.changes, gradient_spread=self.gradient_spread)

    def facts(self) -> dict[str, Any]:
        """For the run's summary."""
        right = decode(self.outputs) == decode(self.targets)
        return {
            "recipe": self.record.recipe.as_dict(), "segments": self.chosen.as_dict(),
            "accuracy": float(np.mean(right)),
            "loss": [float(np.mean(self.record.residuals[step] ** 2) * self.record.k / 2) for step in (0, -1)],
        }  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """For questions about sets, later on."""
        segments = self.chosen.segments
        return {
            "along_gram": segments.gram, "along_cross": segments.cross, "along_residuals": self.record.residuals,
            "along_outputs": self.outputs,
        }  # fmt: skip

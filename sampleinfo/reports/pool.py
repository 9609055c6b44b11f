"""What a summary is chosen from: the training images of a run with their kernel, and the validation images to judge by.

The validation images are split in two. One half may be looked at while choosing; predicted accuracies and losses are
measured on the other half alone, so that no choice is judged by images it was fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sampleinfo import linearized, whatif
from sampleinfo.blocks import rows_of
from sampleinfo.errors import InvalidSetting
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Pool:
    """n training images to choose from.

    Args:
        problem: the linearized problem with all m validation images and their targets.
        training: how the network is trained.
        labels: (n,) class of each training image.
        features: (n, d) embedding of the training images.
        choosing, measuring: the two halves of the validation images.

    Raises:
        InvalidSetting: no targets, or halves that share an image or are empty.
    """

    problem: Problem
    training: Training
    labels: IntArray
    features: FloatArray
    choosing: IntArray
    measuring: IntArray

    def __post_init__(self) -> None:
        if self.problem.targets is None or self.problem.val_targets is None:
            raise InvalidSetting("summaries need the targets of training and validation images.")
        if not (len(self.choosing) and len(self.measuring)):
            raise InvalidSetting("summaries need at least two validation images: to choose by, and to measure with.")
        if len(np.intersect1d(self.choosing, self.measuring)):
            raise InvalidSetting("the validation images to choose by and to measure with must not be the same.")

    @classmethod
    def of(cls, run: Run, seed: int = 0) -> Pool:
        """The pool of a finished run; the halves hold equal shares of every class, drawn by ``seed``.

        Raises:
            InvalidRun: an array is missing or damaged.
            InvalidSetting: fewer than two validation images.
        """
        fit, samples = whatif.fit_of(run), run.samples
        train = (samples["split"] == TRAIN).to_numpy()
        labels = samples["label"].to_numpy(np.int64)
        choosing, measuring = halves(labels[~train], seed)
        features = np.array(run.array("embedding"), dtype=np.float64)[train]
        return cls(fit.whole, fit.training, labels[train], features, choosing, measuring)

    @property
    def n(self) -> int:
        """Training images."""
        return self.problem.n

    @property
    def ridge(self) -> float:
        """The ridge that stands for the training in strategies: its own, and 1 / (learning rate x time) for its end.

        Gradient flow on the summed loss that stops at time s is like a ridge of 1 / s (Ali, Kolter and Tibshirani,
        AISTATS 2019). A kernel without any ridge gets a billionth of its mean diagonal.
        """
        how = self.training
        early = 0.0 if how.steps is None else self.n / (how.lr * how.steps)
        return max(how.ridge + early, 1e-9 * float(np.trace(self.problem.gram)) / len(self.problem.gram))

    @cached_property
    def fit(self) -> Fit:
        """Trained on everything, judged by the validation images to measure with."""
        return linearized.fit(self.judged(self.measuring), self.training)

    @cached_property
    def choosing_fit(self) -> Fit:
        """Trained on everything, with the validation images that may be looked at."""
        return linearized.fit(self.judged(self.choosing), self.training)

    def trained_on(self, rows: IntArray) -> Fit:
        """Trained on ``rows`` alone, judged by the validation images to measure with."""
        return linearized.fit(self.fit.whole.subset(rows), self.training)

    def judged(self, images: IntArray) -> Problem:
        """The problem with these validation images only."""
        problem = self.problem
        assert problem.val_targets is not None  # checked at the start
        return replace(
            problem, cross=problem.cross[rows_of(images, problem.rows)], val_outputs=problem.val_outputs[images],
            val_targets=problem.val_targets[images],
        )  # fmt: skip

    @cached_property
    def itself(self) -> Problem:
        """The problem with the training images in the place of the validation images."""
        problem = self.problem
        assert problem.targets is not None  # checked at the start
        return replace(
            problem, cross=problem.gram, val_outputs=problem.targets - problem.residual, val_targets=problem.targets
        )


def halves(labels: IntArray, seed: int) -> tuple[IntArray, IntArray]:
    """Two disjoint halves of images with these labels, as equal in every class as can be; ascending."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    return np.sort(order[::2]), np.sort(order[1::2])

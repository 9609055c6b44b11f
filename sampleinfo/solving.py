"""From a run's images to its scores: the kernel, the training, every image left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleinfo import linearized, recorded, run_kernel, targets, unrolled
from sampleinfo.along import Along, real_recipe
from sampleinfo.config import ALONG_TRAINING, RunConfig
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.prepared import Prepared, Views
from sampleinfo.problem import choose_training, half_stable_lr
from sampleinfo.scores import SCORES, Evidence
from sampleinfo.tuning import Choice
from sampleinfo.types import FloatArray
from sampleinfo.work import Work


@dataclass(frozen=True, eq=False)
class Solved:
    """What a run says of its images.

    ``outputs`` (N, k): of each training image by the network trained without it, of each validation image by the one
    trained on all. ``scores`` (n,) by name. ``arrays`` are kept with the run. ``kernel``, ``along`` and ``suspicion``
    are JSON-ready facts; ``choice`` the candidates that the training was chosen from.
    """

    kernel: dict[str, Any]
    training: Training
    choice: Choice | None
    outputs: FloatArray
    scores: dict[str, FloatArray]
    arrays: dict[str, np.ndarray]
    along: dict[str, Any] | None
    suspicion: dict[str, Any]


def solve(work: Work, ready: Prepared, views: Views) -> Solved:
    """By the kernel between all images (``linearized``)."""
    with work.timings.stage("kernel"):
        gram, cross, facts = run_kernel.kernel_of(work, ready)
    problem = ready.problem(gram, cross)
    with work.timings.stage("ridge"):
        work.report("ridge", 0, 1)
        training, choice = choose(work.config, problem)
        work.report("ridge", 1, 1)
    with work.timings.stage("scores"):
        work.report("scores", 0, 1)
        fit = linearized.fit(problem, training)
        fit.leave_each_out()
        work.report("scores", 1, 1)
    along = _along(work, ready, fit) if work.config.method == ALONG_TRAINING else None
    with work.timings.stage("scores"):
        evidence = _evidence(work, ready, fit, along, views)
        scores = {name: score.compute(evidence) for name, score in SCORES.items() if score.available(evidence)}
        encoded = targets.encode(evidence.labels, len(work.settled.dataset.class_names))
        outputs = np.concatenate([encoded - fit.leave_each_out().errors, fit.val_outputs])
    return Solved(
        facts, training, choice, outputs, scores, _arrays(evidence, along), along.facts() if along else None,
        evidence.held_out.facts(),
    )  # fmt: skip


def choose(config: RunConfig, problem: Problem) -> tuple[Training, Choice | None]:
    """How the linearized network is trained, and the candidates it was chosen from."""
    if config.method == ALONG_TRAINING:
        recipe = real_recipe(config, problem)
        return Training(recipe.steps, recipe.lr, recipe.ridge), None
    if config.steps is None:
        if config.ridge is not None:
            return Training(ridge=config.ridge), None
        return choose_training(problem)
    ridge = config.ridge or 0.0
    if config.steps == "auto":
        return choose_training(problem, choose="steps", lr=config.lr, ridge=ridge, continuous=config.continuous)
    lr = config.lr if config.lr is not None else half_stable_lr(problem, ridge)
    return Training(int(config.steps), lr, ridge, config.continuous), None


def _evidence(work: Work, ready: Prepared, fit: Fit, along: Along | None, views: Views) -> Evidence:
    """What the scores are computed from."""
    n = work.train
    found = Evidence(
        fit, work.settled.dataset.labels[:n], ready.features[:n].astype(np.float64), work.config.seed,
        mirrored=views.mirrored, smoothed=views.smoothed, appearance=views.appearance,
    )  # fmt: skip
    return found if along is None else along.complete(found)


def _along(work: Work, ready: Prepared, fit: Fit) -> Along:
    """The real network trained once, and what leaving out each image does to that run."""
    config = work.config
    recipe, task = real_recipe(config, fit.problem), ready.task(fit.problem.residual)
    with work.timings.stage("training"):
        run = recorded.record(task, recipe, work.partial.working, work.report, config.segments)
        spread = recorded.gradient_spread(task, run, work.settled.dataset.labels[: task.n], work.report)
    with work.timings.stage("segments"):
        chosen = recorded.choose_segments(
            task, run, ready.coordinates(config.kernel), config.segments, config.seed, work.report, work.plan.work,
            work.shared,
        )  # fmt: skip
    with work.timings.stage("along"):
        changes = unrolled.leave_each_out(run.record, chosen.segments, work.report)
        outputs = task.val_outputs(run.final) - ready.outputs[task.n :] + fit.problem.val_outputs
    wanted = fit.problem.val_targets
    assert wanted is not None
    return Along(run.record, chosen, changes, spread, outputs, wanted)


def _arrays(evidence: Evidence, along: Along | None) -> dict[str, np.ndarray]:
    """What a run keeps; changes and losses of predictions are those of the truest method that it has."""
    fit = evidence.fit
    wanted = fit.problem.val_targets
    assert wanted is not None
    change, outputs = fit.leave_each_out().val_change, fit.val_outputs
    if along is not None:
        change, outputs = along.changes.val_change, along.outputs
    error = (wanted - outputs)[:, :, None]
    return {
        "val_change": np.linalg.norm(change, axis=1).astype(np.float32),
        "val_loss_change": (np.sum((error + change) ** 2 - error**2, axis=1) / 2).astype(np.float32),
        "gram": fit.problem.gram,
        "cross": fit.problem.cross,
        "residual": fit.problem.residual,
        "val_outputs": fit.val_outputs,
        "coefficients": fit.coefficients,
        "held_out": evidence.held_out.outputs,
        **(along.arrays() if along is not None else {}),
    }

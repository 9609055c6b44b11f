"""From a run's images to its scores without a kernel: features in shards (``feature_shards``, ``primal``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sampleinfo import (
    execution,
    feature_shards,
    fidelity,
    pictures,
    planning_primal,
    planting,
    primal,
    primal_scores,
    projection,
    targets,
)
from sampleinfo.blocks import product
from sampleinfo.errors import InvalidSetting
from sampleinfo.feature_shards import FeatureShard
from sampleinfo.planning_primal import SHARD
from sampleinfo.prepared import Prepared, Views
from sampleinfo.primal import Primal
from sampleinfo.primal_passes import Selection, gather, in_turn
from sampleinfo.primal_problem import PrimalProblem
from sampleinfo.primal_scores import Seen
from sampleinfo.problem import Training
from sampleinfo.run_kernel import fidelity_rows
from sampleinfo.shards import Kind, Shards
from sampleinfo.solving import Solved
from sampleinfo.tuning import Choice, half_stable
from sampleinfo.types import Reporter
from sampleinfo.work import Work

#: Folders of the features in a run, and how numbers are stored there.
TRAIN, VALIDATION = "features-train", "features-validation"
KIND: Kind = "float16"


def solve_primal(work: Work, ready: Prepared, views: Views) -> Solved:
    """By features of few dimensions instead of the kernel."""
    with work.timings.stage("kernel"):
        problem, facts = _features(work, ready)
    with work.timings.stage("ridge"):
        work.report("ridge", 0, 1)
        summed = primal.prepare(problem)
        training, choice = _training(work, summed)
        work.report("ridge", 1, 1)
    with work.timings.stage("scores"):
        work.report("scores", 0, 1)
        n, dataset = work.train, work.settled.dataset
        fit = summed.fit(training)
        features = ready.features[:n].astype(np.float64)
        seen = Seen(dataset.labels[:n], features, views.mirrored, views.smoothed, views.appearance, work.config.seed)
        judged = primal_scores.held_out(fit, seen)
        work.report("scores", 1, 2)
        scores = primal_scores.all_scores(fit, seen, judged)
        encoded = targets.encode(seen.labels, len(dataset.class_names))
        outputs = np.concatenate([encoded - fit.leave_each_out().errors, fit.val_outputs])
        work.report("scores", 1, 1)
    arrays = {
        "residual": problem.residual, "val_outputs": fit.val_outputs, "weights": fit.weights,
        "held_out": judged.outputs,
    }  # fmt: skip
    return Solved(facts, training, choice, outputs, scores, arrays, None, judged.facts())


@dataclass(frozen=True)
class _Told:
    """Tells of the images ``first`` to ``stop`` of ``total`` as the stage of the kernel."""

    report: Reporter
    first: int
    stop: int
    total: int

    def __call__(self, stage: str, done: float, total: float) -> None:  # noqa: ARG002
        self.report("kernel", self.first + (self.stop - self.first) * done / max(total, 1), self.total)


def _features(work: Work, ready: Prepared) -> tuple[PrimalProblem, dict[str, Any]]:
    """The rows of all images, and what is known about them."""
    config, plan, n = work.config, work.plan, work.train
    dimension, total = planning_primal.dimension(config), len(ready.pixels)
    most = planning_primal.coordinates(config, total, plan.outputs, ready.network.spec)
    labels = work.settled.dataset.labels[:n]
    rows = projection.landmarks(labels, projection.landmark_count(dimension, plan.outputs), config.seed)
    found = feature_shards.lay_out(ready, rows, most, dimension, work.partial.working)
    pixels = _pixels(work, ready)
    stores = [
        Shards.create(work.partial.path / name, plan.outputs, found.dimension, KIND, SHARD)
        for name in (TRAIN, VALIDATION)
    ]
    for store, (first, stop) in zip(stores, ((0, n), (n, total)), strict=True):
        task = FeatureShard(work.partial.working, pixels, store.path, config, plan.outputs, most, first, stop)
        numbers, told = range(-(-(stop - first) // SHARD)), _Told(work.report, first, stop, total)
        for _ in execution.map(task, numbers, execution.InProcess(), store.finished(), report=told):
            pass
    facts = {
        "kind": "primal", "scope": config.scope, "shared": False, "reason": plan.reason,
        "coordinates": sum(map(len, found.coordinates)), "dimension": found.dimension, "kept": found.kept,
        "fingerprint": "", **_fidelity(work, ready, stores[0]),
    }  # fmt: skip
    return PrimalProblem(stores[0], stores[1], *ready.terms()), facts


def _pixels(work: Work, ready: Prepared) -> Path:
    """The file of what the network sees of all images: that of the run, or one of its own where errors are planted."""
    if not planting.changes_pictures(work.config.plant):
        return work.partial.path / pictures.INPUTS
    path = work.partial.working / "planted.npy"
    np.save(path, ready.pixels)
    return path


def _fidelity(work: Work, ready: Prepared, store: Shards) -> dict[str, float | None]:
    """Of some training images: relative error against the exact kernel of the scope."""
    rows = fidelity_rows(work)
    features = gather(Selection.everything(store).only(rows), in_turn)
    whole, module = ready.coordinates("exact"), ready.network.module
    error = fidelity.of_block(module, ready.inputs(), product(features, features.T), rows, whole)
    return {"fidelity": error, "alignment": None}


def _training(work: Work, summed: Primal) -> tuple[Training, Choice | None]:
    """How the linearized network is trained, and the candidates it was chosen from."""
    config = work.config
    if config.steps == "auto":
        raise InvalidSetting("steps 'auto' needs the kernel between all images; give a number, or leave steps out.")
    ridge = config.ridge
    if config.steps is not None:
        largest, ridge = summed.moments.spectrum.largest, ridge or 0.0
        lr = config.lr if config.lr is not None else half_stable(summed.problem.n, largest, ridge)
        return Training(int(config.steps), lr, ridge, config.continuous), None
    if ridge is not None:
        return Training(ridge=ridge), None
    choice = summed.choose_ridge()
    tried = [pair for pair in zip(choice.grid, choice.errors, strict=True) if np.isfinite(pair[1])]
    grid, errors = zip(*tried, strict=True)  # without the ridges that are too small for the numbers kept
    return Training(ridge=choice.value), Choice(choice.value, grid, errors)

"""How true a run's scores are: the real network trained again without some images, beside every estimate of that."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from sampleinfo import (
    influence,
    information,
    linearized,
    prepared,
    recorded,
    retraining,
    store,
    unrolled,
    validations,
    whatif,
)
from sampleinfo.agreement import agreement
from sampleinfo.along import gentle_lr
from sampleinfo.config import REAL_STEPS, fingerprint
from sampleinfo.descent import Task
from sampleinfo.errors import InvalidData, InvalidSetting
from sampleinfo.evaluation import Accuracy, evaluate_outputs
from sampleinfo.linearized import Fit, Training
from sampleinfo.partial import Partial
from sampleinfo.prepared import Prepared
from sampleinfo.progress import Timings
from sampleinfo.recipe import Recipe
from sampleinfo.recorded import Chosen, Recorded
from sampleinfo.settling import network_identity, settle
from sampleinfo.store import Run
from sampleinfo.summary import machine, versions
from sampleinfo.types import FloatArray, IntArray, Reporter, silent
from sampleinfo.unrolled import Changes
from sampleinfo.validations import ALONG, INFLUENCE, ITERATIONS, KINDS, MATCHED, RUN, SETS, TRUE, Request, Validation

#: Raised when a change makes old results incomparable.
VERSION = 1


def recipe_of(run: Run, request: Request, fit: Fit) -> Recipe:
    """How the real network is trained: as asked for, else as the run was, else by the defaults of ``Request``."""
    how, along = run.meta["training"], run.meta.get("along")
    known = along["recipe"] if along else {"steps": how["steps"], "lr": how["lr"], "batch_size": None}
    trained = how["steps"] is not None and not how["continuous"]
    ridge = request.ridge if request.ridge is not None else float(run.meta["ridge"]["value"])
    steps = request.steps or (int(known["steps"]) if trained else REAL_STEPS)
    lr = request.lr or (float(known["lr"]) if trained else gentle_lr(fit.problem, ridge))
    batch = request.batch_size or known["batch_size"]
    if batch is not None and batch > fit.problem.n:
        raise InvalidSetting(f"a batch of {batch} images does not fit the {fit.problem.n} training images of this run.")
    return Recipe(steps, lr, ridge, batch, request.seed if along is None else known["seed"])


def validate(
    run: Run, request: Request, report: Reporter = silent,
    announce: Callable[[dict[str, float]], None] = lambda _: None,
) -> Validation:  # fmt: skip
    """Retrain for real and compare; the result is kept with the run.

    The same request on the same run gives the same result: when it exists, it is returned. Interrupted work goes on
    where it stopped. ``announce`` is told better estimates of the seconds of some stages.

    Raises:
        InvalidData: the run's images are not what they were.
        SampleInfoError: settings that this run does not allow, or that diverge.
    """
    validations.plan(run, request)
    fit = whatif.fit_of(run)
    recipe = recipe_of(run, request, fit)
    identity = fingerprint(VERSION, run.meta["fingerprint"], request.as_dict(), recipe.as_dict())
    target = validations.folder(run) / identity[:10]
    for known in validations.list_validations(run):
        if known.path == target:
            return known
    with Partial.open(target, identity) as partial:
        work = Work(run, request, recipe, fit, partial, report, announce)
        work.run()
        partial.finish(target)
    return next(each for each in validations.list_validations(run) if each.path == target)


def reopen(run: Run, report: Reporter = silent, timings: Timings | None = None) -> Prepared:
    """Network and images of a run, as they were. Reports and times the stages ``images`` and ``features``.

    Raises:
        InvalidData: they are not.
    """
    config, meta, timings = store.config_of(run), run.meta, timings or Timings()
    with timings.stage("images"):
        settled = settle(config, report)
        if settled.dataset.fingerprint() != meta["dataset"]["fingerprint"]:
            raise InvalidData(
                f"the images of {settled.dataset.name} are not those that the run {run.id} was made of; score them "
                "again, and go on with the new run."
            )
        known = network_identity(config)
        if any(meta["model"].get(name) != value for name, value in known.items()):
            raise InvalidData(
                f"the weights of {known['name']} are not those that the run {run.id} was made with; score again, and "
                "go on with the new run."
            )
        pixels = prepared.read_inputs(config, settled, report)
    with timings.stage("features"):
        network = prepared.load(config, settled.plan.outputs)
        pixels = prepared.planted(config, settled, pixels, network, report)
        return prepared.prepare(config, settled, pixels, network, report)


@dataclass(frozen=True)
class Work:
    """The stages of one validation."""

    source: Run
    request: Request
    recipe: Recipe
    fit: Fit
    partial: Partial
    report: Reporter
    announce: Callable[[dict[str, float]], None]
    timings: Timings = field(default_factory=Timings)

    def run(self) -> None:
        """All stages in order."""
        ready = reopen(self.source, self.report, self.timings)
        task = ready.task(self.fit.problem.residual)
        with self.timings.stage("training"):
            real = recorded.record(task, self.recipe, self.partial.working, self.report, self.request.segments)
        self.announce({"training": max(self.timings.seconds["training"], 0.1)})
        with self.timings.stage("segments"):
            chosen = self._segments(ready, task, real)
        with self.timings.stage("along"):
            changes = unrolled.leave_each_out(real.record, chosen.segments, self.report)
        rows, sets = self._rows(changes), self._sets(changes)
        with self.timings.stage("retraining"):
            keeper = retraining.Folder(self.partial.working / "outcomes")
            wanted = [*(np.array([row]) for row in rows), *sets.values()]
            truth = retraining.retrain(
                task, self.recipe, real.final, wanted, keeper, self.report, self._timed(len(wanted))
            )
        estimates = self._estimates(rows, sets, real, chosen, changes)
        facts: dict[str, Any] = {"segments": chosen.as_dict()}
        if self.request.influence:
            with self.timings.stage("influence"):
                estimates[INFLUENCE], facts["influence"] = self._influence(task, real, rows)
        self.report("writing", 0, 1)
        outputs = task.val_outputs(real.final) - ready.outputs[task.n :] + self.fit.problem.val_outputs
        self._write(rows, sets, truth, estimates, outputs, facts)
        self.report("writing", 1, 1)

    def _segments(self, ready: Prepared, task: Task, real: Recorded) -> Chosen:
        kernel = self.source.meta["kernel"]
        return recorded.choose_segments(
            task, real, ready.coordinates(kernel["kind"]), self.request.segments, self.request.seed, self.report,
            ready.plan.work, bool(kernel["shared"]),
        )  # fmt: skip

    def _timed(self, runs: int) -> Callable[[float], None]:
        return lambda seconds: self.announce({"retraining": max(0.1, seconds * runs)})

    def _rows(self, changes: Changes) -> IntArray:
        """The images that are left out one by one."""
        n, request = self.fit.problem.n, self.request
        if request.choose == "all":
            return np.arange(n)
        if request.choose == "random":
            return np.sort(np.random.default_rng(request.seed).permutation(n)[: request.removals])
        return retraining.stratified(changes.functional_information(), request.removals, request.seed)

    def _sets(self, changes: Changes) -> dict[str, IntArray]:
        """The sets that are left out, by name."""
        n, found = self.fit.problem.n, {}
        order = np.argsort(changes.functional_information(), kind="stable")
        for number, (share, which) in enumerate(SETS[: self.request.sets]):
            size = max(1, round(share * n))
            shuffled = np.random.default_rng((self.request.seed, number)).permutation(n)
            picked = {"most": order[n - size :], "least": order[:size], "random": shuffled[:size]}[which]
            words = "at random" if which == "random" else f"{which} informative"
            found[f"{share:.0%} {words}"] = np.sort(picked)
        return found

    def _estimates(
        self, rows: IntArray, sets: dict[str, IntArray], real: Recorded, chosen: Chosen, each: Changes
    ) -> dict[str, tuple[Changes, Changes | None]]:
        """For every method the changes of the removals and of the sets; ``each``: along the training, of all images."""
        found: dict[str, tuple[Changes, Changes | None]] = {RUN: self._closed_form(self.fit, rows, sets)}
        training = Training(self.recipe.steps, self.recipe.lr, self.recipe.ridge)
        if training != self.fit.training:
            with suppress(InvalidSetting):  # a rate that the linear network does not stand
                found[MATCHED] = self._closed_form(linearized.fit(self.fit.problem, training), rows, sets)
        several = unrolled.leave_out(real.record, chosen.segments, list(sets.values()))
        found[ALONG] = (_part(each, rows), several)
        return found

    def _closed_form(self, fit: Fit, rows: IntArray, sets: dict[str, IntArray]) -> tuple[Changes, Changes]:
        each = fit.leave_each_out().val_change[:, :, rows]
        singles = Changes(each, 2 * information.weight_information(fit)[rows])
        others = [fit.without(indices) for indices in sets.values()]
        shape = (*fit.val_outputs.shape, 0)
        moved = (
            np.stack([fit.val_outputs - other.val_outputs for other in others], axis=2) if others else np.zeros(shape)
        )
        weights = np.array([2 * information.between(fit, other)[0] for other in others])
        return singles, Changes(moved, weights)

    def _influence(self, task: Task, real: Recorded, rows: IntArray) -> tuple[tuple[Changes, None], dict[str, Any]]:
        damping = influence.damping_of(self.recipe, task.n)
        start = time.perf_counter()
        found = influence.conjugate_gradients(task, real.final, rows, damping, ITERATIONS, report=self.report)
        facts = {
            "damping": damping, "iterations": found.iterations, "residual": found.residual,
            "seconds_each": (time.perf_counter() - start) / len(rows),
        }  # fmt: skip
        return (found.changes, None), facts

    def _write(
        self, rows: IntArray, sets: dict[str, IntArray], truth: Changes,
        estimates: dict[str, tuple[Changes, Changes | None]], outputs: FloatArray, facts: dict[str, Any],
    ) -> None:  # fmt: skip
        """``outputs``: (m, k) of the network trained on everything, in the terms of the run's problem."""
        known = {TRUE: (_part(truth, slice(0, len(rows))), _part(truth, slice(len(rows), None))), **estimates}
        ids = self.source.samples["sample_id"].to_numpy()[rows]
        removals = pd.DataFrame({"sample_id": ids, "row": rows})
        groups = pd.DataFrame({"name": list(sets), "size": [len(each) for each in sets.values()]})
        for name, (one, many) in known.items():
            removals[f"{name}_weight"] = one.weight_information()
            removals[f"{name}_functional"] = one.functional_information()
            if many is not None and sets:
                base = self.fit.val_outputs if name in (RUN, MATCHED) else outputs
                for column, values in self._effects(many, base).items():
                    groups[f"{name}_{column}"] = values
        removals.to_parquet(self.partial.path / validations.REMOVALS_FILE, index=False)
        groups.to_parquet(self.partial.path / validations.SETS_FILE, index=False)
        found = self._summary(removals, groups, list(estimates), outputs, facts)
        store.write_json(self.partial.path / validations.SUMMARY, found)

    def _effects(self, changes: Changes, outputs: FloatArray) -> dict[str, FloatArray]:
        """Of sets: nats, and accuracy and loss on the validation images after leaving each out, and their changes."""
        before = self._reached(outputs)
        after = [self._reached(outputs - each) for each in np.moveaxis(changes.val_change, 2, 0)]
        accuracy, loss = np.array([each.accuracy for each in after]), np.array([each.loss for each in after])
        return {
            "weight": changes.weight_information(), "functional": changes.functional_information(),
            "accuracy": accuracy, "loss": loss, "accuracy_change": accuracy - before.accuracy,
            "loss_change": loss - before.loss,
        }  # fmt: skip

    def _reached(self, outputs: FloatArray) -> Accuracy:
        wanted = self.fit.problem.val_targets
        assert wanted is not None
        return evaluate_outputs(outputs, wanted).overall

    def _summary(
        self, removals: pd.DataFrame, sets: pd.DataFrame, methods: list[str], outputs: FloatArray, facts: dict[str, Any]
    ) -> dict[str, Any]:
        reached = self._reached(outputs)
        return {
            "format": validations.FORMAT, "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "run": self.source.id, "recipe": self.recipe.as_dict(), "request": self.request.as_dict(),
            "removals": len(removals), "sets": len(sets), "accuracy": reached.accuracy, "loss": reached.loss,
            "agreement": {name: _agreements(name, removals, sets) for name in methods},
            **facts, "timings": self.timings.seconds, "versions": versions(), "machine": machine(),
        }  # fmt: skip


def _part(changes: Changes, columns: slice | IntArray) -> Changes:
    return Changes(changes.val_change[:, :, columns], changes.weight_change[columns])


def _agreements(method: str, removals: pd.DataFrame, sets: pd.DataFrame) -> dict[str, Any]:
    """For every kind of result that the method has: its agreement with the truth."""
    found = {}
    for kind, column in KINDS.items():
        table = removals if f"{method}_{column}" in removals else sets
        if f"{method}_{column}" in table:
            found[kind] = agreement(table[f"{method}_{column}"], table[f"{TRUE}_{column}"]).as_dict()
    return found

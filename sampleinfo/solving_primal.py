"""From a run's images to its scores without a kernel: features in shards (``feature_shards``, ``primal``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sampleinfo import (
    bench,
    execution,
    feature_shards,
    fidelity,
    pictures,
    planning_primal,
    planting,
    primal,
    primal_halved,
    primal_scores,
    projection,
    targets,
)
from sampleinfo.blocks import product
from sampleinfo.execution_storage import Place
from sampleinfo.feature_shards import Blocks, Cut, FeatureShard, Mapped, Pixels
from sampleinfo.prepared import Prepared, Views
from sampleinfo.primal import Primal
from sampleinfo.primal_passes import Selection, gather, in_turn
from sampleinfo.primal_problem import PrimalProblem
from sampleinfo.primal_scores import Seen
from sampleinfo.problem import Training
from sampleinfo.run_kernel import fidelity_rows
from sampleinfo.shards import Kind, Shards
from sampleinfo.solving import Solved
from sampleinfo.spreading import Spreading
from sampleinfo.tuning import Choice, half_stable
from sampleinfo.whatif_primal import FACTOR, GRAM, TARGET, TRAIN, VALIDATION
from sampleinfo.work import Work

#: How the numbers of features are stored.
KIND: Kind = "float16"


def solve_primal(work: Work, ready: Prepared, views: Views) -> Solved:
    """By features of few dimensions instead of the kernel."""
    backend = execution.backend_of(work.config.ray, work.config.workers)
    spreading, site = Spreading(backend, work.report, work.tell), _Site.of(work)
    try:
        with site.held(), backend.held():
            solved = _solve(replace(work, report=spreading.report), ready, views, spreading, site)
            site.clear()
    finally:
        feature_shards.forget()
    return replace(solved, kernel={**solved.kernel, "storage": site.address, "events": spreading.events})


@dataclass(frozen=True)
class _Site:
    """Where a run's features are made: the ``bench`` for what workers need, the stores of training and of validation
    features, and the ``address`` of both where they do not lie in the run's folder."""

    bench: Place
    stores: tuple[Place, Place]
    address: str | None

    @classmethod
    def of(cls, work: Work) -> _Site:
        """In the folder of the run, or in a folder of the storage named after what the run is."""
        if work.config.storage is None:
            inside = Place(str(work.partial.path))
            return cls(Place(str(work.partial.working)), (inside.inner(TRAIN), inside.inner(VALIDATION)), None)
        place = Place(work.config.storage).inner(work.partial.identity)
        return cls(place, (place.inner(TRAIN), place.inner(VALIDATION)), place.address)

    @contextmanager
    def held(self) -> Iterator[None]:
        """One driver at a time; a run's folder belongs to one process already."""
        with nullcontext() if self.address is None else bench.held(self.bench):
            yield

    def clear(self) -> None:
        """Leave nothing but the features in a storage; in a run's folder the rest goes when it is finished."""
        if self.address is not None:
            bench.clear(self.bench)


def _solve(work: Work, ready: Prepared, views: Views, spreading: Spreading, site: _Site) -> Solved:
    with work.timings.stage("kernel"):
        problem, facts = _features(work, ready, spreading, site)
    with work.timings.stage("ridge"):
        work.report("ridge", 0, 1)
        summed = primal.prepare(problem, map=spreading.mapper)
        training, choice = _training(work, summed)
        work.report("ridge", 1, 1)
    with work.timings.stage("scores"):
        work.report("scores", 0, 1)
        n, dataset = work.train, work.settled.dataset
        fit = summed.fit(training)
        features = ready.features[:n].astype(np.float64)
        seen = Seen(dataset.labels[:n], features, views.mirrored, views.smoothed, views.appearance, work.config.seed)
        judged = primal_scores.held_out(fit, seen)
        work.report("scores", 1, 3)
        scores = primal_scores.all_scores(fit, seen, judged)
        work.report("scores", 2, 3)
        facts["halved"] = primal_halved.agreement(fit)
        encoded = targets.encode(seen.labels, len(dataset.class_names))
        outputs = np.concatenate([encoded - fit.leave_each_out().errors, fit.val_outputs])
        work.report("scores", 1, 1)
    arrays = {
        "residual": problem.residual, "val_outputs": fit.val_outputs, "weights": fit.weights,
        "held_out": judged.outputs, GRAM: summed.moments.gram.matrix, TARGET: summed.moments.target,
        FACTOR: summed.validation.factor,
    }  # fmt: skip
    return Solved(facts, training, choice, outputs, scores, arrays, None, judged.facts())


def _features(work: Work, ready: Prepared, spreading: Spreading, site: _Site) -> tuple[PrimalProblem, dict[str, Any]]:
    """The rows of all images, and what is known about them."""
    config, plan, n = work.config, work.plan, work.train
    dimension, cut = planning_primal.dimension(config), Cut(n, len(ready.pixels), planning_primal.shard(config))
    most = planning_primal.coordinates(config, cut.total, plan.outputs, ready.network.spec)
    labels = work.settled.dataset.labels[:n]
    rows = projection.landmarks(labels, projection.landmark_count(dimension, plan.outputs), config.seed)
    bench.lay_head(ready, site.bench)
    kept = bench.laid(site.bench)
    found = kept or bench.lay_projection(ready, rows, most, dimension, site.bench)
    stores = [Shards.create(place, plan.outputs, found.dimension, KIND, cut.size) for place in site.stores]
    finished = _finished(stores, cut, spreading)
    if kept is None and 0 < len(finished) < sum(cut.counts):
        spreading.note("The projection that the other shards were made with is gone: all are made anew.")
        finished = set()
    with _pixels(work, ready, cut, finished, site) as pixels:
        task = FeatureShard(site.bench, pixels, site.stores, config, plan.outputs, most, cut, work.partial.identity)
        spreading.shards(task, sum(cut.counts), finished, "kernel")
    facts = {
        "kind": "primal", "scope": config.scope, "shared": False, "reason": plan.reason,
        "coordinates": found.coordinates, "dimension": found.dimension, "kept": found.kept,
        "fingerprint": "", **_fidelity(work, ready, stores[0]),
    }  # fmt: skip
    return PrimalProblem(stores[0], stores[1], *ready.terms()), facts


def _finished(stores: Sequence[Shards], cut: Cut, spreading: Spreading) -> set[int]:
    """The shards of the cut that are there and whole; of others it is said what is wrong with them."""
    finished = set()
    for store, first in zip(stores, (0, cut.counts[0]), strict=True):
        store.tidy()
        for number, trouble in store.troubles().items():
            if trouble is None:
                finished.add(first + number)
            else:
                spreading.note(f"Shard {number} of {store.place}: {trouble}; it is made anew.")
    return finished


@contextmanager
def _pixels(work: Work, ready: Prepared, cut: Cut, finished: set[int], site: _Site) -> Iterator[Pixels]:
    """What the network sees: the file of the run, or one of its own where errors are planted; in a storage one file for
    each shard that is not finished, until all are."""
    if site.address is not None:
        blocks = Blocks(site.bench)
        blocks.fill(ready.pixels, cut, sorted(set(range(sum(cut.counts))) - finished))
        yield blocks
        blocks.clear()
    elif planting.changes_pictures(work.config.plant):
        path = work.partial.working / "planted.npy"
        np.save(path, ready.pixels)
        yield Mapped(path)
    else:
        yield Mapped(work.partial.path / pictures.INPUTS)


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

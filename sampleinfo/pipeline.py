"""The one place where the stages are chained: Dataset -> features -> kernel -> Problem -> scores -> Run."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sampleinfo import embedding, neighbours, pictures, planning, prepared, samples, store, whatif_primal
from sampleinfo.config import NOTHING, PRIMAL, RunConfig, fingerprint
from sampleinfo.datasets import problems
from sampleinfo.devices import choose_device
from sampleinfo.errors import InvalidRun, StorageError
from sampleinfo.models.pretrained import Network
from sampleinfo.partial import Partial
from sampleinfo.planning import Estimate
from sampleinfo.progress import Timings
from sampleinfo.settling import INSPECTED, canonical, network_identity, settle
from sampleinfo.solving import solve
from sampleinfo.solving_primal import solve_primal
from sampleinfo.store import Run
from sampleinfo.summary import Results, summary
from sampleinfo.types import FloatArray, Reporter, silent
from sampleinfo.work import Work

#: Raised when a change makes old runs incomparable or incomplete.
METHOD = 6
NEIGHBOURS = 12


def score(
    config: RunConfig,
    out: Path | None = None,
    report: Reporter = silent,
    preview: Path | None = None,
    announce: Callable[[Estimate], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Run:
    """Compute every score of every training image and write the run.

    The same settings on the same data give the same run: when it exists it is returned. Interrupted work is kept in
    ``<out>.partial`` and gone on with by the next call. ``preview`` names a Parquet file for the first results (the
    images' places by PCA), written as soon as they are known. ``announce`` is told the plan again once a batch has been
    timed; ``tell`` hears in words what goes out of the ordinary, such as workers that were lost.

    Raises:
        SampleInfoError: unknown names, impossible sizes, an unwritable or foreign folder.
    """
    config = canonical(config)
    expected = planning.estimate(config)
    choose_device(config.device)
    if out is not None and not out.exists():
        store.check_target(out)
    timings = Timings()
    with timings.stage("weights"):  # first of all, so that a file that does not fit is refused before images are read
        prepared.load(config, expected.outputs, report)
    with timings.stage("images"):
        report("images", 0, 1)
        settled = settle(config, report)
        dataset, plan = settled.dataset, settled.plan
        train, validation = settled.sizes
        config = replace(config.with_kernel(plan.kernel), train=train, validation=validation)
        data_identity = dataset.fingerprint()
        identity = fingerprint(METHOD, config.identity(), data_identity, network_identity(config))
        report("images", INSPECTED, 1)
    target = out or store.runs_folder() / f"{_slug(dataset.name)}-{config.model}-{identity[:10]}"
    finished = _finished(target, identity)
    damage = None if finished is None else whatif_primal.damage(finished)
    if damage is not None:
        tell(f"{damage} The run is computed again.")
    elif finished is not None:
        store.note_problems(finished, problems.table(settled.findings), problems.counts(settled.findings))
        _say_elsewhere(finished, config, tell)
        return store.open_run(target)
    else:
        store.check_target(target)
    with Partial.open(target, identity, tell, finished) as partial:
        announce(plan)
        work = Work(config, settled, partial, report, timings, announce, tell)
        return Stages(work, data_identity, preview).run(target)


@dataclass(frozen=True)
class Stages:
    """The stages of one run; each reads what stands before it and nothing else."""

    work: Work
    data_identity: str
    preview: Path | None

    def run(self, target: Path) -> Run:
        """All stages in order; UMAP runs beside the kernel."""
        work, path = self.work, self.work.partial.path
        config, settled = work.config, work.settled
        with work.timings.stage("images"):
            pixels = prepared.read_images(config, settled, path, work.report)
        with work.timings.stage("weights"):
            network = prepared.load(config, work.plan.outputs)
        with work.timings.stage("features"):
            pixels = self._planted(pixels, network)
            ready = prepared.prepare(config, settled, pixels, network, work.report)
            known = {"source": network.source, "left_out": list(network.ignored), "head": ready.head}
            flat, views = embedding.pca(ready.features), prepared.views(ready, work.report)
            if self.preview is not None:
                samples.write_preview(settled.dataset, flat, self.preview)
        umap = self._start_umap(ready.features)
        try:
            solved = (solve_primal if config.kernel == PRIMAL else solve)(work, ready, views)
            with work.timings.stage("map"):
                work.report("map", 0, 1)
                coordinates = self._finish_umap(umap)
                work.report("map", 1, 1)
        finally:
            _stop(umap)
        table = samples.table(settled.dataset, solved.outputs, solved.scores)
        for name, values in (("umap", coordinates), ("pca", flat)):
            table[f"{name}_x"], table[f"{name}_y"] = values.T
        if config.plant != NOTHING:
            table[store.PLANTED] = np.isin(np.arange(len(table)), settled.planted)
        with work.timings.stage("writing"):
            near = neighbours.nearest(ready.features, NEIGHBOURS, config.seed)
            features = {"embedding": ready.features, "neighbours": near.rows}
            for name, values in {**features, **solved.arrays}.items():
                np.save(path / f"{name}.npy", values)
            table.to_parquet(path / store.SAMPLES, index=False)
            store.write_problems(path, problems.table(settled.findings))
        results = Results(
            work.partial.identity, self.data_identity, known, solved.kernel, solved.training, solved.choice,
            work.timings.seconds, near.recall, solved.along, solved.suspicion,
        )  # fmt: skip
        store.write_json(path / store.SUMMARY, summary(config, settled, results, table))
        work.partial.finish(target)
        return store.open_run(target)

    def _start_umap(self, features: np.ndarray) -> subprocess.Popen[bytes] | None:
        if (self.work.partial.path / "umap.npy").is_file():
            return None
        np.save(self.work.partial.path / "embedding.npy", features)
        return embedding.start_umap(
            self.work.partial.path / "embedding.npy", self.work.partial.path / "umap.npy", self.work.config.seed
        )

    def _finish_umap(self, process: subprocess.Popen[bytes] | None) -> FloatArray:
        path = self.work.partial.path / "umap.npy"
        if process is None:
            return np.asarray(np.load(path), dtype=np.float64)
        return embedding.finish_umap(process, path)

    def _planted(self, pixels: np.ndarray, network: Network) -> np.ndarray:
        """With the pictures spoilt that the settings say, also those to look at."""
        found = prepared.planted(self.work.config, self.work.settled, pixels, network, self.work.report)
        if found is not pixels:
            pictures.replace_some(self.work.partial.path, {int(row): found[row] for row in self.work.settled.planted})
        return found


def _slug(name: str) -> str:
    """A name for a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "data"


def _finished(target: Path, identity: str) -> Run | None:
    """The run at ``target`` when it is the one asked for; anything else there is an error, never overwritten."""
    if not target.exists():
        return None
    try:
        run = store.open_run(target)
    except InvalidRun as error:
        raise StorageError(f"{target} exists already and is not a run; choose another folder. ({error})") from error
    if run.meta["fingerprint"] != identity:
        raise StorageError(f"{target} holds another run ({run.title}, other settings or data); choose another folder.")
    return run


def _say_elsewhere(finished: Run, config: RunConfig, tell: Callable[[str], None]) -> None:
    """That features stay where they were made, whatever storage is named now."""
    address = finished.meta["kernel"].get("storage")
    if config.storage is not None and not str(address).startswith(f"{config.storage.rstrip('/')}/"):
        tell(f"This run is finished already; its features stay in {address or 'its own folder'}, not {config.storage}.")


def _stop(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait()

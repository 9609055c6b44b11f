"""The kernel of a run: computed, or taken from an earlier run on the same images."""

from __future__ import annotations

from typing import Any

import numpy as np

from sampleinfo import fidelity, kernels, planting, store
from sampleinfo.blocks import rows_of, square
from sampleinfo.config import NOTHING, fingerprint
from sampleinfo.errors import InvalidRun
from sampleinfo.jacobians import fallback_reason
from sampleinfo.prepared import Prepared
from sampleinfo.settling import network_identity
from sampleinfo.types import Dataset, FloatArray, IntArray
from sampleinfo.work import Work

#: Raised when a change makes old kernels wrong.
KERNEL = 4
FIDELITY_SAMPLES = 48

#: gram, cross and what is known about them.
Found = tuple[FloatArray, FloatArray, dict[str, Any]]


def kernel_of(work: Work, ready: Prepared) -> Found:
    """gram, cross and what is known about them; taken from an earlier run where the kernel is the same.

    Where it is computed, ``work.announce`` is told the plan again once a batch has been timed.
    """
    config, plan = work.config, work.plan
    chosen, own = ready.coordinates(config.kernel), identity(work, work.settled.dataset)
    if (known := _known(work)) is not None:
        work.report("kernel", 1, 1)
        return known[0], known[1], {**known[2], "fingerprint": own}
    facts = {
        "kind": config.kernel, "scope": config.scope, "shared": work.shared, "reason": plan.reason,
        "coordinates": sum(map(len, chosen)), "fingerprint": own,
    }  # fmt: skip
    module, inputs = ready.network.module, ready.inputs()
    speed = kernels.warm_up(module, inputs, chosen, plan.work)
    work.announce(plan.measured(speed.kernel_seconds))
    compute = kernels.shared_kernel if work.shared else kernels.kernel
    gram, cross = compute(module, inputs, chosen, work.report, work.partial, plan.work)
    facts["passes"], facts["gradients"] = speed.passes, fallback_reason(module) or "hooks"
    return gram, cross, {**facts, **_fidelity(work, ready, inputs, gram)}


def identity(work: Work, dataset: Dataset) -> str:
    """What a kernel of these images depends on: labels only where they have made the head."""
    config, labels = work.config, dataset.labels.tolist()
    plant = [config.plant, config.planted, labels] if planting.changes_pictures(config.plant) else None
    return fingerprint(
        KERNEL, dataset.images_fingerprint(), network_identity(config), config.seed, config.kernel, config.scope,
        work.plan.outputs, labels if config.head == "trained" else None, plant,
    )  # fmt: skip


def _known(work: Work) -> Found | None:
    """That of an earlier run on the same images, or on these and others that have been dropped since."""
    settled, q = work.settled, 1 if work.shared else work.plan.outputs
    wanted = {identity(work, settled.dataset): np.arange(len(settled.dataset))}
    if work.config.head != "trained" and work.config.plant == NOTHING:
        wanted.setdefault(identity(work, settled.given), settled.kept)
    for run in store.list_runs():
        kept = wanted.get(str(run.meta["kernel"].get("fingerprint")))
        if kept is None:
            continue
        n = run.meta["sizes"]["train"]
        rows, val_rows = rows_of(kept[kept < n], q), rows_of(kept[kept >= n] - n, q)
        try:
            gram, cross = (np.asarray(run.array(name)) for name in ("gram", "cross"))
        except InvalidRun:  # damaged: computed again
            continue
        facts = {**run.meta["kernel"], "reason": work.plan.reason, "from_run": run.id}
        return square(gram, rows), cross.take(val_rows, axis=0).take(rows, axis=1), facts
    return None


def fidelity_rows(work: Work) -> IntArray:
    """The training images on which a kernel is measured, drawn by the run's seed."""
    return np.sort(np.random.default_rng(work.config.seed).permutation(work.train)[:FIDELITY_SAMPLES])


def _fidelity(work: Work, ready: Prepared, inputs: kernels.Inputs, gram: FloatArray) -> dict[str, float | None]:
    """On some training images: relative error against the exact kernel of the same scope; and the alignment with
    the exact kernel of all layers, where only some are trained."""
    config, rows, whole, module = work.config, fidelity_rows(work), ready.coordinates("exact"), ready.network.module
    error = None if config.kernel == "exact" else fidelity.fidelity(module, inputs, gram, rows, whole)
    alignment = None
    if config.scope != "all":
        alignment = fidelity.scope_alignment(module, inputs, gram, rows)
    return {"fidelity": error, "alignment": alignment}

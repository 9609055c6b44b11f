"""The kernel of a run: computed, or taken from an earlier run on the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleinfo import fidelity, kernels, planning, planting, store
from sampleinfo.blocks import rows_of, square
from sampleinfo.config import NOTHING, RunConfig, fingerprint
from sampleinfo.errors import InvalidRun
from sampleinfo.jacobians import fallback_reason
from sampleinfo.partial import Partial
from sampleinfo.planning import Estimate
from sampleinfo.prepared import Prepared
from sampleinfo.settling import Settled, network_identity
from sampleinfo.types import Dataset, FloatArray, Reporter

#: Raised when a change makes old kernels wrong.
KERNEL = 4
FIDELITY_SAMPLES = 48

#: gram, cross and what is known about them.
Found = tuple[FloatArray, FloatArray, dict[str, Any]]


@dataclass(frozen=True)
class RunKernel:
    """How the kernel of a run is got; ``announce`` is told the plan again once a batch has been timed."""

    config: RunConfig
    settled: Settled
    partial: Partial
    report: Reporter
    announce: Callable[[Estimate], None]

    @property
    def plan(self) -> Estimate:
        """Sizes, kernel and expected cost."""
        return self.settled.plan

    @property
    def shared(self) -> bool:
        """Whether one kernel serves several outputs."""
        return planning.is_shared(self.config.kernel, self.config.scope) and self.plan.outputs > 1

    def of(self, ready: Prepared) -> Found:
        """gram, cross and what is known about them; taken from an earlier run where the kernel is the same."""
        config, kind = self.config, self.config.kernel
        chosen, identity = ready.coordinates(kind), self.identity(self.settled.dataset)
        if (known := self._known()) is not None:
            self.report("kernel", 1, 1)
            return known[0], known[1], {**known[2], "fingerprint": identity}
        facts = {
            "kind": kind, "scope": config.scope, "shared": self.shared, "reason": self.plan.reason,
            "coordinates": sum(map(len, chosen)), "fingerprint": identity,
        }  # fmt: skip
        module, inputs = ready.network.module, ready.inputs()
        speed = kernels.warm_up(module, inputs, chosen, self.plan.work)
        self.announce(self.plan.measured(speed.kernel_seconds))
        compute = kernels.shared_kernel if self.shared else kernels.kernel
        gram, cross = compute(module, inputs, chosen, self.report, self.partial, self.plan.work)
        facts["passes"], facts["gradients"] = speed.passes, fallback_reason(module) or "hooks"
        return gram, cross, {**facts, **self._fidelity(ready, inputs, gram)}

    def identity(self, dataset: Dataset) -> str:
        """What a kernel of these images depends on: labels only where they have made the head."""
        config = self.config
        labels = dataset.labels.tolist() if config.head == "trained" else None
        spoilt = config.plant != NOTHING and planting.find(config.plant).changes == planting.IMAGES
        plant = [config.plant, config.planted, dataset.labels.tolist()] if spoilt else None
        return fingerprint(
            KERNEL, dataset.images_fingerprint(), network_identity(config), config.seed, config.kernel, config.scope,
            self.plan.outputs, labels, plant,
        )  # fmt: skip

    def _known(self) -> Found | None:
        """That of an earlier run on the same images, or on these and others that have been dropped since."""
        settled, q = self.settled, 1 if self.shared else self.plan.outputs
        wanted = {self.identity(settled.dataset): np.arange(len(settled.dataset))}
        if self.config.head != "trained" and self.config.plant == NOTHING:
            wanted.setdefault(self.identity(settled.given), settled.kept)
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
            facts = {**run.meta["kernel"], "reason": self.plan.reason, "from_run": run.id}
            return square(gram, rows), cross.take(val_rows, axis=0).take(rows, axis=1), facts
        return None

    def _fidelity(self, ready: Prepared, inputs: kernels.Inputs, gram: FloatArray) -> dict[str, float | None]:
        """On some training images: relative error against the exact kernel of the same scope; and the alignment with
        the exact kernel of all layers, where only some are trained."""
        kind, scope, n = self.config.kernel, self.config.scope, self.plan.train
        rows = np.sort(np.random.default_rng(self.config.seed).permutation(n)[:FIDELITY_SAMPLES])
        whole = ready.coordinates("exact")
        error = None if kind == "exact" else fidelity.fidelity(ready.network.module, inputs, gram, rows, whole)
        alignment = None
        if scope != "all":
            alignment = fidelity.scope_alignment(ready.network.module, inputs, gram, rows)
        return {"fidelity": error, "alignment": alignment}

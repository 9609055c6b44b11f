"""What is known of a set of training images of a run without a kernel (``sets`` has the same of one with it)."""

from __future__ import annotations

import numpy as np

from sampleinfo import whatif_primal
from sampleinfo.problem import checked_indices
from sampleinfo.reports.sets import Panel
from sampleinfo.store import Run
from sampleinfo.types import IntArray


def panel(run: Run, rows: IntArray) -> Panel:
    """Of the set ``rows``, measured on all validation images, since nothing is proposed by them; no random sets.

    Raises:
        InvalidRun: an array or a shard of the run is missing or damaged.
        InvalidSetting: a row out of range or given twice, or a run that does not keep its sums.
    """
    fit = whatif_primal.fit_of(run)
    rows = np.sort(checked_indices(rows, fit.n))
    full = whatif_primal.evaluate(run, fit).overall
    if not len(rows):
        return Panel(0, full, None, full, None, 0.0, 0.0, 0.0)
    rest = fit.without(rows)  # without everything: the untrained network
    weight, functional = fit.between(rest)
    singles = run.column("functional_information").to_numpy(dtype=np.float64)[rows]
    return Panel(
        len(rows), full, whatif_primal.evaluate(run, fit.keep(rows)).overall,
        whatif_primal.evaluate(run, rest).overall if len(rows) < fit.n else None,
        None, weight, functional, functional - float(singles.sum()),
    )  # fmt: skip

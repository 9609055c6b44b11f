"""Are the features enough? The same ranking with half of them, for every run without a kernel.

What sets one image apart from all others lies in the directions of small eigenvalues, which are the first that a
projection gives up; the error of the kernel, which the large ones decide, does not show it. The features of
``projection`` stand in the order of their eigenvalues, so that the first half of them is the projection to half the
dimension, and its scores cost a quarter of the scores. Where those rank the images nearly alike, more features would
change little; docs/scaling.md has the agreement with the exact kernel beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from sampleinfo import primal
from sampleinfo.primal import PrimalFit
from sampleinfo.primal_passes import Source


@dataclass(frozen=True)
class Leading:
    """The first ``dimension`` features of every row of a source."""

    source: Source
    dimension: int

    @property
    def rows(self) -> int:
        """Rows per sample."""
        return self.source.rows

    def sizes(self) -> Sequence[int]:
        """Samples of each shard."""
        return self.source.sizes()

    def read(self, number: int) -> npt.NDArray[np.float32]:
        """(b q, dimension) rows of a shard."""
        return np.ascontiguousarray(self.source.read(number)[:, : self.dimension])


def halved(fit: PrimalFit) -> PrimalFit | None:
    """The same training on all samples with the first half of the features; None where there is but one."""
    whole, size = fit.whole, fit.whole.train.dimension // 2
    if size == 0:
        return None
    problem = replace(whole, train=Leading(whole.train, size), val=Leading(whole.val, size))
    return primal.fit(problem, fit.training, fit.solver.precision, fit.solver.moments.map)


def agreement(fit: PrimalFit) -> float | None:
    """Spearman's rank correlation of F-SI with that of half the features, in [-1, 1]; None where it has no meaning.

    Cost: about a quarter of that of ``fit`` and its scores.
    """
    less = halved(fit)
    if less is None or fit.n < 3:
        return None
    first, second = (each.leave_each_out().functional_information for each in (fit, less))
    found = float(stats.spearmanr(first, second).statistic)
    return found if np.isfinite(found) else None  # all values alike have no ranks

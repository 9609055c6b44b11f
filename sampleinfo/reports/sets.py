"""A set of training images picked by hand: what it teaches, what it lacks, and what everything else teaches without it.

All of it is closed form on the kernel of the run; a ``Desk`` holds what is the same for every set, and is made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sampleinfo import information, linearized
from sampleinfo.downdating import Growth, prefix_outputs
from sampleinfo.evaluation import Accuracy, evaluate, evaluate_outputs
from sampleinfo.information import functional_information, weight_information
from sampleinfo.linearized import Training
from sampleinfo.problem import checked_indices
from sampleinfo.reports.pool import Pool
from sampleinfo.types import FloatArray, IntArray

#: Random draws that a set is compared with; sizes at which their accuracy is known, in between by interpolation.
DRAWS, PLACES = 20, 60
#: Images that are proposed.
PROPOSED = 12


@dataclass(frozen=True)
class Band:
    """Predicted accuracy of random sets of one size: mean and standard deviation over ``DRAWS`` draws."""

    mean: float
    spread: float


@dataclass(frozen=True)
class Proposal:
    """A training image, and by how much the mean loss over all training images falls if it joins (or leaves)."""

    row: int
    gain: float


@dataclass(frozen=True, eq=False)
class Panel:
    """What is known of one set.

    ``alone``: trained on the set alone; ``without``: on everything else (None where nothing is left); ``full``: on
    everything; all measured on the half of the validation images that no choice has looked at. ``weight`` and
    ``functional``: nats that only this set gives (it is left out of everything). ``interaction``: ``functional`` minus
    the sum over its images, each left out alone: above 0 where they are redundant, below 0 where they need each other.
    ``add``, ``drop``: the images that would lower the loss most by joining, and by leaving.
    """

    size: int
    full: Accuracy
    alone: Accuracy | None
    without: Accuracy | None
    random: Band | None
    weight: float
    functional: float
    interaction: float
    add: list[Proposal]
    drop: list[Proposal]


@dataclass(frozen=True, eq=False)
class Desk:
    """What every set of a run is judged with."""

    pool: Pool

    @cached_property
    def full(self) -> Accuracy:
        """Trained on everything."""
        return evaluate(self.pool.fit).overall

    @cached_property
    def singles(self) -> FloatArray:
        """(2, n) SI and F-SI of every image alone, measured on the measuring half."""
        return np.stack([weight_information(self.pool.fit), functional_information(self.pool.fit)])

    @cached_property
    def _random(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """Sizes, and mean and standard deviation of the accuracy of random sets of these sizes.

        By the ridge that stands for the training (``Pool.ridge``), which makes all sizes of a draw one factorisation.
        """
        fit, n = self.pool.fit, self.pool.n
        sizes = np.unique(np.round(np.geomspace(1, n, PLACES)).astype(int))
        wanted, reached = fit.whole.val_targets, np.empty((DRAWS, len(sizes)))
        assert wanted is not None  # a pool has them
        for draw in range(DRAWS):
            order = np.random.default_rng(draw).permutation(n)
            for place, outputs in enumerate(prefix_outputs(fit.whole, self.pool.ridge, order, sizes.tolist())):
                reached[draw, place] = evaluate_outputs(outputs, wanted).overall.accuracy
        return sizes, reached.mean(axis=0), reached.std(axis=0, ddof=1)

    def random(self, size: int) -> Band:
        """What random sets of this size reach."""
        sizes, mean, spread = self._random
        return Band(*(float(np.interp(np.log(size), np.log(sizes), each)) for each in (mean, spread)))

    def panel(self, rows: IntArray) -> Panel:
        """All that is known of the set ``rows``.

        Raises:
            InvalidSetting: a row out of range or given twice.
        """
        pool, fit = self.pool, self.pool.fit
        rows = np.sort(checked_indices(rows, pool.n))
        if not len(rows):
            return Panel(0, self.full, None, self.full, None, 0.0, 0.0, 0.0, self._add(rows), [])
        rest = fit.without(rows)  # without everything: the untrained network
        weight, functional = information.between(fit, rest)
        return Panel(
            len(rows), self.full, evaluate(pool.trained_on(rows)).overall,
            evaluate(rest).overall if len(rows) < pool.n else None,
            self.random(len(rows)), weight, functional, functional - float(self.singles[1, rows].sum()),
            self._add(rows), self._drop(rows),
        )  # fmt: skip

    def _add(self, rows: IntArray) -> list[Proposal]:
        gains = Growth(self.pool.itself, self.pool.ridge, rows).gains()
        order = np.argsort(-np.nan_to_num(gains, nan=-np.inf), kind="stable")[: min(PROPOSED, self.pool.n - len(rows))]
        return [Proposal(int(row), float(gains[row])) for row in order]

    def _drop(self, rows: IntArray) -> list[Proposal]:
        """The images of the set whose absence lowers the loss most, or raises it least."""
        if len(rows) < 2:
            return []
        problem = self.pool.itself.subset(rows)
        fit = linearized.fit(problem, Training(ridge=self.pool.ridge))
        assert problem.val_targets is not None  # the pool's own targets
        errors = problem.val_targets - fit.val_outputs
        change = fit.leave_each_out().val_change  # f - f_-i
        risen = (2 * np.einsum("jk,jki->i", errors, change) + np.einsum("jki,jki->i", change, change)) / (
            2 * len(errors)
        )
        order = np.argsort(risen, kind="stable")[:PROPOSED]
        return [Proposal(int(rows[place]), -float(risen[place])) for place in order]

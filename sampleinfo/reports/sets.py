"""A set of training images picked by hand: what it teaches, what it lacks, and what everything else teaches without it.

All of it is closed form on the kernel of the run; a ``Desk`` holds what is the same for every set, and is made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from sampleinfo.blocks import product
from sampleinfo.downdating import move_gains, prefix_outputs
from sampleinfo.evaluation import Accuracy, evaluate, evaluate_outputs
from sampleinfo.filters import Converged
from sampleinfo.information import functional_information
from sampleinfo.linearized import Fit
from sampleinfo.problem import checked_indices
from sampleinfo.reports.pool import Pool
from sampleinfo.resolvent import Resolvent
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


@dataclass(frozen=True)
class Proposals:
    """The images that would lower the loss most by joining a set, and by leaving it: those that raise it least."""

    add: list[Proposal]
    drop: list[Proposal]


@dataclass(frozen=True, eq=False)
class Panel:
    """What is known of one set.

    ``alone``: trained on the set alone; ``without``: on everything else (None where nothing is left); ``full``: on
    everything; all measured on the half of the validation images that no choice has looked at. ``weight`` and
    ``functional``: nats that only this set gives (it is left out of everything). ``interaction``: ``functional`` minus
    the sum over its images, each left out alone: above 0 where they are redundant, below 0 where they need each other.
    """

    size: int
    full: Accuracy
    alone: Accuracy | None
    without: Accuracy | None
    random: Band | None
    weight: float
    functional: float
    interaction: float


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
        """(n,) F-SI of every image alone, measured on the measuring half."""
        return functional_information(self.pool.fit)

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
            return Panel(0, self.full, None, self.full, None, 0.0, 0.0, 0.0)
        rest = fit.without(rows)  # without everything: the untrained network
        weight, functional = self._information(rest)
        return Panel(
            len(rows), self.full, evaluate(fit.keep(rows)).overall,
            evaluate(rest).overall if len(rows) < pool.n else None,
            self.random(len(rows)), weight, functional, functional - float(self.singles[rows].sum()),
        )  # fmt: skip

    def _information(self, rest: Fit) -> tuple[float, float]:
        """SI and F-SI of the images that ``rest`` was not trained on: ``information.between``, without the eigenvalues.

        Of a kernel without full rank that takes a new eigendecomposition for each set; ``_root`` is found once.
        """
        fit = self.pool.fit
        change = (fit.embedded_coefficients - rest.embedded_coefficients).reshape(len(self._root), -1)
        length, moved = product(self._root.T, change), fit.val_outputs - rest.val_outputs
        return float(np.sum(length**2)) / 2, float(np.sum(moved**2)) / (2 * len(moved))

    @cached_property
    def _root(self) -> FloatArray:
        """(N, l) F of the kernel's rank l with F F^T = K, so that c^T K c = ||F^T c||^2.

        Cholesky that takes the largest pivot first and ends at the rank: O(l N^2). The huge coefficients that a tiny
        ridge allows outside of the kernel's range do not meet its rounding errors in F^T c, as they would in K c.
        """
        factor, order, rank, _ = lapack.dpstrf(self.pool.problem.gram, lower=1)
        return np.asarray(np.tril(factor[:, :rank])[np.argsort(order)])

    def proposals(self, rows: IntArray) -> Proposals:
        """What to add to the set ``rows``, and what to drop of it; nothing where nothing would be left.

        Raises:
            InvalidSetting: a row out of range or given twice.
        """
        rows = np.sort(checked_indices(rows, self.pool.n))
        gains = move_gains(self.pool.problem, self.pool.ridge, rows, self._inverse)
        others = np.delete(np.arange(self.pool.n), rows)
        return Proposals(_best(gains, others), _best(gains, rows) if len(rows) > 1 else [])

    @cached_property
    def _inverse(self) -> FloatArray:
        """(N, N) (K + ridge I)^-1 with the ridge that stands for the training."""
        pool, solver = self.pool, self.pool.fit.solver
        if not (isinstance(solver, Resolvent) and pool.training.ridge == pool.ridge):
            solver = Resolvent(pool.problem.gram, pool.problem.rows, lambda _: Converged(pool.ridge))
        return solver.inverse()


def _best(gains: FloatArray, rows: IntArray) -> list[Proposal]:
    order = rows[np.argsort(-gains[rows], kind="stable")[:PROPOSED]]
    return [Proposal(int(row), float(gains[row])) for row in order]

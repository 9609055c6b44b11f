"""Summaries of a run: what each strategy would keep, and what the network is predicted to reach with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sampleinfo.downdating import prefix_outputs
from sampleinfo.evaluation import Accuracy, evaluate_outputs
from sampleinfo.reports import strategies
from sampleinfo.reports.pool import Pool
from sampleinfo.reports.strategies import STRATEGIES, Strategy
from sampleinfo.types import FloatArray, IntArray

#: Shares of the training images that curves are drawn at, and random draws of the strategies that are drawn.
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
DRAWS = 10
RANDOM = "random"
#: Probability within one standard deviation of the normal distribution.
ONE_SIGMA = 0.6827


def sizes_of(n: int, shares: Sequence[float] = SHARES) -> list[int]:
    """Sizes of summaries for shares of n images, ascending, each once, at least 1."""
    return sorted({min(n, max(1, round(share * n))) for share in shares})


@dataclass(frozen=True, eq=False)
class Summary:
    """Training images that a strategy keeps (best first), and what is predicted of them on the measuring half."""

    rows: IntArray
    reached: Accuracy


def summaries(
    pool: Pool, name: str, sizes: Sequence[int], seed: int = 0, equal: Callable[[int], dict[int, int]] | None = None
) -> list[Summary]:
    """The summaries of these sizes by one strategy; ``equal``: the numbers per class for a size.

    A nested strategy ranks once; training to convergence follows its ranking through all sizes by one factorisation.

    Raises:
        UnknownName: no such strategy.
        InvalidSetting: a size outside 1..n, or impossible numbers per class.
    """
    for size in sizes:
        strategies.check_size(size, pool.n)
    strategy = strategies.find(name)
    chosen = _chosen(pool, strategy, sizes, seed, equal)
    wanted = pool.fit.whole.val_targets
    assert wanted is not None  # a pool has them
    return [
        Summary(rows, evaluate_outputs(outputs, wanted).overall)
        for rows, outputs in zip(chosen, _outputs(pool, strategy, chosen, equal is None), strict=True)
    ]


def _chosen(
    pool: Pool, strategy: Strategy, sizes: Sequence[int], seed: int, equal: Callable[[int], dict[int, int]] | None
) -> list[IntArray]:
    if not strategy.nested:
        orders = [strategy.rank(pool, size, seed) for size in sizes]
    elif equal is None:
        orders = [strategy.rank(pool, max(sizes), seed)] * len(sizes)
    else:  # numbers per class reach further down the ranking
        orders = [strategy.rank(pool, pool.n, seed)] * len(sizes)
    if equal is None:
        return [order[:size] for order, size in zip(orders, sizes, strict=True)]
    return [strategies.within(order, pool.labels, equal(size), size) for order, size in zip(orders, sizes, strict=True)]


def _outputs(pool: Pool, strategy: Strategy, chosen: list[IntArray], nested: bool) -> Iterable[FloatArray]:
    """(m, k) predictions on the measuring half after training on each set."""
    if nested and strategy.nested and pool.training.steps is None and chosen:
        longest = max(chosen, key=len)
        return prefix_outputs(pool.fit.whole, pool.training.ridge, longest, [len(each) for each in chosen])
    return [pool.trained_on(rows).val_outputs for rows in chosen]


def curves(
    pool: Pool, names: Sequence[str] = tuple(STRATEGIES), sizes: Sequence[int] | None = None, draws: int = DRAWS,
    equal: bool = False, report: Callable[[float], None] = lambda _: None,
) -> pd.DataFrame:  # fmt: skip
    """Predicted accuracy and loss on the measuring half against the size of the summary.

    One row per strategy, draw and size: ``strategy``, ``seed``, ``size``, ``share``, and of the measuring half
    ``accuracy``, ``loss`` and ``images``. ``draws`` of *random*; other strategies that are drawn once. ``equal``: equal
    numbers per class.
    """
    sizes = sizes_of(pool.n) if sizes is None else sizes
    work = [(name, seed) for name in names for seed in range(draws if name == RANDOM else 1)]
    quotas = (lambda size: strategies.equal_quotas(pool.labels, size)) if equal else None
    rows = []
    for number, (name, seed) in enumerate(work):
        for each in summaries(pool, name, sizes, seed, quotas):
            size, reached = len(each.rows), each.reached
            rows.append((name, seed, size, size / pool.n, reached.accuracy, reached.loss, reached.count))
        report((number + 1) / len(work))
    return pd.DataFrame(rows, columns=["strategy", "seed", "size", "share", "accuracy", "loss", "images"])


@dataclass(frozen=True)
class Advice:
    """The strategy that the run's own held-out images speak for at one size, and what stands against it.

    ``reached`` is predicted; ``random`` the mean accuracy over random draws and ``spread`` their standard deviation.
    """

    size: int
    strategy: str
    reached: Accuracy
    random: float
    spread: float

    @property
    def clear(self) -> bool:
        """Whether it is above random by more than a standard deviation: of the draws, and of so few held-out images."""
        return self.reached.accuracy - self.random > self.spread and self.reached.interval(ONE_SIGMA)[0] > self.random


def advise(table: pd.DataFrame, size: int) -> Advice:
    """The strategy with the smallest predicted loss at the size nearest in ratio to ``size`` in a table of ``curves``.

    The loss moves with every image and the accuracy only in steps of 1/m, so that the loss tells strategies apart with
    fewer held-out images.
    """
    known = table["size"].unique()
    size = int(known[np.argmin(np.abs(np.log(known / size)))])
    at = table[table["size"] == size]
    drawn = at[at["strategy"] == RANDOM]
    best = at[at["strategy"] != RANDOM].sort_values("loss", kind="stable").iloc[0]
    spread = float(drawn["accuracy"].std(ddof=1)) if len(drawn) > 1 else float(np.nan)
    reached = Accuracy(int(best["images"]), float(best["accuracy"]), float(best["loss"]))
    return Advice(size, str(best["strategy"]), reached, float(drawn["accuracy"].mean()), spread)

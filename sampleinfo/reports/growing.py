"""How a set grows: what each of its beginnings teaches, in the order of the set, and what random sets do as they grow.

Training to convergence follows all beginnings by one factorisation (``downdating.prefix_outputs``), exactly. Training
that ends after some steps has no such identity, since its filter changes with the kernel: a few beginnings are trained
each by itself then. Their sizes grow by a constant factor, so that together they cost little more than the whole set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from sampleinfo.downdating import prefix_outputs
from sampleinfo.errors import InvalidSetting
from sampleinfo.evaluation import evaluate_outputs
from sampleinfo.problem import checked_indices
from sampleinfo.reports.pool import Pool
from sampleinfo.reports.sets import DRAWS, Desk
from sampleinfo.types import FloatArray, IntArray

#: Beginnings of one set at most: by one factorisation, and trained each by itself; sizes of random sets.
FOLLOWED, TRAINED, PLACES = 300, 16, 60
#: How far below its end a curve still counts as there: of the accuracy, and of the loss relative to it.
POINT, RELATIVE = 0.01, 0.05


def beginnings(pool: Pool, order: IntArray) -> pd.DataFrame:
    """What the network is predicted to reach with the first images of ``order`` alone, on the measuring half.

    Columns ``size`` (ascending, the last is the whole set), ``accuracy`` and ``loss``. All sizes up to ``FOLLOWED``,
    beyond that so many of them, denser at the small ones; ``TRAINED`` of them for training that ends after some steps,
    without those on which it diverges: a few images of the mean loss may be steeper than all. Every row is exact: the
    same as ``pool.trained_on`` that beginning.

    Raises:
        InvalidSetting: an image out of range or given twice; training that diverges on the whole set.
        NumericalError: a kernel that is not positive definite without a larger ridge.
    """
    order = checked_indices(order, pool.n)
    if pool.training.steps is None:
        sizes = sizes_to(len(order), FOLLOWED)
        return _table(pool, sizes, prefix_outputs(pool.fit.whole, pool.training.ridge, order, sizes))
    reached: dict[int, FloatArray] = {}
    for size in sizes_to(len(order), TRAINED):
        try:
            reached[size] = pool.trained_on(order[:size]).val_outputs
        except InvalidSetting:  # it diverges: the images are checked above
            if size == len(order):
                raise
    return _table(pool, list(reached), reached.values())


def random_sets(desk: Desk, largest: int, measure: str) -> pd.DataFrame:
    """The same of random sets of up to ``largest`` images, by the ridge that stands for the training (``Pool.ridge``).

    Columns ``size``, and over the draws the ``mean`` and the standard deviation ``spread`` of the ``measure``. The
    accuracy is what ``Desk.random`` knows already; for the loss the same draws are followed anew.
    """
    sizes = np.unique(np.round(np.geomspace(1, largest, PLACES)).astype(int)).tolist()
    if measure == "accuracy":
        bands = [desk.random(size) for size in sizes]
        means, spreads = ([getattr(each, name) for each in bands] for name in ("mean", "spread"))
        return pd.DataFrame({"size": sizes, "mean": means, "spread": spreads})
    pool, losses = desk.pool, []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(pool.n)[:largest]
        losses.append(_table(pool, sizes, prefix_outputs(pool.fit.whole, pool.ridge, order, sizes))["loss"].to_numpy())
    return pd.DataFrame({"size": sizes, "mean": np.mean(losses, axis=0), "spread": np.std(losses, axis=0, ddof=1)})


def sizes_to(last: int, most: int) -> list[int]:
    """Sizes from 1 to ``last``: all of them, or at most ``most`` that grow by a constant factor, each once."""
    if last <= most:
        return list(range(1, last + 1))
    return [int(size) for size in np.unique(np.round(np.geomspace(1, last, most)))]


def settled(curve: pd.DataFrame, measure: str, images: int) -> int:
    """The size from which on a curve of ``beginnings`` (not empty) is never noticeably worse than at its end.

    Noticeably: by more than a hundredth of accuracy, or one of the held-out ``images`` where these are fewer than a
    hundred; by more than a twentieth of the loss.
    """
    values = curve[measure].to_numpy(dtype=np.float64)
    worse = values[-1] - values if measure == "accuracy" else (values - values[-1]) / max(values[-1], 1e-300)
    allowed = max(POINT, 1 / images) if measure == "accuracy" else RELATIVE
    late = np.flatnonzero(worse > allowed * (1 + 1e-9))
    return int(curve["size"].iloc[late[-1] + 1 if len(late) else 0])


def _table(pool: Pool, sizes: Sequence[int], outputs: Iterable[FloatArray]) -> pd.DataFrame:
    wanted = pool.fit.whole.val_targets
    assert wanted is not None  # a pool has them
    reached = [evaluate_outputs(each, wanted).overall for each in outputs]
    return pd.DataFrame({
        "size": np.asarray(sizes, dtype=np.int64), "accuracy": np.array([each.accuracy for each in reached]),
        "loss": np.array([each.loss for each in reached]),
    })  # fmt: skip

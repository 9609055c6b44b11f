"""What removing images of a class (or of a group) costs on validation images, in closed form, and how sure that is.

With the network trained on everything, f, and on everything but the images B, f_-B (``Fit.without``), removing B raises
the loss of a validation image with the target y by

    1/2 ||y - f_-B(x)||^2 - 1/2 ||y - f(x)||^2.

The *need* of a class is the mean of this over random draws of B from the class and over the validation images of the
class, divided by the share of the class that B is: loss units per whole class, at the rate of the first images to go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from sampleinfo.blocks import product, rows_of
from sampleinfo.errors import InvalidSetting
from sampleinfo.linearized import Fit
from sampleinfo.targets import decode
from sampleinfo.types import FloatArray, IntArray

#: Random draws, resamples of every bootstrap, and the probability that intervals stand for.
DRAWS, RESAMPLES, LEVEL = 20, 1000, 0.95
#: Validation images from which on an interval is given at all.
FEWEST = 2


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; the ends are NaN where there is too little to say."""

    mean: float
    low: float
    high: float


NOTHING = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Cost:
    """What removing ``removed`` of ``size`` images costs.

    ``rises``: (D, m) of each draw and validation image by how much the loss rises; ``falls``: (D, m) 1 where a right
    prediction becomes wrong, -1 where a wrong one becomes right, else 0.
    """

    size: int
    removed: int
    rises: FloatArray
    falls: FloatArray

    @property
    def share(self) -> float:
        """The share of the images that is removed."""
        return self.removed / self.size

    def need(self, seed: int = 0) -> Interval:
        """Rise of the mean loss per removed share; over draws and validation images, see ``crossed``."""
        found = crossed(self.rises, seed)
        return Interval(*(each / self.share for each in (found.mean, found.low, found.high)))

    def rise(self) -> Interval:
        """Rise of the mean loss, over the draws alone."""
        return over_draws(self.rises)

    def fall(self) -> Interval:
        """Fall of the accuracy, over the draws alone."""
        return over_draws(self.falls)


def cost(
    fit: Fit, rows: IntArray, images: IntArray, share: float, draws: int = DRAWS, seed: int = 0,
    done: Callable[[float], None] = lambda _: None,
) -> Cost:  # fmt: skip
    """What removing a random ``share`` of the training images ``rows`` (at least one) costs on validation ``images``.

    Raises:
        InvalidSetting: no rows, no validation targets, a share outside (0, 1], or nothing left to train on.
    """
    if fit.whole.val_targets is None or not len(rows) or not 0 < share <= 1:
        raise InvalidSetting(f"removing needs validation targets, images and a share in (0, 1]; got {share}.")
    removed = max(1, round(share * len(rows)))
    if removed >= len(fit.kept):
        raise InvalidSetting("nothing would be left to train on; keep at least one image.")
    wanted, rng = fit.whole.val_targets[images], np.random.default_rng(seed)
    before, right = _losses(fit, images, wanted)
    rises, falls = (np.empty((draws, len(images))) for _ in range(2))
    for draw in range(draws):
        gone = rng.permutation(rows)[:removed]
        after, still = _losses(fit.without(gone), images, wanted)
        rises[draw], falls[draw] = after - before, right - still
        done((draw + 1) / draws)
    return Cost(len(rows), removed, rises, falls)


def outputs_on(fit: Fit, images: IntArray) -> FloatArray:
    """(b, k) f on these validation images alone."""
    whole = fit.whole
    coefficients = fit.embedded_coefficients.reshape(len(whole.gram), -1)
    moved = product(whole.cross[rows_of(images, whole.rows)], coefficients)
    return np.asarray(whole.val_outputs[images] + moved.reshape(len(images), whole.k))


def _losses(fit: Fit, images: IntArray, wanted: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(b,) 1/2 ||y - f(x)||^2, and (b,) whether the prediction is right."""
    outputs = outputs_on(fit, images)
    return np.sum((wanted - outputs) ** 2, axis=1) / 2, (decode(outputs) == decode(wanted)).astype(np.float64)


def over_draws(values: FloatArray) -> Interval:
    """Mean of (D, m) values with Student's t interval over the D draws."""
    if not values.size:
        return NOTHING
    means = values.mean(axis=1)
    count = len(means)
    half = np.nan if count < 2 else _student(count - 1) * float(means.std(ddof=1)) / np.sqrt(count)
    mean = float(means.mean())
    return Interval(mean, mean - half, mean + half)


def _student(freedom: int) -> float:
    return float(special.stdtrit(freedom, (1 + LEVEL) / 2))


def crossed(values: FloatArray, seed: int = 0) -> Interval:
    """Mean of (D, m) values with the interval over draws *and* images.

    Both are resampled, each by itself (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007): so many
    draws and so few validation images do not make an interval narrow that others would not confirm.
    """
    draws, images = values.shape
    if not values.size:
        return NOTHING
    mean = float(values.mean())
    if images < FEWEST or draws < FEWEST:
        return Interval(mean, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    some = rng.multinomial(draws, np.full(draws, 1 / draws), RESAMPLES) / draws
    others = rng.multinomial(images, np.full(images, 1 / images), RESAMPLES) / images
    return Interval(mean, *percentiles(np.einsum("rm,rm->r", product(some, values), others)))


def mean_interval(values: FloatArray, seed: int = 0) -> Interval:
    """Mean with its percentile bootstrap interval (Efron 1979)."""
    if not len(values):
        return NOTHING
    mean = float(values.mean())
    if len(values) < FEWEST:
        return Interval(mean, np.nan, np.nan)
    return Interval(mean, *percentiles(_means(values, np.random.default_rng(seed))))


def ratio_interval(above: FloatArray, below: FloatArray, seed: int = 0) -> Interval:
    """Ratio of two means with its percentile bootstrap interval, each side resampled by itself."""
    if len(above) < FEWEST or len(below) < FEWEST or not below.mean() > 0:
        return NOTHING
    rng = np.random.default_rng(seed)
    tops, bottoms = _means(above, rng), _means(below, rng)
    usable = bottoms > 0
    return Interval(float(above.mean() / below.mean()), *percentiles(tops[usable] / bottoms[usable]))


def share_intervals(values: FloatArray, labels: IntArray, count: int, seed: int = 0) -> list[Interval]:
    """Of each of ``count`` classes its share of the sum of ``values``, resampled inside the classes."""
    rng, total = np.random.default_rng(seed), float(values.sum())
    sums = np.zeros((RESAMPLES, count))
    for label in np.unique(labels):
        mine = values[labels == label]
        sums[:, label] = _means(mine, rng) * len(mine)
    if not total > 0:
        return [NOTHING] * count
    shares = sums / np.maximum(sums.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return [
        Interval(float(values[labels == label].sum()) / total, *percentiles(shares[:, label]))
        for label in range(count)
    ]  # fmt: skip


def _means(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(RESAMPLES,) means of resamples, some at a time."""
    step = max(1, 2**22 // len(values))
    starts = range(0, RESAMPLES, step)
    parts = [values[rng.integers(len(values), size=(min(step, RESAMPLES - at), len(values)))] for at in starts]
    return np.concatenate([part.mean(axis=1) for part in parts])


def percentiles(values: FloatArray) -> tuple[float, float]:
    """The ends that hold 95 % of the values."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)

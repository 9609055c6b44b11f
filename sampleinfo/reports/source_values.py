"""What a part of the training images is worth, in numbers: intervals, retraining on parts, and random batches.

All of it is closed form on one kernel. With f the predictions after training on everything and f_T those after training
on the images T alone, leaving out B moves validation image j by

    v_j = ||f(x'_j) - f_T(x'_j)||^2 / 2 nats,  T = everything but B;  F-SI_B = mean over j of v_j

(Harutyunyan et al., ICLR 2021, eq. 8 and 16, noise variance 1, for a set in the place of one sample).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sampleinfo.downdating import prefix_outputs
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.evaluation import Accuracy, evaluate_outputs
from sampleinfo.linearized import Fit
from sampleinfo.types import FloatArray, IntArray

#: Resamples of a bootstrap, and numbers drawn at once for it.
RESAMPLES, AT_ONCE = 4000, 2**22
LEVEL = 0.95
#: Sizes at which sources are compared alone, as shares of the smallest of them.
SHARES = (0.125, 0.25, 0.5, 0.75)


class Parts:
    """The network of ``fit`` trained on parts of its n samples; each part once, however often it is asked for."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self._known: dict[bytes, FloatArray | str] = {}

    def on(self, rows: IntArray) -> FloatArray:
        """(m, k) predictions after training on ``rows`` alone; on none, the untrained network's.

        Raises:
            InvalidSetting: the learning rate diverges on them.
        """
        rows = np.sort(np.asarray(rows, dtype=np.int64))
        key = rows.tobytes()
        if key not in self._known:
            try:
                self._known[key] = self.fit.keep(rows).val_outputs
            except InvalidSetting as error:
                self._known[key] = str(error)
        found = self._known[key]
        if isinstance(found, str):
            raise InvalidSetting(found)
        return found

    def without(self, rows: IntArray) -> FloatArray:
        """(m, k) the same after training on everything but ``rows``.

        Raises:
            InvalidSetting: the learning rate diverges on the others.
        """
        return self.on(np.setdiff1d(np.arange(len(self.fit.kept)), rows))

    def nats(self, rows: IntArray) -> FloatArray:
        """(m,) v_j of leaving out ``rows``; its mean is their F-SI.

        Raises:
            InvalidSetting: the learning rate diverges on the others.
        """
        return moved(self.fit.val_outputs, self.without(rows))


def moved(outputs: FloatArray, others: FloatArray) -> FloatArray:
    """(m,) nats between two predictions (m, k) of each validation image: half the squared distance."""
    return np.asarray(np.sum((outputs - others) ** 2, axis=1) / 2)


def resampled_means(values: FloatArray, seed: Sequence[int], resamples: int = RESAMPLES) -> FloatArray:
    """(resamples,) means of ``values`` (n,) drawn anew with replacement, n at a time (Efron 1979)."""
    rng, n = np.random.default_rng(seed), len(values)
    step = max(1, AT_ONCE // max(n, 1))
    parts = [
        values[rng.integers(0, n, size=(min(step, resamples - start), n))].mean(axis=1)
        for start in range(0, resamples, step)
    ]
    return np.concatenate(parts)


def mean_interval(values: FloatArray, seed: Sequence[int], level: float = LEVEL) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean; NaN of fewer than two values, which say nothing of their spread."""
    if len(values) < 2:
        return float("nan"), float("nan")
    return percentiles(resampled_means(values, seed), level)


def percentiles(draws: FloatArray, level: float = LEVEL) -> tuple[float, float]:
    """Between which the middle ``level`` of the draws lies; NaN where one of them is not finite."""
    if not (len(draws) and np.isfinite(draws).all()):
        return float("nan"), float("nan")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def ratio_interval(first: FloatArray, second: FloatArray, level: float = LEVEL) -> tuple[float, float]:
    """Of mean(first) / mean(second) from resampled means of each (``resampled_means``), drawn independently."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return percentiles(first / second, level)


def batch_worth(
    fit: Fit, rows: IntArray, size: int, draws: int, seed: Sequence[int], told: Callable[[], None] = lambda: None
) -> FloatArray:
    """(draws, 3) what random batches of ``size`` of the images ``rows`` add, given everything else.

    Loss without the batch minus loss with it, accuracy with it minus accuracy without it, and the batch's F-SI in nats;
    NaN where the learning rate diverges on the others. ``told`` is called before each.
    """
    wanted = _wanted(fit)
    full, out = evaluate_outputs(fit.val_outputs, wanted).overall, np.full((draws, 3), np.nan)
    rng = np.random.default_rng(seed)
    for draw in range(draws):
        told()
        batch = rng.choice(rows, size, replace=False)
        try:
            rest = fit.without(batch).val_outputs
        except InvalidSetting:
            continue
        left = evaluate_outputs(rest, wanted).overall
        out[draw] = left.loss - full.loss, full.accuracy - left.accuracy, moved(fit.val_outputs, rest).mean()
    return out


def sizes_alone(smallest: int) -> list[int]:
    """Sizes at which sources are compared alone: ``SHARES`` of the smallest, so that random draws of it differ."""
    return sorted({max(1, round(share * smallest)) for share in SHARES})


def random_alone(
    fit: Fit, rows: IntArray, sizes: Sequence[int], draws: int, seed: Sequence[int],
    told: Callable[[], None] = lambda: None,
) -> FloatArray:  # fmt: skip
    """(draws, sizes, 2) accuracy and loss after training on random images of ``rows`` alone, nested within a draw.

    NaN where the learning rate diverges on them.
    """
    wanted, rng = _wanted(fit), np.random.default_rng(seed)
    out = np.full((draws, len(sizes), 2), np.nan)
    for draw in range(draws):
        order = rng.permutation(rows)[: max(sizes)]
        for place, outputs in enumerate(_prefixes(fit, order, sizes)):
            if outputs is not None:
                reached = evaluate_outputs(outputs, wanted).overall
                out[draw, place] = reached.accuracy, reached.loss
        told()
    return out


def _prefixes(fit: Fit, order: IntArray, sizes: Sequence[int]) -> list[FloatArray | None]:
    """(m, k) predictions on every beginning: by one factorisation where training converges, else each by itself."""
    if fit.training.steps is None:
        try:
            return list(prefix_outputs(fit.whole, fit.training.ridge, order, sizes))
        except NumericalError:  # not definite enough for the order of all; each by itself may be
            pass
    found: list[FloatArray | None] = []
    for size in sizes:
        try:
            found.append(fit.keep(np.sort(order[:size])).val_outputs)
        except InvalidSetting:
            found.append(None)
    return found


def accuracy_on(outputs: FloatArray, wanted: FloatArray, chosen: np.ndarray) -> Accuracy | None:
    """What is reached on the validation images of a mask (m,); None where there is none."""
    if not chosen.any():
        return None
    return evaluate_outputs(outputs[chosen], wanted[chosen]).overall


def _wanted(fit: Fit) -> FloatArray:
    """(m, k) validation targets.

    Raises:
        InvalidSetting: the problem has none.
    """
    if fit.whole.val_targets is None:
        raise InvalidSetting("what a source is worth is measured with validation targets; the problem has none.")
    return fit.whole.val_targets

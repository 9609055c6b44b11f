"""Predicted accuracy and loss on the validation images, overall, per class and per source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from sampleinfo.errors import InvalidSetting
from sampleinfo.linearized import Fit
from sampleinfo.targets import decode
from sampleinfo.types import FloatArray


@dataclass(frozen=True)
class Accuracy:
    """``count`` validation images: share predicted rightly, and mean of 1/2 ||y - f(x)||^2."""

    count: int
    accuracy: float
    loss: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Wilson's score interval of the accuracy (Wilson 1927)."""
        z = float(np.sqrt(2) * special.erfinv(level))
        n, p = self.count, self.accuracy
        centre, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, float((centre - spread) / (1 + z * z / n))), min(
            1.0, float((centre + spread) / (1 + z * z / n))
        )


@dataclass(frozen=True)
class Evaluation:
    """Over all validation images, per label (of those that occur) and per source (where sources were given)."""

    overall: Accuracy
    per_class: dict[int, Accuracy]
    per_source: dict[str, Accuracy]


def evaluate(fit: Fit, sources: Sequence[str] | None = None) -> Evaluation:
    """What ``fit`` is predicted to reach on its validation images.

    Args:
        fit: of a problem with ``val_targets`` (0/1 for one output, one-hot for more).
        sources: of each validation image, (m,), or None.

    Raises:
        InvalidSetting: no validation targets, or another number of sources than of images.
    """
    wanted = fit.whole.val_targets
    if wanted is None:
        raise InvalidSetting("predicted accuracy needs the validation targets; make the problem with val_targets=Y.")
    if sources is not None and len(sources) != fit.whole.m:
        raise InvalidSetting(f"sources must name each of the {fit.whole.m} validation images, got {len(sources)}.")
    if fit.whole.m == 0:
        raise InvalidSetting("predicted accuracy needs at least one validation image.")
    return evaluate_outputs(fit.val_outputs, wanted, sources)


def evaluate_outputs(outputs: FloatArray, wanted: FloatArray, sources: Sequence[str] | None = None) -> Evaluation:
    """The same of outputs (m, k) of any origin, and their targets (m, k)."""
    labels = decode(wanted)
    right = (decode(outputs) == labels).astype(np.float64)
    loss = np.sum((wanted - outputs) ** 2, axis=1) / 2
    names = np.asarray(sources if sources is not None else [], dtype=object)
    return Evaluation(
        _accuracy(right, loss, np.ones(len(right), dtype=bool)),
        {int(label): _accuracy(right, loss, labels == label) for label in np.unique(labels)},
        {str(name): _accuracy(right, loss, names == name) for name in dict.fromkeys(names.tolist())},
    )


def _accuracy(right: FloatArray, loss: FloatArray, chosen: np.ndarray) -> Accuracy:
    return Accuracy(int(chosen.sum()), float(right[chosen].mean()), float(loss[chosen].mean()))

"""Targets of the squared loss and the predictions that belong to them."""

from __future__ import annotations

import numpy as np

from sampleinfo.types import FloatArray, IntArray


def num_outputs(num_classes: int) -> int:
    """Outputs of the network: one for two classes, else one per class."""
    return 1 if num_classes == 2 else num_classes


def encode(labels: IntArray, num_classes: int) -> FloatArray:
    """(n, k) targets: 0/1 for two classes, one-hot for more."""
    if num_classes == 2:
        return labels.astype(np.float64)[:, None]
    return np.asarray(np.eye(num_classes)[labels])


def decode(outputs: FloatArray) -> IntArray:
    """(n,) predicted labels of (n, k) outputs."""
    if outputs.shape[1] == 1:
        return np.asarray(outputs[:, 0] > 0.5, dtype=np.int64)
    return np.asarray(outputs.argmax(axis=1))


def centre(num_classes: int) -> float:
    """What centred outputs start from: 1/2 for one output, else 1/k."""
    return 1.0 / num_classes

"""What the network sees of prepared images: one loop over all of them in batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from sampleinfo import planning
from sampleinfo.devices import device_of
from sampleinfo.models.pretrained import Network
from sampleinfo.types import FloatArray, Reporter, silent


def _same(images: Tensor) -> Tensor:
    return images


def features_and_outputs(
    network: Network, pixels: np.ndarray, report: Reporter = silent, view: Callable[[Tensor], Tensor] = _same
) -> tuple[np.ndarray, FloatArray]:
    """(N, features) float32 penultimate features and (N, k) outputs of a view of the images (N, s, s, 3) uint8."""
    features, outputs = [], []
    step = planning.batch_size(network.spec)
    for start in range(0, len(pixels), step):
        images = network.normalise(np.array(pixels[start : start + step])).to(device_of(network.module))
        part, out = network.features_and_outputs(view(images))
        features.append(part.cpu().numpy())
        outputs.append(out.cpu().double().numpy())
        report("features", min(start + step, len(pixels)), len(pixels))
    return np.concatenate(features), np.concatenate(outputs)

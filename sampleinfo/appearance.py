"""What can be measured of a picture without knowing what it shows."""

from __future__ import annotations

import numpy as np

from sampleinfo.types import FloatArray, ImageArray

NAMES = ("sharpness", "contrast", "brightness", "flatness")
#: Images at a time; a difference of grey values that counts as none; what is added before a logarithm.
PIECE, FLAT, TINY = 256, 0.5 / 255, 1e-6


def appearance(pixels: ImageArray) -> FloatArray:
    """(n, 4) statistics of (n, s, s, 3) pixels, in the order of ``NAMES``.

    Of grey values in [0, 1]: the logarithm of the mean squared Laplacian; the logarithm of the standard deviation; the
    mean; and the log odds of the share of pixels whose Laplacian is 0. Logarithms, because what spoils an image
    multiplies these rather than adds to them.
    """
    pieces = [_of(np.asarray(pixels[start : start + PIECE])) for start in range(0, len(pixels), PIECE)]
    return np.concatenate(pieces) if pieces else np.zeros((0, len(NAMES)))


def _of(pixels: ImageArray) -> FloatArray:
    grey = pixels.mean(axis=3) / 255
    inner = grey[:, 1:-1, 1:-1]
    slopes = 4 * inner - grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1] - grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
    flat = (np.abs(slopes) < FLAT).mean(axis=(1, 2))
    return np.stack(
        [
            np.log((slopes**2).mean(axis=(1, 2)) + TINY),
            np.log(grey.std(axis=(1, 2)) + 1e-3),
            grey.mean(axis=(1, 2)),
            np.log((flat + 0.01) / (1.01 - flat)),
        ],
        axis=1,
    )

"""Other views of the same image, which a network should see alike."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

#: Side of the square that smoothing averages over, as a share of the image's side; at least 2 pixels.
SQUARE = 1 / 64


def mirrored(images: Tensor) -> Tensor:
    """(b, c, s, s) with left and right exchanged."""
    return images.flip(-1)


def smoothed(images: Tensor) -> Tensor:
    """(b, c, s, s), every pixel the mean of a small square that begins at it; the last rows and columns repeat."""
    side = max(2, round(images.shape[-1] * SQUARE))
    padded = functional.pad(images, (0, side - 1, 0, side - 1), mode="replicate")
    return functional.avg_pool2d(padded, side, stride=1)

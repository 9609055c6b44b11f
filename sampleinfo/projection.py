"""Feature rows of few dimensions whose products are nearly the kernel's: for data sets too large for a kernel.

Of the Jacobian rows J (k rows per image, d chosen coordinates) the directions are kept in which some images differ
most, the *landmarks* with rows G (R, d): with G G^T = U diag(s) U^T, largest first, and the first D columns of each,

    W = G^T U diag(s)^(-1/2)    (d, D),    Phi = J W,    Phi Phi^T = J G^T (G G^T)_D^+ G J^T.

That is the Nystroem approximation (Williams and Seeger, "Using the Nystroem method to speed up kernel machines",
NeurIPS 2000) of the kernel over these coordinates: exact between images that are landmarks where D rows span them, and
else the projection of every gradient onto the landmarks' own main directions. Random directions need many more
dimensions for the same ranking of the images, since the spectrum of such a kernel falls fast (docs/scaling.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg
from torch import Tensor, nn

from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.jacobians import Coordinates, Rows, random_coordinates
from sampleinfo.planning_primal import BATCH, OVERSAMPLED
from sampleinfo.types import FloatArray, IntArray

#: Eigenvalues below this share of the largest are left out: products are in float32.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Projection:
    """Of Jacobian rows over ``coordinates``: ``matrix`` (d, D) float32, and the share of the landmarks' squared
    gradients that it keeps."""

    coordinates: tuple[Coordinates, ...]
    matrix: Tensor
    kept: float

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.matrix.shape[1])

    def features(self, module: nn.Module, images: Tensor) -> FloatArray:
        """(b k, D) float32 rows of prepared images (b, 3, s, s), sample-major."""
        rows = Rows.of(module, self.coordinates)
        parts = [_flat(rows, batch) @ self.matrix for batch in torch.split(images, BATCH)]
        return np.asarray(torch.cat(parts).numpy())


def budgeted(module: nn.Module, most: int, seed: int) -> list[Coordinates]:
    """Random coordinates, the same number of every tensor as far as it has them, at most ``most`` in all.

    Raises:
        InvalidSetting: fewer than one for each tensor.
    """
    sizes = np.sort([tensor.numel() for tensor in module.parameters()])
    if most < len(sizes):
        raise InvalidSetting(f"{most} coordinates are fewer than the {len(sizes)} tensors of the network.")
    whole = np.concatenate([[0], np.cumsum(sizes)])  # all of the smallest, and the same number of the others
    totals = whole[:-1] + sizes * np.arange(len(sizes), 0, -1)
    fitting = int(np.searchsorted(totals, most, side="right"))
    if fitting == len(sizes):
        return random_coordinates(module, int(sizes[-1]), seed)
    return random_coordinates(module, int((most - whole[fitting]) // (len(sizes) - fitting)), seed)


def landmarks(labels: IntArray, count: int, seed: int) -> IntArray:
    """Rows of ``count`` images, in proportion from every class, drawn by ``seed``; ascending."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # the classes behind each other, each in random order
    return np.sort(order[np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)])


def landmark_count(dimension: int, outputs: int) -> int:
    """Images whose rows are enough for so many dimensions."""
    return -(-round(OVERSAMPLED * dimension) // outputs)


def project(module: nn.Module, images: Sequence[Tensor] | Iterator[Tensor], coordinates: Sequence[Coordinates],
            dimension: int) -> Projection:  # fmt: skip
    """The projection onto the main directions of landmarks, given in batches (b, 3, s, s).

    Raises:
        InvalidSetting: no dimension.
        NumericalError: gradients that are zero or not finite.
    """
    if dimension < 1:
        raise InvalidSetting(f"the dimension must be at least 1, got {dimension}.")
    rows = Rows.of(module, coordinates)
    gradients = torch.cat([_flat(rows, part) for batch in images for part in torch.split(batch, BATCH)])
    gram = (gradients @ gradients.T).double().numpy()
    if not np.isfinite(gram).all() or not np.trace(gram) > 0:
        raise NumericalError("the gradients of the landmarks are zero or not finite.")
    values, vectors = linalg.eigh((gram + gram.T) / 2, driver="evd")
    used = values > ROUNDING * values[-1]
    used[: max(len(values) - dimension, 0)] = False
    directions = torch.from_numpy((vectors[:, used] / np.sqrt(values[used]))[:, ::-1].astype(np.float32))
    kept = float(values[used].sum() / np.trace(gram))
    return Projection(tuple(coordinates), (gradients.T @ directions).contiguous(), kept)


def _flat(rows: Rows, images: Tensor) -> Tensor:
    """(b k, d), in the memory of the processor, which projects."""
    parts = list(rows.each(images))
    return torch.cat(parts, dim=2).flatten(0, 1).cpu()

"""What a run without a kernel costs: features of few dimensions, streamed (``projection``, ``primal``).

Everything follows from counts, so that the same settings give the same features on every machine.
"""

from __future__ import annotations

from sampleinfo.config import RunConfig
from sampleinfo.models import ModelSpec

#: Features of a row unless another number is asked for; rows of landmarks for each.
DIMENSION, OVERSAMPLED = 2048, 1.25
#: Coordinates that are projected at most; multiply-adds of the projection of all rows at most.
COORDINATES, PRODUCTS = 2**17, 5e13
#: Images of a shard: what is done between two looks at the progress, and lost when a worker dies.
SHARD = 256


def dimension(config: RunConfig) -> int:
    """Features of a row."""
    return DIMENSION if config.dimension is None else config.dimension


def coordinates(config: RunConfig, images: int, outputs: int, spec: ModelSpec) -> int:
    """How many coordinates are projected: as many as the products of all rows allow, at least two for each tensor."""
    allowed = int(PRODUCTS / (images * outputs * dimension(config)))
    return min(max(allowed, 2 * (len(spec.tensors) + 2)), COORDINATES)


def projecting(config: RunConfig, images: int, outputs: int, spec: ModelSpec) -> float:
    """Multiply-adds x 2 of the projection."""
    return 2.0 * images * outputs * dimension(config) * coordinates(config, images, outputs, spec)


def solving(config: RunConfig, images: int, outputs: int) -> float:
    """Multiply-adds x 2 of the sums over the rows, and about as many of the scores; those in float64 count twice."""
    return 8.0 * images * outputs * dimension(config) ** 2


def memory(config: RunConfig, train: int, validation: int, outputs: int, spec: ModelSpec) -> int:
    """Bytes: landmarks and projection, or some D x D matrices; a shard; what is kept of each image."""
    width, images = dimension(config), train + validation
    chosen = coordinates(config, images, outputs, spec)
    projecting = 4 * int((1 + OVERSAMPLED) * width * chosen) + 24 * int((OVERSAMPLED * width) ** 2)
    solving = 8 * 10 * width**2 + 4 * 4 * SHARD * outputs * width
    kept = 8 * train * (outputs**2 + 6 * spec.features + 40) + 16 * images * outputs
    return max(projecting, solving) + kept

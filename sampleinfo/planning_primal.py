"""What a run without a kernel costs: features of few dimensions, streamed (``projection``, ``primal``).

Everything follows from counts, so that the same settings give the same features on every machine.
"""

from __future__ import annotations

from sampleinfo.config import RunConfig
from sampleinfo.errors import InvalidSetting
from sampleinfo.execution_crew import cores
from sampleinfo.models import ModelSpec
from sampleinfo.parallel import workers as decoders

#: Features of a row unless another number is asked for; rows of landmarks for each.
DIMENSION, OVERSAMPLED = 2048, 1.25
#: Coordinates that are projected at most; multiply-adds of the projection of all rows at most.
COORDINATES, PRODUCTS = 2**17, 5e13
#: Images of a shard: what is done between two looks at the progress, and lost when a worker dies.
SHARD = 256
#: Bytes of a worker's libraries and network, images whose gradients it holds at a time, and seconds until it is up.
PROCESS, BATCH, START = int(0.85 * 2**30), 16, 8.0
#: Bytes of a process that decodes images, and of the run's own for each image besides its arrays.
READER, IMAGE = int(0.1 * 2**30), 12 * 1024
#: Time of an image's gradients for each output, in forward passes; of all that makes features, measured over computed.
BACKWARD, SLOWER = 0.3, 1.7


def dimension(config: RunConfig) -> int:
    """Features of a row."""
    return DIMENSION if config.dimension is None else config.dimension


def shard(config: RunConfig) -> int:
    """Images of a shard."""
    return SHARD if config.shard is None else config.shard


def processes(config: RunConfig) -> int:
    """Processes of this machine that make shards beside the run's own; of a cluster elsewhere nothing is known."""
    if config.ray == "local":
        return config.workers or cores()
    return 0 if config.ray is not None or config.workers in (None, 1) else int(config.workers or 0)


def starting(config: RunConfig) -> float:
    """Seconds until workers have loaded their libraries."""
    return 0.0 if config.ray is None and config.workers in (None, 1) else START


def coordinates(config: RunConfig, images: int, outputs: int, spec: ModelSpec) -> int:
    """How many coordinates are projected: as many as are asked for, or as the products of all rows allow, at least two
    for each tensor.

    Raises:
        InvalidSetting: fewer than one for each tensor.
    """
    tensors = len(spec.tensors) + 2
    if config.coordinates is not None:
        if config.coordinates < tensors:
            raise InvalidSetting(
                f"coordinates must be at least {tensors}, one for each tensor of the network; got {config.coordinates}."
            )
        return config.coordinates
    allowed = int(PRODUCTS / (images * outputs * dimension(config)))
    return min(max(allowed, 2 * tensors), COORDINATES)


def projecting(config: RunConfig, images: int, outputs: int, spec: ModelSpec) -> float:
    """Multiply-adds x 2 of the projection of all rows, and of finding it from those of the landmarks."""
    width, rows = dimension(config), images * outputs
    landmarks = OVERSAMPLED * (1 + OVERSAMPLED) * width
    return 2.0 * (rows + landmarks) * width * coordinates(config, images, outputs, spec)


def solving(config: RunConfig, images: int, outputs: int) -> float:
    """Multiply-adds x 2 of the sums over the rows, and about as many of the scores; those in float64 count twice."""
    return 8.0 * images * outputs * dimension(config) ** 2


def memory(config: RunConfig, train: int, validation: int, outputs: int, spec: ModelSpec) -> int:
    """Bytes: landmarks and projection; or worker processes at their shards, which share the projection; or some D x D
    matrices and a shard; and what is kept of each image."""
    width, images = dimension(config), train + validation
    chosen = coordinates(config, images, outputs, spec)
    projecting = 4 * int((1 + OVERSAMPLED) * width * chosen) + 24 * int((OVERSAMPLED * width) ** 2)
    rows = 4 * outputs * (2 * BATCH * chosen + 4 * shard(config) * width)
    making = 4 * width * chosen + (PROCESS + rows) * processes(config)
    solving = 8 * 10 * width**2 + 4 * 4 * shard(config) * outputs * width
    kept = 8 * train * (outputs**2 + 6 * spec.features + 40) + (IMAGE + 16 * outputs) * images
    return max(projecting, making, solving) + kept + READER * decoders()

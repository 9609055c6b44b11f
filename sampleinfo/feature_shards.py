"""Feature rows of a run's images in shards: each worker runs the network over the images of a shard and projects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from sampleinfo import execution, prepared, projection
from sampleinfo.config import RunConfig
from sampleinfo.devices import device_of
from sampleinfo.jacobians import Coordinates, in_scope
from sampleinfo.models.pretrained import Network
from sampleinfo.planning_primal import SHARD
from sampleinfo.prepared import Prepared
from sampleinfo.projection import Projection
from sampleinfo.shards import Shards
from sampleinfo.types import IntArray

HEAD, MATRIX, KEPT = "head.npz", "projection.npy", "kept.npy"


@dataclass(frozen=True)
class FeatureShard:
    """Writes shard ``number`` of ``store``: the rows of images first + SHARD number and the next, before ``stop``.

    ``folder`` holds what ``lay_out`` wrote, ``pixels`` (N, s, s, 3) what the network sees; ``coordinates``: how many of
    them at most.
    """

    folder: Path
    pixels: Path
    store: Path
    config: RunConfig
    outputs: int
    coordinates: int
    first: int
    stop: int

    def __call__(self, number: int) -> None:
        """Nothing is returned: the shard lies in the store."""
        network, matrix = _loaded(self.folder, self.config, self.outputs, self.coordinates)
        start = self.first + SHARD * number
        pixels = np.load(self.pixels, mmap_mode="r")[start : min(start + SHARD, self.stop)]
        parts = []
        for low in range(0, len(pixels), projection.BATCH):
            images = network.normalise(np.array(pixels[low : low + projection.BATCH]))
            parts.append(matrix.features(network.module, images.to(device_of(network.module))))
            execution.pulse()
        Shards.open(self.store).write(number, np.concatenate(parts))


def chosen(config: RunConfig, network: Network, most: int) -> list[Coordinates]:
    """The coordinates of a run's projected features: ``most`` at most, of the layers in its scope."""
    found = projection.budgeted(network.module, most, config.seed)
    layers = network.spec.layers(config.scope)
    return in_scope(found, layers) if layers else found


def lay_out(ready: Prepared, rows: IntArray, most: int, dimension: int, folder: Path) -> Projection:
    """What workers need, into ``folder``: the head, and the projection onto the landmarks ``rows``.

    A projection that is there already stays: shards may have been made with it.
    """
    network, pixels = ready.network, ready.pixels
    weight, bias = (part.detach().cpu().numpy() for part in (network.head.weight, network.head.bias))
    np.savez(folder / HEAD, weight=weight, bias=bias)
    if (folder / KEPT).exists():
        found = _loaded(folder, ready.config, ready.plan.outputs, most)[1]
        return replace(found, kept=float(np.load(folder / KEPT)))
    batches = (network.normalise(np.array(pixels[part])) for part in np.array_split(rows, max(1, len(rows) // 64)))
    found = projection.project(network.module, batches, chosen(ready.config, network, most), dimension)
    np.save(folder / MATRIX, found.matrix.numpy())
    np.save(folder / KEPT, found.kept)  # the last: all is there
    return found


@lru_cache(maxsize=1)
def _loaded(folder: Path, config: RunConfig, outputs: int, most: int) -> tuple[Network, Projection]:
    """Network and projection, once for each process."""
    network = prepared.load(config, outputs)
    with np.load(folder / HEAD) as head:
        network.set_head(head["weight"], head["bias"])
    matrix = torch.from_numpy(np.load(folder / MATRIX))
    return network, Projection(tuple(chosen(config, network, most)), matrix, 1.0)

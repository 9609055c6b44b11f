"""Feature rows of a run's images in shards: each worker runs the network over the images of a shard and projects."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from sampleinfo import bench, execution, prepared
from sampleinfo.config import RunConfig
from sampleinfo.devices import choose_device, device_of
from sampleinfo.execution_storage import Place
from sampleinfo.models.pretrained import Network
from sampleinfo.planning_primal import BATCH
from sampleinfo.projection import Projection
from sampleinfo.shards import Shards


@dataclass(frozen=True)
class Part:
    """Shard ``number`` of the store of the training (0) or validation (1) images: the images start to stop of all."""

    store: int
    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class Cut:
    """How ``total`` images, the ``train`` training images first, are cut into shards of ``size`` images.

    No shard holds images of both; those of the training images have the first numbers.
    """

    train: int
    total: int
    size: int

    @property
    def counts(self) -> tuple[int, int]:
        """Shards of the training and of the validation images."""
        return -(-self.train // self.size), -(-(self.total - self.train) // self.size)

    def part(self, number: int) -> Part:
        """What a shard holds."""
        first = self.counts[0]
        store, inside = (0, number) if number < first else (1, number - first)
        low, high = ((0, self.train), (self.train, self.total))[store]
        start = low + self.size * inside
        return Part(store, inside, start, min(start + self.size, high))


class Pixels(Protocol):
    """What the network sees of a run's images, where workers find it."""

    def read(self, number: int, part: Part) -> np.ndarray:
        """(b, s, s, 3) uint8 of a shard."""
        ...


@dataclass(frozen=True)
class Mapped:
    """One file (N, s, s, 3) on a disk that all workers have."""

    file: Path

    def read(self, number: int, part: Part) -> np.ndarray:  # noqa: ARG002
        """(b, s, s, 3) uint8 of a shard."""
        return np.asarray(np.load(self.file, mmap_mode="r")[part.start : part.stop])


@dataclass(frozen=True)
class Blocks:
    """One file for each shard in a place that all workers can reach."""

    place: Place

    def fill(self, pixels: np.ndarray, cut: Cut, numbers: Collection[int]) -> None:
        """Write those of some shards that are not there yet."""
        there = set(self.place.names())
        for number in numbers:
            if (name := self._name(number)) not in there:
                part = cut.part(number)
                with self.place.writing(name) as file:
                    np.save(file, pixels[part.start : part.stop])

    def read(self, number: int, part: Part) -> np.ndarray:  # noqa: ARG002
        """(b, s, s, 3) uint8 of a shard."""
        return np.asarray(np.load(io.BytesIO(self.place.get(self._name(number))), allow_pickle=False))

    def clear(self) -> None:
        """Remove them all."""
        for name in self.place.names():
            if name.startswith("pixels-"):
                self.place.remove(name)

    @staticmethod
    def _name(number: int) -> str:
        return f"pixels-{number:06d}.npy"


@dataclass(frozen=True)
class FeatureShard:
    """Writes a shard of ``cut``: the rows of its images, into the store of training or of validation images.

    ``place`` is the workbench; ``coordinates``: how many of them at most; ``identity`` is that of the run.
    """

    place: Place
    pixels: Pixels
    stores: tuple[Place, Place]
    config: RunConfig
    outputs: int
    coordinates: int
    cut: Cut
    identity: str

    def __call__(self, number: int) -> None:
        """Nothing is returned: the shard lies in its store."""
        network, matrix = _loaded(self.place, self.config, self.outputs, self.coordinates, self.identity)
        part = self.cut.part(number)
        pixels = self.pixels.read(number, part)
        found = []
        for low in range(0, len(pixels), BATCH):
            images = network.normalise(np.array(pixels[low : low + BATCH]))
            found.append(matrix.features(network.module, images.to(device_of(network.module))))
            execution.pulse()
        Shards.open(self.stores[part.store]).write(part.number, np.concatenate(found))


def forget() -> None:
    """Give back the memory that shards made in this process have left taken."""
    _loaded.cache_clear()


@lru_cache(maxsize=1)
def _loaded(
    place: Place, config: RunConfig, outputs: int, most: int, identity: str  # noqa: ARG001
) -> tuple[Network, Projection]:  # fmt: skip
    """Network and projection, once for each process and run: one of other images may follow in the same place."""
    network = prepared.load(config, outputs)
    network.module.to(choose_device(config.device))
    network.set_head(*bench.head(place))
    return network, Projection(tuple(bench.chosen(config, network, most)), torch.from_numpy(bench.matrix(place)), 1.0)

"""Feature rows of a run's images in shards: each worker runs the network over the images of a shard and projects."""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from sampleinfo import execution, prepared, projection
from sampleinfo.config import RunConfig
from sampleinfo.devices import choose_device, device_of
from sampleinfo.execution_storage import Place
from sampleinfo.jacobians import Coordinates, in_scope
from sampleinfo.models.pretrained import Network
from sampleinfo.planning_primal import BATCH
from sampleinfo.prepared import Prepared
from sampleinfo.projection import Projection
from sampleinfo.shards import Shards
from sampleinfo.types import IntArray

HEAD, MATRIX, FACTS = "head.npz", "projection.npy", "projection.json"


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

    ``bench`` holds what ``lay_out`` wrote; ``coordinates``: how many of them at most; ``identity`` is that of the run.
    """

    bench: Place
    pixels: Pixels
    stores: tuple[Place, Place]
    config: RunConfig
    outputs: int
    coordinates: int
    cut: Cut
    identity: str

    def __call__(self, number: int) -> None:
        """Nothing is returned: the shard lies in its store."""
        network, matrix = _loaded(self.bench, self.config, self.outputs, self.coordinates, self.identity)
        part = self.cut.part(number)
        pixels = self.pixels.read(number, part)
        found = []
        for low in range(0, len(pixels), BATCH):
            images = network.normalise(np.array(pixels[low : low + BATCH]))
            found.append(matrix.features(network.module, images.to(device_of(network.module))))
            execution.pulse()
        Shards.open(self.stores[part.store]).write(part.number, np.concatenate(found))


@dataclass(frozen=True)
class Laid:
    """A projection that is ready: its dimension, the share of the landmarks it keeps, and how many coordinates."""

    dimension: int
    kept: float
    coordinates: int


def chosen(config: RunConfig, network: Network, most: int) -> list[Coordinates]:
    """The coordinates of a run's projected features: ``most`` at most, of the layers in its scope."""
    found = projection.budgeted(network.module, most, config.seed)
    layers = network.spec.layers(config.scope)
    return in_scope(found, layers) if layers else found


def lay_out(ready: Prepared, rows: IntArray, most: int, dimension: int, bench: Place) -> Laid:
    """What workers need, onto the ``bench``: the head, and the projection onto the landmarks ``rows``.

    A projection that is there already stays: shards may have been made with it.
    """
    network, pixels = ready.network, ready.pixels
    weight, bias = (part.detach().cpu().numpy() for part in (network.head.weight, network.head.bias))
    with bench.writing(HEAD) as file:
        np.savez(file, weight=weight, bias=bias)
    if bench.exists(FACTS):
        return Laid(**json.loads(bench.get(FACTS)))
    device = device_of(network.module)
    parts = np.array_split(rows, max(1, len(rows) // 64))
    batches = (network.normalise(np.array(pixels[part])).to(device) for part in parts)
    found = projection.project(network.module, batches, chosen(ready.config, network, most), dimension)
    laid = Laid(found.dimension, found.kept, sum(map(len, found.coordinates)))
    with bench.writing(MATRIX) as file:
        np.save(file, found.matrix.numpy())
    bench.put(FACTS, json.dumps(vars(laid)).encode())  # the last: all is there
    return laid


def clear(bench: Place) -> None:
    """Remove what ``lay_out`` wrote, the projection's facts first."""
    for name in (FACTS, MATRIX, HEAD):
        bench.remove(name)


def forget() -> None:
    """Give back the memory that shards made in this process have left taken."""
    _loaded.cache_clear()


@lru_cache(maxsize=1)
def _loaded(
    bench: Place, config: RunConfig, outputs: int, most: int, identity: str  # noqa: ARG001
) -> tuple[Network, Projection]:  # fmt: skip
    """Network and projection, once for each process and run: one of other images may follow in the same place."""
    network = prepared.load(config, outputs)
    network.module.to(choose_device(config.device))
    with np.load(io.BytesIO(bench.get(HEAD))) as head:
        network.set_head(head["weight"], head["bias"])
    if bench.local:  # mapped, so that the processes of a machine share it; "c": torch wants an array it could write to
        matrix = np.load(bench.path(MATRIX), mmap_mode="c")
    else:
        matrix = np.load(io.BytesIO(bench.get(MATRIX)))
    return network, Projection(tuple(chosen(config, network, most)), torch.from_numpy(matrix), 1.0)

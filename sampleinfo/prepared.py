"""A network with its head, and what it sees of a run's images: everything that kernels and training need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sampleinfo import models, pictures, planning, planting, targets
from sampleinfo.appearance import appearance
from sampleinfo.config import SUBSET_SIZE, RunConfig
from sampleinfo.descent import Task, trained_names
from sampleinfo.devices import choose_device, device_of
from sampleinfo.errors import InvalidData
from sampleinfo.features import features_and_outputs
from sampleinfo.jacobians import Coordinates, all_coordinates, in_scope, random_coordinates
from sampleinfo.kernels import Inputs
from sampleinfo.models.heads import Head, closed_form_head
from sampleinfo.models.pretrained import Network
from sampleinfo.models.views import mirrored, smoothed
from sampleinfo.parallel import Each, over_images
from sampleinfo.planning import Estimate
from sampleinfo.problem import Problem
from sampleinfo.settling import INSPECTED, Settled, find_model
from sampleinfo.types import Dataset, FloatArray, IntArray, Reporter, silent

#: Bytes of prepared images up to which they are kept ready, and images of one step of training at a time.
READY, CHUNK = 2**29, 64


@dataclass(frozen=True, eq=False)
class Prepared:
    """``pixels``: (N, s, s, 3) uint8, training images first; ``features`` (N, d) and ``outputs`` (N, k) of the network
    at its initial weights; ``head``: what is known of its head."""

    config: RunConfig
    plan: Estimate
    dataset: Dataset
    network: Network
    pixels: np.ndarray
    features: np.ndarray
    outputs: FloatArray
    head: dict[str, Any]

    def coordinates(self, kind: str) -> list[Coordinates]:
        """The parameter entries that a kernel sums over."""
        module = self.network.module
        subset = random_coordinates(module, SUBSET_SIZE, self.config.seed) if kind == "subset" else None
        chosen = subset if subset is not None else all_coordinates(module)
        layers = self.network.spec.layers(self.config.scope)
        return in_scope(chosen, layers) if layers else chosen

    def inputs(self) -> Inputs:
        """For kernels at the initial weights."""
        return Inputs(
            lambda start, stop: self.network.normalise(np.array(self.pixels[start:stop])),
            self.plan.train, len(self.dataset), self.plan.outputs,
        )  # fmt: skip

    def problem(self, gram: FloatArray, cross: FloatArray) -> Problem:
        """With a kernel; see ``terms``."""
        return Problem(gram, cross, *self.terms())

    def terms(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Residuals (n, k) and validation outputs (m, k), of centred outputs (f_w - f_w0 + 1/classes) or of the initial
        ones, and the targets of validation (m, k) and training images (n, k)."""
        n, classes, outputs = self.plan.train, len(self.dataset.class_names), self.outputs
        encoded = targets.encode(self.dataset.labels, classes)
        if self.config.outputs == "centred":
            outputs = np.full_like(outputs, targets.centre(classes))
        return encoded[:n] - outputs[:n], outputs[n:], encoded[n:], encoded[:n]

    def task(self, residual: FloatArray) -> Task:
        """Real training of the same scope from the same weights, towards f_w0 + ``residual`` (n, k).

        Training f_w - f_w0 + 1/k towards y, as centred outputs do, is the same as training f_w towards f_w0 + y - 1/k.
        """
        n, network = self.plan.train, self.network
        device = device_of(network.module)
        wanted = torch.from_numpy((self.outputs[:n] + residual).astype(np.float32)).to(device)
        take = self._ready() or (lambda rows: network.normalise(np.array(self.pixels[rows])).to(device))
        names = trained_names(network.module, self.coordinates("exact"))
        return Task(
            network.module, take, wanted, len(self.dataset), names, max(CHUNK, planning.batch_size(network.spec))
        )

    def _ready(self) -> Callable[[IntArray], Tensor] | None:
        """All images normalised once, where they are small enough."""
        if 4 * self.pixels.size > READY:
            return None
        everything: Tensor = self.network.normalise(np.array(self.pixels)).to(device_of(self.network.module))
        return lambda rows: everything[torch.from_numpy(np.asarray(rows))]


def load(config: RunConfig, outputs: int, report: Reporter = silent) -> Network:
    """The network of a run with a fresh head."""
    return models.load(find_model(config), outputs, config.seed, config.weights, config.norm, config.activation, report)


def read_images(config: RunConfig, settled: Settled, folder: Path, report: Reporter) -> np.ndarray:
    """(N, s, s, 3) uint8, what the network sees; kept in ``folder`` with the pictures to look at."""
    return pictures.make(settled.dataset, find_model(config).transform.apply, folder, report, (INSPECTED, 1.0))


def read_inputs(config: RunConfig, settled: Settled, report: Reporter) -> np.ndarray:
    """(N, s, s, 3) uint8, what the network sees, and nothing else.

    Raises:
        InvalidData: an image that cannot be read any more.
    """
    reader, dataset = Each(find_model(config).transform.apply), settled.dataset
    found = []
    for row, each in enumerate(over_images(reader, dataset.images, report, "images", (INSPECTED, 1.0))):
        if isinstance(each, str):
            raise InvalidData(f"{dataset.sample_ids[row]!r} cannot be read any more: {each}.")
        found.append(each)
    return np.stack(found)


def planted(
    config: RunConfig, settled: Settled, pixels: np.ndarray, network: Network, report: Reporter = silent
) -> np.ndarray:
    """The same (N, s, s, 3) where no pictures are to be spoilt or attacked; else a copy in which they are."""
    if not planting.changes_pictures(config.plant):
        return pixels
    network.module.to(choose_device(config.device))
    n, dataset, out = settled.plan.train, settled.dataset, np.array(pixels)
    out[:n] = planting.planted(
        network, out[:n], dataset.labels[:n], len(dataset.class_names), config.plant, settled.planted, config.seed,
        report,
    )  # fmt: skip
    return out


def prepare(
    config: RunConfig, settled: Settled, pixels: np.ndarray, network: Network, report: Reporter = silent
) -> Prepared:
    """Run the network once over all images and give it its head."""
    network.module.to(choose_device(config.device))
    features, outputs = features_and_outputs(network, pixels, report)
    outputs, head = _head(config, settled, network, features, outputs)
    return Prepared(config, settled.plan, settled.dataset, network, pixels, features, outputs, head)


@dataclass(frozen=True)
class Views:
    """Of the training images: (n, d) features of the mirrored and of the smoothed, (n, 4) statistics of the pixels."""

    mirrored: FloatArray
    smoothed: FloatArray
    appearance: FloatArray


def views(ready: Prepared, report: Reporter = silent) -> Views:
    """Run the network over the mirrored and the smoothed training images, and look at the pixels."""
    pixels = ready.pixels[: ready.plan.train]
    flipped, soft = (features_and_outputs(ready.network, pixels, report, view)[0] for view in (mirrored, smoothed))
    return Views(flipped.astype(np.float64), soft.astype(np.float64), appearance(pixels))


def _head(
    config: RunConfig, settled: Settled, network: Network, features: np.ndarray, outputs: FloatArray
) -> tuple[FloatArray, dict[str, Any]]:
    """The outputs to start from and what is known of the head: random, or trained on the frozen features."""
    if config.head == "random":
        return outputs, {"initialisation": "normal, 1/features"}
    n = settled.plan.train
    encoded = targets.encode(settled.dataset.labels[:n], len(settled.dataset.class_names))
    head: Head = closed_form_head(features[:n].astype(np.float64), encoded)
    network.set_head(head.weight, head.bias)
    weight, bias = (np.asarray(x, dtype=np.float32).astype(np.float64) for x in (head.weight, head.bias))
    facts = {"initialisation": "trained on the frozen features", "ridge": head.ridge, "error": head.error}
    return features.astype(np.float64) @ weight.T + bias, facts

"""Images with and without planted errors, and their one kernel, from which every draw of the review figure is taken."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from benchmarks.reproduction import data
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.setups import pretrained
from sampleinfo import kernels, linearized, planting, targets
from sampleinfo.appearance import appearance
from sampleinfo.jacobians import all_coordinates
from sampleinfo.linearized import Problem, Training
from sampleinfo.models import views
from sampleinfo.models.pretrained import Network
from sampleinfo.scores import Evidence
from sampleinfo.types import FloatArray, ImageArray, IntArray

#: Share of the training images that errors are planted into.
SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Base:
    """All images of a task: n clean training images, then the planted ones of every draw, then validation images.

    Args:
        labels: (n + m,) of training and validation images, clean.
        classes: number of classes.
        n: training images.
        gram, cross: kernel of the n + r training and planted images, and of the validation images with them.
        features, mirrored, smoothed: (n + r, d) of the network at its initial weights.
        statistics: (n + r, 4) of the pixels.
        places: (plant, draw) -> where the planted images of that draw stand among the n + r.
        seed: of the first draw.
    """

    labels: IntArray
    classes: int
    n: int
    gram: FloatArray
    cross: FloatArray
    features: FloatArray
    mirrored: FloatArray
    smoothed: FloatArray
    statistics: FloatArray
    places: dict[tuple[str, int], IntArray] = field(default_factory=dict)
    seed: int = 0

    def rows(self, draw: int) -> IntArray:
        """The training images that errors are planted into."""
        return planting.rows(self.n, SHARE, self.seed + draw)

    def wrong_labels(self, draw: int) -> tuple[Evidence, np.ndarray]:
        """Evidence with wrong labels, and a mask of them."""
        rows = self.rows(draw)
        labels = planting.wrong_labels(self.labels[: self.n], self.classes, rows, self.seed + draw)
        return self._evidence(np.arange(self.n), labels, draw), self._mask(rows)

    def changed_images(self, plant: str, draw: int) -> tuple[Evidence, np.ndarray]:
        """Evidence with spoilt or attacked images, and a mask of them."""
        rows, taken = self.rows(draw), np.arange(self.n)
        taken[rows] = self.places[plant, draw]
        return self._evidence(taken, self.labels[: self.n], draw), self._mask(rows)

    def _mask(self, rows: IntArray) -> np.ndarray:
        return np.isin(np.arange(self.n), rows)

    def _evidence(self, taken: IntArray, labels: IntArray, draw: int) -> Evidence:
        """Trained to convergence on the images ``taken`` with centred outputs and the best ridge."""
        centre, wanted = targets.centre(self.classes), targets.encode(labels, self.classes)
        val_wanted = targets.encode(self.labels[self.n :], self.classes)
        problem = Problem(
            np.ascontiguousarray(self.gram[np.ix_(taken, taken)]), np.ascontiguousarray(self.cross[:, taken]),
            wanted - centre, np.full_like(val_wanted, centre), val_wanted, wanted,
        )  # fmt: skip
        return Evidence(
            linearized.fit(problem, Training.auto(problem)), labels, self.features[taken], self.seed + draw,
            mirrored=self.mirrored[taken], smoothed=self.smoothed[taken], appearance=self.statistics[taken],
        )  # fmt: skip


def prepare(
    task: str, sizes: Sizes, plants: tuple[str, ...], draws: int, options: Options, journal: Journal
) -> Base:  # fmt: skip
    """Read the images, plant every kind of error ``draws`` times, and compute the one kernel of them all."""
    dataset = data.split(task, sizes, options, journal)
    n, classes = data.training_images(dataset), len(dataset.class_names)
    network = pretrained(targets.num_outputs(classes), options.seed)
    pixels = np.stack([network.spec.transform.apply(dataset.images[row]) for row in range(len(dataset))])
    places, planted = _planted(network, pixels[:n], dataset.labels[:n], classes, plants, draws, options.seed, journal)
    known = np.concatenate([pixels[:n], *planted])
    with journal.stage("features"):
        features, mirrored, smoothed = _views(network, known)
    with journal.stage("kernel"):
        gram, cross = _kernel(network, np.concatenate([known, pixels[n:]]), len(known), classes, journal)
    return Base(
        dataset.labels, classes, n, gram, cross, features, mirrored, smoothed, appearance(known), places, options.seed
    )


def _planted(
    network: Network, pixels: ImageArray, labels: IntArray, classes: int, plants: tuple[str, ...], draws: int,
    seed: int, journal: Journal,
) -> tuple[dict[tuple[str, int], IntArray], list[ImageArray]]:  # fmt: skip
    """Where the planted images will stand behind the clean ones, and the images."""
    places: dict[tuple[str, int], IntArray] = {}
    found: list[ImageArray] = []
    start = len(pixels)
    with journal.stage("planting"):
        for plant in plants:
            for draw in range(draws):
                rows = planting.rows(len(pixels), SHARE, seed + draw)
                changed = planting.planted(network, pixels, labels, classes, plant, rows, seed + draw)
                places[plant, draw] = np.arange(start, start + len(rows))
                found.append(changed[rows])
                start += len(rows)
    return places, found


def _views(network: Network, pixels: ImageArray) -> list[FloatArray]:
    """(N, d) features of the images, the mirrored and the smoothed ones."""
    kinds = (lambda images: images, views.mirrored, views.smoothed)
    found: list[list[Tensor]] = [[] for _ in kinds]
    for start in range(0, len(pixels), 128):
        images = network.normalise(pixels[start : start + 128])
        for part, view in zip(found, kinds, strict=True):
            part.append(network.features_and_outputs(view(images))[0])
    return [torch.cat(part).double().numpy() for part in found]


def _kernel(
    network: Network, pixels: ImageArray, n: int, classes: int, journal: Journal
) -> tuple[FloatArray, FloatArray]:
    """The exact kernel of all layers, one for all outputs where there are several."""
    k = targets.num_outputs(classes)
    inputs = kernels.Inputs(lambda low, high: network.normalise(pixels[low:high]), n, len(pixels), k)
    compute = kernels.kernel if k == 1 else kernels.shared_kernel
    return compute(network.module, inputs, all_coordinates(network.module), journal.report)

"""The networks and tasks of Table 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.reproduction import data, setups
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.setups import Setup
from sampleinfo.linearized import Problem


@dataclass(frozen=True)
class Setting:
    """A network on a task: its sizes, its ridge for a kernel, and the network and ridge of the paper it stands for.

    ``lr``: None for the usual share of the largest stable rate at the initial weights. The CNN's curvature grows many
    times over while it trains: that share would not stay stable.
    """

    network: str
    task: str
    full: Sizes
    quick: Sizes
    paper: tuple[str, int]
    ridge: Callable[[Problem], float] = lambda _: 0.0
    lr: float | None = None

    def setup(self, options: Options, journal: Journal) -> tuple[Setup, Sizes]:
        """The network with its images, and the sizes."""
        sizes = options.sizes(self.quick, self.full)
        dataset = data.split(self.task, sizes, options, journal)
        n = data.training_images(dataset)
        if self.network == "resnet20":
            return setups.resnet_setup(dataset, dataset.labels, n, options.seed), sizes
        module = setups.from_scratch(self.network, options.seed)
        return Setup.plain(module, setups.grey(dataset), dataset.labels, 2, n), sizes


def _tenth_of_diagonal(problem: Problem) -> float:
    return 0.1 * float(np.trace(problem.gram)) / len(problem.gram)


def _hundred(_: Problem) -> float:
    return 100.0


_MLP = (Sizes(1000, 500, 400, 30, 4), Sizes(80, 60, 100, 8, 4))
_CNN = (Sizes(500, 200, 600, 30, 4), Sizes(60, 40, 300, 8, 4))
_RESNET = (Sizes(100, 200, 80, 30, 4), Sizes(60, 40, 20, 8, 4))
_DOGS = (Sizes(300, 200, 80, 30, 4), _RESNET[1])

SETTINGS = {
    "mnist-mlp": Setting("mlp", "mnist-4v9", *_MLP, ("MNIST 4v9 MLP", 0)),
    "mnist-mlp-ridge": Setting("mlp", "mnist-4v9", *_MLP, ("MNIST 4v9 MLP", 1000), _hundred),
    "mnist-cnn": Setting("cnn", "mnist-4v9", *_CNN, ("MNIST 4v9 CNN from scratch", 0), lr=0.05),
    "mnist-cnn-he": Setting("cnn-he", "mnist-4v9", *_CNN, ("MNIST 4v9 CNN from scratch", 0)),
    "mnist-resnet20": Setting("resnet20", "mnist-4v9", *_RESNET, ("MNIST 4v9 CNN pre-trained", 0)),
    "mnist-resnet20-ridge": Setting(
        "resnet20", "mnist-4v9", *_RESNET, ("MNIST 4v9 CNN pre-trained", 1000), _tenth_of_diagonal
    ),
    "dogs-resnet20": Setting("resnet20", "dogs-vs-cats", *_DOGS, ("cats vs dogs ResNet-18", 0)),
}

"""How well projected features rank the images, by dimension: python -m benchmarks.projection [--data DIR] [--train N].

MNIST 4 against 9, the bundled ResNet-20; the exact kernel of all layers is the truth. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from benchmarks.reproduction import data
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Table
from benchmarks.reproduction.setups import resnet_setup
from sampleinfo import information, linearized, planning_primal, projection
from sampleinfo.config import RunConfig
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.models import find
from sampleinfo.types import FloatArray

DIMENSIONS, RIDGES = (128, 256, 512, 1024, 2048), (0.1, 1.0, 10.0)


def main() -> None:
    """One row for every dimension."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with 'mnist', as of benchmarks.reproduce")
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--validation", type=int, default=500)
    parser.add_argument("--dimensions", type=int, nargs="*", default=DIMENSIONS)
    args = parser.parse_args()
    options, journal = Options(data=args.data), Journal("projection")
    dataset = data.split("mnist-4v9", Sizes(args.train, args.validation), options, journal)
    setup = resnet_setup(dataset, dataset.labels, data.training_images(dataset), 0)
    with journal.stage("exact kernel"):
        exact = setup.problem(journal)
    chosen = Training.auto(exact).ridge
    truth = {factor: _fit(exact, factor * chosen) for factor in RIDGES}
    columns = ("dimension", "used", "coordinates", "error of the kernel",
               *(f"F-SI, {factor:g} x the best ridge" for factor in RIDGES), "SI, best ridge", "s")  # fmt: skip
    rows = [_row(int(each), setup.module, setup.images, exact, chosen, truth) for each in args.dimensions]
    print(f"n = {exact.n}, m = {exact.m}; ridge by leave-one-out error {chosen:.3g}; Spearman with the exact kernel\n")
    print(Table(columns, rows))


def _row(
    dimension: int, module: torch.nn.Module, images: Tensor, exact: Problem, ridge: float, truth: dict[float, Fit]
) -> tuple[str, ...]:
    start = time.perf_counter()
    config = RunConfig("mnist-4v9", kernel="primal", dimension=dimension)
    most = planning_primal.coordinates(config, len(images), 1, find("resnet20"))
    assert exact.targets is not None
    labels = exact.targets[:, 0].astype(np.int64)
    rows = projection.landmarks(labels, projection.landmark_count(dimension, 1), 0)
    coordinates = projection.budgeted(module, most, 0)
    found = projection.project(module, [images[rows]], coordinates, dimension)
    features = found.features(module, images).astype(np.float64)
    seconds = time.perf_counter() - start
    train, val = features[: exact.n], features[exact.n :]
    gram = train @ train.T
    problem = Problem(gram, val @ train.T, exact.residual, exact.val_outputs, exact.val_targets, exact.targets)
    error = float(np.linalg.norm(gram - exact.gram) / np.linalg.norm(exact.gram))
    fits = {factor: _fit(problem, factor * ridge) for factor in RIDGES}
    agreed = [_agreement(information.functional_information, fits[each], truth[each]) for each in RIDGES]
    weights = _agreement(information.weight_information, fits[1.0], truth[1.0])
    return (str(dimension), str(found.dimension), str(sum(map(len, coordinates))), f"{error:.2%}",
            *(f"{each:.3f}" for each in agreed), f"{weights:.3f}", f"{seconds:.0f}")  # fmt: skip


def _fit(problem: Problem, ridge: float) -> Fit:
    return linearized.fit(problem, Training(ridge=ridge))


def _agreement(score: object, found: Fit, wanted: Fit) -> float:
    assert callable(score)
    values: tuple[FloatArray, FloatArray] = (score(found), score(wanted))
    return float(stats.spearmanr(*values).statistic)


if __name__ == "__main__":
    main()

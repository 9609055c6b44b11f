"""Mislabeled samples carry more information."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.reproduction import data, drawing, measures, paper, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import NETWORKS, fitted, resnet_setup, trained_how
from sampleinfo import information
from sampleinfo.linearized import Fit
from sampleinfo.scores.leave_one_out_error import leave_one_out_error
from sampleinfo.types import FloatArray, IntArray

HELP = "F-SI of samples with wrong labels against the others'"
FIGURE = "mislabeled"
NOISE = 0.1
#: Full and quick sizes.
TASKS = {
    "mnist-4v9": (Sizes(600, 400), Sizes(100, 60)),
    "mnist": (Sizes(600, 300), Sizes(120, 60)),
    "dogs-vs-cats": (Sizes(800, 400), Sizes(100, 60)),
}
SCORES = {
    "F-SI": information.functional_information,
    "SI (weights)": information.weight_information,
    "leave-one-out error": leave_one_out_error,
}


def run(options: Options) -> None:
    """Wrong labels in every data set that is there."""
    names = data.chosen({name: name for name in TASKS}, options, Journal(FIGURE))
    numbers = {name: _measured(name, options, Journal(f"{FIGURE} {name}")) for name in names}
    text = (
        f"{NOISE:.0%} of the training labels are replaced by another class, drawn uniformly from the others; the "
        f"validation labels stay clean. {NETWORKS['resnet20']}, exact kernel of all layers, centred outputs, closed "
        "form; the ridge is chosen by leave-one-out error on the noisy labels. AUROC and average precision of "
        f"finding the wrong labels by each score; a random order has .5 and {NOISE:.1f}."
    )
    columns = ("data", "n", "m", "score", "AUROC", "average precision", "mean, mislabeled", "mean, clean", "the paper")
    rows = [row for name, found in numbers.items() for row in _rows(name, found)]
    sections = report.sections(FIGURE, numbers, options, "F-SI of clean and mislabeled images")
    parts: list[str | Table] = [text, Table(columns, rows), *sections]
    pictures = {name: _histogram(name, found) for name, found in numbers.items()}
    report.write(Page(FIGURE, "Mislabeled samples", parts, numbers, pictures), options)


def noisy(labels: IntArray, classes: int, count: int, seed: int) -> tuple[IntArray, np.ndarray]:
    """Labels of which ``count`` are another class than before, and a mask of these."""
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(labels), dtype=bool)
    wrong[rng.permutation(len(labels))[:count]] = True
    moved = (labels + rng.integers(1, classes, size=len(labels))) % classes
    return np.where(wrong, moved, labels), wrong


def _measured(name: str, options: Options, journal: Journal) -> dict[str, Any]:
    full, quick = TASKS[name]
    dataset = data.split(name, options.sizes(quick, full), options, journal)
    n = data.training_images(dataset)
    labels, classes = dataset.labels.copy(), len(dataset.class_names)
    labels[:n], wrong = noisy(labels[:n], classes, max(1, round(NOISE * n)), options.seed)
    fit = fitted(resnet_setup(dataset, labels, n, options.seed), options, journal)
    return {
        "train": n, "validation": len(dataset) - n, "trained": trained_how(fit.training), "seed": options.seed,
        "accuracy": report.accuracy(fit), "mislabeled": wrong.tolist(), "scores": _scores(fit, wrong),
        "seconds": journal.seconds, "machine": report.facts(),
    }  # fmt: skip


def _scores(fit: Fit, wrong: np.ndarray) -> dict[str, Any]:
    found = {name: score(fit) for name, score in SCORES.items()}
    return {name: {**measures.ranking(wrong, values), "values": values.tolist()} for name, values in found.items()}


def _split(found: dict[str, Any], score: str) -> tuple[FloatArray, FloatArray]:
    values, wrong = np.array(found["scores"][score]["values"]), np.array(found["mislabeled"])
    return values[wrong], values[~wrong]


def _rows(name: str, found: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for score, each in found["scores"].items():
        wrong, clean = _split(found, score)
        rows.append((
            name, str(found["train"]), str(found["validation"]), score, f"**{each['auroc']:.3f}**",
            f"**{each['precision']:.3f}**", f"{wrong.mean():.3g}", f"{clean.mean():.3g}",
            paper.MISLABELED if score == "F-SI" else "-",
        ))  # fmt: skip
    return rows


def _histogram(name: str, found: dict[str, Any]) -> Figure:
    wrong, clean = _split(found, "F-SI")
    return drawing.information(name, {"clean": clean, "mislabeled": wrong})

"""Two sources of one task: whose images carry more information."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.reproduction import data, drawing, measures, paper, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import NETWORKS, fitted, resnet_setup, trained_how
from sampleinfo import datasets, information
from sampleinfo.types import Dataset, FloatArray

HELP = "F-SI of ten digits from two sources, equal numbers of each"
FIGURE = "sources"
FULL, QUICK = Sizes(1000, 300), Sizes(120, 60)


def run(options: Options) -> None:
    """Score the images of both sources together, and compare."""
    found = _measured(options, Journal(FIGURE))
    groups = _groups(found)
    ordered = sorted(groups, key=lambda name: -groups[name].mean())
    low, high = measures.ratio_interval(groups[ordered[0]], groups[ordered[1]], options.seed)
    ratio = groups[ordered[0]].mean() / groups[ordered[1]].mean()
    numbers = {**found, "higher": ordered[0], "ratio": ratio, "ratio_interval": [low, high]}
    text = (
        f"Ten digits from two sources, {found['train']} training and {found['validation']} validation images, equal "
        "numbers of each source and digit as far as that divides. MNIST (28 px) and the UCI digits (8 px) stand for "
        f"the paper's MNIST and SVHN. {NETWORKS['resnet20']}, ten outputs, exact kernel of all layers, centred "
        f"outputs (residual y - 1/10), in closed form, trained {found['trained']}; validation accuracy "
        f"{found['accuracy']:.3f}. Intervals are 95 % bootstrap intervals of means. An image of {ordered[0]} carries "
        f"{ratio:.3g} {report.between(low, high)} times the information of one of {ordered[1]}"
        f"{'' if low > 1 else '; the interval holds 1, so that neither source is shown to have more'}."
    )
    columns = ("source", "n", "mean F-SI", "95 % interval", "median", "more informative", "the paper")
    said = ("yes", "no") if low > 1 else ("undecided", "undecided")
    rows = [_row(name, groups[name], words, options) for name, words in zip(ordered, said, strict=True)]
    parts: list[str | Table] = [
        text, Table(columns, rows), report.image(FIGURE, "histogram", options, "F-SI of both sources"),
        report.machine_and_times(found),
    ]  # fmt: skip
    figure, (axes,) = drawing.panels(1, width=6.5)
    drawing.histogram(axes, groups)
    drawing.name(axes, "Information of the images of two sources", "F-SI, nats", "share of the source")
    report.write(Page(FIGURE, "Data sources", parts, numbers, {"histogram": figure}), options)


def _row(name: str, nats: FloatArray, said: str, options: Options) -> tuple[str, ...]:
    interval = report.between(*measures.mean_interval(nats, options.seed))
    return (name, str(len(nats)), f"**{nats.mean():.3g}**", interval, f"{np.median(nats):.3g}",
            said, paper.SOURCES[name])  # fmt: skip


def equal_numbers(seed: int) -> Dataset:
    """As many images of every digit from either source."""
    whole = datasets.prepare("digits")
    strata = [f"{source} {label}" for source, label in zip(whole.sources, whole.labels, strict=True)]
    rows = [np.flatnonzero(np.array(strata) == name) for name in sorted(set(strata))]
    least = min(map(len, rows))
    return whole.subset(data.balanced([(each, least) for each in rows], seed))


def _measured(options: Options, journal: Journal) -> dict[str, Any]:
    sizes = options.sizes(QUICK, FULL)
    dataset = datasets.split_at_most(equal_numbers(options.seed), sizes.train, sizes.validation, options.seed)
    n = data.training_images(dataset)
    fit = fitted(resnet_setup(dataset, dataset.labels, n, options.seed), options, journal)
    with journal.stage("scores"):
        nats = information.functional_information(fit)
    return {
        "train": n, "validation": len(dataset) - n, "trained": trained_how(fit.training), "seed": options.seed,
        "accuracy": report.accuracy(fit), "nats": nats.tolist(), "sources": dataset.sources[:n],
        "seconds": journal.seconds, "machine": report.facts(),
    }  # fmt: skip


def _groups(found: dict[str, Any]) -> dict[str, FloatArray]:
    nats, sources = np.array(found["nats"]), np.array(found["sources"])
    return {str(name): nats[sources == name] for name in np.unique(sources)}

"""The most and the least informative images, and how information is spread over all."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.reproduction import data, drawing, paper, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import NETWORKS, fitted, resnet_setup, trained_how
from sampleinfo import information
from sampleinfo.types import Dataset, FloatArray, IntArray

HELP = "histogram of F-SI, and the ten most and ten least informative images"
FIGURE = "samples"
TASKS = ("mnist-4v9", "dogs-vs-cats")
FULL, QUICK, SHOWN = Sizes(600, 400), Sizes(100, 60), 10


def run(options: Options) -> None:
    """Score every data set that is there."""
    names = data.chosen({name: name for name in TASKS}, options, Journal(FIGURE))
    text = (
        f"F-SI of every training image in closed form: {NETWORKS['resnet20']}, exact kernel of all layers, centred "
        "outputs (residual y - 1/2), noise variance 1."
    )
    parts: list[str | Table] = [text]
    rows, numbers, pictures = [], {}, dict[str, Figure]()
    for name in names:
        found, dataset = _scored(name, options)
        nats = np.array(found["nats"])
        numbers[name] = found
        rows.append(_row(name, found, nats))
        pictures |= {f"{name}-histogram": _histogram(name, nats), f"{name}-images": _sheet(dataset, nats)}
        parts += [f"## {name}", f"Trained {found['trained']}. {report.machine_and_times(found)}"]
        parts += [report.image(FIGURE, f"{name}-histogram", options, f"Histogram of F-SI on {name}"),
                  report.image(FIGURE, f"{name}-images", options, f"Extreme images of {name}")]  # fmt: skip
    columns = ("data", "n", "m", "validation accuracy", "median", "mean", "largest", "below a tenth of the largest",
               "held by the highest tenth", "the paper")  # fmt: skip
    parts.insert(1, Table(columns, rows))
    report.write(Page(FIGURE, "Most and least informative samples", parts, numbers, pictures), options)


def _scored(name: str, options: Options) -> tuple[dict[str, Any], Dataset]:
    journal, sizes = Journal(f"{FIGURE} {name}"), options.sizes(QUICK, FULL)
    dataset = data.split(name, sizes, options, journal)
    n = data.training_images(dataset)
    fit = fitted(resnet_setup(dataset, dataset.labels, n, options.seed), options, journal)
    nats = information.functional_information(fit)
    return {
        "train": n, "validation": len(dataset) - n, "trained": trained_how(fit.training), "seed": options.seed,
        "accuracy": report.accuracy(fit), "nats": nats.tolist(), "ids": dataset.sample_ids[:n],
        "seconds": journal.seconds, "machine": report.facts(),
    }, dataset  # fmt: skip


def _row(name: str, found: dict[str, Any], nats: FloatArray) -> tuple[str, ...]:
    ordered = np.sort(nats)[::-1]
    tenth = ordered[: max(1, len(nats) // 10)].sum() / ordered.sum()
    low = (nats < nats.max() / 10).mean()
    return (
        name, str(found["train"]), str(found["validation"]), f"{found['accuracy']:.3f}", f"{np.median(nats):.3g}",
        f"{nats.mean():.3g}", f"{nats.max():.3g}", f"{low:.0%}", f"{tenth:.0%}", paper.SAMPLES,
    )  # fmt: skip


def _histogram(name: str, nats: FloatArray) -> Figure:
    figure, (plain, logarithmic) = drawing.panels(2)
    plain.hist(nats, 40, color=drawing.BLUE, alpha=0.8)
    drawing.name(plain, name, "F-SI, nats", "training images")
    drawing.histogram(logarithmic, {"": nats})
    drawing.name(logarithmic, f"{name}, logarithmic axis", "F-SI, nats", "share of images")
    return figure


def _sheet(dataset: Dataset, nats: FloatArray) -> Figure:
    order = np.argsort(nats)
    count = min(SHOWN, len(nats) // 2)

    def row(picked: IntArray) -> list[tuple[Any, str]]:
        names = dataset.class_names
        return [(dataset.images[int(i)], f"{names[dataset.labels[i]]}: {nats[i]:.1e}") for i in picked]

    return drawing.contact_sheet({
        "Most informative (label: F-SI in nats)": row(order[::-1][:count]),
        "Least informative": row(order[:count]),
    })  # fmt: skip

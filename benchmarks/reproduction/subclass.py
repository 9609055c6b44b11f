"""A sub-class with few samples that no label names: its samples carry more information each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.reproduction import data, drawing, measures, paper, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import NETWORKS, fitted, resnet_setup, trained_how
from sampleinfo import information
from sampleinfo.types import TEST, Dataset, FloatArray, IntArray

HELP = "F-SI of few cats among many dogs, all labelled pets, against deer (needs CIFAR-10 in --data)"
FIGURE, TASK = "subclass", "cifar10-pets"
FULL, QUICK = Sizes(2050, 600), Sizes(420, 200)
#: Cats among the training images: one in so many, and at least this number.
ONE_IN, LEAST = 41, 20
CLASSES = ("deer", "pet")


def run(options: Options) -> None:
    """Score pets and deer together; compare cats with dogs."""
    found = _measured(options, Journal(FIGURE))
    nats, animals = np.array(found["nats"]), np.array(found["animals"])
    groups = {name: nats[animals == name] for name in ("cat", "dog", "deer")}
    low, high = measures.ratio_interval(groups["cat"], groups["dog"], options.seed)
    ratio = groups["cat"].mean() / groups["dog"].mean()
    pets = animals != "deer"
    ranking = measures.ranking(animals[pets] == "cat", nats[pets])
    numbers = {**found, "ratio": ratio, "ratio_interval": [low, high], **ranking}
    text = (
        f"CIFAR-10: {len(groups['cat'])} cats and {len(groups['dog'])} dogs, both labelled *pet*, against "
        f"{len(groups['deer'])} deer; {found['validation']} validation images out of CIFAR-10's test split, half of "
        f"them deer, a quarter cats and a quarter dogs. {NETWORKS['resnet20']}, one output, exact kernel of all "
        f"layers, centred outputs (residual y - 1/2), closed form, trained {found['trained']}, the ridge with least "
        f"leave-one-out error unless given; validation accuracy {found['accuracy']:.3f}. The bundled weights were "
        "trained on CIFAR-10 itself, whose labels do tell cats from dogs. A cat carries "
        f"**{ratio:.3g}** {report.between(low, high)} times the information of a dog (95 % bootstrap interval); "
        f"among the pets, F-SI tells cats from dogs with an AUROC of **{ranking['auroc']:.3f}**."
    )
    rows = [_row(name, each, options) for name, each in groups.items()]
    parts = [text, Table(("animal", "label", "n", "mean F-SI", "95 % interval", "median", "the paper"), rows),
             report.image(FIGURE, "histogram", options, "F-SI of cats, dogs and deer"),
             report.machine_and_times(found)]  # fmt: skip
    figure, (axes,) = drawing.panels(1, width=6.5)
    drawing.histogram(axes, groups)
    drawing.name(axes, "Information of an under-sampled sub-class", "F-SI, nats", "share of the animals")
    report.write(Page(FIGURE, "Under-sampled sub-class", parts, numbers, {"histogram": figure}), options)


def _row(name: str, nats: FloatArray, options: Options) -> tuple[str, ...]:
    interval = report.between(*measures.mean_interval(nats, options.seed))
    said = paper.SUBCLASS if name == "cat" else "-"
    return (name, CLASSES[name != "deer"], str(len(nats)), f"**{nats.mean():.3g}**", interval,
            f"{np.median(nats):.3g}", said)  # fmt: skip


def _chosen(whole: Dataset, sizes: Sizes, seed: int) -> IntArray:
    """Rows to train on, out of the training split, and then those to validate on."""
    animal, is_test = np.array(whole.class_names)[whole.labels], np.array(whole.split) == TEST
    cats, quarter = max(LEAST, round(sizes.train / ONE_IN)), sizes.validation // 4
    others = (sizes.train - cats) // 2
    train = {"cat": cats, "dog": others, "deer": others}
    validation = {"cat": quarter, "dog": quarter, "deer": 2 * quarter}
    sides = [
        data.balanced([(np.flatnonzero((animal == name) & (is_test == side)), count) for name, count in counts.items()],
                      seed)
        for side, counts in ((False, train), (True, validation))
    ]  # fmt: skip
    return np.concatenate(sides)


def _measured(options: Options, journal: Journal) -> dict[str, Any]:
    whole, sizes = data.load(TASK, options), options.sizes(QUICK, FULL)
    rows = _chosen(whole, sizes, options.seed)
    picked = whole.subset(rows)
    animals = np.array(whole.class_names)[picked.labels]
    n = int((np.array(picked.split) != TEST).sum())
    labels = np.asarray(animals != "deer", dtype=np.int64)
    dataset = replace(picked, labels=labels, class_names=CLASSES)
    fit = fitted(resnet_setup(dataset, labels, n, options.seed), options, journal)
    nats = information.functional_information(fit)
    return {
        "train": n, "validation": len(rows) - n, "trained": trained_how(fit.training), "seed": options.seed,
        "accuracy": report.accuracy(fit), "nats": nats.tolist(), "animals": animals[:n].tolist(),
        "seconds": journal.seconds, "machine": report.facts(),
    }  # fmt: skip

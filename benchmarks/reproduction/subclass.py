"""A sub-class with few samples that no label names: its samples carry more information each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.reproduction import data, drawing, measures, paper, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import NETWORKS, fitted, pretrained, resnet_setup, trained_how
from sampleinfo import information
from sampleinfo.reports import groups as grouping
from sampleinfo.reports.class_judgement import group_word
from sampleinfo.reports.class_needs import Interval, ratio_interval
from sampleinfo.types import TEST, Dataset, FloatArray, IntArray

HELP = (
    "F-SI of few cats among many dogs, all labelled pets, against deer, and the groups found inside the pets (needs "
    "CIFAR-10 in --data)"
)
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
             *_groups_part(found),
             report.image(FIGURE, "histogram", options, "F-SI of cats, dogs and deer"),
             report.machine_and_times(found)]  # fmt: skip
    figure, (axes,) = drawing.panels(1, width=6.5)
    drawing.histogram(axes, groups)
    drawing.name(axes, "Information of an under-sampled sub-class", "F-SI, nats", "share of the animals")
    report.write(Page(FIGURE, "Under-sampled sub-class", parts, numbers, {"histogram": figure}), options)


def _groups_part(found: dict[str, Any]) -> list[str | Table]:
    """Which of the groups that are found inside the pets holds the cats."""
    best = max(found["groups"], key=lambda each: each["f1"])
    text = (
        f"Groups inside the class *pet*, found without labels: {grouping.CRITERION}. Of {len(found['groups'])} groups "
        f"the one that holds the cats best has **{best['size']}** images, precision **{best['precision']:.2f}** and "
        f"recall **{best['recall']:.2f}** for cats; its images carry {best['ratio']:.2g} "
        f"{report.between(*best['ratio_interval'])} times the information of the other pets (95 % bootstrap interval): "
        f"*{best['verdict']}*."
    )
    rows = [
        (str(place + 1), str(each["size"]), f"{each['precision']:.2f}", f"{each['recall']:.2f}", f"{each['ratio']:.2g}",
         report.between(each["ratio_interval"][0], each["ratio_interval"][1], 2), each["verdict"])
        for place, each in enumerate(found["groups"])
    ]  # fmt: skip
    columns = ("group", "n", "share of cats", "of all cats", "F-SI to the other pets", "95 % interval", "verdict")
    return [text, Table(columns, rows)]


def _groups(features: FloatArray, cats: np.ndarray, nats: FloatArray, seed: int) -> list[dict[str, Any]]:
    """The groups of the pets with these features, and how well each one is the cats."""
    found, facts = grouping.find(features, features[:0], seed), []
    for number in range(found.count):
        inside = found.members == number
        both, ratio = int((inside & cats).sum()), Interval(1.0, 1.0, 1.0)
        if not inside.all():
            ratio = ratio_interval(nats[inside], nats[~inside], seed)
        precision, recall = both / int(inside.sum()), both / int(cats.sum())
        facts.append({
            "size": int(inside.sum()), "precision": precision, "recall": recall,
            "f1": 2 * both / int(inside.sum() + cats.sum()), "ratio": ratio.mean,
            "ratio_interval": [ratio.low, ratio.high],
            "verdict": group_word(int(inside.sum()), len(cats), ratio.low, found.count),
        })  # fmt: skip
    return facts


def _features(dataset: Dataset, seed: int) -> FloatArray:
    """(N, d) penultimate features of the bundled network."""
    network = pretrained(1, seed)
    images = network.prepare(dataset.images, range(len(dataset)))
    parts = [network.features_and_outputs(part)[0].double().numpy() for part in images.split(128)]
    return np.asarray(np.concatenate(parts))


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
    with journal.stage("groups"):
        pets = np.flatnonzero(animals[:n] != "deer")
        features = _features(dataset.subset(pets), options.seed)
        found = _groups(features, animals[pets] == "cat", nats[pets], options.seed)
    return {
        "groups": found, "train": n, "validation": len(rows) - n, "trained": trained_how(fit.training),
        "seed": options.seed,
        "accuracy": report.accuracy(fit), "nats": nats.tolist(), "animals": animals[:n].tolist(),
        "seconds": journal.seconds, "machine": report.facts(),
    }  # fmt: skip

"""Planted errors and what finds them: every score of the package, and cleanlab on the same images."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.reproduction import cleanlab_scores, data, drawing, measures, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.review_setup import SHARE, Base, prepare
from benchmarks.reproduction.setups import NETWORKS
from sampleinfo import planting
from sampleinfo.scores import SCORES, Evidence
from sampleinfo.scores.held_out import TITLES
from sampleinfo.types import FloatArray

HELP = "how well every score finds planted errors, against cleanlab"
FIGURE = "review"
#: Images to train on and to validate on; full and quick.
TASKS = {
    "mnist-4v9": (Sizes(1000, 500), Sizes(200, 100)),
    "dogs-vs-cats": (Sizes(1000, 399), Sizes(200, 100)),
    "cifar10-deer-horse": (Sizes(1000, 500), Sizes(200, 100)),
    "mnist": (Sizes(1000, 500), Sizes(200, 100)),
}
#: Draws of wrong labels and of changed images; kinds of changed images, on tasks of two classes.
LABEL_DRAWS, IMAGE_DRAWS, QUICK_DRAWS = 5, 3, (2, 1)
PLANTS = tuple(name for name, plant in planting.PLANTS.items() if plant.changes == planting.IMAGES)
SUSPICION = "label_suspicion"
BASELINES = tuple(cleanlab_scores.name_of(method) for method in cleanlab_scores.METHODS)
#: (AUROC, average precision) of every score in every draw.
Found = dict[str, list[tuple[float, float]]]


def run(options: Options) -> None:
    """Every data set that is there."""
    names = data.chosen({name: name for name in TASKS}, options, Journal(FIGURE))
    numbers = {name: _measured(name, options) for name in names}
    parts: list[str | Table] = [_text()]
    for name, found in numbers.items():
        parts += [
            f"## {name}",
            _words(found),
            "### Wrong labels",
            _label_table(found),
            _differences(found),
            _kernels(found),
        ]
        if found["images"]:
            parts += ["### Changed images", *_image_parts(found)]
    pictures = {"labels": _label_picture(numbers)}
    changed = {name: found["images"] for name, found in numbers.items() if found["images"]}
    if changed:
        pictures["images"] = _image_picture(changed)
    parts += ["## Average precision of the scores"]
    parts += [report.image(FIGURE, name, options, f"Average precision, planted {name}") for name in pictures]
    report.write(Page(FIGURE, "Planted errors", parts, numbers, pictures), options)


def _text() -> str:
    images = " ".join(f"*{plant.title}*: {plant.words}" for name, plant in planting.PLANTS.items() if name in PLANTS)
    return (
        f"Errors are planted into {SHARE:.0%} of the training images, and every score of the package ranks all of "
        f"them; validation images stay clean. {NETWORKS['resnet20']}, exact kernel of all layers (one kernel shared by "
        "the ten outputs of ten-class MNIST), centred outputs, trained to convergence with the ridge of least "
        "leave-one-out error on the data with the errors. Training images are the same in every draw; which of them "
        "are changed, and how, is drawn anew. AUROC and average precision, mean ± standard deviation over draws; a "
        f"random order has .5 and {SHARE:.1f}. cleanlab sees the same frozen features: its label quality rests on "
        f"out-of-sample probabilities of logistic regression in {cleanlab_scores.FOLDS} stratified folds, shuffled by "
        "the seed of the draw, with C = 1, and with the C of least log loss on the labels with the errors. Folds in "
        "file order, the default of scikit-learn, are made by the wrong labels: where images are sorted by class, all "
        "wrong labels of a class fall into its first or last fold, and what judges them is trained on clean ones. That "
        "row is no fair baseline. cleanlab's out-of-distribution score is the distance to neighbours. "
        f"Changed images: {images}"
    )


def _measured(name: str, options: Options) -> dict[str, Any]:
    journal = Journal(f"{FIGURE} {name}")
    full, quick = TASKS[name]
    label_draws, image_draws = QUICK_DRAWS if options.quick else (LABEL_DRAWS, IMAGE_DRAWS)
    plants = () if name == "mnist" else PLANTS
    base = prepare(name, options.sizes(quick, full), plants, image_draws, options, journal)
    labels: Found = {}
    kernels = []
    for draw in range(label_draws):
        evidence, planted = base.wrong_labels(draw)
        _add(labels, planted, _scores(evidence, journal))
        assert evidence.features is not None
        with journal.stage("cleanlab"):
            quality = cleanlab_scores.label_scores(evidence.features, evidence.labels, options.seed + draw)
        _add(labels, planted, quality)
        kernels.append(evidence.held_out.facts())
    return {
        "train": base.n, "validation": len(base.labels) - base.n, "classes": base.classes, "labels": labels,
        "kernels": kernels, "images": {plant: _images(base, plant, image_draws, journal) for plant in plants},
        "seed": options.seed, "seconds": journal.seconds, "machine": report.facts(),
    }  # fmt: skip


def _images(base: Base, plant: str, draws: int, journal: Journal) -> Found:
    found: Found = {}
    for draw in range(draws):
        evidence, planted = base.changed_images(plant, draw)
        _add(found, planted, _scores(evidence, journal))
        assert evidence.features is not None
        with journal.stage("cleanlab"):
            quality = cleanlab_scores.confidence(evidence.features, evidence.labels, base.seed + draw)
            outliers = cleanlab_scores.outlier_scores(evidence.features)
        _add(found, planted, {**quality, **outliers})
    return found


def _scores(evidence: Evidence, journal: Journal) -> dict[str, FloatArray]:
    with journal.stage("scores"):
        return {name: score.compute(evidence) for name, score in SCORES.items() if score.available(evidence)}


def _add(found: Found, planted: np.ndarray, values: dict[str, FloatArray]) -> None:
    for name, each in values.items():
        reached = measures.ranking(planted, each)
        found.setdefault(name, []).append((reached["auroc"], reached["precision"]))


def _title(name: str) -> str:
    return SCORES[name].title if name in SCORES else f"*{name}*"


def _precision(found: Found, name: str) -> FloatArray:
    """(draws,)."""
    return np.array(found[name])[:, 1]


def _best_first(found: Found, names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: -float(_precision(found, name).mean()))


def _spread(values: FloatArray) -> str:
    return f"{values.mean():.3f}" + (f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else "")


def _label_table(found: dict[str, Any]) -> Table:
    labels = found["labels"]
    rows = [
        (_title(name), *(_spread(column) for column in np.array(labels[name]).T))
        for name in _best_first(labels, list(labels))
    ]
    return Table(("score", "AUROC", "average precision"), rows)


def _differences(found: dict[str, Any]) -> Table:
    """The score made for wrong labels, and the best of all, against cleanlab."""
    labels = found["labels"]
    best = _best_first(labels, [name for name in labels if name in SCORES])[0]
    rows = []
    for role, name in (("the package's score for labels", SUSPICION), ("best of all scores, chosen afterwards", best)):
        for baseline in (_best_first(labels, list(BASELINES))[0], cleanlab_scores.TUNED):
            values = _precision(labels, name) - _precision(labels, baseline)
            low, high = measures.paired_interval(values)
            rows.append((
                role, _title(name), _title(baseline), f"**{values.mean():+.4f}**", f"[{low:+.4f}, {high:+.4f}]",
                ", ".join(f"{value:+.3f}" for value in values),
            ))  # fmt: skip
    columns = ("", "score", "against", "difference of average precision", "95 % interval over draws", "each draw")
    return Table(columns, rows)


def _kernels(found: dict[str, Any]) -> Table:
    """Which kernel was chosen in each draw by leave-one-out error on the wrong labels."""
    columns = ("draw", "kernel with the least leave-one-out error", *TITLES)
    rows = [
        (str(draw), str(each["kernel"]), *(f"{each['errors'][name]:.4f}" if name in each["errors"] else "-" for name in
         TITLES))
        for draw, each in enumerate(found["kernels"])
    ]  # fmt: skip
    return Table(columns, rows)


def _image_parts(found: dict[str, Any]) -> list[str | Table]:
    """AUROC / average precision of every score for every kind of change."""
    images: dict[str, Found] = found["images"]
    names = list(next(iter(images.values())))
    mean = {name: np.mean([_precision(each, name).mean() for each in images.values()]) for name in names}
    rows = []
    for name in sorted(names, key=lambda each: -mean[each]):
        cells = []
        for each in images.values():
            strong = "**" if _best_first(each, names)[0] == name else ""
            auroc = np.array(each[name])[:, 0].mean()
            cells.append(f"{auroc:.3f} / {strong}{_spread(_precision(each, name))}{strong}")
        rows.append((_title(name), *cells))
    draws = len(next(iter(next(iter(images.values())).values())))
    words = (
        f"AUROC / average precision, mean ± sd of {draws} draws" if draws > 1 else "AUROC / average precision, one draw"
    )
    titles = [planting.PLANTS[plant].title for plant in images]
    return [f"{words}; bold: the best average precision.", Table(("score", *titles), rows)]


def _words(found: dict[str, Any]) -> str:
    draws = len(found["kernels"])
    return (
        f"{found['train']} training and {found['validation']} validation images, {found['classes']} classes; {draws} "
        f"draws of wrong labels. {report.machine_and_times(found)}"
    )


def _label_picture(numbers: dict[str, dict[str, Any]]) -> Figure:
    """Average precision of finding wrong labels, a panel per task, the scores of the first in its order."""
    first = next(iter(numbers.values()))["labels"]
    names = [name for name in _best_first(first, list(first)) if cleanlab_scores.IN_ORDER not in name][::-1]
    figure, panels = drawing.panels(len(numbers), width=3.2 + 4 / len(numbers), height=0.27 * len(names) + 1.6)
    for place, (axes, (task, found)) in enumerate(zip(panels, numbers.items(), strict=True)):
        for row, name in enumerate(names):
            values = _precision(found["labels"], name)
            colour = drawing.BLUE if name in SCORES else drawing.ORANGE
            axes.scatter(values, np.full(len(values), row), s=14, color=colour, alpha=0.45, linewidths=0)
            axes.scatter([values.mean()], [row], s=46, color=colour, marker="D" if name in SCORES else "s")
        axes.set_yticks(range(len(names)), [_title(name).strip("*") for name in names] if place == 0 else [])
        axes.set_xlim(0, 1.02)
        axes.axvline(SHARE, color=drawing.GREY, linestyle=":", linewidth=1.2)
        drawing.name(axes, task, "average precision, wrong labels", "")
    return figure


def _image_picture(changed: dict[str, dict[str, Found]]) -> Figure:
    """Average precision for every kind of change, a panel per task."""
    kinds = next(iter(changed.values()))
    plants, names = list(kinds), list(next(iter(kinds.values())))
    mean = {name: np.mean([_precision(images[plant], name).mean() for images in changed.values() for plant in plants])
            for name in names}  # fmt: skip
    names.sort(key=lambda name: -mean[name])
    figure, panels = drawing.panels(len(changed), width=4.0 + 3 / len(changed), height=0.3 * len(names) + 1.6)
    for place, (axes, (task, images)) in enumerate(zip(panels, changed.items(), strict=True)):
        values = np.array([[_precision(images[plant], name).mean() for plant in plants] for name in names])
        axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(values.shape):
            colour = "black" if values[row, column] > 0.55 else "white"
            axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(len(plants)), plants, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), [_title(name).strip("*") for name in names] if place == 0 else [])
        axes.grid(visible=False)
        drawing.name(axes, task, "", "")
    return figure

"""Summaries of a pre-trained network: every strategy at every share, on test images that no choice has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.reproduction import data, drawing, measures, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import NETWORKS, pretrained, resnet_setup
from sampleinfo import kernels, linearized
from sampleinfo.blocks import rows_of
from sampleinfo.evaluation import evaluate
from sampleinfo.linearized import Problem, Training
from sampleinfo.reports import summaries
from sampleinfo.reports.pool import Pool, halves
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.types import Dataset, FloatArray, IntArray

HELP = "test accuracy of every summary strategy and of the recommended one, against baselines"
FIGURE = "strategies"
KEPT = (0.75, 0.5, 0.25, 0.1, 0.05)
#: Images to train on and to validate on, and to test on; full and quick.
TASKS = {
    "mnist-4v9": ((Sizes(1000, 400), 1000), (Sizes(100, 60), 60)),
    "dogs-vs-cats": ((Sizes(700, 200), 499), (Sizes(80, 40), 40)),
    "cifar10-deer-horse": ((Sizes(1000, 400), 1000), (Sizes(100, 60), 60)),
    "mnist": ((Sizes(1000, 400), 1000), (Sizes(120, 60), 60)),
}
DRAWS, QUICK_DRAWS, RANDOMS = 5, 2, 10
BASELINES, RANDOM, RECOMMENDED = ("random", "k-centre", "k-means", "easy"), "random", "recommended"


def run(options: Options) -> None:
    """Every data set that is there."""
    names = data.chosen({name: name for name in TASKS}, options, Journal(FIGURE))
    numbers = {name: _measured(name, options) for name in names}
    draws = QUICK_DRAWS if options.quick else DRAWS
    text = (
        f"{NETWORKS['resnet20']}, linearized, exact kernel of all layers (one kernel shared by the ten outputs of "
        "ten-class MNIST), centred outputs, trained to convergence with the ridge of least leave-one-out error on all "
        f"training images. Mean test accuracy over {draws} draws of training, validation and test images; *random* is "
        f"the mean of {RANDOMS} random sets per draw ± the standard deviation between them (mean over draws). Half of "
        "the validation images may be looked at while choosing, the other half is held out; *recommended* is, for each "
        "draw and size, the strategy with the smallest predicted loss on that held-out half, as the Summaries page "
        "recommends. No strategy and no recommendation sees a test image."
    )
    parts: list[str | Table] = [text]
    for name, found in numbers.items():
        parts += [f"## {name}", _words(found), _table(found), _verdicts(found),
                  report.image(FIGURE, name, options, f"Test accuracy by kept share on {name}")]  # fmt: skip
    pictures = {name: _picture(name, found) for name, found in numbers.items()}
    report.write(Page(FIGURE, "Summary strategies of a pre-trained network", parts, numbers, pictures), options)


def _measured(name: str, options: Options) -> dict[str, Any]:
    journal = Journal(f"{FIGURE} {name}")
    full, quick = TASKS[name]
    (sizes, tests), draws = (quick, QUICK_DRAWS) if options.quick else (full, DRAWS)
    sizes = replace(sizes, train=options.train or sizes.train, validation=options.validation or sizes.validation)
    found = [_draw(name, sizes, tests, replace(options, seed=options.seed + draw), journal) for draw in range(draws)]
    kept = summaries.sizes_of(found[0]["train"], KEPT)
    return {
        "draws": found, "kept": kept, "train": found[0]["train"], "seed": options.seed, "seconds": journal.seconds,
        "machine": report.facts(),
    }  # fmt: skip


def _draw(name: str, sizes: Sizes, tests: int, options: Options, journal: Journal) -> dict[str, Any]:
    """All strategies on one draw of images."""
    given = replace(options, train=sizes.train, validation=sizes.validation + tests)
    dataset = data.split(name, replace(sizes, validation=sizes.validation + tests), given, journal)
    n = data.training_images(dataset)
    order = np.random.default_rng(options.seed).permutation(len(dataset) - n)
    validation, test = np.sort(order[: sizes.validation]), np.sort(order[sizes.validation :])
    with journal.stage("kernel"):
        problem, features = _problem(dataset, n, options.seed, journal)
    training = Training.auto(problem)
    choosing, measuring = halves(dataset.labels[n:][validation], options.seed)
    pool = Pool(_with(problem, validation), training, dataset.labels[:n], features, choosing, measuring)
    judge, kept = _with(problem, test), summaries.sizes_of(n, KEPT)
    with journal.stage("strategies"):
        table = summaries.curves(pool, sizes=kept, draws=RANDOMS)
    with journal.stage("test"):
        reached = {each: _tested(pool, judge, each, kept) for each in STRATEGIES}
        reached[RANDOM] = [_tested(pool, judge, RANDOM, kept, seed)[0] for seed in range(RANDOMS)]
    advice = [summaries.advise(table, size).strategy for size in kept]
    recommended = [reached[each][0][place] for place, each in enumerate(advice)]
    everything = evaluate(linearized.fit(judge, training)).overall.accuracy
    return {
        "train": n, "validation": len(validation), "test": len(test), "ridge": training.ridge, "advice": advice,
        "all": everything, "accuracy": {**reached, RECOMMENDED: [recommended]},
    }  # fmt: skip


def _problem(dataset: Dataset, n: int, seed: int, journal: Journal) -> tuple[Problem, FloatArray]:
    """The linearized problem, all other images as validation images, and the features of the training images."""
    setup = resnet_setup(dataset, dataset.labels, n, seed)
    network = pretrained(setup.targets.shape[1], seed)
    with torch.no_grad():
        parts = [network.features_and_outputs(part)[0] for part in setup.images[:n].split(128)]
    features = torch.cat(parts).double().numpy()
    k = setup.targets.shape[1]
    if k == 1:
        return setup.problem(journal), features
    inputs = kernels.Inputs(lambda low, high: setup.images[low:high], n, len(setup.images), k)
    gram, cross = kernels.shared_kernel(setup.module, inputs, setup.coordinates, journal.report)
    return Problem(
        gram, cross, setup.residual, setup.start[n:], setup.targets[n:], setup.targets[:n]
    ), features  # fmt: skip


def _with(problem: Problem, images: IntArray) -> Problem:
    """The problem with these validation images only."""
    assert problem.val_targets is not None
    return replace(
        problem, cross=problem.cross[rows_of(images, problem.rows)], val_outputs=problem.val_outputs[images],
        val_targets=problem.val_targets[images],
    )  # fmt: skip


def _tested(pool: Pool, judge: Problem, name: str, kept: Sequence[int], seed: int = 0) -> list[list[float]]:
    """Test accuracy of one strategy's summaries, trained on each alone."""
    return [[
        evaluate(linearized.fit(judge.subset(each.rows), pool.training)).overall.accuracy
        for each in summaries.summaries(pool, name, kept, seed)
    ]]  # fmt: skip


def _values(found: dict[str, Any], name: str) -> FloatArray:
    """(draws, shares) test accuracy, mean over random sets."""
    return np.array([np.mean(draw["accuracy"][name], axis=0) for draw in found["draws"]])


def _spread(found: dict[str, Any]) -> FloatArray:
    """(shares,) standard deviation between random sets of one draw, mean over draws."""
    each = [np.std(draw["accuracy"][RANDOM], axis=0, ddof=1) for draw in found["draws"]]
    return np.asarray(np.mean(each, axis=0))


def _table(found: dict[str, Any]) -> Table:
    columns = ("strategy", *(f"keep {share:.0%}" for share in sorted(KEPT)))
    rows, spread = [], _spread(found)
    for name in (RECOMMENDED, *STRATEGIES):
        values = _values(found, name).mean(axis=0)
        cells = [f"{value:.3f}" + (f" ± {each:.3f}" if name == RANDOM else "") for value, each in
                 zip(values, spread, strict=True)]  # fmt: skip
        rows.append((f"**{name}**" if name == RECOMMENDED else STRATEGIES[name].title, *cells))
    return Table(columns, rows)


def _verdicts(found: dict[str, Any]) -> Table:
    """The recommended strategy against the best baseline and against random."""
    columns = ("keep", "recommended (draws)", "best baseline", "recommended minus it", "95 % interval",
               "above random, in standard deviations")  # fmt: skip
    rows, ours, spread = [], _values(found, RECOMMENDED), _spread(found)
    for place, size in enumerate(found["kept"]):
        means = {name: float(_values(found, name)[:, place].mean()) for name in BASELINES}
        best = max(means, key=lambda name: means[name])
        low, high = measures.paired_interval(ours[:, place] - _values(found, best)[:, place])
        advised = [draw["advice"][place] for draw in found["draws"]]
        counts = ", ".join(f"{STRATEGIES[name].title} {advised.count(name)}" for name in dict.fromkeys(advised))
        above = (float(ours[:, place].mean()) - means[RANDOM]) / spread[place]
        rows.append((
            str(size), counts, STRATEGIES[best].title, f"{ours[:, place].mean() - means[best]:+.4f}",
            f"[{low:+.4f}, {high:+.4f}]", f"{above:+.1f}",
        ))  # fmt: skip
    return Table(columns, rows)


def _words(found: dict[str, Any]) -> str:
    first, everything = found["draws"][0], np.mean([draw["all"] for draw in found["draws"]])
    return (
        f"{first['train']} training images, {first['validation']} validation and {first['test']} test images a draw; "
        f"trained on all of them: **{everything:.3f}**. {report.machine_and_times(found)}"
    )


def _picture(name: str, found: dict[str, Any]) -> Figure:
    figure, (axes,) = drawing.panels(1, width=7.5, height=4.5)
    shares = np.array(found["kept"]) / found["train"]
    for number, strategy in enumerate((RECOMMENDED, *STRATEGIES)):
        values = _values(found, strategy).mean(axis=0)
        colour = "black" if strategy == RECOMMENDED else drawing.COLOURS[(number - 1) % len(drawing.COLOURS)]
        style = "-" if number <= len(drawing.COLOURS) else "--"
        label = strategy if strategy == RECOMMENDED else STRATEGIES[strategy].title
        axes.plot(shares, values, style, color=colour, marker=drawing.MARKERS[number % len(drawing.MARKERS)],
                  linewidth=2.5 if strategy == RECOMMENDED else 1.3, label=label)  # fmt: skip
    random, spread = _values(found, RANDOM).mean(axis=0), _spread(found)
    axes.fill_between(shares, random - spread, random + spread, color=drawing.GREY, alpha=0.2, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks(shares, [f"{share:.0%}" for share in shares])
    axes.minorticks_off()
    low = min(float(_values(found, each).mean(axis=0).min()) for each in BASELINES)
    axes.set_ylim(low - 0.03, max(float(np.mean([draw["all"] for draw in found["draws"]])) + 0.01, low + 0.05))
    drawing.name(axes, name, "share of the training images kept", "test accuracy")
    axes.legend(fontsize=drawing.SIZE - 3, frameon=False, ncols=2)
    return figure

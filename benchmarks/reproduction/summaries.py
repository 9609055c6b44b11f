"""Summaries of a data set: the network trained for real on what is left when the least informative samples go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.reproduction import data, drawing, paper, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import NETWORKS, Setup, from_scratch, grey, rate
from sampleinfo import descent, information, linearized, retraining, targets
from sampleinfo.linearized import Fit, Training
from sampleinfo.recipe import Recipe
from sampleinfo.types import Dataset, FloatArray, IntArray

HELP = "test accuracy after the least informative samples were removed, by strategy"
FIGURE = "summaries"
FULL, QUICK = Sizes(1000, 500, 1000), Sizes(100, 100, 100)
#: Test images for each validation image; shares kept; share that goes before samples are scored again; random draws.
TESTS, KEPT, STEP, DRAWS, QUICK_DRAWS = 2, (0.75, 0.5, 0.25, 0.1, 0.05, 0.02), 0.05, 10, 3
RANDOM = "random"
#: A network that has not seen both classes is of no use: the smallest summary.
LEAST = 4


def run(options: Options) -> None:
    """Rank, remove, train again, test."""
    found = _measured(options, Journal(FIGURE))
    text = (
        f"{NETWORKS['mlp']}, MNIST 4 against 9, {found['train']} training images, full-batch gradient descent, "
        f"{found['steps']} steps at the learning rate {found['lr']:.4g} (a quarter of the largest stable one unless "
        "given), the same for every summary. F-SI comes from the closed form at the initial weights with the exact "
        f"kernel and {found['validation']} validation images; accuracy from {found['test']} others, which no score has "
        "seen, after training the network itself on what is kept. *bottom* removes the least informative, scored once; "
        f"*bottom-iterative* removes {STEP:.0%} of all at a time and scores what is left again; *top* removes the most "
        f"informative; *random* is the mean of {found['draws']} draws, with their standard deviation. All samples: "
        f"**{found['all']:.3f}**. One test image is {1 / found['test']:.4f}."
    )
    columns = ("strategy", *(f"keep {share:.0%} ({count})" for share, count in zip(KEPT, found["kept"], strict=True)),
               "the paper")  # fmt: skip
    rows = [(name, *_cells(values), paper.SUMMARIES.get(name, "-")) for name, values in found["accuracy"].items()]
    parts: list[str | Table] = [
        text, Table(columns, rows), report.image(FIGURE, "curve", options, "Test accuracy by kept share"),
        report.machine_and_times(found),
    ]  # fmt: skip
    report.write(Page(FIGURE, "Data summaries", parts, found, {"curve": _curve(found)}), options)


def _cells(values: list[list[float]]) -> list[str]:
    several = len(values) > 1
    return [
        f"{np.mean(column):.3f}" + (f" ± {np.std(column, ddof=1):.3f}" if several else "")
        for column in zip(*values, strict=True)
    ]


def _measured(options: Options, journal: Journal) -> dict[str, Any]:
    sizes = options.sizes(QUICK, FULL)
    dataset = data.split("mnist-4v9", replace(sizes, validation=sizes.validation * (1 + TESTS)), options, journal)
    n, module = data.training_images(dataset), from_scratch("mlp", options.seed)
    train, validation, test = _three(dataset, n, options.seed)
    scoring, training = (_setup(module, dataset, np.concatenate([train, part]), n) for part in (validation, test))
    with journal.stage("kernel"):
        problem = scoring.problem(journal)
    ridge = options.ridge or 0.0
    recipe = Recipe(sizes.steps, rate(problem, ridge, options), ridge)
    with journal.stage("rankings"):
        fit = linearized.fit(problem, Training(recipe.steps, recipe.lr, recipe.ridge))
        orders = removal_orders(fit, QUICK_DRAWS if options.quick else DRAWS, options.seed)
    kept = [max(LEAST, round(share * n)) for share in KEPT]
    with journal.stage("retraining"):
        accuracy, everything = _accuracies(training, recipe, orders, kept, journal)
    return {
        "train": n, "validation": len(validation), "test": len(test), **recipe.as_dict(), "kept": kept,
        "accuracy": accuracy, "all": everything, "draws": len(orders[RANDOM]), "seed": options.seed,
        "orders": {name: [order.tolist() for order in each] for name, each in orders.items()},
        "seconds": journal.seconds, "machine": report.facts(),
    }  # fmt: skip


def _three(dataset: Dataset, n: int, seed: int) -> tuple[IntArray, IntArray, IntArray]:
    """Rows to train on, to score with and to test on."""
    others = n + np.random.default_rng(seed).permutation(len(dataset) - n)
    cut = len(others) // (1 + TESTS)
    return np.arange(n), np.sort(others[:cut]), np.sort(others[cut:])


def _setup(module: Any, dataset: Dataset, rows: IntArray, n: int) -> Setup:
    return Setup.plain(module, grey(dataset)[rows], dataset.labels[rows], 2, n)


def removal_orders(fit: Fit, draws: int, seed: int) -> dict[str, list[IntArray]]:
    """Every strategy's orders in which samples go, the first to go first."""
    ascending = np.argsort(information.functional_information(fit))
    rng = np.random.default_rng(seed)
    return {
        "bottom": [ascending],
        "bottom-iterative": [_iterative(fit)],
        "top": [ascending[::-1]],
        RANDOM: [rng.permutation(len(ascending)) for _ in range(draws)],
    }


def _iterative(fit: Fit) -> IntArray:
    """Rescored each time that ``STEP`` of all samples are gone."""
    left, gone = np.arange(fit.problem.n), []
    at_a_time = max(1, round(STEP * len(left)))
    while len(left) > at_a_time + 1:
        order = np.argsort(information.functional_information(fit.keep(left)))
        gone.append(left[order[:at_a_time]])
        left = left[np.sort(order[at_a_time:])]
    order = np.argsort(information.functional_information(fit.keep(left)))
    return np.concatenate([*gone, left[order]])


def _accuracies(
    setup: Setup, recipe: Recipe, orders: dict[str, list[IntArray]], kept: list[int], journal: Journal
) -> tuple[dict[str, list[list[float]]], float]:
    """Test accuracy of every order (by strategy) at every size, and on all samples."""
    task, rows = setup.task(), slice(setup.n, None)
    final, flat = descent.train(task, recipe), [order for each in orders.values() for order in each]

    def share(outputs: FloatArray) -> float:
        predicted = targets.decode(setup.predictions(outputs, rows))
        return float((predicted == targets.decode(setup.targets[rows])).mean())

    columns, whole = [], task.val_outputs(final)
    for count in kept:
        journal.say(f"training on {count} of {setup.n}, {len(flat)} times")
        removed = [np.sort(order[: setup.n - count]) for order in flat]
        changes = retraining.retrain(task, recipe, final, removed, report=journal.report).val_change
        columns.append([share(whole - changes[:, :, place]) for place in range(len(flat))])
    lines = iter(np.array(columns).T.tolist())
    return {name: [next(lines) for _ in each] for name, each in orders.items()}, share(whole)


def _curve(found: dict[str, Any]) -> Figure:
    figure, (axes,) = drawing.panels(1, width=6.5, height=4.5)
    shares = np.array([*(count / found["train"] for count in found["kept"])])
    for (name, values), colour, marker in zip(found["accuracy"].items(), drawing.COLOURS, drawing.MARKERS,
                                              strict=False):  # fmt: skip
        mean, spread = np.mean(values, axis=0), np.std(values, axis=0)
        axes.plot([1, *shares], [found["all"], *mean], color=colour, marker=marker, label=name)
        if len(values) > 1:
            axes.fill_between(shares, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks([1, *shares], [f"{share:.0%}" for share in (1, *shares)])
    axes.minorticks_off()
    axes.invert_xaxis()
    drawing.name(axes, "Training on what is left", "share of the training images kept", "test accuracy")
    axes.legend(fontsize=drawing.SIZE - 1, frameon=False)
    return figure

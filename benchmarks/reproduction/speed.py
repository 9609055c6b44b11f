"""Speed: all leave-one-outs in closed form and along the training, against influence functions and retraining."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.reproduction import paper, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.recorded import KERNELS, RECURSION, RUN, record
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.settings import SETTINGS
from benchmarks.reproduction.setups import NETWORKS, rate
from sampleinfo import influence, information, linearized
from sampleinfo.linearized import Training
from sampleinfo.recipe import Recipe

HELP = "wall time of all leave-one-outs: closed form, along the training, influence functions, retraining"
FIGURE = "speed"
#: Of the influence functions, which are solved for all n samples; and of the run that is followed for all n.
INFLUENCE = (Sizes(250, 250, 300, segments=4), Sizes(100, 60, 60, segments=4))
ALONG = (Sizes(1000, 500, 1000, segments=4), Sizes(250, 60, 200, segments=4))


def run(options: Options) -> None:
    """Both comparisons on the MLP, each in one process."""
    first = _measured("influence", *INFLUENCE, options)
    second = _measured("along", *ALONG, options)
    rows = [
        _row("closed form (kernel and all scores)", first["closed"], "influence functions of all samples, given the "
             "trained network", first["influence"], first),
        _row("along the training (training run, segment kernels, recursion)", second["along"],
             "retraining without each sample, one run x n, extrapolated", second["run"] * second["train"], second),
        _row("one training run", second["run"], "along the training, without that run",
             second["along"] - second["run"], second),
    ]  # fmt: skip
    text = (
        f"{NETWORKS['mlp']}, MNIST 4 against 9, full-batch gradient descent at a quarter of the largest stable rate of "
        "the kernel at w0, squared loss, no ridge; every pair of wall times is from one process. Influence functions: "
        "conjugate gradients to a relative residual of 1e-4, at most 200 iterations, really solved for every sample. "
        f"F-SI of the closed form and of the influence functions rank the samples alike to {first['spearman']:.3f} "
        "(Spearman). The paper gives no wall times; it says that the closed form needs no training and that influence "
        "functions need an iterative solve for each sample."
    )
    columns = ("work", "n", "steps", "seconds", "compared with", "seconds", "ratio", "the paper")
    page = Page(FIGURE, "Speed of all leave-one-outs", [text, Table(columns, rows), *map(report.machine_and_times, (
        first, second))], {"influence": first, "along": second})  # fmt: skip
    report.write(page, options)


def _row(work: str, seconds: float, other: str, other_seconds: float, found: dict[str, Any]) -> tuple[str, ...]:
    ratio = f"**{other_seconds / seconds:.3g}**"
    return (work, str(found["train"]), str(found["steps"]), f"{seconds:.3g}", other, f"{other_seconds:.3g}", ratio, "-")


def _measured(name: str, full: Sizes, quick: Sizes, options: Options) -> dict[str, Any]:
    """Wall times of one size; with influence functions of all samples where ``name`` says so."""
    journal, setting = Journal(f"{FIGURE} {name}"), SETTINGS["mnist-mlp"]
    setup, sizes = replace(setting, full=full, quick=quick).setup(options, journal)
    with journal.stage("kernel at w0"):
        problem = setup.problem(journal)
    recipe = Recipe(sizes.steps, rate(problem, 0.0, options))
    with journal.stage("closed form for all"):
        fit = linearized.fit(problem, Training(recipe.steps, recipe.lr))
        information.weight_information(fit)
        scores = information.functional_information(fit)
    recorded, seconds = record(setup, recipe, sizes.segments, journal), journal.seconds
    found: dict[str, Any] = {
        "train": setup.n, "validation": len(setup.images) - setup.n, **recipe.as_dict(), "segments": sizes.segments,
    }  # fmt: skip
    if name == "influence":
        everything, damping = np.arange(setup.n), influence.damping_of(recipe, setup.n)
        with journal.stage(paper.INFLUENCE):
            solved = influence.conjugate_gradients(
                recorded.task, recorded.final, everything, damping, report=journal.report
            )
        other = solved.changes.functional_information()
        found |= {"influence": seconds[paper.INFLUENCE], "spearman": float(stats.spearmanr(scores, other).statistic)}
        found |= {"iterations": solved.iterations, "residual": solved.residual}
    return found | {
        "closed": seconds["kernel at w0"] + seconds["closed form for all"], "run": seconds[RUN],
        "along": seconds[RUN] + seconds[KERNELS] + seconds[RECURSION], "seed": options.seed, "seconds": seconds,
        "machine": report.facts(),
    }  # fmt: skip

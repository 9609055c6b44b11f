"""Kronfluence, the reference library of EK-FAC influence functions, against the same real retraining as Table 1.

Grosse et al., "Studying large language model generalization with influence functions", 2023, arXiv 2308.03296; the
library is optional (``INSTALL``). Nothing is retrained: sizes, recipe, removed samples and their true nats are those
that ``table1`` has left in its JSON file.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from benchmarks import table
from benchmarks.reproduction import data, drawing, measures, paper, report, table1
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.recorded import KERNELS, RECURSION, RUN, Recorded, record
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.settings import SETTINGS
from benchmarks.reproduction.setups import NETWORKS
from sampleinfo import influence, information, linearized
from sampleinfo.descent import Task, Weights
from sampleinfo.errors import InvalidData, InvalidSetting, UnknownName
from sampleinfo.linearized import Training
from sampleinfo.recipe import Recipe
from sampleinfo.types import FloatArray, IntArray
from sampleinfo.unrolled import Changes

HELP = "EK-FAC influence functions of the library Kronfluence, against the retraining stored by table1"
FIGURE, LIBRARY, EKFAC = "kronfluence", "kronfluence", "EK-FAC (Kronfluence)"
INSTALL = 'the comparison with Kronfluence needs that library: python -m pip install "kronfluence>=1,<2"'
#: Networks that consist of linear layers and convolutions, all that EK-FAC covers.
COVERED = ("mlp", "cnn", "cnn-he")
ESTIMATES = (*table1.ESTIMATES, EKFAC)
WHAT = "predictions"
KERNEL, CLOSED, FACTORS, SOME, ALL = "kernel at w0", "closed form for all", "factors", "scores of the removed", "scores"
#: Images that pass at a time; a gradient of each, as large as the weights, is held for them.
BATCH = 32
#: The repeated run must come this close to the loss of the stored one, relatively: its first step, and its last.
SAME_FIRST, SAME_LAST = 1e-4, 0.02


def run(options: Options) -> None:
    """Compare the settings one after the other; each is kept, and the page made again, as soon as it is finished.

    Raises:
        InvalidSetting: without the library, without a Table 1, or with sizes of one's own.
        UnknownName: a setting that Table 1 does not hold or that EK-FAC does not cover.
    """
    reason = hindrance(options)
    if reason:
        raise InvalidSetting(f"{reason}.")
    stored = _covered(options)
    for name in options.settings or tuple(stored):
        if name not in stored:
            raise UnknownName("setting", name, stored, "Others have to be measured by table1 first.")
        found = measure(name, stored[name], options, Journal(f"{FIGURE} {name}"))
        kept = {**report.settings_of(FIGURE, options), name: found}
        report.write(_page({each: kept[each] for each in SETTINGS if each in kept}, options), options)


def hindrance(options: Options) -> str:
    """Why nothing can be compared: no library, sizes of one's own, or nothing that table1 has left; else empty."""
    names = ("train", "validation", "steps", "removals", "segments", "lr", "ridge")
    given = [f"--{name}" for name in names if getattr(options, name) is not None] + ["--seed"] * bool(options.seed)
    if find_spec(LIBRARY) is None:
        return INSTALL
    if given:
        return f"{FIGURE} takes its sizes and its seed from table1 and needs no {', '.join(given)}"
    if not _covered(options):
        return f"{options.to} holds no Table 1 of a network that EK-FAC covers; run table1 first"
    return ""


def _covered(options: Options) -> dict[str, Any]:
    return {
        name: found for name, found in report.settings_of(table1.FIGURE, options).items() if found["network"] in COVERED
    }


def measure(name: str, stored: dict[str, Any], options: Options, journal: Journal) -> dict[str, Any]:
    """EK-FAC's estimate of the samples that ``stored`` has the truth of, and the wall times of everything but that."""
    origin = data.origin(stored["task"], options)
    if origin != stored["images"]:
        raise InvalidSetting(f"{name} was measured by table1 on {stored['images']}, now there are {origin}.")
    sizes = Sizes(stored["train"], stored["validation"], stored["steps"], segments=stored["segments"])
    chosen = replace(options, train=sizes.train, validation=sizes.validation, seed=stored["seed"])
    setup, _ = SETTINGS[name].setup(chosen, journal)
    recipe, rows = Recipe(sizes.steps, stored["lr"], stored["ridge"]), np.array(stored["removed"])
    with journal.stage(KERNEL):
        problem = setup.problem(journal)
    with journal.stage(CLOSED):
        information.functional_information(linearized.fit(problem, Training(recipe.steps, recipe.lr, recipe.ridge)))
    recorded = record(setup, recipe, sizes.segments, journal)
    _check_repeated(name, recorded, stored)
    damping = influence.damping_of(recipe, setup.n)
    some, every = ekfac(recorded.task, recorded.final, rows, damping, journal)
    nats, truth = some.functional_information(), np.array(stored["nats"][table1.TRUTH][WHAT])
    return {
        **{key: stored[key] for key in ("network", "task", "images", "train", "validation", "steps", "lr", "ridge",
                                        "seed", "segments", "removed")},
        "damping": damping, "loss": recorded.loss, "stored loss": stored["loss"],
        "nats": {EKFAC: nats.tolist(), "EK-FAC of all": every.functional_information().tolist(),
                 **{method: values[WHAT] for method, values in stored["nats"].items()}},
        "correlations": {**{method: values[WHAT] for method, values in stored["correlations"].items()},
                         EKFAC: measures.correlations(nats, truth, stored["seed"])},
        "alike": _alike(nats, np.array(stored["nats"][paper.INFLUENCE][WHAT])),
        "seconds": dict(journal.seconds), "stored seconds": stored["seconds"],
        "threads": torch.get_num_threads(), "machine": {**report.facts(), LIBRARY: metadata.version(LIBRARY)},
    }  # fmt: skip


def _check_repeated(name: str, recorded: Recorded, stored: dict[str, Any]) -> None:
    """Refuse truth that belongs to another training run.

    Raises:
        InvalidData: other losses than the stored ones.
    """
    pairs = zip(recorded.loss, stored["loss"], (SAME_FIRST, SAME_LAST), strict=True)
    if not all(abs(ours - theirs) <= share * theirs for ours, theirs, share in pairs):
        raise InvalidData(
            f"the training run of {name} does not repeat that of table1: its loss goes from {recorded.loss[0]:.4g} to "
            f"{recorded.loss[1]:.4g}, not from {stored['loss'][0]:.4g} to {stored['loss'][1]:.4g}; run table1 again."
        )


def _alike(ours: FloatArray, theirs: FloatArray) -> dict[str, float]:
    return {"pearson": measures.pearson(ours, theirs), "spearman": float(stats.spearmanr(ours, theirs).statistic)}


def ekfac(task: Task, weights: Weights, rows: IntArray, damping: float, journal: Journal) -> tuple[Changes, Changes]:
    """Prediction changes f - f_-i of the training images ``rows`` and of all, for a network with one output.

    With g = J_i^T e_i the gradient of 1/2 e_i^2, Kronfluence's score of a validation image and a training image is

        s = J_val (G / n + d I)^-1 g,    d its damping factor, G / n ~ Gauss-Newton matrix of the *mean* loss,

    (its Lambda is divided by the number of samples), block by block of the layers. With d = damping / n that is n times
    J_val (G + damping I)^-1 g, so f - f_-i ~ -s / n (``influence``).

    Args:
        task, weights, rows, damping: as for ``influence.conjugate_gradients``; weight changes are unknown (NaN).
        journal: is told the wall times of the factors, of the scores of ``rows``, and of all n scores.
    """
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments

    n, goal, module = task.n, _goal(), copy.deepcopy(task.module)
    module.load_state_dict(weights)
    train = TensorDataset(task.images(np.arange(n)), task.targets)
    val = TensorDataset(task.images(np.arange(n, task.total)))
    found = []
    with TemporaryDirectory() as folder:
        quiet = {"cpu": True, "disable_tqdm": True, "log_level": logging.WARNING}
        analyzer = Analyzer(FIGURE, prepare_model(module, goal), goal, output_dir=folder, **quiet)
        with journal.stage(FACTORS):
            analyzer.fit_all_factors(FIGURE, train, BATCH, factor_args=FactorArguments(strategy="ekfac"))
        for stage, wanted in ((SOME, rows.tolist()), (ALL, list(range(n)))):
            arguments = {"train_indices": wanted, "score_args": ScoreArguments(damping_factor=damping / n)}
            with journal.stage(stage):
                analyzer.compute_pairwise_scores(stage, FIGURE, val, train, BATCH, BATCH, **arguments)
                scores = analyzer.load_pairwise_scores(stage)["all_modules"].double().numpy()  # (m, R)
            found.append(Changes(-scores[:, None] / n, np.full(len(wanted), np.nan)))
    return found[0], found[1]


def _goal() -> Any:
    """What Kronfluence is told of the losses: 1/2 squared error to train, the output itself to measure.

    For the factors it asks for the loss of *sampled* targets. Those of this loss are f + e with e standard normal, and
    only the squares of their gradients -e J enter. e = -1 has the same square on average and leaves no noise of a draw:
    the factors are then those of the Gauss-Newton matrix itself.
    """
    from kronfluence.task import Task as Goal

    class Squares(Goal):  # type: ignore[misc]
        def compute_train_loss(self, batch: list[Tensor], model: nn.Module, sample: bool = False) -> Tensor:
            outputs: Tensor = model(batch[0])
            return outputs.sum() if sample else (outputs - batch[1]).square().sum() / 2

        def compute_measurement(self, batch: list[Tensor], model: nn.Module) -> Tensor:
            measured: Tensor = model(batch[0]).sum()
            return measured

    return Squares()


def _page(kept: dict[str, Any], options: Options) -> Page:
    text = (
        "[Kronfluence](https://github.com/pomonam/kronfluence) is the reference library of influence functions with "
        "eigenvalue-corrected Kronecker factors (EK-FAC; Grosse et al. 2023, "
        "[arXiv 2308.03296](https://arxiv.org/abs/2308.03296)). Here it estimates what leaving a sample out changes in "
        "the outputs on the validation images, and is compared with the real retraining that [Table 1]"
        f"({report.stem(table1.FIGURE, options)}.md) has stored: same run, same removed samples, same nats. The other "
        "three rows are Table 1's own. *Pearson* is that of the nats (F-SI), with a 95 % bootstrap interval over the "
        f"removed samples ({measures.RESAMPLES} resamples); *norms* is Pearson of their square roots; *estimate / "
        "truth* is the median ratio of the nats."
    )
    parts: list[str | Table] = [text, _results(kept), "## Wall times, seconds", _times(kept), _WALL, "## How the two "
                                "were matched, and what differs", _MATCHED, _DIFFERS]  # fmt: skip
    for name, found in kept.items():
        words = f"{name}: estimates against retraining"
        parts += [f"## {name}", report.image(FIGURE, name, options, words), _words(found)]
    pictures = {name: _picture(found) for name, found in kept.items()}
    return Page(FIGURE, "Kronfluence: EK-FAC influence functions against real retraining", parts,
                {"settings": kept}, pictures)  # fmt: skip


_WALL = (
    "All of a row were measured in one process, each once, with Kronfluence's own writing to disk (a temporary folder) "
    "included. *Closed form* needs no training run; Kronfluence and along the training need the one in the second "
    "column. Kronfluence's scores of all n were really computed. It preconditions the gradient of every validation "
    "image, however few samples are asked for, and gives prediction changes only; the closed form and along the "
    "training give the weights' (SI) with them. They hold a kernel of all pairs of training images, which Kronfluence "
    "does not: it is made for far larger n and networks than these."
)
_MATCHED = (
    "Both stand for H = sum_j J_j^T J_j + damping I on the *summed* loss 1/2 ||f - y||^2, with damping = ridge + "
    "n / (lr steps). Kronfluence divides its curvature by the number of samples: its `damping_factor` is damping / n, "
    "and its pairwise score (measurement: the output on a validation image) is n times f_-i - f. Its factors are "
    "fitted on all n training images in float32, eigenvectors in float64, strategy `ekfac`. For the factors it asks "
    "for targets drawn from the network's own predictions; targets at distance 1 from the output have the same second "
    "moments without the noise of the draw, so that its factors are those of the Gauss-Newton matrix itself."
)
_DIFFERS = (
    "What then differs from conjugate gradients on H is EK-FAC alone: every layer is a block of its own, without the "
    "curvature between layers; inside a block the eigenvectors are those of a Kronecker product of two covariances, "
    "with fitted eigenvalues. Each of the two makes the nats larger here, for the five layers of the CNN far more than "
    "for the two of the MLP. For one linear layer with one output nothing differs, nor for several layers in the limit "
    "of large damping, and EK-FAC with explicit matrices gives Kronfluence's numbers (all tested). Neither takes out "
    "of H what the left-out sample adds to it, and both see the trained weights only; the closed form sees the initial "
    "ones, along the training those of several moments of the run."
)


def _results(kept: dict[str, Any]) -> Table:
    columns = ("setting", "estimate", "Pearson", "95 % interval", "norms", "Spearman", "estimate / truth")
    rows = []
    for name, found in kept.items():
        truth = np.array(found["nats"][table1.TRUTH])
        for method in ESTIMATES:
            ours, ratio = found["correlations"][method], np.median(np.array(found["nats"][method]) / truth)
            rows.append((
                name, method, f"**{ours['pearson']:.3f}**", f"[{ours['low']:.3f}, {ours['high']:.3f}]",
                f"{ours['norms']:.3f}", f"{ours['spearman']:.3f}", f"{ratio:.2f}",
            ))  # fmt: skip
    return Table(columns, rows)


def _times(kept: dict[str, Any]) -> Table:
    columns = ("setting", "training run", "closed form, all n, with its kernel", "along the training, all n, without "
               "the run", "EK-FAC factors", "EK-FAC scores of the removed", "EK-FAC scores of all n",
               "EK-FAC, all n, times the closed form")  # fmt: skip
    rows = []
    for name, found in kept.items():
        taken = found["seconds"]
        closed, along = taken[KERNEL] + taken[CLOSED], taken[KERNELS] + taken[RECURSION]
        theirs = taken[FACTORS] + taken[ALL]
        every = (taken[RUN], closed, along, taken[FACTORS], taken[SOME], taken[ALL])
        rows.append((name, *(f"{each:.2f}" for each in every), f"**{float(f'{theirs / closed:.2g}'):g}**"))
    return Table(columns, rows)


def _words(found: dict[str, Any]) -> str:
    count, alike = len(found["removed"]), found["alike"]
    return (
        f"{NETWORKS[found['network']]}, on {found['task']} ({found['images']}): n = {found['train']}, m = "
        f"{found['validation']}, {found['steps']} steps at {found['lr']:.3g}, ridge {found['ridge']:.3g}, damping "
        f"{found['damping']:.3g}, {count} samples removed, seed {found['seed']}. The run was repeated: its loss ends "
        f"at {found['loss'][1]:.4g}, the stored one at {found['stored loss'][1]:.4g}. EK-FAC and conjugate gradients "
        f"(*influence function*) agree over the removed samples to {alike['pearson']:.3f} (Pearson) and "
        f"{alike['spearman']:.3f} (Spearman). "
        f"Conjugate gradients took {found['stored seconds'][paper.INFLUENCE]:.3g} s for the {count} when Table 1 was "
        f"made. Threads {found['threads']}. Machine: {table.described(found['machine'])}."
    )


def _picture(found: dict[str, Any]) -> Figure:
    figure, (axes,) = drawing.panels(1, width=6.5)
    truth = np.array(found["nats"][table1.TRUTH])
    drawing.against_truth(axes, "predictions (F-SI)", truth, {
        f"{method}, r = {found['correlations'][method]['pearson']:.3f}": np.array(found["nats"][method])
        for method in ESTIMATES
    })  # fmt: skip
    return figure

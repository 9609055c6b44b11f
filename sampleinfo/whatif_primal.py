"""What a run without a kernel says about other training sets and labels: ``whatif`` from features in shards.

The run keeps the sums over its rows (``moments-gram`` (D, D) Phi^T Phi, ``moments-target`` (D, c) Phi^T r and
``moments-validation`` (R, D) with the products of the validation rows), so that a question reads nothing but the rows
that it is about: of training to convergence the weights without B follow from Phi^T Phi - Phi_B^T Phi_B + ridge I by
Cholesky's method. Training of finite length needs the eigenvalues, once in a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from sampleinfo import store, targets
from sampleinfo.errors import InvalidRun
from sampleinfo.evaluation import Evaluation, evaluate_outputs
from sampleinfo.linearized import Training
from sampleinfo.primal import Primal, PrimalFit
from sampleinfo.primal_passes import Selection, in_turn, outputs
from sampleinfo.primal_problem import PrimalProblem
from sampleinfo.primal_sets import Moments, Validation
from sampleinfo.shards import Shards
from sampleinfo.store import Run
from sampleinfo.types import FloatArray
from sampleinfo.whatif import Answer, rows_of, targets_in

#: Folders of the features in a run, or in its storage; the sums that the run keeps.
TRAIN, VALIDATION = "features-train", "features-validation"
GRAM, TARGET, FACTOR = "moments-gram", "moments-target", "moments-validation"
#: Runs that a process holds ready, each with about 8 (2 D^2 + 3 n k) bytes: 0.1 GB for D = 2048, n k = 500,000.
RUNS = 2
#: Of rows of the training images multiply-adds a second, and of the validation images numbers; measured on 2 cores.
PRODUCTS, READ = 3e10, 1.4e8
#: An eigendecomposition takes about as long as so many times D^3 of them.
EIGEN = 12.0


def answers(run: Run) -> bool:
    """Whether the run keeps what is needed here."""
    return not run.has_kernel and all((run.path / f"{name}.npy").is_file() for name in (GRAM, TARGET, FACTOR))


def damage(run: Run) -> str | None:
    """What is wrong with the features of a run; None where all are whole, or where it needs none."""
    if run.has_kernel:
        return None
    counts = {TRAIN: int(run.training.sum()), VALIDATION: int((~run.training).sum())}
    try:
        for name, count in counts.items():
            rows = Shards.open(_place(run, name))
            for number, trouble in rows.troubles().items():
                if trouble is not None:
                    return f"Shard {number} of {rows.place}: {trouble}."
            if (there := sum(rows.sizes())) != count:
                return f"The features in {rows.place} are of {there} images instead of {count}."
    except InvalidRun as error:
        return str(error)
    return None


def fit_of(run: Run) -> PrimalFit:
    """The fit that the run's scores came from; kept in memory.

    Raises:
        InvalidRun: an array or a shard is missing or damaged.
        InvalidSetting: a run of an earlier version, which did not keep the sums.
    """
    if not answers(run):
        run.check_kernel()
        raise InvalidRun(f"the run {run.path} keeps a kernel and no features.")
    return _fit(run.path, (run.path / store.SUMMARY).stat().st_mtime_ns, str(run.meta["fingerprint"]))


@lru_cache(maxsize=RUNS)
def _fit(path: Path, changed: int, fingerprint: str) -> PrimalFit:  # noqa: ARG001 - they are part of the key
    run = store.open_run(path)
    residual, gram, target, factor = (
        np.array(run.array(name), dtype=np.float64) for name in ("residual", GRAM, TARGET, FACTOR)
    )
    train, val = (Shards.open(_place(run, name)) for name in (TRAIN, VALIDATION))
    encoded = targets.encode(run.column("label").to_numpy(np.int64), len(run.meta["dataset"]["class_names"]))
    selection = Selection.everything(val)
    initial = _initial(run, selection)
    problem = PrimalProblem(train, val, residual, initial, encoded[~run.training], encoded[run.training])
    moments = Moments.known(
        Selection.everything(train), residual.reshape(problem.n, problem.q, -1), gram, target, in_turn
    )
    how = run.meta["training"]
    training = Training(how["steps"], how["lr"], run.meta["ridge"]["value"], how["continuous"])
    return Primal(problem, moments, Validation(selection, factor, in_turn), "float64").fit(training)


def seconds(run: Run, size: int) -> float:
    """About how long it takes to train without ``size`` images and on them alone.

    Raises:
        SampleInfoError: as ``fit_of``.
    """
    fit = fit_of(run)
    rows, dimension = min(size, fit.n - size) * fit.whole.q, fit.whole.train.dimension
    solve = 1 / 3 if fit.training.steps is None and fit.training.ridge > 0 else EIGEN
    return 2 * (rows + solve * dimension) * dimension**2 / PRODUCTS + 3 * fit.m * fit.whole.q * dimension / READ


def without(run: Run, sample_ids: Sequence[str]) -> Answer:
    """The run without these images."""
    fit = fit_of(run)
    return answer(run, fit, fit.without(rows_of(run, sample_ids)))


def keep(run: Run, sample_ids: Sequence[str]) -> Answer:
    """The run with these images alone."""
    fit = fit_of(run)
    return answer(run, fit, fit.keep(rows_of(run, sample_ids)))


def relabel(run: Run, sample_ids: Sequence[str], class_name: str) -> Answer:
    """The run with these images in another class.

    Raises:
        UnknownName: a class that the run does not have.
    """
    wanted = targets_in(run, class_name, len(sample_ids))
    fit = fit_of(run)
    return answer(run, fit, fit.relabel(rows_of(run, sample_ids), wanted))


def answer(run: Run, fit: PrimalFit, changed: PrimalFit) -> Answer:
    """What changes from one fit of the run to another."""
    weight, functional = fit.between(changed)
    return Answer(changed.n, weight, functional, evaluate(run, fit), evaluate(run, changed))


def evaluate(run: Run, fit: PrimalFit) -> Evaluation:
    """What a fit is predicted to reach on the validation images."""
    wanted = fit.whole.val_targets
    assert wanted is not None  # ``fit_of`` gives them
    return evaluate_outputs(fit.val_outputs, wanted, run.column("source")[~run.training].tolist())


def _initial(run: Run, selection: Selection) -> FloatArray:
    """(m, k) outputs on the validation images before training: what the run kept, less what training added."""
    after = np.array(run.array("val_outputs"), dtype=np.float64)
    if store.config_of(run).outputs == "centred":
        return np.full_like(after, targets.centre(len(run.meta["dataset"]["class_names"])))
    added = outputs(selection, np.array(run.array("weights"), dtype=np.float64), in_turn)
    return np.asarray(after - added.reshape(after.shape))


def _place(run: Run, name: str) -> str:
    """Where features are: in the folder of the run, or in the storage that it names."""
    address = run.meta["kernel"].get("storage")
    return str(run.path / name) if address is None else f"{address}/{name}"

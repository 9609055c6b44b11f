"""The work behind summaries: predicted curves of all strategies, and some of their points retrained for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from sampleinfo import descent, retraining, store, whatif
from sampleinfo.evaluation import evaluate_outputs
from sampleinfo.recipe import Recipe
from sampleinfo.reports import kept, strategies, summaries
from sampleinfo.reports.kept import Points
from sampleinfo.reports.pool import Pool
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.retraining import Folder, Outcome
from sampleinfo.store import Run
from sampleinfo.types import IntArray, Reporter, silent
from sampleinfo.validation import recipe_of, reopen
from sampleinfo.validations import Request


def summarize(
    run: Run, numbers: str = kept.ANY, real: Points = (), report: Reporter = silent,
    announce: Callable[[dict[str, float]], None] = lambda _: None,
) -> pd.DataFrame:  # fmt: skip
    """The predicted curves of all strategies, made once and kept with the run; then the points ``real`` for real.

    Args:
        run: a finished run.
        numbers: of each class: ``any``, as ranked; ``equal``, as equal as can be.
        real: (strategy, size) of summaries the network itself is trained on, from the same initial weights.
        report: is told the stages ``curves``, ``images``, ``features``, ``training`` and ``retraining``.
        announce: is told better estimates of the seconds of some stages.

    Raises:
        InvalidData: the run's images are not what they were; retraining needs them.
        SampleInfoError: unknown strategies, sizes that cannot be.
    """
    kept.check_numbers(numbers)
    points = kept.checked_points(int(run.meta["sizes"]["train"]), real)
    table, pool = kept.curves(run, numbers), None
    if table is None:
        pool = Pool.of(run)
        table = summaries.curves(
            pool, tuple(STRATEGIES), equal=numbers == kept.EQUAL, report=lambda share: report("curves", share, 1)
        )
        kept.keep_curves(run, numbers, table)
    report("curves", 1, 1)
    if points:
        _retrain(run, pool or Pool.of(run), numbers, points, report, announce)
    return table


def chosen(pool: Pool, numbers: str, strategy: str, size: int, seed: int = 0) -> IntArray:
    """(size,) rows of the summary of one strategy, best first."""
    quotas = strategies.equal_quotas(pool.labels, size) if numbers == kept.EQUAL else None
    return strategies.choose(pool, strategy, size, seed, quotas)


@dataclass(frozen=True)
class _Outcomes:
    """Keeps every retraining under the images it was of and its recipe."""

    path: Path
    names: list[str]

    def find(self, number: int) -> Outcome | None:
        """One that was finished before."""
        return Folder(self.path / self.names[number]).find(0)

    def keep(self, number: int, outcome: Outcome) -> None:
        """One that has just finished."""
        Folder(self.path / self.names[number]).keep(0, outcome)


def _retrain(
    run: Run, pool: Pool, numbers: str, points: list[tuple[str, int]], report: Reporter,
    announce: Callable[[dict[str, float]], None],
) -> None:  # fmt: skip
    """Train on each summary for real; the network trained on everything is a point as well."""
    recipe, ready = recipe_of(run, Request(), whatif.fit_of(run)), reopen(run, report)
    task, problem = ready.task(pool.problem.residual), pool.problem
    final = descent.train(task, recipe, progress=lambda share: report("training", share, 1))
    sets = [chosen(pool, numbers, name, size) for name, size in points]
    others = [np.setdiff1d(np.arange(pool.n), rows) for rows in sets]
    keeper = _Outcomes(kept.folder(run) / kept.OUTCOMES, [_name(rows, recipe) for rows in sets])
    steps = sum(len(rows) for rows in sets) / pool.n
    changes = retraining.retrain(
        task, recipe, final, others, keeper, report, lambda seconds: announce({"retraining": seconds * steps})
    )
    outputs = task.val_outputs(final) - ready.outputs[pool.n :] + problem.val_outputs
    assert problem.val_targets is not None  # a pool has them
    rows, measured = [], problem.val_targets[pool.measuring]
    for (name, size), change in zip(points, np.moveaxis(changes.val_change, 2, 0), strict=True):
        found = evaluate_outputs((outputs - change)[pool.measuring], measured).overall
        rows.append((numbers, name, 0, size, size / pool.n, found.accuracy, found.loss))
    whole = evaluate_outputs(outputs[pool.measuring], measured).overall
    rows.append((numbers, "everything", 0, pool.n, 1.0, whole.accuracy, whole.loss))
    table = pd.DataFrame(rows, columns=["numbers", "strategy", "seed", "size", "share", "accuracy", "loss"])
    kept.keep_real(run, table.assign(recipe=store.recipe_words(recipe.as_dict())))


def _name(rows: IntArray, recipe: Recipe) -> str:
    return sha256(f"{sorted(rows.tolist())} {recipe.as_dict()}".encode()).hexdigest()[:20]

"""The truth: the network trained again without each of some sets of samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sampleinfo import descent
from sampleinfo.descent import Task, Weights
from sampleinfo.errors import InvalidSetting
from sampleinfo.recipe import Recipe
from sampleinfo.types import FloatArray, IntArray, Reporter, silent
from sampleinfo.unrolled import Changes

#: Runs that are tried side by side, and seconds of one step beyond which that cannot pay; steps of the trial.
TOGETHER, LONG, TRIAL = 8, 0.03, 2


@dataclass(frozen=True, eq=False)
class Outcome:
    """One retraining: ``weight_change`` ||w - w_-R||^2 and the outputs (m, k) on the validation images."""

    weight_change: float
    val_outputs: FloatArray


class Keeper(Protocol):
    """Keeps finished retrainings, so that interrupted work goes on."""

    def find(self, number: int) -> Outcome | None:
        """The outcome of a set, by its number."""
        ...

    def keep(self, number: int, outcome: Outcome) -> None:
        """Keep one that has just finished."""
        ...


class Nowhere:
    """Keeps nothing."""

    def find(self, number: int) -> Outcome | None:  # noqa: ARG002
        """None."""
        return None

    def keep(self, number: int, outcome: Outcome) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class Folder:
    """Keeps each outcome as a file of its own."""

    path: Path

    def find(self, number: int) -> Outcome | None:
        """The outcome in its file; None where there is none, or it is damaged."""
        try:
            values = np.load(self._file(number), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return Outcome(float(values[0, 0]), values[1:])

    def keep(self, number: int, outcome: Outcome) -> None:
        """Written aside, then renamed."""
        self.path.mkdir(parents=True, exist_ok=True)
        first = np.zeros((1, outcome.val_outputs.shape[1]))
        first[0, 0] = outcome.weight_change
        temporary = self.path / ".outcome.tmp.npy"
        np.save(temporary, np.concatenate([first, outcome.val_outputs]))
        temporary.replace(self._file(number))

    def _file(self, number: int) -> Path:
        return self.path / f"{number:06d}.npy"


def retrain(
    task: Task, recipe: Recipe, final: Weights, sets: Sequence[IntArray], keeper: Keeper | None = None,
    report: Reporter = silent, faster: Callable[[float], None] = lambda _: None,
) -> Changes:  # fmt: skip
    """Train without each of ``sets``, everything else being the same, and compare with ``final``, trained on all.

    Several runs go side by side where a trial finds that faster. ``faster`` is told the seconds that one run takes.
    Reports the stage ``retraining``.

    Raises:
        InvalidSetting: a set with a sample out of range, or that holds all of them.
        NumericalError: a learning rate that diverges.
    """
    for each in sets:
        if len(each) and not (min(each) >= 0 and max(each) < task.n):
            raise InvalidSetting(f"samples must be between 0 and {task.n - 1}, got {min(each)} to {max(each)}.")
        if len(each) >= task.n:
            raise InvalidSetting("a set that holds every training image leaves nothing to train on.")
    keeper = keeper or Nowhere()
    found = {number: kept for number in range(len(sets)) if (kept := keeper.find(number)) is not None}
    waiting = [number for number in range(len(sets)) if number not in found]
    side_by_side, seconds = _trial(task, recipe, [sets[number] for number in waiting])
    faster(seconds)
    while waiting:
        part, waiting = waiting[:side_by_side], waiting[side_by_side:]

        def progress(share: float, done: int = len(found), count: int = len(part)) -> None:
            report("retraining", done + share * count, len(sets))

        runs = _run(task, recipe, [sets[number] for number in part], progress)
        for number, weights in zip(part, runs, strict=True):
            outcome = Outcome(descent.squared_distance(final, weights), task.val_outputs(weights))
            keeper.keep(number, outcome)
            found[number] = outcome
    return _changes(task, final, [found[number] for number in range(len(sets))])


def _changes(task: Task, final: Weights, outcomes: Sequence[Outcome]) -> Changes:
    outputs = task.val_outputs(final)
    others = np.stack([each.val_outputs for each in outcomes], axis=2) if outcomes else np.zeros((*outputs.shape, 0))
    return Changes(outputs[:, :, None] - others, np.array([each.weight_change for each in outcomes]))


def _run(task: Task, recipe: Recipe, sets: Sequence[IntArray], progress: descent.Progress) -> list[Weights]:
    if len(sets) == 1:
        return [descent.train(task, recipe, sets[0], progress=progress)]
    return descent.train_together(task, recipe, sets, progress)


def _trial(task: Task, recipe: Recipe, sets: Sequence[IntArray]) -> tuple[int, float]:
    """How many runs to train side by side, and the seconds that one run then takes."""
    if not sets:
        return 1, 0.0
    short = replace(recipe, steps=min(TRIAL, recipe.steps))
    single = _seconds(lambda: descent.train(task, short, sets[0])) / short.steps
    count, best = 1, single
    if len(sets) > 1 and single <= LONG:
        some = list(sets[:TOGETHER])
        shared = _seconds(lambda: descent.train_together(task, short, some)) / short.steps / len(some)
        if shared < single:
            count, best = len(some), shared
    return count, best * recipe.steps


def _seconds(work: Callable[[], object]) -> float:
    """The second of two runs: the first one warms up."""
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stratified(score: npt.ArrayLike, count: int, seed: int) -> IntArray:
    """``count`` samples, one drawn from each of as many equal parts of the ranking by ``score``, ascending.

    Raises:
        InvalidSetting: more samples than there are, or none.
    """
    values = np.asarray(score, dtype=np.float64)
    if not 1 <= count <= len(values):
        raise InvalidSetting(f"the number of removals must be between 1 and {len(values)}, got {count}.")
    rng = np.random.default_rng(seed)
    order = np.argsort(values, kind="stable")
    return np.sort(np.array([rng.choice(part) for part in np.array_split(order, count)], dtype=np.int64))

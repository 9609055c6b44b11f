"""The closed forms against the naive algorithm, which trains once more without each sample, in the same process.

python -m benchmarks.solvers [--quick]
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import psutil

from benchmarks.table import Line, seconds, seconds_in_turn, show
from sampleinfo import information, linearized
from sampleinfo.linearized import Problem, Training
from sampleinfo.problem import half_stable_lr
from sampleinfo.types import FloatArray

#: Samples that the naive algorithm leaves out; its time is scaled to all.
NAIVE = 10


def problem(n: int, m: int, k: int, shared: bool = False) -> Problem:
    """A kernel with the decaying spectrum of a network's: features whose variances fall as 1 / rank."""
    rng = np.random.default_rng(0)
    rows = 1 if shared else k
    size = 3 * n * rows // 2
    features = rng.normal(size=((n + m) * rows, size))
    features /= np.sqrt(np.arange(1, size + 1))
    train, validation = features[: n * rows], features[n * rows :]
    return Problem(train @ train.T, validation @ train.T, rng.normal(size=(n, k)), np.zeros((m, k)))


def naive(given: Problem, training: Training, sample: int) -> FloatArray:
    """(m,) predictions of the network trained without one sample (k = 1), from the definition."""
    keep = np.delete(np.arange(given.n), sample)
    gram = given.gram[np.ix_(keep, keep)] + training.ridge * np.eye(len(keep))
    solved = np.linalg.inv(gram)
    residual = given.residual[keep, 0]
    if training.steps is not None:
        once = np.eye(len(keep)) - training.lr / len(keep) * gram
        residual = residual - np.linalg.matrix_power(once, int(training.steps)) @ residual
    return np.asarray(given.val_outputs[:, 0] + given.cross[:, keep] @ (solved @ residual))


def leave_one_out(n: int, training: Callable[[Problem], Training], words: str, target: float | None) -> Line:
    """All prediction changes at once against ``NAIVE`` single ones; and the largest deviation from these."""
    given = problem(n, n, 1)
    how = training(given)
    ours, theirs = seconds_in_turn(
        [
            lambda: linearized.fit(given, how).leave_each_out().val_change,
            lambda: [naive(given, how, sample) for sample in range(NAIVE)],
        ],
        5,
    )
    fit = linearized.fit(given, how)
    changes = fit.leave_each_out().val_change[:, 0, :NAIVE]
    wanted = np.stack([fit.val_outputs[:, 0] - naive(given, how, sample) for sample in range(NAIVE)], axis=1)
    deviation = float(np.abs(changes - wanted).max() / np.abs(wanted).max())
    note = f"deviation {deviation:.0e}"
    return Line(f"all {n} leave-one-outs, {words}", ours, "naive", theirs * n / NAIVE, target, note)


def many_outputs(n: int) -> Line:
    """Both informations of n samples with 10 outputs, kernel given, in a process of its own for the peak of memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        ours, theirs, peak = process.submit(_many_outputs, n).result()
    note = f"limits 60 s and 4 GiB; peak {peak:.1f} GiB"
    return Line(f"both informations, n = {n}, k = 10, to convergence", ours, "naive", theirs * n, None, note)


def _many_outputs(n: int) -> tuple[float, float, float]:
    """Our seconds, those of one inversion of the naive algorithm, and our peak in GiB, kernel and all."""
    given = problem(n, n // 2, 10)
    how = Training(ridge=float(np.trace(given.gram)) / len(given.gram))

    def scores() -> None:
        fit = linearized.fit(given, how)
        information.weight_information(fit)
        information.functional_information(fit)

    with _Peak() as peak:
        ours = seconds(scores, 1)
    part = given.gram[:-10, :-10] + how.ridge * np.eye(len(given.gram) - 10)
    return ours, seconds(lambda: np.linalg.inv(part), 1), peak.gibibytes


class _Peak:
    """The process's largest memory while inside, looked up every few milliseconds."""

    def __enter__(self) -> _Peak:
        self.gibibytes, self._done = 0.0, threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def _look(self) -> None:
        process = psutil.Process()
        while not self._done.wait(0.005):
            self.gibibytes = max(self.gibibytes, process.memory_info().rss / 2**30)


def removal(n: int, count: int, k: int, shared: bool, words: str, limit: float) -> Line:
    """Predictions without a set, the fit being there, against solving the problem of the others."""
    given = problem(n, n // 2, k, shared)
    how = Training(ridge=float(np.trace(given.gram)) / len(given.gram))
    fit = linearized.fit(given, how)
    _ = fit.val_outputs, fit.leave_each_out().errors
    chosen = np.random.default_rng(1).permutation(n)[:count]
    fit.without(chosen).val_outputs  # noqa: B018
    size = (n - count) * given.rows
    right = np.ascontiguousarray(given.residual[count:].reshape(size, -1))
    part = np.ascontiguousarray(given.gram[:size, :size]) + how.ridge * np.eye(size)
    ours = seconds(lambda: fit.without(chosen).val_outputs, 5)
    theirs = seconds(lambda: given.cross[:, :size] @ np.linalg.solve(part, right), 1)
    return Line(f"without({count} of {n}), {words}", ours, "a new solve", theirs, None, f"limit {limit} s")


def lines(quick: bool) -> list[Line]:
    """Every line of this file."""

    def descent(given: Problem) -> Training:
        return Training(2000, half_stable_lr(given, 0.0))

    def converged(given: Problem) -> Training:
        return Training(ridge=1e-2 * float(np.trace(given.gram)) / given.n)

    n = 400 if quick else 1000
    return [
        leave_one_out(n, descent, "2000 steps", None if quick else 1000),
        leave_one_out(n, converged, "to convergence", None if quick else 3000),
        many_outputs(100 if quick else 1000),
        removal(2 * n, n // 5, 1, False, "k = 1", 0.1),
        removal(2 * n, n // 5, 10, True, "k = 10, shared kernel", 0.3),
        removal(n // (4 if quick else 1), 20, 10, False, "k = 10, exact kernel", 0.1),
    ]


if __name__ == "__main__":
    show(lines("--quick" in sys.argv[1:]))

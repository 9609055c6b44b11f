"""Influence functions: the first-order effect of leaving a sample out, at the weights of a trained network.

The baseline of the field, as it is used (Koh and Liang, "Understanding black-box predictions via influence functions",
ICML 2017). With J_j the Jacobian of the outputs on training image j at the trained weights w, e_j = f_w(x_j) - y_j,

    H = sum_j J_j^T J_j + damping I,    w_-i - w ~ H^-1 J_i^T e_i,    f_-i - f ~ J_val (w_-i - w).

H is the Gauss-Newton matrix of the summed squared loss, in the place of its Hessian: it has no negative eigenvalues
(Schraudolph 2002; Martens, "Deep learning via Hessian-free optimization", ICML 2010). It is never formed
(``curvature``).

One system is solved for each sample, by conjugate gradients or by LiSSA (Agarwal, Bullins and Hazan, "Second-order
stochastic optimization for machine learning in linear time", JMLR 2017). One Newton step leaves out what the sample
itself adds to H: for a linear network with one output that is trained to convergence with ridge = damping, the result
is 1 - h_i times the exact change, where h_i = J_i H^-1 J_i^T is the leverage of the sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sampleinfo.curvature import Curvature, curvature_of, slices
from sampleinfo.descent import Task, Weights
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.recipe import Recipe
from sampleinfo.types import IntArray, Reporter, silent
from sampleinfo.unrolled import Changes

#: Numbers in the vectors of all systems that are solved at the same time, and vectors of p numbers that each needs.
BUDGET, VECTORS = 2**27, 6
#: Steps of the power iteration for each batch.
POWER = 10

Ticker = Callable[[float], None]
Solver = Callable[[Tensor, Ticker], tuple[Tensor, int]]


@dataclass(frozen=True, eq=False)
class Influence:
    """The influence of R samples, and how well their systems were solved.

    ``changes``: result on all samples minus the result without the sample, in the order of the rows asked for;
    ``iterations``: conjugate-gradient iterations of the sample that took most, or LiSSA's steps; ``residual``: largest
    ||H x - g|| / ||g|| over the samples, g = J_i^T e_i, formed with H itself.
    """

    changes: Changes
    iterations: int
    residual: float


def damping_of(recipe: Recipe, n: int) -> float:
    """The damping that stands for the ridge of a recipe and for its end after finitely many steps.

    Gradient flow on the summed loss that stops at time eta T, with eta = lr / n, filters an eigenvalue s of H by
    (1 - exp(-eta T s)) / s, which lies between 1 and 1.3 times 1 / (s + 1 / (eta T)): stopping early is like a ridge of
    1 / (eta T) = n / (lr steps) (Ali, Kolter and Tibshirani, "A continuous-time view of early stopping for least
    squares", AISTATS 2019, arXiv 1810.10082: lambda = 1 / t, there on the mean loss). A ridge of the recipe's own adds
    to s, and so to it. Mini-batches take the same steps on average.

    Raises:
        InvalidSetting: no training images.
    """
    if n < 1:
        raise InvalidSetting(f"the number of training images must be at least 1, got {n}.")
    return recipe.ridge + n / (recipe.lr * recipe.steps)


def conjugate_gradients(
    task: Task, weights: Weights, rows: IntArray, damping: float, iterations: int = 200, tolerance: float = 1e-4,
    report: Reporter = silent,
) -> Influence:  # fmt: skip
    """The influence of the training images ``rows``, every system solved by conjugate gradients of its own.

    A system is finished when its residual is ``tolerance`` times its right-hand side, or after ``iterations``; in
    float32 no tolerance below about 1e-6 is met. Cost: per iteration and sample one derivative forward and one back
    through the network on all n training images. Memory: at most ``BUDGET`` numbers in the vectors of the systems
    solved side by side, however few these are then (at least one).

    Args:
        task: the network and its images.
        weights: trained weights of ``task.names``.
        rows: (R,) numbers of training images.
        damping: added to the eigenvalues of the Gauss-Newton matrix of the summed loss, above 0 (``damping_of``).
        iterations: most iterations of a system.
        tolerance: relative residual that is good enough.
        report: is told the samples that are done.

    Raises:
        InvalidSetting: a setting outside its range, rows that are no training images, other weights than the task's.
        NumericalError: gradients or results that are not finite.
    """
    _at_least_one("iterations", iterations)
    if not 0 < tolerance < 1:
        raise InvalidSetting(f"the tolerance must be above 0 and below 1, got {tolerance}.")
    curvature = curvature_of(task, weights, damping)

    def solve(right: Tensor, tick: Ticker) -> tuple[Tensor, int]:
        return _conjugate_gradients(curvature, right, iterations, tolerance, tick)

    return _influence(curvature, _checked_rows(rows, task.n), solve, report)


def lissa(
    task: Task, weights: Weights, rows: IntArray, damping: float, steps: int = 1000, batch_size: int = 32,
    repeats: int = 1, seed: int = 0, report: Reporter = silent,
) -> Influence:  # fmt: skip
    """The influence of the training images ``rows`` by LiSSA, a Neumann series of mini-batch estimates of H:

        x <- g + (I - H_B / scale) x,    H_B = n / |B| sum_{j in B} J_j^T J_j + damping I,    H^-1 g ~ x / scale.

    ``scale`` is the largest eigenvalue of H_B among the batches of one shuffle, by power iteration. No step then
    stretches x unless a later batch has an eigenvalue above twice that. The error of the series falls like
    (1 - damping / scale)^steps in the flattest direction; what the batches' noise leaves is averaged over ``repeats``
    and goes down with larger batches. See ``residual`` for what was reached.

    Args:
        task, weights, rows, damping, report: as for ``conjugate_gradients``.
        steps: terms of the series.
        batch_size: images of a batch; all of them where there are no more than that, which leaves no noise.
        repeats: series, over other batches each, whose mean is taken.
        seed: of the batches.

    Raises:
        InvalidSetting: as ``conjugate_gradients``.
        NumericalError: a series that diverges; gradients or results that are not finite.
    """
    for name, value in (("steps", steps), ("the batch size", batch_size), ("repeats", repeats)):
        _at_least_one(name, value)
    curvature, wanted = curvature_of(task, weights, damping), _checked_rows(rows, task.n)
    recipe = Recipe(steps, 1.0, batch_size=min(batch_size, task.n), seed=seed)
    scale = _scale(curvature, recipe) if len(wanted) else 1.0

    def solve(right: Tensor, tick: Ticker) -> tuple[Tensor, int]:
        total = torch.zeros_like(right)
        for number in range(repeats):
            own = Recipe(steps, 1.0, batch_size=recipe.batch_size, seed=seed + number)
            total += _series(curvature, right, scale, own, _part(tick, number / repeats, 1 / repeats))
        return total.div_(repeats * scale), steps

    return _influence(curvature, wanted, solve, report)


def _influence(curvature: Curvature, rows: IntArray, solve: Solver, report: Reporter) -> Influence:
    """Solve for every row, as many at a time as the memory allows, and carry the solutions to the validation images.

    Right-hand sides are scaled to length 1 and back, so that small gradients do not vanish in float32.
    """
    task, count = curvature.task, max(1, BUDGET // (VECTORS * curvature.p))
    val_change = np.zeros((task.total - task.n, task.targets.shape[1], len(rows)))
    weight_change, most, worst = np.zeros(len(rows)), 0, 0.0

    def tell(done: float) -> None:
        report("influence", done, len(rows))

    for some in slices(len(rows), count):
        right = curvature.gradients(rows[some])
        lengths = _finite_lengths(right, rows[some])
        right /= torch.where(lengths > 0, lengths, 1.0)[:, None]
        x, used = solve(right, _part(tell, some.start, len(lengths)))
        errors = torch.linalg.vector_norm(curvature.product(x) - right, dim=1)
        x *= lengths[:, None]
        val_change[:, :, some] = -curvature.outputs(x, np.arange(task.n, task.total))
        weight_change[some] = torch.linalg.vector_norm(x, dim=1, dtype=torch.float64).square().cpu().numpy()
        most, worst = max(most, used), max(worst, float(errors.max()))
        if not all(np.isfinite(each).all() for each in (val_change[:, :, some], weight_change[some], errors.cpu())):
            raise NumericalError(
                f"influence functions overflow with a damping of {curvature.damping:.3g}; use a larger one."
            )
        tell(some.start + len(lengths))
    return Influence(Changes(val_change, weight_change), most, worst)


def _conjugate_gradients(
    curvature: Curvature, right: Tensor, iterations: int, tolerance: float, tick: Ticker
) -> tuple[Tensor, int]:
    """(C, p) solutions of H x = right (Hestenes and Stiefel 1952), and iterations of the one that took most.

    Systems that are finished stay as they are. H v is formed for the others alone.
    """
    x, residual, along = torch.zeros_like(right), right.clone(), right.clone()
    energy = torch.linalg.vecdot(residual, residual)
    limit, used = tolerance**2 * energy, 0
    while used < iterations:
        active = torch.nonzero(energy > limit)[:, 0]
        if not len(active):
            break
        direction = along[active]
        image = curvature.product(direction)
        slope = torch.linalg.vecdot(direction, image)
        step = torch.where(slope > 0, energy[active] / slope, 0.0)[:, None]
        x.index_add_(0, active, direction * step)
        residual.index_add_(0, active, image.mul_(-step))
        left = residual[active]
        fresh = torch.linalg.vecdot(left, left)
        along[active] = left.add_(direction.mul_((fresh / energy[active])[:, None]))
        energy[active] = fresh
        used += 1
        tick(used / iterations)
    return x, used


def _series(curvature: Curvature, right: Tensor, scale: float, recipe: Recipe, tick: Ticker) -> Tensor:
    """(C, p) scale H^-1 right, by one term for each batch of the recipe.

    Raises:
        NumericalError: a sum longer than scale / damping times its right-hand side, the most that factors of at most
            1 - damping / scale can add up to.
    """
    x, limit = right.clone(), 1.01 * scale / curvature.damping
    for step, batch in enumerate(recipe.batches(curvature.task.n)):
        x.sub_(curvature.product(x, batch).div_(scale)).add_(right)
        if not float(torch.linalg.vector_norm(x, dim=1).max()) <= limit:
            raise NumericalError(
                f"LiSSA diverged at step {step + 1} of {recipe.steps}: some batches of {recipe.batch_size} images have "
                "eigenvalues far above those of the others; use a larger batch or a larger damping, or conjugate "
                "gradients."
            )
        tick((step + 1) / recipe.steps)
    return x


def _scale(curvature: Curvature, recipe: Recipe) -> float:
    """Largest eigenvalue of H_B among the first batches of the recipe that hold every training image.

    Power iteration, begun for each batch where the last one ended. Its estimates come from below.

    Raises:
        NumericalError: an eigenvalue that is not finite.
    """
    n, size = curvature.task.n, recipe.batch_size or curvature.task.n
    first = next(iter(curvature.weights.values()))
    start = torch.randn(1, curvature.p, generator=torch.Generator().manual_seed(recipe.seed))
    vector = start.to(first)
    found = curvature.damping
    for batch in Recipe(-(-n // size), 1.0, batch_size=size, seed=recipe.seed).batches(n):
        for _ in range(POWER):
            vector = curvature.product(vector / torch.linalg.vector_norm(vector), batch)
        length = float(torch.linalg.vector_norm(vector))
        if not np.isfinite(length):
            raise NumericalError(
                "the curvature of the loss at these weights is not finite; train at a smaller learning rate."
            )
        found = max(found, length)
    return found


def _checked_rows(rows: npt.ArrayLike, n: int) -> IntArray:
    found = np.asarray(rows)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise InvalidSetting(f"rows must be a list of whole numbers, got {found.dtype} of shape {found.shape}.")
    wrong = found[(found < 0) | (found >= n)]
    if len(wrong):
        raise InvalidSetting(f"rows must be between 0 and {n - 1}, the numbers of the training images; got {wrong[0]}.")
    return found.astype(np.int64)


def _finite_lengths(gradients: Tensor, rows: IntArray) -> Tensor:
    """(C,) lengths of the gradients (C, p) of the training images ``rows``."""
    lengths: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    wrong = torch.nonzero(~torch.isfinite(lengths))[:, 0].cpu().numpy()
    if len(wrong):
        raise NumericalError(
            f"the loss gradient of training image {rows[wrong[0]]} is not finite at these weights; train at a smaller "
            "learning rate."
        )
    return lengths


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise InvalidSetting(f"{name} must be at least 1, got {value}.")


def _part(tick: Ticker, start: float, size: float) -> Ticker:
    """Shares from 0 to 1 as ``size`` units of a longer work that begin at ``start``."""
    return lambda share: tick(start + share * size)

"""Real training: gradient descent on the network itself, one run or several at a time.

Squared loss, the ridge pulls towards the initial weights, BatchNorm keeps its running statistics (eval mode). Samples
that are left out keep their place in the batch with weight 0, so that two runs differ by them and by nothing else, not
even by the order in which numbers are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from sampleinfo.errors import NumericalError
from sampleinfo.jacobians import Coordinates, channels_last
from sampleinfo.recipe import Recipe
from sampleinfo.types import FloatArray, IntArray

Weights = dict[str, Tensor]
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained, on what.

    Args:
        module: the network at its initial weights, in eval mode; it is not changed.
        images: prepared images (b, ...) of given rows; the n training images come first.
        targets: (n, k) that the outputs are trained towards.
        total: n training and m validation images.
        names: the parameters that are trained; all others stay.
        chunk: images that pass forward and backward at a time, for the memory's sake.
    """

    module: nn.Module
    images: Callable[[IntArray], Tensor]
    targets: Tensor
    total: int
    names: tuple[str, ...]
    chunk: int = 128

    @property
    def n(self) -> int:
        """Training images."""
        return len(self.targets)

    def initial(self) -> Weights:
        """A copy of the weights that are trained."""
        known = dict(self.module.named_parameters())
        return {name: known[name].detach().clone() for name in self.names}

    def outputs(self, weights: Weights, rows: IntArray) -> Tensor:
        """(b, k) outputs of some rows at other weights, in chunks and without gradients."""
        with torch.no_grad():
            parts = [self.forward(weights, self.images(part)) for part in _chunks(rows, self.chunk)]
        return torch.cat(parts)

    def val_outputs(self, weights: Weights) -> FloatArray:
        """(m, k) outputs on the validation images, float64."""
        found = self.outputs(weights, np.arange(self.n, self.total))
        return np.asarray(found.cpu().double().numpy())

    def forward(self, weights: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """(b, k) outputs."""
        found: Tensor = functional_call(self.module, dict(weights), (channels_last(images),))
        return found


def trained_names(module: nn.Module, coordinates: Iterable[Coordinates]) -> tuple[str, ...]:
    """The parameters that a kernel over ``coordinates`` sums over, in the network's order."""
    wanted = {each.name for each in coordinates}
    return tuple(name for name, _ in module.named_parameters() if name in wanted)


@dataclass(eq=False)
class Noted:
    """What a run notes: residuals f - y of every step's batch (b, k), and weights before the steps ``at``."""

    at: frozenset[int] = frozenset()
    residuals: list[FloatArray] = field(default_factory=list)
    weights: dict[int, Weights] = field(default_factory=dict)


def train(
    task: Task, recipe: Recipe, removed: IntArray | Sequence[int] = (), noted: Noted | None = None,
    progress: Progress = lambda _: None,
) -> Weights:  # fmt: skip
    """The weights after training without the samples ``removed``.

    Raises:
        NumericalError: a learning rate at which the loss grows beyond all bounds.
    """
    kept = torch.ones(task.n)
    kept[torch.as_tensor(np.asarray(removed, dtype=np.int64))] = 0
    left = task.n - len(removed)
    crowd = left < task.n / 2  # most are gone: they need not pass the network
    initial = task.initial()
    weights = {name: value.clone().requires_grad_() for name, value in initial.items()}
    values = list(weights.values())
    for step, batch in enumerate(recipe.batches(task.n)):
        rows = batch[kept[batch].numpy() > 0] if crowd else batch
        if noted is not None and step in noted.at:
            noted.weights[step] = {name: value.detach().clone() for name, value in weights.items()}
        gradients, residual = _gradients(task, weights, values, rows, kept)
        if noted is not None:
            noted.residuals.append(residual.numpy())
        count = int(kept[rows].sum())
        with torch.no_grad():
            pull, rate = float(recipe.decay(left)), float(recipe.rate(count))
            for name, value, gradient in zip(weights, values, gradients, strict=True):
                if pull:
                    value.lerp_(initial[name], pull)
                value.sub_(gradient, alpha=rate)
        if not bool(torch.isfinite(residual).all()):
            raise _diverged(recipe, step)
        progress((step + 1) / recipe.steps)
    return {name: value.detach() for name, value in weights.items()}


def _gradients(
    task: Task, weights: Weights, values: list[Tensor], rows: IntArray, kept: Tensor
) -> tuple[list[Tensor], Tensor]:
    """Of the summed loss of the rows that are kept; and their residuals (b, k), on the CPU."""
    total, residuals = [torch.zeros_like(value) for value in values], []
    for part in _chunks(rows, task.chunk):
        error = task.forward(weights, task.images(part)) - task.targets[part]
        loss = (kept[part].to(error.device)[:, None] * error.square()).sum() / 2
        for place, each in enumerate(torch.autograd.grad(loss, values)):
            total[place] += each
        residuals.append(error.detach().cpu())
    return total, torch.cat(residuals) if residuals else torch.zeros(0, task.targets.shape[1])


def train_together(
    task: Task, recipe: Recipe, sets: Sequence[IntArray], progress: Progress = lambda _: None
) -> list[Weights]:
    """The weights of several runs, each without one of the ``sets``, trained side by side (``torch.func``).

    Faster than one after the other for small networks, whose steps cost more in calls than in arithmetic.

    Raises:
        NumericalError: as ``train``.
    """
    count, kept = len(sets), torch.ones(len(sets), task.n)
    for row, each in enumerate(sets):
        kept[row, torch.as_tensor(np.asarray(each, dtype=np.int64))] = 0
    left = kept.sum(dim=1).numpy()
    initial = task.initial()
    weights = {name: value.expand(count, *value.shape).clone() for name, value in initial.items()}

    def loss(own: Weights, images: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        error = functional_call(task.module, own, (images,)) - targets
        total: Tensor = (mask[:, None] * error.square()).sum() / 2
        return total

    slopes = vmap(grad(loss), in_dims=(0, None, None, 0))
    for step, rows in enumerate(recipe.batches(task.n)):
        total: Weights = {}
        for part in _chunks(rows, task.chunk):
            images = task.images(part)
            found = slopes(weights, images, task.targets[part], kept[:, part].to(images.device))
            total = found if not total else {name: total[name] + found[name] for name in found}
        pull, rate = (
            torch.from_numpy(x).to(task.targets)
            for x in (recipe.decay(left), recipe.rate(kept[:, rows].sum(1).numpy()))
        )
        for name, value in weights.items():
            shape = (count, *[1] * (value.dim() - 1))
            if recipe.ridge:
                value.sub_(pull.view(shape) * (value - initial[name]))
            value.sub_(rate.view(shape) * total[name])
        if not all(bool(torch.isfinite(each).all()) for each in weights.values()):
            raise _diverged(recipe, step)
        progress((step + 1) / recipe.steps)
    return [{name: value[row] for name, value in weights.items()} for row in range(count)]


def squared_distance(first: Weights, second: Weights) -> float:
    """||w - w'||^2, summed in float64."""
    return float(sum((first[name].double() - second[name].double()).square().sum() for name in first))


def _chunks(rows: IntArray, size: int) -> list[IntArray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _diverged(recipe: Recipe, step: int) -> NumericalError:
    return NumericalError(
        f"training diverged at step {step + 1} of {recipe.steps}: the learning rate {recipe.lr:.3g} is too large for "
        "this network; use a smaller one."
    )

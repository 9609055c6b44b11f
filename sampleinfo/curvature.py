"""The Gauss-Newton matrix of the summed squared loss at the weights of a network, by its products alone.

H = sum_j J_j^T J_j + damping I, with J_j the Jacobian of the outputs on training image j. Products H v are one
derivative forward and one back through the network, for several v at a time (``torch.func``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from sampleinfo.descent import Task, Weights
from sampleinfo.errors import InvalidSetting
from sampleinfo.types import FloatArray, IntArray

#: Systems that pass the network at the same time: their derivatives take as many times the memory of the outputs.
GROUP = 4

Forward = Callable[[Weights], Tensor]


@contextmanager
def _differentiable() -> Iterator[None]:
    """No graphs beside those of ``torch.func``, and attention by its formula: fused, it has no forward derivative."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")  # torch's own rules use it
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@dataclass(frozen=True, eq=False)
class Curvature:
    """H at fixed weights. Vectors are the rows of (C, p): p numbers, the tensors of ``weights`` one behind another."""

    task: Task
    weights: Weights
    damping: float

    @property
    def p(self) -> int:
        """Numbers in the weights."""
        return sum(value.numel() for value in self.weights.values())

    @_differentiable()
    def product(self, vectors: Tensor, rows: IntArray | None = None) -> Tensor:
        """(C, p) H v for each of the vectors; H_B over the batch ``rows``, if given."""
        rows = np.arange(self.task.n) if rows is None else rows
        total, share = vectors * self.damping, self.task.n / len(rows)
        for forward in self._forwards(rows):
            pull = vjp(forward, self.weights)[1]
            for some in slices(len(vectors), GROUP):
                self._add(total[some], _pulled(pull, self._pushed(forward, vectors[some]) * share))
        return total

    @_differentiable()
    def outputs(self, vectors: Tensor, rows: IntArray) -> FloatArray:
        """(b, k, C) J v: what the outputs on ``rows`` change by along each vector, float64."""
        parts = [np.zeros((0, self.task.targets.shape[1], len(vectors)))]
        for forward in self._forwards(rows):
            moved = [self._pushed(forward, vectors[some]) for some in slices(len(vectors), GROUP)]
            parts.append(torch.cat(moved).permute(1, 2, 0).cpu().double().numpy())
        return np.concatenate(parts)

    @_differentiable()
    def gradients(self, rows: IntArray) -> Tensor:
        """(C, p) J_i^T e_i: the loss gradient of each of the training images ``rows``."""
        found = next(iter(self.weights.values())).new_zeros(len(rows), self.p)
        for number, row in enumerate(rows[:, None]):
            for forward in self._forwards(row):
                pull = vjp(forward, self.weights)[1]
                error = forward(self.weights) - self.task.targets[row]
                self._add(found[number, None], _pulled(pull, error[None]))
        return found

    def _forwards(self, rows: IntArray) -> Iterator[Forward]:
        """The network on the images of ``rows``, a chunk after the other, as functions of the weights.

        Channels stay outermost: innermost, some layers have no derivative for several vectors at a time.
        """
        for some in slices(len(rows), self.task.chunk):
            yield partial(_forward, self.task.module, self.task.images(rows[some]))

    def _pushed(self, forward: Forward, vectors: Tensor) -> Tensor:
        """(C, b, k) derivatives along each vector."""

        def along(direction: Weights) -> Tensor:
            return jvp(forward, (self.weights,), (direction,))[1]  # type: ignore[no-any-return]

        return vmap(along)(self._split(vectors))

    def _split(self, vectors: Tensor) -> Weights:
        """Vectors (C, p) as tensors (C, ...) of the weights' shapes."""
        parts = torch.split(vectors, [value.numel() for value in self.weights.values()], dim=1)
        shaped = zip(self.weights.items(), parts, strict=True)
        return {name: part.reshape(-1, *value.shape) for (name, value), part in shaped}

    def _add(self, total: Tensor, tensors: Weights) -> None:
        """Add tensors (C, ...) of the weights' shapes to vectors (C, p), in place."""
        start = 0
        for name, value in self.weights.items():
            total[:, start : start + value.numel()] += tensors[name].flatten(1)
            start += value.numel()


def curvature_of(task: Task, weights: Weights, damping: float) -> Curvature:
    """H of the task at ``weights``, after a check of what it is made from.

    Raises:
        InvalidSetting: a damping that is not above 0, other weights than the task's, a network in training mode.
    """
    if not (np.isfinite(damping) and damping > 0):
        raise InvalidSetting(f"the damping must be a finite number above 0, got {damping}.")
    if set(weights) != set(task.names):
        wrong = sorted(set(weights) ^ set(task.names))
        raise InvalidSetting(
            f"the weights must be those of the {len(task.names)} tensors that are trained; missing or not among them: "
            f"{', '.join(wrong)}."
        )
    for name, part in task.module.named_modules():
        if part.training:
            where = f"layer {name!r}" if name else "the network"
            raise InvalidSetting(f"{where} is in training mode; influence functions need eval mode: call eval() first.")
    return Curvature(task, {name: weights[name].detach() for name in task.names}, float(damping))


def slices(count: int, size: int) -> list[slice]:
    """Parts of 0..count-1, ``size`` numbers each."""
    return [slice(start, start + size) for start in range(0, count, size)]


def _forward(module: nn.Module, images: Tensor, weights: Weights) -> Tensor:
    found: Tensor = functional_call(module, weights, (images,))
    return found


def _pulled(pull: Callable[[Tensor], tuple[Weights]], cotangents: Tensor) -> Weights:
    """Tensors (C, ...) of the weights' shapes: J^T u for each of the cotangents u (C, b, k)."""
    return vmap(lambda each: pull(each)[0])(cotangents)

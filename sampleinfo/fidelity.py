"""How near a kernel is to the exact one, measured on some of the training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sampleinfo.jacobians import Coordinates, all_coordinates
from sampleinfo.kernels import MEMORY, Inputs, kernel
from sampleinfo.types import FloatArray, IntArray


def fidelity(
    module: nn.Module,
    inputs: Inputs,
    gram: FloatArray,
    rows: IntArray,
    coordinates: list[Coordinates],
    memory: int = MEMORY,
) -> float:
    """Relative error (Frobenius) of ``gram`` on the training images ``rows``, against the kernel over ``coordinates``.

    ``gram``: (nk, nk), or a shared one (n, n), which stands for gram (x) I_k. Pass all coordinates of the scope.
    """
    return of_block(module, inputs, _part(gram, rows, inputs), rows, coordinates, memory)


def of_block(
    module: nn.Module, inputs: Inputs, block: FloatArray, rows: IntArray, coordinates: list[Coordinates],
    memory: int = MEMORY,
) -> float:  # fmt: skip
    """The same of the block (rk, rk) of a kernel at the training images ``rows``."""
    exact = _on_some(module, inputs, rows, coordinates, memory)
    return float(np.linalg.norm(block - exact) / np.linalg.norm(exact))


def scope_alignment(module: nn.Module, inputs: Inputs, gram: FloatArray, rows: IntArray, memory: int = MEMORY) -> float:
    """``alignment`` of ``gram`` (as in ``fidelity``) with the exact kernel of all layers on the images ``rows``."""
    return alignment(_part(gram, rows, inputs), _on_some(module, inputs, rows, all_coordinates(module), memory))


def _on_some(
    module: nn.Module, inputs: Inputs, rows: IntArray, coordinates: list[Coordinates], memory: int
) -> FloatArray:
    """(rk, rk) kernel of the training images ``rows``."""

    def batch(start: int, stop: int) -> Tensor:
        return torch.cat([inputs.batch(int(i), int(i) + 1) for i in rows[start:stop]])

    picked = Inputs(batch, len(rows), len(rows), inputs.outputs)
    return kernel(module, picked, coordinates, memory=memory)[0]


def _part(gram: FloatArray, rows: Sequence[int] | IntArray, inputs: Inputs) -> FloatArray:
    """(rk, rk) of ``gram`` at the images ``rows``."""
    k, picked = inputs.outputs, np.asarray(rows)
    if gram.shape == (inputs.train, inputs.train):
        return np.kron(gram[np.ix_(picked, picked)], np.eye(k))
    columns = (picked[:, None] * k + np.arange(k)).ravel()
    return gram[np.ix_(columns, columns)]


def alignment(first: FloatArray, second: FloatArray) -> float:
    """<a, b> / (|a| |b|) of two kernels of one shape (Cristianini et al. 2001): 1 where they are proportional."""
    return float(np.vdot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second)))

"""The neural tangent kernel K = J J^T and K_val = J_val J^T, without the full Jacobian ever existing.

The parameters are cut into groups whose Jacobian block fits a memory budget; the products of each block (float32)
are summed in float64. Finished groups can be kept, so that interrupted work goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sampleinfo.jacobians import Coordinates, all_coordinates, group, jacobian_rows
from sampleinfo.types import FloatArray, Reporter, silent

#: Floats of one Jacobian block (2 GiB) and of the part of it that one batch makes (128 MiB).
BLOCK, BATCH = 2**29, 2**25
Batches = Callable[[int, int], Tensor]


class Checkpoint(Protocol):
    """Keeps the sums over the first groups."""

    def load(self) -> tuple[int, FloatArray, FloatArray] | None:
        """Number of finished groups, gram and cross; None when nothing was kept."""
        ...

    def save(self, groups: int, gram: FloatArray, cross: FloatArray) -> None:
        """Keep the sums over the first ``groups`` groups."""
        ...


@dataclass(frozen=True)
class Inputs:
    """``batch(start, stop)`` gives the prepared images of rows start..stop-1; the first ``train`` are trained on."""

    batch: Batches
    train: int
    total: int
    outputs: int


def kernel(
    module: nn.Module,
    inputs: Inputs,
    coordinates: list[Coordinates],
    report: Reporter = silent,
    checkpoint: Checkpoint | None = None,
    block: int = BLOCK,
) -> tuple[FloatArray, FloatArray]:
    """gram (nk, nk) and cross (mk, nk), float64, over the chosen parameter entries.

    Cost: (nk)^2 d / 2 + mk nk d multiply-adds for d entries; memory: the two results, ``block`` floats and a batch.
    """
    nk, total = inputs.train * inputs.outputs, inputs.total * inputs.outputs
    groups = group(coordinates, max(1, block // total))
    gram, cross, first = np.zeros((nk, nk)), np.zeros((total - nk, nk)), 0
    if checkpoint is not None and (kept := checkpoint.load()) is not None:
        first, gram, cross = kept
    weights = np.cumsum([0, *(sum(map(len, items)) for items in groups)]) / sum(map(len, coordinates))
    for number, items in enumerate(groups[first:], start=first):
        low, high = weights[number], weights[number + 1]
        middle = low + 0.4 * (high - low)
        rows = _block(module, inputs, items, _between(report, low, middle))
        _accumulate(gram, cross, rows, nk, _between(report, middle, high))
        del rows
        if checkpoint is not None and number + 1 < len(groups):
            checkpoint.save(number + 1, gram, cross)
    return gram, cross


def _between(report: Reporter, low: float, high: float) -> Callable[[float], None]:
    """Report a share 0..1 of a part of the work as a share of the whole."""
    return lambda share: report("kernel", low + (high - low) * share, 1.0)


def _block(
    module: nn.Module, inputs: Inputs, coordinates: list[Coordinates], progress: Callable[[float], None]
) -> Tensor:
    """(total * k, d) Jacobian block of all images."""
    size, k = sum(map(len, coordinates)), inputs.outputs
    rows = torch.empty(inputs.total * k, size)
    step = int(np.clip(BATCH // (k * size), 4, 64))
    for start in range(0, inputs.total, step):
        stop = min(start + step, inputs.total)
        part = jacobian_rows(module, inputs.batch(start, stop), coordinates)
        rows[start * k : stop * k] = part.flatten(0, 1)
        progress(stop / inputs.total)
    return rows


def _accumulate(gram: FloatArray, cross: FloatArray, rows: Tensor, nk: int, progress: Callable[[float], None]) -> None:
    """Add rows rows^T to gram (lower half computed, mirrored) and cross, a strip at a time."""
    step = max(256, -(-nk // 16))
    train = rows[:nk]
    for start in range(0, len(rows), step):
        if start < nk:
            stop = min(start + step, nk)
            strip = (train[start:stop] @ train[:stop].T).numpy()
            gram[start:stop, :stop] += strip
            gram[:start, start:stop] += strip[:, :start].T
        else:
            stop = min(start + step, len(rows))
        if stop == nk or start >= nk:
            break
        progress(stop / len(rows))
    for start in range(nk, len(rows), step):
        stop = min(start + step, len(rows))
        cross[start - nk : stop - nk] += (rows[start:stop] @ train.T).numpy()
        progress(stop / len(rows))


def fidelity(module: nn.Module, inputs: Inputs, gram: FloatArray, rows: np.ndarray) -> float:
    """Relative error (Frobenius) of ``gram`` on the training images ``rows``, against the exact kernel."""
    k = inputs.outputs
    picked = Inputs(
        lambda start, stop: torch.cat([inputs.batch(int(i), int(i) + 1) for i in rows[start:stop]]),
        len(rows),
        len(rows),
        k,
    )
    exact, _ = kernel(module, picked, all_coordinates(module))
    columns = (rows[:, None] * k + np.arange(k)).ravel()
    approximate = gram[np.ix_(columns, columns)]
    return float(np.linalg.norm(approximate - exact) / np.linalg.norm(exact))

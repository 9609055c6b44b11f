"""The kernels of a recorded run: between the training images at the weights of every segment, and from them to the
validation images at the final weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sampleinfo import kernels
from sampleinfo.descent import Task, Weights
from sampleinfo.jacobians import Coordinates
from sampleinfo.types import Reporter, silent
from sampleinfo.unrolled import Segments


def segment_kernels(
    task: Task, checkpoints: Sequence[Weights], final: Weights, coordinates: list[Coordinates],
    report: Reporter = silent, checkpoint: kernels.Checkpoint | None = None, memory: int = kernels.MEMORY,
    shared: bool = False,
) -> Segments:  # fmt: skip
    """Kernels of the run whose segments have these weights in their middle.

    Training images count once for every segment: the gram is that of L n images, of which each n see other weights.
    ``shared``: one kernel for all outputs (``kernels.shared_kernel``). The result has the targets' precision.

    Cost, memory and errors as of ``kernels.kernel`` over L n + m images. The task's network is as before afterwards.
    """
    n, k = task.n, task.targets.shape[1]
    weights, count = [*checkpoints, final], len(checkpoints)
    cuts = tuple(n * number for number in range(1, count + 1))
    own = {name: value for name, value in task.module.named_parameters() if name in set(task.names)}
    initial = task.initial()

    used = -1

    def use(values: Weights) -> None:
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(values[name])

    def batch(start: int, stop: int) -> Tensor:
        """Images start..stop-1, of one segment; the network takes its weights."""
        nonlocal used
        number = int(np.searchsorted(cuts, start, side="right"))
        if number != used:
            use(weights[number])
            used = number
        first = (n if number == count else 0) - number * n
        return task.images(np.arange(first + start, first + stop))

    inputs = kernels.Inputs(batch, count * n, count * n + task.total - n, k, cuts)
    compute = kernels.shared_kernel if shared else kernels.kernel
    try:
        gram, cross = compute(task.module, inputs, coordinates, report, checkpoint, memory)
    finally:
        use(initial)
    dtype = np.float64 if task.targets.dtype == torch.float64 else np.float32
    return Segments(gram.astype(dtype), cross.astype(dtype), count)

"""Products of Jacobian blocks in float32, added up in float64 on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sampleinfo.devices import empty
from sampleinfo.types import FloatArray

#: Columns of one contiguous piece of a block, and of the results that are computed at a time.
CHUNK, STRIP = 8192, 512
#: Numbers up to which copying does not pay torch's threads, which then keep a core from others for a while.
SMALL = 2**18
#: Rows of one product.
ROWS = 16384


class Block:
    """A (rows, d) Jacobian block of the type of ``like``, kept as contiguous pieces of at most ``CHUNK`` columns."""

    def __init__(self, rows: int, columns: int, like: Tensor) -> None:
        pieces = max(1, -(-columns // CHUNK))
        bounds = [columns * i // pieces for i in range(pieces + 1)]
        self.chunks = [empty((rows, high - low), like) for low, high in pairwise(bounds) if high > low]
        self.starts = bounds[:-1]

    def write(self, rows: slice, column: int, values: Tensor) -> None:
        """Put ``values`` (r, c) into these rows, from ``column`` on."""
        for start, chunk in zip(self.starts, self.chunks, strict=False):
            low, high = max(start, column), min(start + chunk.shape[1], column + values.shape[1])
            if low < high:
                target = chunk[rows, low - start : high - start]
                source = values[:, low - column : high - column]
                if target.device.type == "cpu" and source.numel() < SMALL:
                    target.numpy()[:] = source.numpy()
                else:
                    target.copy_(source)


def accumulate(gram: FloatArray, cross: FloatArray, chunks: list[Tensor], progress: Callable[[float], None]) -> None:
    """Add the products of rows with the first n rows: their lower half to gram (n, n), the others to cross (m, n).

    ``chunks``: (n + m, columns) each. Only the lower half of ``gram`` is kept up; ``mirror`` fills in the rest.
    """

    def strip(rows: slice, columns: slice) -> Tensor:
        return sum_of_products([(chunk[rows], chunk[columns]) for chunk in chunks])

    _add(gram, cross, strip, progress)


def accumulate_dense(
    gram: FloatArray, cross: FloatArray, entering: Tensor, tangents: Tensor, progress: Callable[[float], None]
) -> None:
    """The same for the weight of a dense layer, whose Jacobian rows g x^T are never formed: <g, g'> <x, x'>.

    ``entering``: (images, inputs) x; ``tangents``: (n + m, outputs) g, some rows for each image.
    """
    each = len(tangents) // len(entering)

    def strip(rows: slice, columns: slice) -> Tensor:
        first, second = (entering[torch.arange(part.start, part.stop) // each] for part in (rows, columns))
        return product(tangents[rows], tangents[columns]) * product(first, second)

    _add(gram, cross, strip, progress)


def _add(
    gram: FloatArray, cross: FloatArray, strip_of: Callable[[slice, slice], Tensor], progress: Callable[[float], None]
) -> None:
    """Add ``strip_of(rows, columns)`` for columns below n, and rows from these columns on."""
    n = len(gram)
    total = n + len(cross)
    sums = torch.from_numpy(gram), torch.from_numpy(cross)
    step = max(1, min(STRIP, n))
    for start in range(0, n, step):
        stop = min(start + step, n)
        for low in range(start, total, ROWS):
            high = min(low + ROWS, total)
            strip = strip_of(slice(low, high), slice(start, stop)).cpu()
            inside = max(0, min(high, n) - low)
            if inside:
                sums[0][low : low + inside, start:stop] += strip[:inside]
            if inside < len(strip):
                sums[1][low + inside - n : high - n, start:stop] += strip[inside:]
        progress(1 - (1 - stop / n) * (total - n / 2 - stop / 2) / (total - n / 2))


def scratch(rows: int, repeats: int) -> int:
    """Bytes of the temporary results of ``accumulate`` over this many rows, each ``repeats`` times as long."""
    strip = min(rows, STRIP)
    return 4 * (3 * min(rows, ROWS) * strip + 2 * strip * CHUNK * repeats)


def mirror(gram: FloatArray) -> None:
    """Copy the lower half to the upper one."""
    for start in range(0, len(gram), STRIP):
        stop = min(start + STRIP, len(gram))
        gram[start:stop, stop:] = gram[stop:, start:stop].T
        square = gram[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T


def sum_of_products(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """(r, s) sum of a b^T over pairs (r, d), (s, d)."""
    first, second = pairs[0]
    total = product(first, second)
    for first, second in pairs[1:]:
        total += product(first, second)
    return total


def product(first: Tensor, second: Tensor) -> Tensor:
    """(r, s) product of (r, d) with the transposed (s, d); on the CPU by NumPy's matrix library.

    That one keeps its speed on every make of CPU, in contrast to torch's (benchmarks/kernels.py measures both).
    """
    if first.device.type != "cpu":
        return first @ second.T
    return torch.from_numpy(first.numpy() @ second.numpy().T)

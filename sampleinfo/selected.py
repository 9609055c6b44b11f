"""Sums over positions that give single entries of convolution and BatchNorm gradients, without copies of the inputs.

One entry (o, c, y, x) of a convolution's weight gradient is the scalar product of two planes: the gradient at output
channel o, and input channel c shifted by (y, x). Per image both tensors are rewritten once, so that every such product
runs over two contiguous stretches of memory:

- the input is padded, and for stride s split into the s * s planes of its positions modulo s;
- the gradient's rows are filled up with zeros to the width of those planes.

Row breaks then need no care: what a stretch takes from the next row is multiplied by zero.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
#: Sums may be reordered (so that they use wide vectors); infinities and NaN stay what they are.
SUMS_REORDERED = {"reassoc", "contract"}


@dataclass(frozen=True)
class Geometry:
    """Stride, padding and dilation of a convolution, each (vertical, horizontal)."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]


def convolution_entries(entering: Array, tangents: Array, places: Array, shape: Geometry) -> Array:
    """(b, k, d) entries of the weight gradients.

    ``entering`` (b, h, w, c) and ``tangents`` (b, k, h', w', channels) are C-contiguous, of one floating type;
    ``places`` (d, 4) int64 names each entry by its output channel, input channel, and place (y, x) in the kernel.
    """
    k, channels = tangents.shape[1], tangents.shape[4]
    height, width = (-(-(entering.shape[1 + axis] + 2 * shape.padding[axis]) // shape.stride[axis]) for axis in (0, 1))
    steps = places[:, 2:] * np.asarray(shape.dilation)
    rest, whole = steps % np.asarray(shape.stride), steps // np.asarray(shape.stride)
    plane = (places[:, 1] * shape.stride[0] + rest[:, 0]) * shape.stride[1] + rest[:, 1]
    offsets = (plane * height + whole[:, 0]) * width + whole[:, 1]
    out = np.empty((len(entering), k, len(places)), entering.dtype)
    order = np.argsort(places[:, 0], kind="stable")
    ends = np.searchsorted(places[order, 0], np.arange(channels + 1))
    _share(
        len(entering),
        lambda low, high: _convolution(
            entering[low:high], tangents[low:high], ends, offsets[order], order, out[low:high],
            (height, width), shape.stride, shape.padding,
        ),
    )  # fmt: skip
    return out


def channel_sums(entering: Array, tangents: Array, mean: Array) -> tuple[Array, Array]:
    """(b, k, c) sums over positions of ``tangents * (entering - mean)`` and of ``tangents``.

    ``entering`` (b, h * w, c), ``tangents`` (b, k, h * w, c): C-contiguous; ``mean`` (c,); one floating type.
    """
    out = np.zeros((2, *tangents.shape[:2], tangents.shape[3]), entering.dtype)
    _share(
        len(entering),
        lambda low, high: _channel_sums(
            entering[low:high], tangents[low:high], mean, out[0, low:high], out[1, low:high]
        ),
    )
    return out[0], out[1]


def _share(images: int, work: Callable[[int, int], None]) -> None:
    """Spread images over as many threads as torch uses."""
    threads = min(torch.get_num_threads(), images)
    bounds = [images * i // threads for i in range(threads + 1)]
    waiting = [_pool().submit(work, low, high) for low, high in pairwise(bounds[1:])]
    work(bounds[0], bounds[1])
    for each in waiting:
        each.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, torch.get_num_threads() - 1), "gradients")


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Machine code, kept on disk where there is a writable place for it."""
    try:
        return numba.njit(nogil=True, fastmath=SUMS_REORDERED, cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True, fastmath=SUMS_REORDERED)(function)


@_compiled
def _spread(image: Array, planes: Array, padding: tuple[int, int]) -> None:
    """(h, w, c) into (c, s, s, height, width): padded, positions modulo the stride apart."""
    down, right = planes.shape[1:3]
    for y in range(image.shape[0]):
        y_rest, y_whole = (y + padding[0]) % down, (y + padding[0]) // down
        for x in range(image.shape[1]):
            x_rest, x_whole = (x + padding[1]) % right, (x + padding[1]) // right
            for c in range(image.shape[2]):
                planes[c, y_rest, x_rest, y_whole, x_whole] = image[y, x, c]


@_compiled
def _products(row: Array, flat: Array, offsets: Array, order: Array, out: Array, length: int) -> None:
    """out[order[i]] = the product of ``row`` with ``flat`` from offsets[i] on; four at a time."""
    count = len(offsets)
    for i in range(0, count - 3, 4):
        first, second = flat[offsets[i] :], flat[offsets[i + 1] :]
        third, fourth = flat[offsets[i + 2] :], flat[offsets[i + 3] :]
        s0 = s1 = s2 = s3 = row.dtype.type(0)
        for t in range(length):
            s0 += row[t] * first[t]
            s1 += row[t] * second[t]
            s2 += row[t] * third[t]
            s3 += row[t] * fourth[t]
        out[order[i]], out[order[i + 1]], out[order[i + 2]], out[order[i + 3]] = s0, s1, s2, s3
    for i in range(count - count % 4, count):
        first = flat[offsets[i] :]
        s0 = row.dtype.type(0)
        for t in range(length):
            s0 += row[t] * first[t]
        out[order[i]] = s0


@_compiled
def _convolution(
    entering: Array,
    tangents: Array,
    ends: Array,
    offsets: Array,
    order: Array,
    out: Array,
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    """Entries ends[o] to ends[o + 1] of ``offsets`` and ``order`` are those of output channel o."""
    height, width = size
    channels, dtype = len(ends) - 1, entering.dtype
    planes = np.zeros((entering.shape[3], stride[0], stride[1], height, width), dtype)
    rows = np.zeros((channels, 1, 1, tangents.shape[2], width), dtype)
    flat, flat_rows = planes.ravel(), rows.reshape(channels, -1)
    length = (tangents.shape[2] - 1) * width + tangents.shape[3]
    for image in range(entering.shape[0]):
        _spread(entering[image], planes, padding)
        for output in range(out.shape[1]):
            _spread(tangents[image, output], rows, (0, 0))
            for o in range(channels):
                low, high = ends[o], ends[o + 1]
                if low < high:
                    _products(flat_rows[o], flat, offsets[low:high], order[low:high], out[image, output], length)


@_compiled
def _channel_sums(entering: Array, tangents: Array, mean: Array, weighted: Array, plain: Array) -> None:
    channels = entering.shape[2]
    for image in range(entering.shape[0]):
        for output in range(tangents.shape[1]):
            for position in range(entering.shape[1]):
                for c in range(channels):
                    value = tangents[image, output, position, c]
                    weighted[image, output, c] += value * (entering[image, position, c] - mean[c])
                    plain[image, output, c] += value

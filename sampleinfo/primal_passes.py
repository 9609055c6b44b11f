"""Passes over shards of feature rows: each a pure function of a shard's rows, its residuals and some fixed arrays.

A pass is ``map(work, numbers)``, where the work is a picklable function of a shard's number with a small result, and a
reduction that does not depend on the order of the results but for rounding errors of the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.linalg import blas

from sampleinfo.blocks import product
from sampleinfo.errors import InvalidSetting
from sampleinfo.primal_blocks import (
    LEAST,
    ROWS,
    Plan,
    Precision,
    Resolvents,
    Rows,
    Scores,
    least_eigenvalues,
    leave_each_out,
    score,
)  # fmt: skip
from sampleinfo.types import FloatArray, IntArray

Result = TypeVar("Result")
#: Rows of a shard below which they are gathered, with those of all others, if these are at most so many times D.
FEW, GATHERED = 128, 4
#: Rows, in multiples of D, whose sums are one result: a D x D matrix then costs less to send than its products to make.
TOGETHER = 16


class Source(Protocol):
    """Feature rows in shards numbered from 0, sample-major; ``shards.Shards`` is one."""

    @property
    def rows(self) -> int:
        """Rows q per sample."""
        ...

    @property
    def dimension(self) -> int:
        """Features D per row."""
        ...

    def sizes(self) -> Sequence[int]:
        """Samples of each shard."""
        ...

    def read(self, number: int) -> npt.NDArray[np.float32]:
        """(b q, D) the rows of a shard."""
        ...


class Mapper(Protocol):
    """Where the work is done: the results of ``work(number)``, in any order."""

    def __call__(self, work: Callable[[int], Result], numbers: Sequence[int]) -> Iterable[Result]:
        """One result per number."""
        ...


def in_turn(work: Callable[[int], Result], numbers: Sequence[int]) -> Iterator[Result]:
    """One after the other, in this process."""
    return (work(number) for number in numbers)


@dataclass(frozen=True, eq=False)
class Selection:
    """Some samples of a source: ``samples`` ascending, and ``starts`` (S + 1,) the first sample of each shard."""

    source: Source
    starts: IntArray
    samples: IntArray

    @classmethod
    def everything(cls, source: Source) -> Selection:
        """All samples of a source."""
        starts = np.concatenate([[0], np.cumsum(source.sizes())]).astype(np.int64)
        return cls(source, starts, np.arange(starts[-1]))

    def only(self, samples: IntArray) -> Selection:
        """These samples, whatever their order."""
        return Selection(self.source, self.starts, np.sort(samples))

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def numbers(self) -> list[int]:
        """The shards that hold any of the samples."""
        edges = np.searchsorted(self.samples, self.starts)
        return [int(number) for number in np.flatnonzero(np.diff(edges))]

    def groups(self, rows: int) -> list[IntArray]:
        """The shards that hold any of the samples, in order, those together that begin in the same ``rows`` rows."""
        held = np.diff(np.searchsorted(self.samples, self.starts)) * self.source.rows
        numbers = np.flatnonzero(held)
        _, first = np.unique((np.cumsum(held) - held)[numbers] // rows, return_index=True)
        return np.split(numbers, first[1:])

    def read(self, number: int) -> tuple[slice, Rows]:
        """The places in ``samples`` of those in a shard, and their rows (b, q, D)."""
        low, high = np.searchsorted(self.samples, self.starts[number : number + 2])
        found = self.source.read(number)
        rows = found.reshape(-1, self.source.rows, self.source.dimension)
        if high - low < len(rows):
            rows = rows[self.samples[low:high] - self.starts[number]]
        return slice(int(low), int(high)), rows


def blocks(rows: Rows) -> Iterator[slice]:
    """Slices of samples with about ``ROWS`` rows each."""
    step = max(1, ROWS // rows.shape[1])
    return (slice(start, min(start + step, len(rows))) for start in range(0, len(rows), step))


@dataclass(frozen=True, eq=False)
class Sums:
    """Phi^T Phi (D, D; upper triangle, column order) and Phi^T r (D, c) of a group of shards, in float64."""

    selection: Selection
    residual: FloatArray
    groups: Sequence[IntArray]

    def __call__(self, number: int) -> tuple[FloatArray, FloatArray]:
        """Products of float32 values are exact in float64."""
        dimension = self.selection.source.dimension
        gram = np.zeros((dimension, dimension), order="F")
        target = np.zeros((dimension, self.residual.shape[2]))
        for where, rows in map(self.selection.read, self.groups[number].tolist()):
            residual = self.residual[where]
            for part in blocks(rows):
                block = rows[part].reshape(-1, dimension).astype(np.float64)
                gram = blas.dsyrk(1.0, block.T, beta=1.0, c=gram, overwrite_c=1)
                target += product(block.T, residual[part].reshape(len(block), -1))
        return gram, target


def sums(selection: Selection, residual: FloatArray, run: Mapper) -> tuple[FloatArray, FloatArray]:
    """(D, D) Phi^T Phi and (D, c) Phi^T r of the samples, whose residuals (n, q, c) are given.

    Few rows are gathered first: a D x D matrix for each of many shards would take longer than their products.
    """
    size, rows = selection.source.dimension, len(selection) * selection.source.rows
    if rows <= min(len(selection.numbers) * FEW, GATHERED * size):
        found = gather(selection, run)
        return product(found.T, found), product(found.T, residual.reshape(rows, residual.shape[2]))
    gram, target = np.zeros((size, size), order="F"), np.zeros((size, residual.shape[2]))
    groups = selection.groups(TOGETHER * size)
    for part, right in run(Sums(selection, residual, groups), range(len(groups))):
        gram += part
        target += right
    upper = np.ascontiguousarray(np.triu(gram))
    del gram
    diagonal = upper.diagonal().copy()
    upper += upper.T
    np.fill_diagonal(upper, diagonal)
    return upper, target


@dataclass(frozen=True, eq=False)
class Gathered:
    """The rows themselves."""

    selection: Selection

    def __call__(self, number: int) -> tuple[slice, Rows]:
        """Their places and the rows (b, q, D)."""
        return self.selection.read(number)


def gather(selection: Selection, run: Mapper) -> FloatArray:
    """(n q, D) the rows of few samples, in float64."""
    out = np.empty((len(selection), selection.source.rows, selection.source.dimension))
    for where, rows in run(Gathered(selection), selection.numbers):
        out[where] = rows
    return out.reshape(-1, selection.source.dimension)


@dataclass(frozen=True, eq=False)
class Outputs:
    """Phi w of weights (D, C)."""

    selection: Selection
    weights: FloatArray

    def __call__(self, number: int) -> tuple[slice, FloatArray]:
        """Places and products (b, q, C)."""
        where, rows = self.selection.read(number)
        out = np.empty((*rows.shape[:2], self.weights.shape[1]))
        for part in blocks(rows):
            block = rows[part].reshape(-1, rows.shape[2]).astype(np.float64)
            out[part] = product(block, self.weights).reshape(out[part].shape)
        return where, out


def outputs(selection: Selection, weights: FloatArray, run: Mapper) -> FloatArray:
    """(n, q, C) Phi w in float64."""
    out = np.empty((len(selection), selection.source.rows, weights.shape[1]))
    for where, values in run(Outputs(selection, weights), selection.numbers):
        out[where] = values
    return out


@dataclass(frozen=True, eq=False)
class Scoring:
    """All scores of a shard's samples, whose residuals are (n, q, c)."""

    selection: Selection
    residual: FloatArray
    plan: Plan

    def __call__(self, number: int) -> tuple[slice, Scores]:
        """Places and scores."""
        where, rows = self.selection.read(number)
        residual = self.residual[where]
        return where, _joined([score(rows[part], residual[part], self.plan) for part in blocks(rows)])


def scores(selection: Selection, residual: FloatArray, plan: Plan, run: Mapper) -> Scores:
    """Of all samples, in their order."""
    n, q, c = residual.shape
    out = Scores(np.empty((n, q, c)), np.empty(n), np.empty(n), np.empty((n, q, q)), 1.0)
    least = 1.0
    for where, found in run(Scoring(selection, residual, plan), selection.numbers):
        out.errors[where], out.leverage[where] = found.errors, found.leverage
        out.weights[where], out.outputs[where] = found.weights, found.outputs
        least = min(least, found.least)
    return Scores(out.errors, out.weights, out.outputs, out.leverage, least)


def _joined(parts: Sequence[Scores]) -> Scores:
    names = ("errors", "weights", "outputs", "leverage")
    errors, weights, moved, leverage = (np.concatenate([getattr(each, name) for each in parts]) for name in names)
    return Scores(errors, weights, moved, leverage, min(each.least for each in parts))


@dataclass(frozen=True, eq=False)
class SquaredErrors:
    """Sums over a shard of ||y_i - f_-i(x_i)||^2 for each of J trainings to convergence."""

    selection: Selection
    residual: FloatArray
    plan: Plan

    def __call__(self, number: int) -> FloatArray:
        """(J,) infinite where a sample is not determined by the others."""
        where, rows = self.selection.read(number)
        residual, total = self.residual[where], np.zeros(len(self.plan.how.residues))
        for part in blocks(rows):
            found = leave_each_out(self.plan.rotated(rows[part]), residual[part], self.plan.target, self.plan.how)
            least = least_eigenvalues(np.moveaxis(found.products, 3, 1)).min(axis=0)
            squares = np.einsum("bjqc,bjqc->j", found.solutions, found.solutions)
            total += np.where(least > LEAST[self.plan.precision], squares, np.inf)
        return total


def ridge_errors(
    selection: Selection, residual: FloatArray, plan: Plan, ridges: FloatArray, eigenvalues: FloatArray, run: Mapper
) -> FloatArray:
    """(J,) mean squared error of the samples when left out, for each ridge: one pass for all."""
    weights = 1.0 / (eigenvalues[:, None] + ridges)
    how = Resolvents(0.0, np.ones(len(ridges)), weights)
    many = Plan(plan.vectors, plan.factor, plan.target, plan.drift, plan.gain, how)
    total = np.zeros(len(ridges))
    for part in run(SquaredErrors(selection, residual, many), selection.numbers):
        total += part
    if not np.isfinite(total).any():
        raise InvalidSetting("no ridge tried gives a finite leave-one-out error; check the scale of the features.")
    return total / len(selection)


def precise(matrix: FloatArray, precision: Precision) -> Rows:
    """The matrix in the dtype of the products, C-ordered."""
    return np.ascontiguousarray(matrix, dtype=precision)

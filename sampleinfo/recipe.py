"""How a network is really trained: plain gradient descent, the same for the whole set and for every part of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleinfo.errors import InvalidSetting
from sampleinfo.types import FloatArray, IntArray


@dataclass(frozen=True)
class Recipe:
    """Gradient descent on the mean squared loss with a pull towards the initial weights w0.

    With the samples R left out of n, one step over the batch B is

        w <- w - lr (sum over B without R of the gradients of 1/2 ||f_w(x_i) - y_i||^2, divided by their number,
                     + ridge / (n - |R|) (w - w0)),

    so that ``lr`` is a rate on the *mean* loss and ``ridge`` belongs to the *summed* one, as in ``problem.Training``.

    Args:
        steps: number of steps, at least 1.
        lr: learning rate.
        ridge: strength of the pull.
        batch_size: samples of a step; None: all of them.
        seed: of the order of the batches, which is the same whatever is left out.

    Raises:
        InvalidSetting: a value outside its range.
    """

    steps: int
    lr: float
    ridge: float = 0.0
    batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InvalidSetting(f"steps must be at least 1, got {self.steps}.")
        if not (np.isfinite(self.lr) and self.lr > 0):
            raise InvalidSetting(f"the learning rate must be a finite number above 0, got {self.lr}.")
        if not (np.isfinite(self.ridge) and self.ridge >= 0):
            raise InvalidSetting(f"ridge must be a finite number, 0 or above; got {self.ridge}.")
        if self.batch_size is not None and self.batch_size < 1:
            raise InvalidSetting(
                f"the batch size must be at least 1, or left out for all images; got {self.batch_size}."
            )

    def batches(self, n: int) -> Iterator[IntArray]:
        """The samples of every step, in ascending order: all of them, or the parts of one shuffle after the other.

        Raises:
            InvalidSetting: a batch larger than ``n``.
        """
        everything = np.arange(n)
        if self.batch_size is None or self.batch_size == n:
            yield from (everything for _ in range(self.steps))
            return
        if self.batch_size > n:
            raise InvalidSetting(f"a batch of {self.batch_size} samples does not fit {n} training images.")
        rng, waiting = np.random.default_rng(self.seed), np.zeros(0, dtype=np.int64)
        for _ in range(self.steps):
            if len(waiting) < self.batch_size:  # what is left of a shuffle begins the next batch, and comes last again
                fresh = rng.permutation(n)
                again = np.isin(fresh, waiting)
                waiting = np.concatenate([waiting, fresh[~again], fresh[again]])
            yield np.sort(waiting[: self.batch_size])
            waiting = waiting[self.batch_size :]

    def rate(self, batch: FloatArray | int) -> FloatArray:
        """Learning rate on the summed loss of a batch that holds so many samples; 0 where it holds none."""
        count = np.asarray(batch, dtype=np.float64)
        return np.where(count > 0, self.lr / np.maximum(count, 1), 0.0)

    def decay(self, samples: FloatArray | int) -> FloatArray:
        """Share of w - w0 that the ridge takes away in a step when so many samples are trained on."""
        return np.asarray(self.lr * self.ridge / np.maximum(np.asarray(samples, dtype=np.float64), 1))

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"steps": self.steps, "lr": self.lr, "ridge": self.ridge, "batch_size": self.batch_size,
                "seed": self.seed}  # fmt: skip

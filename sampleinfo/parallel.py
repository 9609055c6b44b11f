"""One function over many pictures, in worker processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from sampleinfo.errors import StorageError, Unreadable
from sampleinfo.types import ImageArray, Images, Reporter, narrowed

Result = TypeVar("Result")
#: Pictures below which processes are not worth their start, and pictures handed out at once.
WORTH, CHUNK = 512, 64


@dataclass(frozen=True)
class Each(Generic[Result]):
    """What ``make`` makes of each picture; of one that cannot be read, the reason."""

    make: Callable[[ImageArray], Result]

    def __call__(self, images: Images) -> list[Result | str]:
        """One result per picture."""
        found: list[Result | str] = []
        for row in range(len(images)):
            try:
                found.append(self.make(images[row]))
            except Unreadable as error:
                found.append(str(error))
        return found


def over_images(
    function: Callable[[Images], list[Result]], images: Images, report: Reporter, stage: str, steps: tuple[float, float]
) -> Iterator[Result]:
    """The results of ``function(some pictures)``, one per picture, in order.

    Reports ``stage`` as going from ``steps[0]`` to ``steps[1]`` of 1. Where there are more than a few hundred pictures
    they are shared out among processes; ``function`` must then be picklable.

    Raises:
        StorageError: a process was ended from outside.
    """
    count, done = len(images), 0
    chunks = (narrowed(images, range(at, min(at + CHUNK, count))) for at in range(0, count, CHUNK))
    for results in _results(function, chunks, parallel=count >= WORTH and workers() > 1):
        yield from results
        done += len(results)
        report(stage, steps[0] + (steps[1] - steps[0]) * done / count, 1.0)


def _results(
    function: Callable[[Images], list[Result]], chunks: Iterator[Images], parallel: bool
) -> Iterator[list[Result]]:
    if not parallel:
        yield from map(function, chunks)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import BrokenProcessPool

    try:
        with Parallel(n_jobs=workers(), return_as="generator", pre_dispatch="4*n_jobs", max_nbytes=None) as pool:
            yield from pool(delayed(function)(chunk) for chunk in chunks)
    except BrokenProcessPool as error:
        raise StorageError("the system ended a process that reads images, probably for lack of memory.") from error


def workers() -> int:
    """Processes: one per core that this process may use, at most eight."""
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` of the numbers 0..count-1, evenly spread."""
    return [int(each) for each in np.unique(np.linspace(0, count - 1, min(count, most)).round())] if count else []

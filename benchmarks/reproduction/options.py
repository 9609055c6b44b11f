"""What a person may set, and what is said while the work goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

#: Seconds between two lines of progress.
PAUSE = 10.0


@dataclass(frozen=True)
class Sizes:
    """Images, steps of gradient descent, samples that are left out for real, and segments of a recorded run."""

    train: int
    validation: int
    steps: int = 0
    removals: int = 0
    segments: int = 0


@dataclass(frozen=True)
class Options:
    """The command line; None: the figure's own value.

    Args:
        quick: sizes of minutes instead of hours.
        train, validation, steps, removals, segments: see ``Sizes``.
        lr: learning rate on the mean loss.
        ridge: pull towards the initial weights, on the summed loss.
        seed: of splits, initial weights and draws.
        settings: names of the parts of a figure; none: all that the data allow.
        data: folder with ``cifar10``, ``dogs-vs-cats`` and ``mnist``, as far as there.
        to: folder of the reports.
    """

    quick: bool = False
    train: int | None = None
    validation: int | None = None
    steps: int | None = None
    removals: int | None = None
    segments: int | None = None
    lr: float | None = None
    ridge: float | None = None
    seed: int = 0
    settings: tuple[str, ...] = ()
    data: Path | None = None
    to: Path = Path("docs/reproduction")

    def sizes(self, quick: Sizes, full: Sizes) -> Sizes:
        """Those of the chosen length, with what was given in their place."""
        given = {each.name: getattr(self, each.name) for each in fields(Sizes)}
        return replace(quick if self.quick else full, **{name: value for name, value in given.items() if value})


@dataclass
class Journal:
    """Says on stderr what is being done, and keeps the seconds of every stage."""

    name: str
    seconds: dict[str, float] = field(default_factory=dict)
    _said: float = 0.0

    def say(self, words: str) -> None:
        """One line."""
        print(f"{self.name}: {words}", file=sys.stderr, flush=True)
        self._said = time.perf_counter()

    @contextmanager
    def stage(self, words: str) -> Iterator[None]:
        """Time what is done inside; the same stage twice counts together."""
        self.say(f"{words} ...")
        start = time.perf_counter()
        yield
        taken = time.perf_counter() - start
        self.seconds[words] = self.seconds.get(words, 0.0) + taken
        self.say(f"{words}: {taken:.1f} s")

    def report(self, stage: str, done: float, total: float) -> None:
        """A ``Reporter``: a line now and then."""
        if time.perf_counter() - self._said > PAUSE:
            self.say(f"{stage} {done / total:.0%}")

"""Progress of long work as one number: stages weighted by their planned time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sampleinfo.planning import Estimate
from sampleinfo.stages import STAGE_WORDS

DOWNLOADS = ("weights",)


@dataclass
class Tracker:
    """A reporter that turns (stage, done, total) into a share of the whole and the time left.

    ``stages`` are planned seconds in the order of the work, ``planned`` the whole.
    """

    stages: dict[str, float]
    planned: float
    started: float = field(default_factory=time.monotonic)
    stage: str = ""
    fraction: float = 0.0
    detail: str = ""

    @classmethod
    def of(cls, plan: Estimate) -> Tracker:
        """Of a run."""
        return cls(plan.stages, plan.seconds)

    def replan(self, plan: Estimate) -> None:
        """A better estimate of the time."""
        self.stages, self.planned = plan.stages, plan.seconds

    def correct(self, stages: dict[str, float]) -> None:
        """Better estimates of the seconds of some stages."""
        self.stages = {**self.stages, **stages}
        self.planned = sum(self.stages.values())

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Note the progress of a stage; the share never goes back."""
        names = list(self.stages)
        self.stage = stage
        self.detail = f" ({done / 2**20:.0f} of {total / 2**20:.0f} MiB)" if stage in DOWNLOADS and total > 1 else ""
        before = sum(self.stages[name] for name in names[: names.index(stage)])
        inside = self.stages[stage] * (min(1.0, done / total) if total > 0 else 1.0)
        self.fraction = max(self.fraction, min(0.999, (before + inside) / max(sum(self.stages.values()), 1e-9)))

    @property
    def words(self) -> str:
        """What is going on, in words."""
        return STAGE_WORDS[self.stage or next(iter(self.stages))] + self.detail

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.started

    @property
    def seconds_left(self) -> float:
        """Planned time at first, this work's own speed more and more."""
        planned = self.planned * (1 - self.fraction)
        if self.fraction < 0.02:
            return planned
        measured = self.seconds * (1 - self.fraction) / self.fraction
        return (1 - self.fraction) * planned + self.fraction * measured


@dataclass
class Timings:
    """Seconds per stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)

"""Progress of a run as one number: stages weighted by their planned time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sampleinfo.planning import STAGE_WORDS, STAGES, Estimate


@dataclass
class Tracker:
    """A reporter that turns (stage, done, total) into a share of the whole run and the time left."""

    plan: Estimate
    started: float = field(default_factory=time.monotonic)
    stage: str = STAGES[0]
    fraction: float = 0.0

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Note the progress of a stage; the share never goes back."""
        self.stage = stage
        before = sum(self.plan.stages[name] for name in STAGES[: STAGES.index(stage)])
        inside = self.plan.stages[stage] * (min(1.0, done / total) if total > 0 else 1.0)
        self.fraction = max(self.fraction, min(0.999, (before + inside) / sum(self.plan.stages.values())))

    @property
    def words(self) -> str:
        """What is going on, in words."""
        return STAGE_WORDS[self.stage]

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.started

    @property
    def seconds_left(self) -> float:
        """Planned time at first, this run's own speed more and more."""
        planned = self.plan.seconds * (1 - self.fraction)
        if self.fraction < 0.02:
            return planned
        measured = self.seconds * (1 - self.fraction) / self.fraction
        return (1 - self.fraction) * planned + self.fraction * measured

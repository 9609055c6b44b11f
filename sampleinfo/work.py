"""A run in the making: what every stage of it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sampleinfo import planning
from sampleinfo.config import RunConfig
from sampleinfo.partial import Partial
from sampleinfo.planning import Estimate
from sampleinfo.progress import Timings
from sampleinfo.settling import Settled
from sampleinfo.types import Reporter


@dataclass(frozen=True)
class Work:
    """A run in the making: its settings, its images, where unfinished work lies, who is told of the progress, and
    who ``tell`` speaks to of what went out of the ordinary."""

    config: RunConfig
    settled: Settled
    partial: Partial
    report: Reporter
    timings: Timings
    announce: Callable[[Estimate], None]
    tell: Callable[[str], None]

    @property
    def plan(self) -> Estimate:
        """Sizes, kernel and expected cost."""
        return self.settled.plan

    @property
    def train(self) -> int:
        """Training images, which come first."""
        return self.plan.train

    @property
    def shared(self) -> bool:
        """Whether one kernel serves several outputs."""
        return planning.is_shared(self.config.kernel, self.config.scope) and self.plan.outputs > 1

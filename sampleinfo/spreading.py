"""Where a run's shards are computed: in this process, in worker processes or on a cluster, and what happened there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sampleinfo import execution
from sampleinfo.execution import Backend, Event, InProcess, Ray
from sampleinfo.primal_passes import Result
from sampleinfo.types import Reporter

#: Results of a pass per worker that may wait for an earlier one: they may be matrices.
FEW = 2


@dataclass
class Spreading:
    """A back end, who is told of the progress and of ``events``, and the progress told last."""

    backend: Backend
    reporter: Reporter
    tell: Callable[[str], None]
    events: list[str] = field(default_factory=list)
    last: tuple[str, float, float] | None = None

    def report(self, stage: str, done: float, total: float) -> None:
        """Tell of progress."""
        self.last = stage, done, total
        self.reporter(stage, done, total)

    def shards(self, work: Callable[[int], None], count: int, finished: Collection[int], stage: str) -> None:
        """Make the ``count`` shards that are not ``finished``."""
        for _ in execution.map(
            work, range(count), self.backend, finished, report=self.report, stage=stage, tell=self._hear
        ):
            pass

    def mapper(self, work: Callable[[int], Result], numbers: Sequence[int]) -> Iterable[Result]:
        """Make a pass over finished shards (``Mapper``): on the cluster where there is one, else in this process.

        Products of matrices use all cores of one machine as it is; other processes of it would only have to start.
        """
        backend = self.backend if isinstance(self.backend, Ray) else InProcess()
        results = execution.map(work, numbers, backend, report=self._look, tell=self._hear_of_pass, ahead=FEW)
        return (result for _, result in results)

    def _look(self, stage: str, done: float, total: float) -> None:  # noqa: ARG002
        """A pass is a small part of its stage: say the same as before, and hear of a wish to stop."""
        if self.last is not None:
            self.reporter(*self.last)

    def _hear(self, event: Event) -> None:
        self.note(event.words if event.number is None else f"Shard {event.number}: {event.words}")

    def _hear_of_pass(self, event: Event) -> None:
        self.note(event.words if event.number is None else f"Part {event.number} of a pass: {event.words}")

    def note(self, words: str) -> None:
        """Say what happened, and keep it."""
        self.events.append(words)
        self.tell(words)

"""One function over the shards of a job: in this process, in worker processes or on a Ray cluster.

The loop is the same for all: ``map`` hands out numbers, tries those again whose worker died, and delivers results in
order. A back end only begins shards and tells what became of them (``execution_crew.Crew``). A shard is handed to one
worker at a time, so that at most the shards in flight are computed twice when something dies.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sampleinfo import execution_ray
from sampleinfo.errors import InvalidSetting, SampleInfoError
from sampleinfo.execution_crew import PERIOD, Backend, Crew, Failed, Finished, Lost, Outcome, Work, cores
from sampleinfo.execution_processes import InProcess, Processes
from sampleinfo.execution_ray import Ray
from sampleinfo.types import Reporter, silent

__all__ = ["Backend", "Event", "InProcess", "Processes", "Ray", "Work", "WorkerLost", "backend_of", "map", "pulse"]

#: Results per worker that may wait for an earlier shard.
AHEAD = 4


class WorkerLost(SampleInfoError):
    """The workers of a shard ended again and again."""


@dataclass(frozen=True)
class Event:
    """Something out of the ordinary that happened to a shard (None: to the job), for people to read."""

    number: int | None
    words: str


def map(
    work: Work, numbers: Iterable[int], backend: Backend, finished: Collection[int] = (),
    keep: Callable[[int, Any], None] | None = None, report: Reporter = silent, retries: int = 2,
    stage: str = "shards", tell: Callable[[Event], None] | None = None, ahead: int = AHEAD,
) -> Iterator[tuple[int, Any]]:  # fmt: skip
    """Pairs (number, ``work(number)``) of the ``numbers`` that are not ``finished``, in increasing order of number.

    ``work`` must be picklable, and give the same result wherever and however often it is called: it returns small
    arrays, or writes its shard whole (``execution_storage.Place.writing``) and returns nothing. It carries all that it
    needs: another machine knows neither the environment variables nor the current folder of this one.
    Results are the same to the bit whichever back end computes them, as far as ``work`` does not depend on the number
    of threads: a product of matrices may in its last bits.
    ``keep(number, result)`` is called here as soon as a result is there, before results of earlier shards perhaps:
    the place to note it on disk, so that the next start can name it as ``finished``.

    ``report(stage, done, total)`` is called after each shard and every 0.3 s, ``finished`` counting as done. What it
    raises (``Cancelled``) ends the map: running work is asked to stop, and ended from outside after 3 s. In this
    process work stops at its next ``pulse()`` or at its end. Closing the iterator stops the work in the same way.
    A shard whose worker died is begun again up to ``retries`` times; ``tell`` hears of it. At most ``ahead`` shards per
    worker are begun and not delivered.

    Raises:
        InvalidSetting: ``retries`` below 0, ``ahead`` below 1, Ray is not installed, or its cluster cannot be reached.
        WorkerLost: the workers of one shard ended ``retries`` + 1 times.
        Exception: what ``work`` raised, at once, with a note that names the shard.
    """
    if retries < 0:
        raise InvalidSetting(f"retries must be at least 0; got {retries}.")
    if ahead < 1:
        raise InvalidSetting(f"ahead must be at least 1; got {ahead}.")
    wanted = set(numbers)
    todo = sorted(wanted.difference(finished))
    book = _Book(todo, len(wanted), retries, keep or _forget, tell or _ignore)
    if len(todo) < len(wanted):
        book.tell(Event(None, f"{len(wanted) - len(todo)} of {len(wanted)} shards are there already."))
    return _results(work, backend, book, ahead, lambda: report(stage, book.done, book.total))


def pulse() -> None:
    """To be called now and then by long work: in the driver's process a wish to stop is noticed here.

    Raises:
        Cancelled: by the map's reporter. In worker processes nothing: they are stopped from outside.
    """
    _PULSE.get()()


_PULSE: ContextVar[Callable[[], None]] = ContextVar("pulse", default=lambda: None)


def backend_of(ray: str | None = None, workers: int | None = None) -> Backend:
    """The back end of the command line: ``--ray auto|local|HOST:PORT``, ``--workers N``.

    With a cluster, ``workers`` is the most tasks at a time; alone, the processes of this machine, each with an even
    share of the cores; one worker is this process.

    Raises:
        InvalidSetting: fewer than one worker, more than there are cores, an address of another form, or no Ray here.
    """
    if workers is not None and workers < 1:
        raise InvalidSetting(f"--workers must be at least 1; got {workers}.")
    if workers is not None and ray in (None, execution_ray.LOCAL) and workers > cores():
        raise InvalidSetting(f"--workers must be at most {cores()}, the cores that may be used here; got {workers}.")
    if ray is not None:
        execution_ray.installed()
        return Ray(ray, most=workers)
    if workers is None or workers == 1:
        return InProcess()
    return Processes(workers)


@dataclass
class _Book:
    """Which shards are to be begun, how often each was lost, and results that wait for their turn."""

    todo: list[int]
    total: int
    retries: int
    keep: Callable[[int, Any], None]
    tell: Callable[[Event], None]
    order: list[int] = field(init=False)
    delivered: int = 0
    arrived: dict[int, Any] = field(default_factory=dict)
    losses: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.order = list(self.todo)

    @property
    def done(self) -> int:
        """Shards that need no more work."""
        return self.total - len(self.order) + self.delivered + len(self.arrived)

    @property
    def begun(self) -> int:
        """Shards at work, and results that wait for their turn."""
        return len(self.order) - self.delivered - len(self.todo)

    def next(self, most: int) -> int | None:
        """The next shard to begin; None where none is left, or ``most`` are begun but not delivered.

        The one that is next to be delivered may always be begun, or all would wait for it.
        """
        if not self.todo or (self.begun >= most and self.todo[0] != self.order[self.delivered]):
            return None
        return heapq.heappop(self.todo)

    def settle(self, outcome: Outcome) -> None:
        """Take in what became of a shard."""
        number = outcome.number
        if isinstance(outcome, Finished):
            self.arrived[number] = outcome.result
            self.keep(number, outcome.result)
        elif isinstance(outcome, Failed):
            self.tell(Event(number, f"failed: {outcome.error}"))
            outcome.error.add_note(f"while computing shard {number}")
            raise outcome.error
        else:
            self._try_again(outcome)

    def _try_again(self, lost: Lost) -> None:
        times = self.losses[lost.number] = self.losses.get(lost.number, 0) + 1
        if times > self.retries:
            raise WorkerLost(
                f"shard {lost.number} could not be computed in {times} attempts; the last time {lost.words}. If memory "
                "ran out, use fewer workers or smaller shards. Finished shards are kept: start again to go on."
            )
        heapq.heappush(self.todo, lost.number)
        self.tell(Event(lost.number, f"{lost.words}; the shard is tried again ({times} of {self.retries})."))

    def deliver(self) -> Iterator[tuple[int, Any]]:
        """Results whose turn it is."""
        while self.delivered < len(self.order) and (number := self.order[self.delivered]) in self.arrived:
            self.delivered += 1
            yield number, self.arrived.pop(number)


def _results(
    work: Work, backend: Backend, book: _Book, ahead: int, look: Callable[[], None]
) -> Iterator[tuple[int, Any]]:
    look()
    if not book.order:
        return
    with backend.crew(work) as crew:
        while book.delivered < len(book.order):
            _hand_out(crew, book, ahead)
            for outcome in _wait(crew, look):
                book.settle(outcome)
            look()
            yield from book.deliver()


def _hand_out(crew: Crew, book: _Book, ahead: int) -> None:
    free = crew.free()
    busy = book.begun - len(book.arrived)
    for _ in range(free):
        number = book.next(ahead * (free + busy))
        if number is None:
            return
        crew.submit(number)


def _wait(crew: Crew, look: Callable[[], None]) -> list[Outcome]:
    token = _PULSE.set(look)
    try:
        return crew.wait(PERIOD)
    finally:
        _PULSE.reset(token)


def _forget(number: int, result: Any) -> None:
    """Keep nothing."""


def _ignore(event: Event) -> None:
    """Tell nobody."""

"""The back ends of one machine: this process, or worker processes that may die without harm."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from sampleinfo.errors import Cancelled
from sampleinfo.execution_crew import (
    GRACE,
    Failed,
    Finished,
    Lost,
    Outcome,
    Work,
    answer,
    cores,
    limit,
    limited,
    outcome,
    positive,
)


@dataclass(frozen=True)
class InProcess:
    """One shard after the other in this process, whose libraries use ``threads`` threads (None: as they are set)."""

    threads: int | None = None

    def __post_init__(self) -> None:
        positive("threads", 1 if self.threads is None else self.threads)

    @contextmanager
    def crew(self, work: Work) -> Iterator[_Here]:
        """This process alone."""
        yield _Here(work, self.threads)

    def held(self) -> AbstractContextManager[None]:
        """Nothing to keep."""
        return nullcontext()


@dataclass
class _Here:
    work: Work
    threads: int | None
    numbers: list[int] = field(default_factory=list)

    def free(self) -> int:
        return 1 - len(self.numbers)

    def submit(self, number: int) -> None:
        self.numbers.append(number)

    def wait(self, seconds: float) -> list[Outcome]:  # noqa: ARG002 # the work itself is what takes time
        number = self.numbers.pop()
        with limited(self.threads):
            try:
                return [Finished(number, self.work(number))]
            except Cancelled:
                raise
            except Exception as error:
                return [Failed(number, error)]


@dataclass(frozen=True)
class Processes:
    """``workers`` new processes of this machine with ``threads_each`` threads (None: an even share of the cores).

    Each is a fresh Python: a program that uses this from its main file needs ``if __name__ == "__main__":`` there.
    """

    workers: int
    threads_each: int | None = None

    def __post_init__(self) -> None:
        positive("workers", self.workers)
        positive("threads_each", 1 if self.threads_each is None else self.threads_each)

    @property
    def threads(self) -> int:
        """Threads of one worker: workers x threads is at most the number of cores, as far as one each allows."""
        return self.threads_each or max(1, cores() // self.workers)

    @contextmanager
    def crew(self, work: Work) -> Iterator[_Pool]:
        """Processes, started when there is something to do."""
        pool = _Pool(work, self.workers, self.threads)
        try:
            yield pool
        finally:
            pool.stop()

    def held(self) -> AbstractContextManager[None]:
        """Nothing to keep: each map starts processes of its own."""
        return nullcontext()


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    number: int | None = None

    def ended(self) -> str:
        """How the process came to its end, in words."""
        self.process.join(GRACE)
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"its worker process ended with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
        return f"its worker process was ended by signal {-code} ({name})"


@dataclass
class _Pool:
    work: Work
    most: int
    threads: int
    workers: list[_Worker] = field(default_factory=list)

    def free(self) -> int:
        return self.most - sum(worker.number is not None for worker in self.workers)

    def submit(self, number: int) -> None:
        for worker in [each for each in self.workers if each.number is None]:
            try:
                worker.pipe.send(number)
            except OSError:  # it ended while it had nothing to do
                self._drop(worker)
                continue
            worker.number = number
            return
        worker = self._start()
        worker.number = number
        with suppress(OSError):  # an end so early is noticed by ``wait``
            worker.pipe.send(number)

    def wait(self, seconds: float) -> list[Outcome]:
        ready = wait([watched for each in self.workers for watched in (each.pipe, each.process.sentinel)], seconds)
        found: list[Outcome] = []
        for worker in list(self.workers):
            if worker.pipe in ready or worker.process.sentinel in ready:
                found += self._hear(worker)
        return found

    def _hear(self, worker: _Worker) -> list[Outcome]:
        """What came of a worker that has something to say or is gone; a result sent before its end counts."""
        number = worker.number
        try:
            if worker.pipe.poll():
                packed = worker.pipe.recv_bytes()
                worker.number = None
                return [] if number is None else [outcome(number, packed)]
        except (EOFError, OSError):
            pass  # it was ended in the middle of its answer
        self._drop(worker)
        return [] if number is None else [Lost(number, worker.ended())]

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.work, self.threads), daemon=True)
        process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        worker = _Worker(process, ours)
        self.workers.append(worker)
        return worker

    def _drop(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        worker.pipe.close()

    def stop(self) -> None:
        """Ask every process to end, and end what has not within the grace."""
        for worker in self.workers:
            worker.process.terminate()
        last = time.monotonic() + GRACE
        for worker in self.workers:
            worker.process.join(max(0.0, last - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
        self.workers.clear()


def _serve(pipe: Connection, work: Work, threads: int) -> None:
    """A worker process: one answer per number, until the pipe ends, a signal comes or the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver hears it too, and decides
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    limit(threads)
    with suppress(EOFError, OSError):
        while True:
            number = pipe.recv()
            pipe.send_bytes(answer(work, number))


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)  # through the ``finally`` of the work, which removes what is half-written


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait([driver.sentinel])
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)

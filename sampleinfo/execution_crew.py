"""What every back end of ``execution.map`` offers, and what passes between the driver and its workers."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, cast

from sampleinfo.errors import InvalidSetting, SampleInfoError

#: ``work(number)`` computes one shard: picklable, the same result however often and wherever it is called.
Work = Callable[[int], Any]
#: Seconds between two looks at the wish to stop, and that stopped work has for tidying up before it is ended.
PERIOD, GRACE = 0.3, 3.0
#: What the libraries for matrices read when they are loaded.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Finished:
    """A shard is done."""

    number: int
    result: Any


@dataclass(frozen=True)
class Failed:
    """``work`` raised ``error``: the same would happen again."""

    number: int
    error: Exception


@dataclass(frozen=True)
class Lost:
    """The worker of a shard ended before the shard was done; ``words`` say how."""

    number: int
    words: str


Outcome = Finished | Failed | Lost


class Crew(Protocol):
    """Workers that are up."""

    def free(self) -> int:
        """How many more shards can be begun at this moment."""
        ...

    def submit(self, number: int) -> None:
        """Begin a shard."""
        ...

    def wait(self, seconds: float) -> list[Outcome]:
        """What has ended, at the latest after ``seconds`` where the work does not run in this process."""
        ...


class Backend(Protocol):
    """Where shards are computed; a frozen dataclass, so that it can be kept in settings and compared."""

    def crew(self, work: Work) -> AbstractContextManager[Crew]:
        """Workers for one ``work``; at the end of the context whatever still runs is stopped."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """Keep what is slow to start (a connection to a cluster) for several maps."""
        ...


def answer(work: Work, number: int) -> bytes:
    """Compute a shard in a worker: its result, or the error that ``work`` raised, packed for the driver."""
    try:
        return pickle.dumps((True, work(number)), protocol=5)
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)).rstrip())
        return pickle.dumps((False, _portable(error)), protocol=5)


def outcome(number: int, packed: bytes) -> Outcome:
    """What ``answer`` packed, in the driver."""
    done, value = pickle.loads(packed)
    return Finished(number, value) if done else Failed(number, value)


def _portable(error: Exception) -> Exception:
    """The same error where it survives the way to another process, else the nearest that does, with the same text."""
    kinds: list[type[Exception]] = [kind for kind in type(error).__mro__ if issubclass(kind, SampleInfoError)]
    text = str(error) if isinstance(error, SampleInfoError) else f"{type(error).__name__}: {error}"
    for make in (lambda: error, *(_maker(kind, text, error) for kind in kinds)):
        try:
            made = make()
            if str(pickle.loads(pickle.dumps(made))) == str(made):
                return made
        except Exception:
            continue
    return RuntimeError(text)


def _maker(kind: type[Exception], text: str, like: Exception) -> Callable[[], Exception]:
    def make() -> Exception:
        made = kind(text)
        for note in getattr(like, "__notes__", ()):
            made.add_note(note)
        return made

    return make


def cores() -> int:
    """Cores that this process may use, by affinity and by the limits of its container."""
    from joblib import cpu_count

    return max(1, int(cpu_count()))


def positive(name: str, value: int) -> None:
    """Refuse a number of workers or threads below one.

    Raises:
        InvalidSetting: it is below one.
    """
    if value < 1:
        raise InvalidSetting(f"{name} must be at least 1; got {value}.")


@lru_cache(maxsize=1)
def limit(threads: int) -> None:
    """Let the libraries for matrices use ``threads`` threads in this process, those not loaded yet too."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it

    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """The same for a while, of the libraries that are loaded; None leaves all as it is."""
    if threads is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    torch = cast(Any, sys.modules.get("torch"))
    before = torch.get_num_threads() if torch is not None else 0
    with threadpool_limits(threads):
        if torch is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)

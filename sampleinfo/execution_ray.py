"""The back end of many machines: Ray core tasks, one per shard. Ray is loaded only when it is used."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from sampleinfo.errors import InvalidSetting
from sampleinfo.execution_crew import GRACE, Failed, Lost, Outcome, Work, answer, limit, outcome, positive

AUTO, LOCAL = "auto", "local"
#: Seconds in which the head of a cluster must answer; Ray itself would wait for minutes.
PATIENCE = 10.0
#: Words for the errors that are common.
LOSSES = {
    "NodeDiedError": "its machine was lost to the cluster",
    "OutOfMemoryError": "its worker on the cluster was ended for lack of memory",
    "WorkerCrashedError": "its worker on the cluster ended suddenly",
}


@dataclass(frozen=True)
class Ray:
    """Tasks of ``threads_each`` cores on a Ray cluster, as many at a time as it has cores for, at most ``most``.

    ``address``: ``auto`` is the cluster that this machine belongs to (or that ``RAY_ADDRESS`` names), ``local`` a new
    one of this machine alone, else ``host:port`` of its head. This machine must be part of the cluster
    (``ray start --address=host:port``); every machine needs the same versions of Python, Ray and this package, and
    shards must be where all of them can write. A connection that the program has made already is used and left open.
    """

    address: str = AUTO
    threads_each: int = 1
    most: int | None = None

    def __post_init__(self) -> None:
        positive("threads_each", self.threads_each)
        positive("most", 1 if self.most is None else self.most)
        if self.address not in (AUTO, LOCAL) and not re.fullmatch(r"[A-Za-z0-9_.\[\]:-]+:[0-9]{1,5}", self.address):
            raise InvalidSetting(
                f"the address of a Ray cluster is auto, local or HOST:PORT of its head; got {self.address!r}. Ray "
                "Client addresses (ray://) are not supported: start the command on a machine of the cluster."
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stay connected for several maps: connecting takes seconds.

        Raises:
            InvalidSetting: Ray is not installed, or the cluster cannot be reached.
        """
        ray = _load()
        if ray.is_initialized():
            yield
            return
        _connect(ray, self.address, self.most)
        try:
            yield
        finally:
            ray.shutdown()

    @contextmanager
    def crew(self, work: Work) -> Iterator[_Tasks]:
        """Tasks on the cluster."""
        with self.held():
            tasks = _Tasks(_load(), work, self.threads_each, self.most)
            try:
                yield tasks
            finally:
                tasks.stop()


def _load() -> Any:
    """The module, told to send nothing home, and to leave ``print`` alone.

    Ray puts a function of its own in the place of the builtin ``print`` when it first shows what a worker wrote; from
    then on numba can compile no loop that runs in parallel, which the index of neighbours and UMAP are made of.

    Raises:
        InvalidSetting: it is not installed.
    """
    installed()
    for setting in ("RAY_USAGE_STATS_ENABLED", "RAY_TQDM_PATCH_PRINT"):
        os.environ.setdefault(setting, "0")
    import ray

    return ray


def installed() -> None:
    """Look whether Ray is there, without loading it.

    Raises:
        InvalidSetting: it is not.
    """
    if find_spec("ray") is None:
        raise InvalidSetting("Ray is not installed here; it comes with: pip install 'sampleinfo[ray]'")


def _connect(ray: Any, address: str, most: int | None) -> None:
    """Connect, and give back the answer to SIGTERM that Ray takes for itself."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    local = {"num_cpus": most, "include_dashboard": False} if address == LOCAL else {}
    try:
        _probe(address)
        ray.init(address, log_to_driver=False, logging_level="WARNING", configure_logging=False, **local)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        with suppress(Exception):
            ray.shutdown()
        hint = "start one with: ray start --head" if address == AUTO else "is it running, and this machine part of it?"
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InvalidSetting(f"the Ray cluster {address!r} cannot be used ({hint}). Ray says: {lines[0]}") from error
    finally:
        if main:
            signal.signal(signal.SIGTERM, handler)


def _probe(address: str) -> None:
    """Raise OSError where nothing answers at ``host:port``."""
    if address not in (AUTO, LOCAL):
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()


def _task(work: Work, number: int, threads: int) -> bytes:
    """What runs on the cluster."""
    limit(threads)
    return answer(work, number)


@dataclass
class _Tasks:
    ray: Any
    work: Work
    threads: int
    most: int | None
    running: dict[Any, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Tries are counted by ``execution.map``, as for every back end, so that each is told.
        self.task = self.ray.remote(num_cpus=self.threads, max_retries=0)(_task)
        self.reference = self.ray.put(self.work)

    def slots(self) -> int:
        """Tasks that the machines that are there have cores for."""
        nodes = [node["Resources"].get("CPU", 0.0) for node in self.ray.nodes() if node["Alive"]]
        slots = sum(int(cpus // self.threads) for cpus in nodes)
        return slots if self.most is None else min(slots, self.most)

    def free(self) -> int:
        slots = self.slots()
        if slots < 1 and not self.running:
            raise InvalidSetting(f"no machine of the Ray cluster has {self.threads} cores, which one task needs.")
        return max(0, slots - len(self.running))

    def submit(self, number: int) -> None:
        self.running[self.task.remote(self.reference, number, self.threads)] = number

    def wait(self, seconds: float) -> list[Outcome]:
        if not self.running:
            return []
        ready, _ = self.ray.wait(list(self.running), num_returns=1, timeout=seconds)
        return [self._hear(each, self.running.pop(each)) for each in ready]

    def _hear(self, reference: Any, number: int) -> Outcome:
        errors = self.ray.exceptions
        try:
            return outcome(number, self.ray.get(reference))
        except errors.RayTaskError as error:
            return Failed(number, _cause(error))
        except errors.RayError as error:
            return Lost(number, _words(error))

    def stop(self) -> None:
        """Interrupt what runs, and end what has not stopped within the grace."""
        for reference in self.running:
            with suppress(Exception):
                self.ray.cancel(reference)
        left = list(self.running)
        with suppress(Exception):
            _, left = self.ray.wait(left, num_returns=len(left), timeout=GRACE)
        for reference in left:
            with suppress(Exception):
                self.ray.cancel(reference, force=True)
        self.running.clear()


def _words(error: Exception) -> str:
    """How a worker was lost; of what Ray says the first sentence."""
    kind = type(error).__name__
    if kind in LOSSES:
        return LOSSES[kind]
    sentence = re.split(r"\.\s|\n", str(error).strip(), maxsplit=1)[0]
    return f"its worker on the cluster was lost ({kind}: {sentence})"


def _cause(error: Any) -> Exception:
    """Why a task could not even begin."""
    cause = error.cause if isinstance(error.cause, Exception) else error
    missing = re.search(r"No module named '[^']*'", str(cause))
    if missing is None:
        return cause
    return InvalidSetting(
        f"a machine of the Ray cluster cannot load the work ({missing[0]}): every machine needs the same versions of "
        "this package and of Python."
    )

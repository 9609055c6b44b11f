"""One map over shards: the same results, order, progress and errors whichever back end runs it."""

from __future__ import annotations

import builtins
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampleinfo import execution
from sampleinfo.errors import Cancelled, InvalidData, InvalidSetting, SampleInfoError
from sampleinfo.execution import Backend, Event, InProcess, Processes, Ray, WorkerLost, backend_of
from sampleinfo.execution_crew import Failed, Finished, Lost, Outcome, Work, cores
from sampleinfo.execution_storage import Place
from tests.execution_works import Faulty, Noted, Products, Threads, need_ray

BACKENDS = [
    pytest.param(InProcess(), id="in-process"),
    pytest.param(Processes(2, 1), id="processes"),
    pytest.param(Ray("local", most=2), id="ray"),
]


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if isinstance(request.param, Ray):
        need_ray()
    with request.param.held():
        yield request.param


def test_results_are_the_same_to_the_bit(backend: Backend) -> None:
    work = Products(np.linspace(0.1, 3.0, 32))
    found = dict(execution.map(work, range(12), backend))
    assert list(found) == list(range(12))
    for number, result in found.items():
        assert result.tobytes() == work(number).tobytes()
        assert result.flags.writeable


def test_delivered_in_order_and_kept_as_they_come(backend: Backend) -> None:
    kept: list[int] = []
    results = execution.map(
        Products(np.ones(32), 0.2), [5, 1, 4, 2, 3], backend, keep=lambda number, _: kept.append(number)
    )
    assert [number for number, _ in results] == [1, 2, 3, 4, 5]
    assert sorted(kept) == [1, 2, 3, 4, 5]


def test_finished_shards_are_not_run(backend: Backend, tmp_path: Path) -> None:
    work, events = Noted(str(tmp_path)), list[Event]()
    results = execution.map(work, range(6), backend, finished={0, 3, 99}, tell=events.append)
    assert [number for number, _ in results] == [1, 2, 4, 5]
    assert work.calls() == [1, 2, 4, 5]
    assert events == [Event(None, "2 of 6 shards are there already.")]


def test_progress_counts_what_is_there(backend: Backend) -> None:
    seen: list[tuple[str, float, float]] = []
    list(
        execution.map(
            Products(np.ones(32)), range(8), backend, {0, 1}, report=lambda *each: seen.append(each), stage="features"
        )
    )
    assert seen[0] == ("features", 2, 8)
    assert seen[-1] == ("features", 8, 8)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_cancelling_stops_running_work_and_leaves_nothing_half_written(backend: Backend, tmp_path: Path) -> None:
    work = Noted(str(tmp_path), seconds=30.0)

    def report(stage: str, done: float, total: float) -> None:
        if (tmp_path / "calls").exists() and work.at_work():
            raise Cancelled("the user stopped the work.")

    start = time.monotonic()
    with pytest.raises(Cancelled, match="the user stopped"):
        list(execution.map(work, range(4), backend, report=report))
    assert time.monotonic() - start < 15
    place = Place(str(tmp_path / "shards"))
    assert place.names() == []
    place.sweep()  # where the machine was so busy that a worker had to be killed before it could tidy up
    assert list((tmp_path / "shards").glob("*")) == []
    if isinstance(backend, Processes):
        assert not any(psutil.pid_exists(pid) for pid in work.at_work().values())


def test_a_consumer_that_stops_stops_the_work(backend: Backend, tmp_path: Path) -> None:
    work = Noted(str(tmp_path), seconds=0.05)
    for number, _ in execution.map(work, range(200), backend):
        if number == 3:
            break
    begun = len(work.calls())
    time.sleep(0.5)
    assert len(work.calls()) == begun < 50
    assert len(list((tmp_path / "shards").glob(".*"))) == 0


def test_results_wait_for_a_slow_shard_within_bounds(backend: Backend) -> None:
    """Only so many are begun while the first is not there."""
    kept: list[int] = []
    work = _SlowFirst(1.5)
    first = next(execution.map(work, range(100), backend, keep=lambda number, _: kept.append(number)))
    assert first == (0, 0)
    assert len(kept) <= execution.AHEAD * 2


@dataclass(frozen=True)
class _SlowFirst:
    seconds: float

    def __call__(self, number: int) -> int:
        time.sleep(0 if number else self.seconds)
        return number


def test_an_error_of_the_package_arrives_as_it_is(backend: Backend) -> None:
    events: list[Event] = []
    with pytest.raises(InvalidData, match="the labels of shard two") as caught:
        list(execution.map(Faulty("data"), range(5), backend, tell=events.append))
    assert str(caught.value) == "the labels of shard two are missing."
    assert "while computing shard 2" in caught.value.__notes__
    assert events == [Event(2, "failed: the labels of shard two are missing.")]


def test_an_error_that_cannot_travel_keeps_its_text(backend: Backend) -> None:
    with pytest.raises(SampleInfoError, match=r"Unknown class 'dgo'\. Did you mean 'dog'\? Known: cat, dog\."):
        list(execution.map(Faulty("name"), range(5), backend))


def test_an_error_of_the_program_shows_where(backend: Backend) -> None:
    with pytest.raises(KeyError, match="gone") as caught:
        list(execution.map(Faulty("program"), range(5), backend))
    assert "while computing shard 2" in caught.value.__notes__
    if not isinstance(backend, InProcess):
        assert any('raise KeyError("gone")' in note for note in caught.value.__notes__)


@pytest.mark.parametrize("name", ["processes", "ray"])
def test_workers_use_no_more_threads_than_told(name: str) -> None:
    if name == "ray":
        need_ray()
    limits = Processes(1, 1) if name == "processes" else Ray("local", threads_each=1, most=1)
    found = [each for _, each in execution.map(Threads(), range(2), limits)]
    assert found == [{"libraries": 1, "torch": 1, "omp": 1}] * 2


def test_this_process_gets_its_threads_back() -> None:
    import torch
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        return [torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info())]

    before = threads()
    inside = [found for _, found in execution.map(lambda _: threads(), range(2), InProcess(1))]
    assert inside == [[1] * len(before)] * 2
    assert threads() == before


def test_threads_of_all_workers_fit_the_cores() -> None:
    for workers in range(1, cores() + 1):
        assert workers * Processes(workers).threads <= cores()
    assert Processes(cores() + 5).threads == 1


def test_nothing_to_do_starts_nobody() -> None:
    assert list(execution.map(Faulty("data"), [], _Broken())) == []
    assert list(execution.map(Faulty("data"), [2], _Broken(), finished=[2])) == []


@dataclass(frozen=True)
class _Broken(InProcess):
    def crew(self, work: Work) -> None:  # type: ignore[override]
        raise AssertionError("started")


def test_work_in_this_process_notices_the_wish_to_stop() -> None:
    def work(number: int) -> None:
        for _ in range(1000):
            execution.pulse()
        raise AssertionError("not stopped")

    looks: list[float] = []

    def report(stage: str, done: float, total: float) -> None:
        looks.append(done)
        if len(looks) > 3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        list(execution.map(work, range(3), InProcess(), report=report))
    execution.pulse()  # nobody listens any more


def test_a_worker_that_dies_while_idle_is_replaced() -> None:
    pids: list[int] = []

    def end(number: int, pid: int) -> None:
        if number == 1:
            os.kill(pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
        pids.append(pid)

    found = dict(execution.map(_Pid(), range(4), Processes(1, 1), keep=end, retries=0))
    assert list(found) == list(range(4))
    assert len(set(pids)) == 2


@dataclass(frozen=True)
class _Pid:
    def __call__(self, number: int) -> int:
        return os.getpid()


def test_a_cluster_that_lacks_the_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_ray()
    (tmp_path / "elsewhere.py").write_text("class Away:\n    def __call__(self, number):\n        return number\n")
    with Ray("local", most=1).held():
        monkeypatch.syspath_prepend(str(tmp_path))  # after the workers have been told where programs are
        away = importlib.import_module("elsewhere").Away()
        with pytest.raises(InvalidSetting, match=r"cannot load the work \(No module named 'elsewhere'\): every"):
            list(execution.map(away, [1], Ray("local")))


# -- The loop alone, against workers that are lost at random ---------------------------------------------------------


@dataclass
class _Whims:
    """A crew of any size that finishes and loses shards as a list says, in any order."""

    whims: list[int]
    slots: int
    running: list[int] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    most: int = 0

    def free(self) -> int:
        return self.slots - len(self.running)

    def submit(self, number: int) -> None:
        self.running.append(number)
        self.begun.append(number)
        self.most = max(self.most, len(self.running))

    def wait(self, seconds: float) -> list[Outcome]:
        whim = self.whims.pop() if self.whims else 0
        number = self.running.pop(whim % len(self.running))
        if whim % 5 == 4:
            self.slots = max(1, self.slots - whim % 2)  # a machine went with it
            return [Lost(number, "its worker was lost")]
        return [Finished(number, number * number)]

    @contextmanager
    def crew(self, work: Work) -> Iterator[_Whims]:
        yield self


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.integers(0, 40), max_size=20), st.sets(st.integers(0, 40)), st.lists(st.integers(0, 99), max_size=60),
    st.integers(1, 5), st.integers(0, 3),
)  # fmt: skip
def test_whatever_is_lost_results_are_whole_or_refused(
    numbers: set[int], finished: set[int], whims: list[int], slots: int, retries: int
) -> None:
    crew, events = _Whims(list(whims), slots), list[Event]()
    todo = sorted(numbers - finished)
    try:
        found = list(execution.map(abs, numbers, crew, finished, retries=retries, tell=events.append))  # type: ignore[arg-type]
    except WorkerLost:
        assert max(builtins.map(crew.begun.count, crew.begun)) == retries + 1
        return
    assert found == [(number, number * number) for number in todo]
    lost = [event for event in events if event.number is not None]
    assert len(crew.begun) == len(todo) + len(lost)
    assert crew.most <= slots


def test_the_error_of_a_lost_shard_names_it_and_why() -> None:
    with pytest.raises(WorkerLost, match=r"shard 7 could not be computed in 2 attempts; the last time its worker was"):
        list(execution.map(abs, [7], _Whims([4, 4, 4], 2), retries=1))  # type: ignore[arg-type]


def test_a_failure_that_is_kept_for_later_is_raised_at_once() -> None:
    crew = _Whims([], 2)
    crew.wait = lambda seconds: [Failed(3, InvalidData("no"))]  # type: ignore[method-assign]
    with pytest.raises(InvalidData, match="no"):
        list(execution.map(abs, [3, 4], crew))  # type: ignore[arg-type]


# -- Settings --------------------------------------------------------------------------------------------------------


def test_the_back_end_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "cores", lambda: 4)
    assert backend_of() == backend_of(workers=1) == InProcess()
    assert backend_of(workers=3) == Processes(3)
    with pytest.raises(InvalidSetting, match="--workers must be at most 4, the cores that may be used here; got 5"):
        backend_of(workers=5)
    with pytest.raises(InvalidSetting, match="--workers must be at most 4, the cores that may be used here; got 100"):
        backend_of("local", 100)
    with pytest.raises(InvalidSetting, match="--workers must be at least 1; got 0"):
        backend_of(workers=0)
    need_ray()
    assert backend_of("auto") == Ray("auto")
    assert backend_of("10.0.0.7:6379", 8) == Ray("10.0.0.7:6379", most=8)


@pytest.mark.parametrize("address", ["", "10.0.0.7", "ray://10.0.0.7:10001", "a b:1", "host:port", "x;y:1"])
def test_addresses_of_another_form_are_refused(address: str) -> None:
    with pytest.raises(InvalidSetting, match=r"auto, local or HOST:PORT of its head; got"):
        Ray(address)


def test_impossible_settings_are_refused() -> None:
    for make, words in [
        (lambda: InProcess(0), "threads must be at least 1; got 0"),
        (lambda: Processes(0), "workers must be at least 1; got 0"),
        (lambda: Processes(1, -1), "threads_each must be at least 1; got -1"),
        (lambda: Ray(most=0), "most must be at least 1; got 0"),
        (lambda: execution.map(abs, [1], InProcess(), retries=-1), "retries must be at least 0; got -1"),
    ]:
        with pytest.raises(InvalidSetting, match=words):
            make()


def test_ray_does_not_replace_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would when it first shows a worker's words; numba then fails to compile the index of neighbours."""
    need_ray()
    from ray.experimental import tqdm_ray

    monkeypatch.setattr(builtins, "print", print)
    monkeypatch.setattr(tqdm_ray, "_manager", None)
    with Ray("local", most=1).held():
        tqdm_ray.instance()
    assert isinstance(print, type(len))


def test_without_ray_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidSetting, match=r"pip install 'sampleinfo\[ray\]'"):
        list(execution.map(abs, [1], Ray("local")))
    with pytest.raises(InvalidSetting, match=r"pip install 'sampleinfo\[ray\]'"):
        backend_of("auto")


def test_it_is_loaded_without_heavy_libraries() -> None:
    code = (
        "import sys, sampleinfo.execution; print([m for m in ('ray', 'torch', 'fsspec', 'joblib') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"

"""Workers, drivers and machines that die, and disks that are full: the job ends with the same results."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from sampleinfo import execution
from sampleinfo.errors import Cancelled, InvalidSetting, StorageError
from sampleinfo.execution import Backend, Event, InProcess, Processes, Ray, WorkerLost
from sampleinfo.execution_storage import Place
from tests.execution_works import Deadly, Large, Noted, backend, disk_of, need_ray, rows

COUNT = 16


@pytest.fixture(params=["processes", "ray"])
def many(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Back ends whose workers can die."""
    if request.param == "ray":
        need_ray()
    made = backend(request.param)
    with made.held():
        yield made


@contextmanager
def killing(work: Noted, times: int, seed: int) -> Iterator[list[int]]:
    """SIGKILL workers at random moments of their shards meanwhile; the shards that were hit."""
    chance, hit, over = random.Random(seed), list[int](), threading.Event()

    def kill() -> None:
        while len(hit) < times and not over.wait(chance.uniform(0.1, 0.5)):
            at_work = work.at_work() if (Path(work.folder) / "calls").exists() else {}
            fresh = {number: pid for number, pid in at_work.items() if number not in hit}
            if fresh:
                number, pid = chance.choice(sorted(fresh.items()))
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    hit.append(number)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield hit
    finally:
        over.set()
        thread.join()


def until(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    """Wait for something to happen."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def same(found: dict[int, Any], numbers: Any) -> bool:
    """Whether these are the results of an undisturbed run."""
    return list(found) == list(numbers) and all(
        value.tobytes() == rows(number).sum(axis=0).tobytes() for number, value in found.items()
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_workers_killed_at_random(many: Backend, tmp_path: Path, seed: int) -> None:
    work, events = Noted(str(tmp_path), seconds=0.4), list[Event]()
    with killing(work, 3, seed) as hit:
        found = dict(execution.map(work, range(COUNT), many, tell=events.append))
    assert same(found, range(COUNT))
    assert hit
    assert {event.number for event in events} <= set(hit)
    assert all("the shard is tried again" in event.words for event in events)
    assert len(work.calls()) <= COUNT + len(hit)
    work.place.sweep()
    assert work.whole(COUNT)


def test_a_shard_that_ends_every_worker_is_named(many: Backend, tmp_path: Path) -> None:
    kept: list[int] = []
    with pytest.raises(
        WorkerLost, match=r"shard 5 could not be computed in 3 attempts; the last time its worker "
    ) as no:
        list(execution.map(Deadly(str(tmp_path), 5), range(9), many, keep=lambda number, _: kept.append(number)))
    assert "use fewer workers or smaller shards" in str(no.value)
    if isinstance(many, Processes):
        assert "signal 9 (SIGKILL)" in str(no.value)
    assert len(list(tmp_path.glob("5-*"))) == 3
    assert {0, 1, 2, 3, 4} <= set(kept)


@pytest.mark.parametrize("name", ["in-process", "processes", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_killed_driver_goes_on_where_it_was(name: str, tmp_path: Path) -> None:
    if name == "ray":
        need_ray()
    kill_and_start_again(name, tmp_path)


def kill_and_start_again(name: str, tmp_path: Path) -> None:
    """SIGKILL a driver while shards are in flight; a second one does the rest."""
    work = Noted(str(tmp_path), 0.3)
    order = [sys.executable, "-m", "tests.execution_works", str(tmp_path), name, str(COUNT), "0.3"]
    driver = subprocess.Popen(order, stderr=subprocess.DEVNULL)
    until(lambda: len(work.place.names()) >= 4 and bool(work.at_work()))
    workers = set(work.at_work().values())
    driver.kill()
    driver.wait()
    until(lambda: not any(psutil.pid_exists(pid) for pid in workers))
    there = work.finished()
    subprocess.run(order, check=True, stderr=subprocess.DEVNULL)
    end = json.loads((tmp_path / "end.json").read_text())
    assert end["computed"] == sorted(set(range(COUNT)) - there)
    assert end["events"] == [[None, f"{len(there)} of {COUNT} shards are there already."]]
    assert len(work.calls()) <= COUNT + (1 if name == "in-process" else 2)
    assert work.whole(COUNT)


def test_busy_workers_end_with_their_driver(tmp_path: Path) -> None:
    work = Noted(str(tmp_path), 60.0)
    order = [sys.executable, "-m", "tests.execution_works", str(tmp_path), "processes", "2", "60"]
    driver = subprocess.Popen(order, stderr=subprocess.DEVNULL)
    until(lambda: (tmp_path / "calls").exists() and len(work.at_work()) == 2)
    driver.kill()
    driver.wait()
    until(lambda: not any(psutil.pid_exists(pid) for pid in work.at_work().values()), 10)
    assert list((tmp_path / "shards").glob("*")) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    with disk_of(tmp_path / "disk", "1m") as folder:
        yield folder


@pytest.mark.parametrize("where", [InProcess(), Processes(2, 1)], ids=["in-process", "processes"])
def test_a_full_disk_is_told_and_after_making_space_it_goes_on(small_disk: Path, where: Backend) -> None:
    filler, work = small_disk / "filler", Large(str(small_disk))
    filler.write_bytes(bytes(500 * 1024))
    with pytest.raises(StorageError, match=r"cannot write s000[0-2]\.bin in .*: no space left on the disk; make space"):
        list(execution.map(work, range(3), where))
    place = Place(str(small_disk))
    there = {int(name[1:5]) for name in place.names() if name != "filler"}
    assert len(there) <= 1
    assert not list(small_disk.glob(".*")), "nothing half-written takes up space"
    filler.unlink()
    found = [number for number, _ in execution.map(work, range(3), where, there)]
    assert found == sorted({0, 1, 2} - there)
    assert all(place.get(f"s000{number}.bin") == bytes([number]) * 300 * 1024 for number in range(3))


# -- A cluster of two machines on this one ---------------------------------------------------------------------------


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two raylets of one core each. Their start takes SIGTERM for itself, which pools of later tests end workers by."""
    need_ray()
    from ray.cluster_utils import Cluster

    before = signal.getsignal(signal.SIGTERM)
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 4, "health_check_initial_delay_ms": 0}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": quick})
    try:
        made.add_node(num_cpus=1)
        yield made
    finally:
        made.shutdown()
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_workers_of_a_cluster_killed_at_random(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    work, events = Noted(str(tmp_path), seconds=0.4), list[Event]()
    with killing(work, 3, 2) as hit:
        found = dict(execution.map(work, range(COUNT), Ray("auto"), tell=events.append))
    assert same(found, range(COUNT))
    assert hit
    assert {event.number for event in events} <= set(hit)
    assert len(work.calls()) <= COUNT + len(hit)


@pytest.mark.slow
def test_a_killed_driver_of_a_cluster_goes_on_where_it_was(cluster: Any, tmp_path: Path) -> None:
    kill_and_start_again(cluster.address, tmp_path)


@pytest.mark.slow
def test_a_machine_of_a_cluster_lost(cluster: Any, tmp_path: Path) -> None:
    """Its raylet is killed while it has a shard; the other machine does the rest."""
    work, events = Noted(str(tmp_path), seconds=0.5), list[Event]()
    (machine,) = cluster.worker_nodes
    raylet = psutil.Process(machine.all_processes["raylet"][0].process.pid)

    def report(stage: str, done: float, total: float) -> None:
        children = {child.pid for child in raylet.children()} if raylet.is_running() else set()
        if done >= 3 and children & set(work.at_work().values()):
            raylet.kill()
            raylet.wait(10)

    found = dict(execution.map(work, range(COUNT), Ray(cluster.address), report=report, tell=events.append))
    assert not raylet.is_running()
    assert same(found, range(COUNT))
    words = [event.words.partition(";") for event in events]
    assert [(how, again) for how, _, again in words] == [
        ("its machine was lost to the cluster", " the shard is tried again (1 of 2).")
    ]
    assert len(work.calls()) <= COUNT + 1


# -- Ray itself ------------------------------------------------------------------------------------------------------


def test_a_cluster_that_does_not_answer_is_told_soon() -> None:
    need_ray()
    start = time.monotonic()
    with pytest.raises(InvalidSetting, match=r"the Ray cluster '127\.0\.0\.1:9' cannot be used \(is it running"):
        list(execution.map(abs, [1], Ray("127.0.0.1:9")))
    assert time.monotonic() - start < 15


def test_ray_leaves_the_answer_to_signals_alone_and_needs_cores() -> None:
    need_ray()
    before = signal.signal(signal.SIGTERM, _on_terminate)
    try:
        with Ray("local", most=1).held():
            assert signal.getsignal(signal.SIGTERM) is _on_terminate
            with pytest.raises(InvalidSetting, match="no machine of the Ray cluster has 64 cores"):
                list(execution.map(abs, [1], Ray("local", threads_each=64)))
    finally:
        signal.signal(signal.SIGTERM, before)


def _on_terminate(number: int, frame: object) -> None:
    raise Cancelled("terminated")

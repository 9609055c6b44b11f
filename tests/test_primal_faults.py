"""Real runs without a kernel whose workers and drivers die, or whose disk is full: the scores are the same."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from sampleinfo import bench, pipeline, processes, store
from sampleinfo.config import RunConfig
from sampleinfo.errors import Cancelled, InvalidRun, InvalidSetting, StorageError
from sampleinfo.execution_storage import Place
from sampleinfo.partial import STATE, Partial
from sampleinfo.shards import Shards
from sampleinfo.store import Run
from tests.execution_works import disk_of, need_ray

pytestmark = pytest.mark.usefixtures("one_thread")
CONFIG = RunConfig("mnist-4v9", train=40, validation=20, ridge=20.0, kernel="primal", dimension=32, shard=4)
SHARDS = 15
ORDER = [
    sys.executable, "-m", "sampleinfo", "score", "mnist-4v9", "--train", "40", "--validation", "20", "--ridge", "20",
    "--kernel", "primal", "--dimension", "32", "--shard", "4", "--out",
]  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def undisturbed(small_home: Path) -> Run:
    return pipeline.score(CONFIG)


def same(found: Run, wanted: Run) -> bool:
    """Whether two runs have the same scores; the order of sums over shards is the same too."""
    one, other = found.samples, wanted.samples
    numbers = [name for name in wanted.scores if name in one]
    assert numbers == list(found.scores)
    assert found.meta["fingerprint"] == wanted.meta["fingerprint"]
    np.testing.assert_allclose(one[numbers].to_numpy(float), other[numbers].to_numpy(float), rtol=1e-10, atol=1e-300)
    assert found.meta["accuracy"] == wanted.meta["accuracy"]
    return True


def noted(folder: Path) -> dict[str, int]:
    """The finished shards of a run in the making, and when each was."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.glob("features-*/0*.json")}


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def started(out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*ORDER, str(out), *more], env=ENVIRONMENT, text=True, stderr=subprocess.PIPE)


def ran(order: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(order, env=ENVIRONMENT, text=True, capture_output=True)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes that make shards: spawned, and no helpers of the libraries."""
    return [child for child in process.children() if any("spawn_main" in word for word in child.cmdline())]


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def with_map(out: Path, undisturbed: Run) -> tuple[Path, Path]:
    """A run to be made at ``out``, and its unfinished folder, in which the map is there already: UMAP is slow."""
    partial = Partial.folder(out)
    partial.mkdir()
    store.write_json(partial / STATE, {"fingerprint": undisturbed.meta["fingerprint"], "groups": 0})
    np.save(partial / "umap.npy", undisturbed.samples[["umap_x", "umap_y"]].to_numpy())
    return out, partial


@pytest.mark.parametrize("seed", [0, 1])
def test_a_worker_killed_at_random(undisturbed: Run, tmp_path: Path, seed: int) -> None:
    chance, hit, told = random.Random(seed), list[int](), list[str]()
    out, partial = with_map(tmp_path / "run", undisturbed)

    def kill() -> None:
        """Once some shards are there: one worker dies within the next moment."""
        until(lambda: len(noted(partial)) >= 2)
        time.sleep(chance.uniform(0, 0.05))
        for worker in workers_of(psutil.Process())[:1]:
            worker.send_signal(signal.SIGKILL)
            hit.append(worker.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    run = pipeline.score(replace(CONFIG, workers=2), out, tell=told.append)
    thread.join()
    assert hit
    assert same(run, undisturbed)
    assert run.meta["kernel"]["events"] == told
    words = r"Shard \d+: its worker process was ended by signal 9 \(SIGKILL\); the shard is tried again \(1 of 2\)\."
    assert len(told) <= 1, "one worker, one shard"
    assert all(re.fullmatch(words, each) for each in told), told


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_driver_goes_on_where_it_was(undisturbed: Run, tmp_path: Path, workers: int) -> None:
    out, partial = with_map(tmp_path / "run", undisturbed)
    there = killed_driver(out, partial, workers)
    done = subprocess.run(
        [*ORDER, str(out), "--workers", str(workers)], env=ENVIRONMENT, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(there)} of {SHARDS} shards are there already." in done.stderr
    run = store.open_run(out)
    assert same(run, undisturbed)
    after = noted(out)
    assert len(after) == SHARDS
    assert {name for name, when in there.items() if after[name] != when} == set(), "no finished shard is made again"


def killed_driver(out: Path, partial: Path, workers: int) -> dict[str, int]:
    """SIGKILL a run once some of its shards are there; which are when all its processes have ended."""
    driver = started(out, "--workers", str(workers))
    until(lambda: len(noted(partial)) >= 4)
    workers_there = workers_of(psutil.Process(driver.pid))
    driver.kill()
    driver.communicate()
    until(lambda: not any(alive(each) for each in workers_there), 15)
    there = noted(partial)
    assert 4 <= len(there) < SHARDS, "killed too late"
    return there


def cancelled(out: Path, partial: Path) -> dict[str, int]:
    """Stop a run in this process once some of its shards are there; which are."""

    def report(stage: str, done: float, total: float) -> None:
        if stage == "kernel" and done >= 5:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        pipeline.score(CONFIG, out, report)
    return noted(partial)


def test_a_shard_truncated_meanwhile_is_made_anew(undisturbed: Run, tmp_path: Path) -> None:
    out, partial = with_map(tmp_path / "run", undisturbed)
    there, told = cancelled(out, partial), list[str]()
    name = sorted(there)[1]
    file = (partial / name).with_suffix(".npy")
    file.write_bytes(file.read_bytes()[:-7])
    run = pipeline.score(CONFIG, out, tell=told.append)
    assert f"{len(there) - 1} of {SHARDS} shards are there already." in told
    assert same(run, undisturbed)
    said = [each for each in run.meta["kernel"]["events"] if each.endswith("it is made anew.")]
    assert len(said) == 1 and "bytes instead of" in said[0] and said[0] in told
    after = noted(out)
    assert {name for name, when in there.items() if after[name] != when} == {name}
    for folder in ("features-train", "features-validation"):
        Shards.open(out / folder).verify()


def test_a_projection_damaged_meanwhile_is_made_anew_with_all_shards(undisturbed: Run, tmp_path: Path) -> None:
    out, partial = with_map(tmp_path / "run", undisturbed)
    there, told = cancelled(out, partial), list[str]()
    file = partial / "working" / bench.MATRIX
    whole = file.read_bytes()
    file.write_bytes(whole[:-400] + bytes(400))
    with pytest.raises(InvalidRun, match=r"the projection in .* is missing or damaged\. Run again"):
        bench.matrix(Place(str(file.parent)))
    run = pipeline.score(CONFIG, out, tell=told.append)
    assert same(run, undisturbed)
    said = ["The projection that the other shards were made with is gone: all are made anew."]
    assert run.meta["kernel"]["events"] == said == told
    after = noted(out)
    assert not {name for name, when in there.items() if after[name] == when}


@pytest.mark.parametrize("harm", ["truncated", "changed", "note", "lost", "all"])
def test_damaged_features_of_a_finished_run_are_made_anew(undisturbed: Run, tmp_path: Path, harm: str) -> None:
    out = tmp_path / "run"
    shutil.copytree(undisturbed.path, out)
    (out / "validations").mkdir()
    folder, file = out / "features-train", out / "features-train" / "000003.npy"
    content = file.read_bytes()
    if harm == "truncated":
        file.write_bytes(content[:-9])
    elif harm == "changed":
        file.write_bytes(content[:-9] + bytes(9))
    elif harm == "note":
        file.with_suffix(".json").write_text("{")
    elif harm == "lost":
        (folder / "000009.json").unlink()
    else:
        shutil.rmtree(folder)
    told: list[str] = []
    run = pipeline.score(CONFIG, out, tell=told.append)
    assert told[0].endswith(" The run is computed again.")
    assert same(run, undisturbed)
    assert (out / "validations").is_dir(), "what was added to the run stays"
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*(path.name for path in undisturbed.path.iterdir()), "validations"]
    )
    for name in ("features-train", "features-validation"):
        Shards.open(out / name).verify()
    told.clear()
    pipeline.score(CONFIG, out, tell=told.append)
    assert told == []


def test_work_of_other_settings_is_not_thrown_away_silently(undisturbed: Run, tmp_path: Path) -> None:
    out, partial = with_map(tmp_path / "run", undisturbed)
    told: list[str] = []
    with Partial.open(out, "another", told.append):
        assert told == [f"The unfinished work in {partial} belongs to other settings or data and is thrown away."]
    with Partial.open(out, "another", told.append):
        assert len(told) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_is_ended_leaves_no_process_behind(
    undisturbed: Run, tmp_path: Path, number: signal.Signals
) -> None:
    out, partial = with_map(tmp_path / "run", undisturbed)
    (partial / "umap.npy").unlink()
    driver = started(out, "--workers", "2")
    until(lambda: len(noted(partial)) >= 3)
    children = psutil.Process(driver.pid).children(recursive=True)
    assert any("sampleinfo.embedding" in each.cmdline() for each in children)
    driver.send_signal(number)
    said = driver.communicate(timeout=30)[1]
    if number == signal.SIGTERM:
        assert driver.returncode == 130
        assert "stopped; finished blocks are kept" in said and "Traceback" not in said
    until(lambda: not any(alive(each) for each in children))
    assert 3 <= len(noted(partial)) < SHARDS
    assert not list(partial.glob("*.tmp.npy"))


def test_stopped_by_a_person_with_workers(undisturbed: Run, tmp_path: Path) -> None:
    def report(stage: str, done: float, total: float) -> None:
        if stage == "kernel" and done >= 3:
            raise Cancelled("enough")

    config = replace(CONFIG, workers=2)
    out, partial = with_map(tmp_path / "run", undisturbed)
    with pytest.raises(Cancelled):
        pipeline.score(config, out, report)
    assert workers_of(psutil.Process()) == []
    there = len(noted(partial))
    assert 3 <= there < SHARDS
    run = pipeline.score(config, out)
    assert same(run, undisturbed)
    assert run.meta["kernel"]["events"] == [f"{there} of {SHARDS} shards are there already."]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB: the projection has to fit."""
    with disk_of(tmp_path / "disk", "64m") as folder:
        yield folder


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_told_and_after_making_space_it_goes_on(
    undisturbed: Run, small_disk: Path, tmp_path: Path, workers: int
) -> None:
    out, _ = with_map(tmp_path / "run", undisturbed)
    order = [*ORDER, str(out), "--storage", str(small_disk / "features"), "--workers", str(workers)]
    filler = small_disk / "filler"
    filler.touch()
    driver = subprocess.Popen(order, env=ENVIRONMENT, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    until(lambda: len(list(small_disk.glob("features/*/features-train/0*.json"))) >= 1)
    fill(filler)
    said = driver.communicate(timeout=60)[1]
    assert driver.returncode == 1, said
    last = said.strip().splitlines()[-1]
    assert re.search(
        r"sampleinfo: cannot write 0000\d\d\.(npy|json) in .*: no space left on the disk; make space", last
    )
    assert "Traceback" not in said
    filler.unlink()
    done = ran(order)
    assert done.returncode == 0, done.stderr
    run = store.open_run(out)
    assert same(run, undisturbed)
    assert f"features   {run.meta['kernel']['storage']}" in done.stdout


def fill(path: Path) -> None:
    """All that is left of a disk."""
    with path.open("ab", buffering=0) as file:
        size = 2**16
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


# -- Elsewhere -------------------------------------------------------------------------------------------------------


def test_on_a_cluster(undisturbed: Run, tmp_path: Path) -> None:
    need_ray()
    storage = str(tmp_path / "features")
    out, _ = with_map(tmp_path / "run", undisturbed)
    run = pipeline.score(replace(CONFIG, ray="local", workers=2, storage=storage), out)
    assert same(run, undisturbed)
    assert run.meta["kernel"]["storage"] == f"{storage}/{run.meta['fingerprint']}"


def test_one_driver_at_a_time_works_on_a_storage(undisturbed: Run, tmp_path: Path) -> None:
    storage = tmp_path / "features"
    place = Place(str(storage / undisturbed.meta["fingerprint"]))
    config = replace(CONFIG, storage=str(storage))
    out, _ = with_map(tmp_path / "run", undisturbed)
    other = subprocess.Popen(["sleep", "60"])
    note = {"host": socket.gethostname(), **processes.noted(other.pid)}
    place.put(bench.MARK, json.dumps(note).encode())
    words = (
        rf"process {other.pid} of the machine .* computes this run in .* already. Wait for it; if it has ended, delete"
    )
    with pytest.raises(StorageError, match=words):
        pipeline.score(config, out)
    assert place.names() == [bench.MARK], "nothing of the other one's is touched"
    other.kill()
    other.wait()
    place.put(bench.MARK, json.dumps({**note, "host": "elsewhere"}).encode())
    with pytest.raises(StorageError, match="of the machine elsewhere computes this run"):
        pipeline.score(config, out)
    place.put(bench.MARK, json.dumps(note).encode())
    assert same(pipeline.score(config, out), undisturbed)
    assert place.names() == []


@pytest.mark.parametrize("protocol", ["memory://h", "file://"])
def test_features_in_a_storage(undisturbed: Run, tmp_path: Path, protocol: str) -> None:
    storage = f"{protocol}{tmp_path}/features"
    out, _ = with_map(tmp_path / "run", undisturbed)
    run = pipeline.score(replace(CONFIG, storage=storage), out)
    assert same(run, undisturbed)
    address = run.meta["kernel"]["storage"]
    assert address == f"{storage}/{run.meta['fingerprint']}"
    assert not (run.path / "features-train").exists()
    train = Shards.open(f"{address}/features-train")
    train.verify()
    assert train.sizes() == (4,) * 10
    assert Place(address).names() == [], "pixels, head and projection are removed"
    assert Place(address).folders() == ["features-train", "features-validation"]
    said: list[str] = []
    for elsewhere in (storage, f"{tmp_path}/other"):
        pipeline.score(replace(CONFIG, storage=elsewhere), out, tell=said.append)
    assert said == [f"This run is finished already; its features stay in {address}, not {tmp_path}/other."]


def test_where_the_features_are_made_changes_no_fingerprint() -> None:
    there = replace(CONFIG, workers=2, ray="local", storage="s3://bucket/folder")
    assert there.identity() == CONFIG.identity()
    assert replace(CONFIG, shard=None).identity() != CONFIG.identity()
    assert "shard" not in replace(CONFIG, shard=None).identity()
    assert RunConfig.from_dict(json.loads(json.dumps(there.as_dict()))) == there
    assert replace(there, kernel="auto").with_kernel("exact") == replace(CONFIG, kernel="exact", shard=None), (
        "what another kernel has no use for is dropped"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"workers": 2, "kernel": "exact"},
            r"workers and shard belong to the kernel 'primal', .* got the kernel 'exact'",
        ),
        ({"storage": "/x", "shard": None, "kernel": "shared"}, r"storage belongs to the kernel 'primal'"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"shard": 0}, "shard must be at least 1, got 0"),
        ({"ray": "somewhere"}, "ray must be auto, local or HOST:PORT of a cluster's head; got 'somewhere'"),
        ({"storage": " "}, "storage must be a path or PROTOCOL://PLACE; got ' '"),
        ({"storage": "ftp://me:secret@host/x"}, "must not hold a password"),
        ({"storage": "memory://x", "workers": 2}, "lives in one process, which other workers cannot see"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words) as no:
        replace(CONFIG, **settings)
    assert "secret" not in str(no.value)


def test_another_kernel_says_what_it_does_not_use(small_home: Path, tmp_path: Path) -> None:
    order = [
        sys.executable, "-m", "sampleinfo", "score", "mnist-4v9", "--train", "20", "--validation", "10",
        "--workers", "2", "--shard", "8", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    done = ran(order)
    assert done.returncode == 0, done.stderr
    words = "Not used: --workers, --shard; only the primal kernel is made in shards, and this run takes exact."
    assert done.stderr.count(words) == 1
    assert store.open_run(tmp_path / "run").meta["config"]["workers"] is None
    order[-6:] = ["--shard", "8", "--kernel", "exact"]
    refused = ran(order)
    assert refused.returncode == 1
    assert "shard belongs to the kernel 'primal'" in refused.stderr

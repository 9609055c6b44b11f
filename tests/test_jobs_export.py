"""Writing a set of images as a job: done, cancelled, refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from sampleinfo import exports, jobs, store, tasks
from sampleinfo.errors import Cancelled, InvalidSetting, SampleInfoError, StorageError
from sampleinfo.exports import targets
from sampleinfo.progress import Tracker
from sampleinfo.store import Run
from sampleinfo.tasks import TASKS, Order, export_options
from tests.test_exports import of_files

ROWS = np.array([17, 3, 59, 41, 0])


def start(run: Run, path: Path, format: str) -> str:
    return jobs.start(store.config_of(run), jobs.EXPORT, export_options(run, ROWS, path, format, "five"), ROWS)


def wait_for(job: str, *states: str) -> jobs.JobStatus:
    deadline = time.monotonic() + 120
    while (status := jobs.status(job)).state not in states:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    return status


def entries(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_job_writes_the_set(run: Run) -> None:
    path = targets.place("five-previews")
    done = wait_for(start(run, path, "previews"), "done", "failed")
    assert (done.state, done.run_id, done.fraction) == ("done", run.id, 1.0), done.message
    read = ImageFolder(str(path))
    table = exports.Selection.of(run, ROWS).samples
    assert sorted(read.classes[label] for label in read.targets) == sorted(table["class_name"])
    assert entries(targets.folder()) == ["five-previews"]
    with pytest.raises(StorageError, match="exists already"):
        start(run, path, "previews")
    assert targets.proposed("five", exports.FORMATS["previews"]).name == "five-previews-2"


def test_what_fails_says_why_and_leaves_nothing(run: Run) -> None:
    failed = wait_for(start(run, targets.place("five-links"), "links"), "done", "failed")
    assert failed.state == "failed" and "5 of the 5 images have no file of their own" in failed.message
    assert entries(targets.folder()) == []


def test_cancelled_before_it_begins(run: Run, tmp_path: Path) -> None:
    job = start(run, tmp_path / "five", "previews")
    jobs.cancel(job)
    stopped = wait_for(job, "cancelled", "done")
    assert (stopped.state, stopped.message) == ("cancelled", "Nothing was written.")
    assert entries(tmp_path) == ["home"]


@pytest.mark.parametrize("kind", [each.name for each in exports.FORMATS.values() if each.pictures])
@pytest.mark.parametrize("after", [0, 3, 5])
def test_cancelled_at_any_image_nothing_is_left(run: Run, tmp_path: Path, kind: str, after: int) -> None:
    """Through the job's own work, stopped as its reporter stops it: at the first, in the middle, after the last."""
    rows = ROWS
    if exports.FORMATS[kind].needs == exports.FILES:
        run, rows = of_files(run, tmp_path / "pictures"), np.arange(5)
    folder, target = tmp_path / "job", tmp_path / "out" / f"set{exports.FORMATS[kind].ending}"
    folder.mkdir()
    target.parent.mkdir()
    np.save(folder / tasks.ROWS, rows)
    options, config = export_options(run, rows, target, kind, "five"), store.config_of(run)
    told: list[tuple[str, float, float]] = []

    def report(stage: str, done: float, total: float) -> None:
        told.append((stage, done, total))
        if done == after:
            raise Cancelled("cancelled")

    order = Order(config, options, folder, report, Tracker(*TASKS[jobs.EXPORT].plan(config, options)))
    with pytest.raises(Cancelled):
        TASKS[jobs.EXPORT].work(order)
    assert entries(target.parent) == [] and told[-1] == (exports.STAGE, after, 5)


def test_progress_is_told_of_every_image(run: Run, tmp_path: Path) -> None:
    tracker = Tracker(*TASKS[jobs.EXPORT].plan(store.config_of(run), options_of(run, tmp_path / "set")))
    assert tracker.words == "Writing the images"
    shares = []

    def report(stage: str, done: float, total: float) -> None:
        tracker(stage, done, total)
        shares.append(done / total)

    exports.take_away(run, ROWS, tmp_path / "set", "previews", report)
    assert shares == sorted(shares) and set(shares) == {0, 0.2, 0.4, 0.6, 0.8, 1.0}
    assert tracker.words == "Writing the images" and tracker.fraction == 0.999


def options_of(run: Run, path: Path, format: str = "previews") -> dict[str, Any]:
    return export_options(run, ROWS, path, format, "five")


def test_targets_that_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for path, format, sentence in (
        (tmp_path / "taken", "previews", "exists already; choose another name"),
        (tmp_path / "no" / "set", "previews", "there is no folder"),
        (tmp_path / "set.png", "hugging-face", "its ending must be .parquet"),
        (tmp_path / "set", "zip", "Unknown format 'zip'"),
        (Path("set"), "previews", "a job writes to an absolute path, got 'set'"),
    ):
        with pytest.raises(SampleInfoError, match=sentence):
            start(run, path, format)
    assert jobs.list_jobs() == [] and entries(tmp_path / "taken") == []


def test_places_that_people_name(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = empty_home / "exports"
    assert targets.place("set") == targets.place(f" {folder}/set ") == folder / "set" and folder.is_dir()
    assert targets.place("a/../b/c") == folder / "b" / "c"
    assert targets.place("/tmp/../srv/set") == Path("/srv/set")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert targets.place("~/set") == Path("/home/somebody/set")
    for text in ("", "  ", "a\0b", "a\nb"):
        with pytest.raises(InvalidSetting, match="name the file or folder to write"):
            targets.place(text)
    for text in ("..", "../set", "a/../../set", "."):
        with pytest.raises(InvalidSetting, match="leads out of"):
            targets.place(text)
    with pytest.raises(InvalidSetting, match="no such user: ~nobody-of-this-name"):
        targets.place("~nobody-of-this-name/set")


def test_proposals_are_free(empty_home: Path) -> None:
    kind, folder = exports.FORMATS["hugging-face"], empty_home / "exports"
    folder.mkdir(parents=True)
    names = []
    for _ in range(3):
        found = targets.proposed("a", kind, [str(folder / "a-hugging-face-2.parquet")])
        names.append(found.name)
        found.symlink_to("nowhere")
    assert names == [f"a-hugging-face{number}.parquet" for number in ("", "-3", "-4")]
    assert len(targets.proposed("ä" * 300, kind).name.encode()) < 255


def test_a_damaged_order(run: Run, tmp_path: Path) -> None:
    config, options = store.config_of(run), options_of(run, tmp_path / "set")
    order = Order(config, options, tmp_path, lambda *_: None, Tracker({exports.STAGE: 1.0}, 1.0))
    with pytest.raises(StorageError, match=r"rows.npy cannot be read; choose the set again"):
        TASKS[jobs.EXPORT].work(order)
    with pytest.raises(InvalidSetting, match=f"task must be one of {', '.join(TASKS)}"):
        jobs.start(config, "nonsense")
    store.write_json(tmp_path / "request.json", {"task": "nonsense", "config": config.as_dict()})
    with pytest.raises(StorageError, match="asks for 'nonsense', which is none of score"):
        jobs.work(tmp_path)

"""Runs in the background: one process per job, its state in a folder, so that a page may come and go.

A job's folder holds ``request.json``, ``status.json`` (replaced at once), ``log.txt``, ``process.json`` and, when asked
to stop, ``CANCEL``. What the tasks are stands in ``tasks``.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd

from sampleinfo import processes, store
from sampleinfo.config import RunConfig, home
from sampleinfo.errors import Cancelled, InvalidSetting, SampleInfoError, StorageError
from sampleinfo.progress import Tracker
from sampleinfo.tasks import (
    ANALYSE,
    CHECK,
    EXPORT,
    FETCH,
    LABELS,
    PREVIEW,
    ROWS,
    SCORE,
    SUMMARIZE,
    TASKS,
    VALIDATE,
    Order,
)
from sampleinfo.types import IntArray

__all__ = [
    "ANALYSE", "CHECK", "EXPORT", "FETCH", "SCORE", "SUMMARIZE", "TASKS", "VALIDATE", "JobStatus", "cancel", "dismiss",
    "list_jobs", "preview", "start", "status", "work",
]  # fmt: skip

ACTIVE = ("queued", "running")
REQUEST, STATUS, PROCESS, CANCEL = "request.json", "status.json", "process.json", "CANCEL"
#: Seconds between two writes of the status, and for a new process to say that it lives.
PERIOD, GRACE = 0.3, 60.0


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands.

    ``state``: queued, running, done, failed, cancelled or lost; ``fraction`` is of the whole run.
    """

    id: str
    state: str
    stage: str
    fraction: float
    seconds_left: float | None
    seconds: float
    message: str
    run_id: str | None
    config: RunConfig
    task: str
    options: dict[str, Any]

    @property
    def active(self) -> bool:
        """Whether it still works."""
        return self.state in ACTIVE


def start(
    config: RunConfig, task: str = SCORE, options: dict[str, Any] | None = None, rows: IntArray | None = None,
    labels: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """Start a task in a process of its own; the job's id. A job already busy with the same is returned.

    ``task``: ``score`` computes a run, ``check`` reads every image of its data set once, ``fetch`` downloads the data
    set, ``validate`` retrains the run of ``options["run"]`` as the other ``options`` say (``validations.Request``),
    ``summarize`` compares the strategies on it (``numbers``, and points to retrain: ``real``), ``export`` writes the
    images at ``rows`` of it to a file or folder, with corrected ``labels`` (``tasks.export_options``).

    Raises:
        SampleInfoError: the settings are impossible, or the folder cannot be written.
    """
    if task not in TASKS:
        raise InvalidSetting(f"task must be one of {', '.join(TASKS)}; got {task!r}.")
    options = options or {}
    _, seconds = TASKS[task].plan(config, options)
    for job in list_jobs():
        if job.active and (job.config, job.task, job.options) == (config, task, options):
            return job.id
    job_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    folder = _folder(job_id)
    try:
        folder.mkdir(parents=True)
        store.write_json(folder / REQUEST, {"task": task, "config": config.as_dict(), "options": options})
        if rows is not None:
            np.save(folder / ROWS, np.asarray(rows, dtype=np.int64), allow_pickle=False)
        if labels:
            store.write_json(folder / LABELS, dict(labels))
        _write_status(folder, state="queued", stage="Starting", seconds_left=seconds)
        with (folder / "log.txt").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "sampleinfo", "job", str(folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        raise StorageError(f"cannot start a job in {folder}: {error.strerror or error}.") from error
    store.write_json(folder / PROCESS, processes.noted(process.pid))
    return job_id


def status(job_id: str) -> JobStatus:
    """Where a job stands; an active job whose process is gone is ``lost``.

    Raises:
        InvalidSetting: no such job.
    """
    folder = _folder(job_id)
    values, request = _read(folder / STATUS), _read(folder / REQUEST)
    if not values or not {"task", "config"} <= set(request):
        raise InvalidSetting(f"no job called {job_id!r}.")
    if values["state"] in ACTIVE and not _alive(folder):
        values = _read(folder / STATUS)
        if values["state"] in ACTIVE:
            values |= {"state": "lost", "message": "Its process ended without a word; start it again to go on."}
    keys = ("state", "stage", "fraction", "seconds_left", "seconds", "message", "run_id")
    config, task = RunConfig.from_dict(request["config"]), str(request["task"])
    options = dict(request.get("options") or {})
    return JobStatus(id=job_id, config=config, task=task, options=options, **{key: values[key] for key in keys})


def list_jobs() -> list[JobStatus]:
    """All jobs, newest first."""
    folder = home() / "jobs"
    names = sorted((p.name for p in folder.iterdir() if p.is_dir()), reverse=True) if folder.is_dir() else []
    jobs = []
    for name in names:
        try:
            jobs.append(status(name))
        except SampleInfoError:
            continue
    return jobs


def cancel(job_id: str) -> None:
    """Ask a job to stop; finished blocks are kept."""
    (_folder(job_id) / CANCEL).touch()


def dismiss(job_id: str) -> None:
    """Forget a job that has ended.

    Raises:
        InvalidSetting: it is still active.
    """
    if status(job_id).active:
        raise InvalidSetting("a job that is still at work cannot be dismissed; cancel it first.")
    shutil.rmtree(_folder(job_id))


def preview(job_id: str) -> pd.DataFrame | None:
    """The first results of a job: sample_id, label, class_name, source, split, pca_x, pca_y; None before that."""
    path = _folder(job_id) / PREVIEW
    return pd.read_parquet(path) if path.is_file() else None


def work(folder: Path) -> int:
    """The job's own process: do the task, keep the status up to date; the exit code.

    Raises:
        StorageError: the folder is not a job.
    """
    request = _read(folder / REQUEST)
    if not {"task", "config"} <= set(request):
        raise StorageError(f"{folder} is not the folder of a job.")
    config, options, task = RunConfig.from_dict(request["config"]), request.get("options") or {}, request["task"]
    if task not in TASKS:
        raise StorageError(f"{folder} asks for {task!r}, which is none of {', '.join(TASKS)}.")
    signal.signal(signal.SIGTERM, _on_terminate)
    reporter = _JobReporter(folder, Tracker({"images": 1.0}, 1.0))
    run_id = None
    try:
        reporter.tracker = Tracker(*TASKS[task].plan(config, options))
        reporter.write()
        run_id = TASKS[task].work(Order(config, options, folder, reporter, reporter.tracker))
    except Cancelled:
        reporter.end("cancelled", "Cancelled", TASKS[task].stopped)
        return 130
    except SampleInfoError as error:
        reporter.end("failed", "Failed", str(error))
        return 1
    except Exception as error:
        reporter.end("failed", "Failed", f"Unexpected {type(error).__name__}: {error}")
        raise
    _write_status(folder, state="done", stage="Done", fraction=1.0, seconds=reporter.tracker.seconds, run_id=run_id)
    return 0


class _JobReporter:
    """Writes the status a few times a second and notices the wish to stop."""

    def __init__(self, folder: Path, tracker: Tracker) -> None:
        self.folder, self.tracker, self.written = folder, tracker, 0.0

    def __call__(self, stage: str, done: float, total: float) -> None:
        self.tracker(stage, done, total)
        if (self.folder / CANCEL).exists():
            raise Cancelled("cancelled")
        if time.monotonic() - self.written > PERIOD:
            self.write()

    def end(self, state: str, stage: str, message: str) -> None:
        """The last status of a job that did not finish."""
        track = self.tracker
        _write_status(self.folder, state=state, stage=stage, message=message, fraction=track.fraction,
                      seconds=track.seconds)  # fmt: skip

    def write(self) -> None:
        """The status of a job at work."""
        self.written = time.monotonic()
        track = self.tracker
        _write_status(self.folder, state="running", stage=track.words, fraction=track.fraction,
                      seconds=track.seconds, seconds_left=track.seconds_left)  # fmt: skip


def _on_terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Cancelled("terminated")


def _write_status(folder: Path, **values: Any) -> None:
    empty = {"stage": "", "fraction": 0.0, "seconds_left": None, "seconds": 0.0, "message": "", "run_id": None}
    store.write_json(folder / STATUS, {**empty, **values})


def _folder(job_id: str) -> Path:
    if not re.fullmatch(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", job_id):
        raise InvalidSetting(f"no job called {job_id!r}.")
    return home() / "jobs" / job_id


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _alive(folder: Path) -> bool:
    """Whether the job's process runs; a zombie counts as gone, a process not yet noted as alive for a while."""
    noted = _read(folder / PROCESS)
    if not noted:
        return time.time() - (folder / REQUEST).stat().st_mtime < GRACE
    try:
        return processes.runs(noted)
    finally:
        _reap(int(noted["pid"]))


def _reap(pid: int) -> None:
    """Collect an ended child of this process, if it is one."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)

"""What jobs do: of every task, in one place, how long it takes and the work itself.

A new task is a plan, its work, and an entry in ``TASKS``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sampleinfo import analysing, datasets, exports, planning, store, validations
from sampleinfo.config import RunConfig
from sampleinfo.datasets import Options
from sampleinfo.errors import InvalidSetting, StorageError
from sampleinfo.progress import Tracker
from sampleinfo.reports import kept
from sampleinfo.store import Run
from sampleinfo.types import IntArray, Reporter
from sampleinfo.validations import Request

SCORE, CHECK, FETCH, VALIDATE, SUMMARIZE, EXPORT, ANALYSE = (
    "score", "check", "fetch", "validate", "summarize", "export", "analyse"
)  # fmt: skip
#: Files in the folder of a job: its first results, the rows of the run that it is about, and their corrected labels.
PREVIEW, ROWS, LABELS = "preview.parquet", "rows.npy", "labels.json"
#: Seconds in which the images of a set are found, and in which one is written.
FINDING, WRITING = 3.0, 0.004

Plan = tuple[dict[str, float], float]


@dataclass(frozen=True)
class Order:
    """What a job is to do: the settings of a run, those of the task, its folder, and who is told of the progress."""

    config: RunConfig
    options: dict[str, Any]
    folder: Path
    report: Reporter
    tracker: Tracker


@dataclass(frozen=True)
class Task:
    """``plan``: the seconds of every stage, and in all; whether the task is possible shows here.

    ``work`` does it and returns the id of the run that it was about, if any. ``stopped`` says what is left when it is
    cancelled.
    """

    plan: Callable[[RunConfig, dict[str, Any]], Plan]
    work: Callable[[Order], str | None]
    stopped: str = "Finished blocks are kept; start it again to go on."


def export_options(
    run: Run, rows: IntArray, path: Path, format: str, name: str, labels: Mapping[str, str] = exports.AS_GIVEN
) -> dict[str, Any]:  # fmt: skip
    """The options of ``EXPORT``: writing the set ``name`` to ``path``; rows and corrected labels go into files.

    Their digests are among the options, so that only the same set with the same labels is the same job.
    """
    numbers, classes = np.asarray(rows, dtype=np.int64).tobytes(), json.dumps(sorted(labels.items())).encode()
    return {
        "run": run.id, "format": format, "path": str(path), "name": name, "images": len(rows),
        "rows": hashlib.sha256(numbers).hexdigest()[:16],
        "labels": hashlib.sha256(classes).hexdigest()[:16] if labels else "",
    }  # fmt: skip


def _plan_score(config: RunConfig, _: dict[str, Any]) -> Plan:
    plan = planning.estimate(config)
    return plan.stages, plan.seconds


def _score(order: Order) -> str:
    from sampleinfo import pipeline

    return pipeline.score(
        order.config, report=order.report, preview=order.folder / PREVIEW, announce=order.tracker.replan
    ).id


def _plan_check(config: RunConfig, _: dict[str, Any]) -> Plan:
    seconds = 1.0 + planning.reading(datasets.find_facts(config.dataset, Options.of(config)), 0)
    return {"images": seconds}, seconds


def _check(order: Order) -> None:
    datasets.prepare(order.config.dataset, Options.of(order.config), report=order.report)


def _plan_fetch(config: RunConfig, _: dict[str, Any]) -> Plan:
    datasets.missing(config.dataset)
    return {"download": 120.0}, 120.0


def _fetch(order: Order) -> None:
    datasets.fetch(order.config.dataset, download=True, report=order.report)


def _plan_validate(_: RunConfig, options: dict[str, Any]) -> Plan:
    return validations.plan(*_request(options))


def _validate(order: Order) -> str:
    from sampleinfo import validation

    validation.validate(*_request(order.options), order.report, order.tracker.correct)
    return str(order.options["run"])


def _request(options: dict[str, Any]) -> tuple[Run, Request]:
    """The run to validate, and how."""
    settings = {name: value for name, value in options.items() if name != "run"}
    return store.open_run(options["run"]), Request(**settings)


def _plan_summarize(_: RunConfig, options: dict[str, Any]) -> Plan:
    stages = kept.plan(*_summary(options))
    return stages, sum(stages.values())


def _summarize(order: Order) -> str:
    from sampleinfo import summarizing

    summarizing.summarize(*_summary(order.options), order.report, order.tracker.correct)
    return str(order.options["run"])


def _summary(options: dict[str, Any]) -> tuple[Run, str, kept.Points]:
    """The run to summarize, the numbers per class, and the points to retrain."""
    points = [(str(name), int(size)) for name, size in options.get("real") or ()]
    return store.open_run(options["run"]), str(options.get("numbers") or kept.ANY), points


def _plan_analyse(_: RunConfig, options: dict[str, Any]) -> Plan:
    analysis = analysing.find(options["question"])
    seconds = analysis.seconds(store.open_run(options["run"]))
    return {analysis.name: seconds}, seconds


def _analyse(order: Order) -> str:
    analysing.analyse(store.open_run(order.options["run"]), order.options["question"], order.report)
    return str(order.options["run"])


def _plan_export(_: RunConfig, options: dict[str, Any]) -> Plan:
    path = Path(options["path"])
    if not path.is_absolute():
        raise InvalidSetting(f"a job writes to an absolute path, got {options['path']!r}.")
    exports.check_target(path, options["format"])
    seconds = FINDING + WRITING * int(options["images"])
    return {exports.STAGE: seconds}, seconds


def _export(order: Order) -> str:
    options, file = order.options, order.folder / ROWS
    try:
        rows = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StorageError(f"{file} cannot be read; choose the set again.") from error
    run, path, labels = store.open_run(options["run"]), Path(options["path"]), _labels(order)
    exports.take_away(run, rows, path, options["format"], order.report, labels)
    return run.id


def _labels(order: Order) -> dict[str, str]:
    """The corrected labels that an export applies, if any."""
    if not order.options.get("labels"):
        return {}
    file = order.folder / LABELS
    try:
        return {str(name): str(class_name) for name, class_name in json.loads(file.read_text()).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise StorageError(f"{file} cannot be read; choose the set again.") from error


TASKS = {
    SCORE: Task(_plan_score, _score),
    CHECK: Task(_plan_check, _check),
    FETCH: Task(_plan_fetch, _fetch),
    VALIDATE: Task(_plan_validate, _validate),
    SUMMARIZE: Task(_plan_summarize, _summarize),
    ANALYSE: Task(_plan_analyse, _analyse, "Nothing was kept."),
    EXPORT: Task(_plan_export, _export, "Nothing was written."),
}

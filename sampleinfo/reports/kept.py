"""Curves of a run's summaries, kept with the run: predicted ones, and points that were retrained for real."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sampleinfo import planning
from sampleinfo.config import REAL_STEPS
from sampleinfo.errors import InvalidSetting, StorageError
from sampleinfo.reports import strategies
from sampleinfo.settling import find_model
from sampleinfo.store import Run, config_of, read_table
from sampleinfo.trainings import is_descent, own_recipe

#: Strategy and size of summaries.
Points = Sequence[tuple[str, int]]

#: Raised when a change makes kept curves, or retrained points, wrong.
CURVES, REAL = 2, 1
FOLDER, OUTCOMES = "summaries", "outcomes"
#: How many images of each class a summary holds: as the strategy ranks them, or as equal as can be.
ANY, EQUAL = "any", "equal"
NUMBERS = (ANY, EQUAL)
#: What tells two retrained points apart.
KEYS = ["numbers", "strategy", "seed", "size", "recipe"]


def folder(run: Run) -> Path:
    """Where the curves of a run are kept."""
    return run.path / FOLDER


def curves(run: Run, numbers: str = ANY) -> pd.DataFrame | None:
    """The table of ``summaries.curves``; None where it has not been made.

    Raises:
        InvalidSetting: unknown ``numbers``, or a run without a kernel.
        InvalidRun: the table is damaged.
    """
    check_numbers(numbers)
    run.check_kernel()
    return _read(run, _curves(numbers))


def real(run: Run) -> pd.DataFrame | None:
    """What retraining for real gave: as ``curves``, with ``numbers`` and ``recipe``; None where nothing was retrained.

    Raises:
        InvalidRun: the table is damaged.
    """
    return _read(run, _real())


def keep_curves(run: Run, numbers: str, table: pd.DataFrame) -> None:
    """Keep a table of ``summaries.curves``.

    Raises:
        StorageError: it cannot be written.
    """
    check_numbers(numbers)
    _write(run, _curves(numbers), table)


def keep_real(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Add points that were retrained; all that are kept then.

    Raises:
        StorageError: they cannot be written.
    """
    known = real(run)
    whole = table if known is None else pd.concat([known, table], ignore_index=True)
    whole = whole.drop_duplicates(KEYS, keep="last", ignore_index=True)
    _write(run, _real(), whole)
    return whole


def check_numbers(numbers: str) -> None:
    """Refuse unknown numbers per class."""
    if numbers not in NUMBERS:
        raise InvalidSetting(f"numbers must be one of {', '.join(NUMBERS)}; got {numbers!r}.")


def plan(run: Run, numbers: str = ANY, points: Points = ()) -> dict[str, float]:
    """Expected seconds of every stage of ``summarizing.summarize``, on two cores.

    The curves take cubes of the kernel's size, some 12 s for n = 1000 and one output.

    Raises:
        SampleInfoError: what it would refuse.
    """
    run.check_kernel()
    sizes, how = run.meta["sizes"], own_recipe(run)
    n, k = int(sizes["train"]), int(sizes["outputs"])
    points = checked_points(n, points)
    rows = n if run.meta["kernel"].get("shared") else n * k
    stages = {"curves": 0.1 if curves(run, numbers) is not None else 1 + 12 * (rows / 1000) ** 3}
    if points:
        steps = how["steps"] if is_descent(run) else REAL_STEPS
        once = steps * planning.step_seconds(find_model(config_of(run)), how["batch_size"] or n)
        stages |= {"images": 12.0, "features": 1.0, "training": once}
        stages["retraining"] = once * sum(size / n for _, size in _unfinished(run, numbers, points))
    return stages


def _unfinished(run: Run, numbers: str, points: Points) -> list[tuple[str, int]]:
    """Those of the points that have not been retrained; all of a run are trained alike."""
    table = real(run)
    if table is None:
        return list(points)
    mine = table[table["numbers"] == numbers]
    done = set(zip(mine["strategy"], mine["size"], strict=True))
    return [point for point in points if point not in done]


def checked_points(n: int, points: Points) -> list[tuple[str, int]]:
    """(strategy, size) of the summaries that are to be retrained.

    Raises:
        UnknownName, InvalidSetting: one that cannot be.
    """
    found = [(str(name), int(size)) for name, size in points]
    for name, size in found:
        strategies.find(name)
        strategies.check_size(size, n)
    return found


def _curves(numbers: str) -> str:
    return f"curves-{CURVES}-{numbers}.parquet"


def _real() -> str:
    return f"real-{REAL}.parquet"


def _read(run: Run, name: str) -> pd.DataFrame | None:
    if not (folder(run) / name).is_file():
        return None
    return read_table(f"the summaries of {run.path.name}", folder(run), name)


def _write(run: Run, name: str, table: pd.DataFrame) -> None:
    path = folder(run)
    try:
        path.mkdir(exist_ok=True)
        temporary = path / f".{name}.{os.getpid()}.tmp"
        table.to_parquet(temporary, index=False)
        temporary.replace(path / name)
    except OSError as error:
        raise StorageError(f"cannot write to {path}: {error.strerror or error}.") from error

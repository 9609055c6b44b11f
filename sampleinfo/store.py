"""Runs on disk: a folder that exists whole or not at all.

``run.json`` (settings, versions, fingerprints, timings, figures), ``samples.parquet`` (one row per image),
arrays as ``.npy`` (memory-mapped when read), ``thumbnails.arrow`` and ``pictures.parquet``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sampleinfo import columns, pictures
from sampleinfo.config import PRIMAL, RunConfig, home
from sampleinfo.errors import InvalidRun, NeedsKernel, StorageError
from sampleinfo.scores import SCORES, Score
from sampleinfo.types import TRAIN

FORMAT = 2
SUMMARY, SAMPLES, PROBLEMS = "run.json", "samples.parquet", "problems.csv"
#: What the columns of the data set's own metadata begin with in the table of samples.
METADATA = "meta."
#: The column of a run with planted errors that says into which images.
PLANTED = "planted"
REQUIRED = {"format", "created", "title", "fingerprint", "config", "dataset", "model", "sizes", "kernel", "ridge",
            "accuracy", "timings", "versions", "machine"}  # fmt: skip
COLUMNS = {"sample_id", "label", "class_name", "source", "split", "umap_x", "umap_y", "pca_x", "pca_y", "predicted",
           "prediction_error"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run. ``meta`` is run.json."""

    path: Path
    meta: dict[str, Any]

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def title(self) -> str:
        """A name for people."""
        return str(self.meta["title"])

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per image, training images first; all columns, which a process holds once (``columns``).

        Raises:
            InvalidRun: the table is missing, damaged or lacks columns.
        """
        return self.table(self.names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns of ``samples``.

        Raises:
            InvalidRun: the table is missing, damaged or lacks columns.
        """
        with _reading("run", self.path, SAMPLES):
            found = columns.names(self.path / SAMPLES)
        missing = sorted(COLUMNS - set(found))
        if missing:
            raise InvalidRun(f"{SAMPLES} of the run {self.path} lacks the columns {', '.join(missing)}.")
        return found

    def table(self, names: Sequence[str]) -> pd.DataFrame:
        """Some columns of ``samples``; no other is read.

        Raises:
            InvalidRun: the table is missing, damaged or lacks columns.
            KeyError: it has no such column.
        """
        with _reading("run", self.path, SAMPLES):
            return columns.read(self.path / SAMPLES, names)

    def column(self, name: str) -> pd.Series:
        """One of them."""
        return self.table([name])[name]

    @cached_property
    def training(self) -> np.ndarray:
        """(N,) mask of the training images."""
        return np.asarray(self.column("split") == TRAIN, dtype=bool)

    @property
    def has_kernel(self) -> bool:
        """Whether the run keeps a kernel between all its images; else it keeps features."""
        return bool(self.meta["kernel"]["kind"] != PRIMAL)

    def check_kernel(self) -> None:
        """Whether the run has the kernel that questions about other training sets need.

        Raises:
            NeedsKernel: it has features instead; the message says what to do.
        """
        if not self.has_kernel:
            raise NeedsKernel(
                f"this run keeps features of its {self.meta['sizes']['train']} training images and no kernel between "
                "all of them, which this question needs; score fewer images (--train 2000), and ask that run. "
                "Explore, and sets picked by hand, do without."
            )

    @property
    def scores(self) -> dict[str, Score]:
        """The scores that the run has, the truest first."""
        return {name: score for name, score in SCORES.items() if name in self.names}

    @property
    def metadata(self) -> dict[str, str]:
        """Columns of the data set's own metadata in ``samples``, and their names."""
        return {name: name.removeprefix(METADATA) for name in self.names if name.startswith(METADATA)}

    @cached_property
    def problems(self) -> pd.DataFrame:
        """What was wrong with the data set: ``kind``, ``image`` and ``reason``; empty where nothing was.

        Raises:
            InvalidRun: the table is damaged.
        """
        path = self.path / PROBLEMS
        if not path.is_file():
            return pd.DataFrame({"kind": [], "image": [], "reason": []})
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise InvalidRun(f"the run {self.path} has no readable {PROBLEMS}: {_one_line(error)}") from error

    def array(self, name: str) -> np.ndarray:
        """A memory-mapped array of the run.

        Raises:
            InvalidRun: the file is missing or damaged.
        """
        try:
            return np.asarray(np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise InvalidRun(f"the run {self.path} has no readable {name}.npy: {_one_line(error)}") from error

    def picture(self, row: int) -> tuple[bytes, int, int]:
        """The WebP of the image in ``row`` of ``samples``, and height and width of the original in pixels.

        Raises:
            InvalidRun: the pictures are missing or damaged.
        """
        try:
            return pictures.read(self.path, row)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise InvalidRun(f"the run {self.path} has no readable picture {row}: {_one_line(error)}") from error


def read_table(owner: str, folder: Path, name: str) -> pd.DataFrame:
    """A Parquet table in a folder; ``owner`` says what the folder holds.

    Raises:
        InvalidRun: the table is missing or damaged.
    """
    with _reading(owner, folder, name):
        return pd.read_parquet(folder / name)


@contextmanager
def _reading(owner: str, folder: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise InvalidRun(f"the {owner} {folder} has no readable {name}: {_one_line(error)}") from error


def kernel_words(run: Run) -> str:
    """The kernel and how near it is to the exact one, in a few words."""
    facts = run.meta["kernel"]
    words = str(facts["kind"]) if facts["fidelity"] is None else f"{facts['kind']}, error {facts['fidelity']:.1%}"
    if facts.get("alignment") is not None:
        words += f", only {facts['scope']} (alignment with all layers {facts['alignment']:.2f})"
    if facts.get("halved") is not None:
        words += f", {facts['dimension']} features (half of them rank alike to {facts['halved']:.2f})"
    return words


def training_words(run: Run) -> str:
    """How the linearized network was trained, in a few words."""
    how, ridge = run.meta.get("training", {}), run.meta["ridge"]
    along = run.meta.get("along")
    if along:
        from_one = f"; the real network once as long, {along['segments']['count']} segments"
        return f"gradient descent, {recipe_words(along['recipe'])}{from_one}"
    if how.get("steps") is None:
        return f"to convergence, ridge {ridge['value']:.3g} ({ridge['how']})"
    chosen = " (least leave-one-out error)" if how["chosen"] else ""
    kind = "gradient flow for time" if how["continuous"] else "gradient descent, steps"
    return f"{kind} {how['steps']}{chosen} at lr {how['lr']:.3g}, ridge {ridge['value']:.3g}"


def config_of(run: Run) -> RunConfig:
    """The settings that made a run."""
    return RunConfig.from_dict(run.meta["config"])


def recipe_words(recipe: dict[str, Any]) -> str:
    """How the real network was trained, in a few words."""
    batch = "full batches" if recipe["batch_size"] is None else f"batches of {recipe['batch_size']}"
    ridge = f", ridge {recipe['ridge']:.3g}" if recipe["ridge"] else ""
    return f"{recipe['steps']} steps at lr {recipe['lr']:.3g}, {batch}{ridge}"


def runs_folder() -> Path:
    """Where runs are kept by default."""
    return home() / "runs"


def list_runs(folder: Path | None = None) -> list[Run]:
    """The readable runs of a folder, newest first."""
    found = []
    for path in _folders(folder or runs_folder()):
        try:
            found.append(_open(path))
        except InvalidRun:
            continue
    return sorted(found, key=lambda run: str(run.meta["created"]), reverse=True)


def broken_runs(folder: Path | None = None) -> dict[str, str]:
    """Folders that are not readable runs, and why."""
    reasons = {}
    for path in _folders(folder or runs_folder()):
        try:
            _open(path)
        except InvalidRun as error:
            reasons[path.name] = str(error)
    return reasons


def open_run(reference: str | Path) -> Run:
    """The run with this id in the store, or in this folder.

    Raises:
        InvalidRun: there is none, or the folder is not a readable run.
    """
    text = str(reference)
    in_store = runs_folder() / text
    plain = bool(text) and Path(text).name == text and text not in (".", "..")
    path = in_store if plain and in_store.is_dir() else Path(reference)
    if not text or not path.exists():
        known = [run.id for run in list_runs()]
        hint = (
            f"Known runs: {', '.join(known[:8])}." if known else "There are no runs yet; 'sampleinfo score' makes one."
        )
        raise InvalidRun(f"no run called {text!r}, and no such folder. {hint}")
    return _open(path)


def delete_run(run: Run) -> None:
    """Remove a run's folder: out of sight first, so that it is never half there."""
    doomed = run.path.with_name(f".{run.path.name}.deleted")
    os.rename(run.path, doomed)
    shutil.rmtree(doomed)


def write_problems(folder: Path, table: pd.DataFrame) -> None:
    """The list of what was wrong with the data set: written aside, then renamed."""
    temporary = folder / f".{PROBLEMS}.{os.getpid()}.tmp"
    table.to_csv(temporary, index=False)
    os.replace(temporary, folder / PROBLEMS)


def note_problems(run: Run, table: pd.DataFrame, counts: dict[str, int]) -> None:
    """What is wrong with a finished run's data set by now: files that are no samples may have come since.

    Raises:
        StorageError: the run's folder cannot be written.
    """
    if table.astype(str).equals(run.problems.astype(str)):
        return
    try:
        write_problems(run.path, table)
        write_json(run.path / SUMMARY, {**run.meta, "dataset": {**run.meta["dataset"], "problems": counts}})
    except OSError as error:
        raise StorageError(f"cannot write to {run.path}: {error.strerror or error}.") from error


def check_target(out: Path) -> None:
    """Whether a run may be written to ``out``: nothing may be there, and its parent must be writable.

    Raises:
        StorageError: with the reason.
    """
    if out.exists():
        raise StorageError(f"{out} exists already and is not this run; choose another folder or remove it.")
    parent = out.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        probe = parent / f".{out.name}.probe"
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise StorageError(f"cannot write to {parent}: {error.strerror or error}.") from error


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file at once: to a temporary file, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n")
    os.replace(temporary, path)


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    hidden = (".partial",)
    return sorted(p for p in folder.iterdir() if p.is_dir() and p.suffix not in hidden and p.name[0] != ".")


def _open(path: Path) -> Run:
    if not path.is_dir():
        raise InvalidRun(f"{path} is a file, not the folder of a run.")
    summary = path / SUMMARY
    if not summary.is_file():
        raise InvalidRun(f"{path} is not a run: it has no {SUMMARY}.")
    try:
        meta = json.loads(summary.read_text())
    except (OSError, ValueError) as error:
        raise InvalidRun(f"{summary} cannot be read: {_one_line(error)}") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        got = meta.get("format") if isinstance(meta, dict) else None
        raise InvalidRun(
            f"{path} is not a run of this version: format {got!r} in {SUMMARY}, expected {FORMAT}. Compute it again."
        )
    missing = sorted(REQUIRED - set(meta))
    if missing:
        raise InvalidRun(f"{summary} lacks {', '.join(missing)}.")
    if not (path / SAMPLES).is_file():
        raise InvalidRun(f"the run {path} is incomplete: it has no {SAMPLES}.")
    return Run(path, meta)


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Questions about a run that are answered once: tables, kept with the run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sampleinfo.errors import StorageError
from sampleinfo.store import Run, read_table
from sampleinfo.types import Reporter

#: Tables of one answer, by name.
Tables = dict[str, pd.DataFrame]
FOLDER = "analyses"


@dataclass(frozen=True)
class Analysis:
    """``compute`` answers the question; ``seconds`` is how long that takes, and refuses runs it cannot be asked of.

    ``tables``: the names of what it gives. ``version`` is raised when a change makes kept answers wrong. ``compute``
    reports the stage called ``name``.
    """

    name: str
    version: int
    tables: tuple[str, ...]
    seconds: Callable[[Run], float]
    compute: Callable[[Run, Reporter], Tables]

    def folder(self, run: Run) -> Path:
        """Where the answer is kept."""
        return run.path / FOLDER / f"{self.name}-{self.version}"


def answer(run: Run, analysis: Analysis) -> Tables | None:
    """The tables that are kept; None where the question has not been answered.

    Raises:
        InvalidRun: one of them is damaged.
    """
    folder = analysis.folder(run)
    if not folder.is_dir():
        return None
    return {name: read_table(f"{analysis.name} of {run.path.name}", folder, f"{name}.parquet") for name in
            analysis.tables}  # fmt: skip


def keep(run: Run, analysis: Analysis, tables: Tables) -> None:
    """Keep an answer, whole or not at all; one that is there already stays.

    Raises:
        StorageError: it cannot be written.
    """
    folder = analysis.folder(run)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        for name in analysis.tables:
            tables[name].to_parquet(temporary / f"{name}.parquet", index=False)
        if not folder.is_dir():
            temporary.rename(folder)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

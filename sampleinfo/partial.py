"""The folder of a run that is being made: finished blocks are kept, and a run appears whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sampleinfo import store
from sampleinfo.errors import StorageError
from sampleinfo.pictures import INPUTS
from sampleinfo.store import Run
from sampleinfo.types import FloatArray

STATE, LOCK, WORKING = "state.json", ".lock", "working"
WORKING_FILES = ("umap.npy", INPUTS, STATE)


@dataclass(frozen=True)
class Partial:
    """``<run>.partial``: belongs to one fingerprint; implements ``kernels.Checkpoint``."""

    path: Path
    identity: str

    @staticmethod
    def folder(target: Path) -> Path:
        """Where the unfinished run of ``target`` is kept."""
        return target.with_name(target.name + ".partial")

    @classmethod
    @contextmanager
    def open(
        cls, target: Path, identity: str, tell: Callable[[str], None] = lambda _: None, again: Run | None = None
    ) -> Iterator[Partial]:
        """The kept folder of the same run, or a new one; only one process at a time. ``tell`` hears of work that is
        thrown away because it belongs to other settings or data. ``again``: the finished run, to compute it again.

        Raises:
            StorageError: another process is computing this run.
        """
        path = cls.folder(target)
        path.mkdir(parents=True, exist_ok=True)
        with (path.parent / f".{path.name}{LOCK}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StorageError(f"another process is computing {target.name} at this moment.") from error
            partial = cls(path, identity)
            if again is not None:
                partial._reopen(again)
            if (other := partial._state().get("fingerprint")) != identity:
                if other is not None:
                    tell(f"The unfinished work in {path} belongs to other settings or data and is thrown away.")
                shutil.rmtree(path)
                path.mkdir()
                store.write_json(path / STATE, {"fingerprint": identity, "groups": 0})
            yield partial

    def load(self) -> tuple[int, FloatArray, FloatArray] | None:
        """Number of finished parameter groups and the kernels over them."""
        groups = int(self._state().get("groups", 0))
        if groups == 0:
            return None
        try:
            gram, cross = (
                np.load(self.path / f"{name}-{groups}.npy", allow_pickle=False) for name in ("gram", "cross")
            )
        except (OSError, ValueError):
            return None
        return groups, gram, cross

    def save(self, groups: int, gram: FloatArray, cross: FloatArray) -> None:
        """Keep the kernels over the first ``groups`` groups; the state names them only once they are whole."""
        before = int(self._state().get("groups", 0))
        for name, values in (("gram", gram), ("cross", cross)):
            np.save(self.path / f"{name}-{groups}.npy", values)
        store.write_json(self.path / STATE, {"fingerprint": self.identity, "groups": groups})
        self._remove_kernels(before)

    @property
    def working(self) -> Path:
        """A folder inside for what is needed until the end only."""
        path = self.path / WORKING
        path.mkdir(exist_ok=True)
        return path

    def finish(self, target: Path) -> None:
        """Drop the working files and give the folder its final name."""
        self._remove_kernels(int(self._state().get("groups", 0)))
        for name in WORKING_FILES:
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / WORKING, ignore_errors=True)
        os.rename(self.path, target)
        (self.path.parent / f".{self.path.name}{LOCK}").unlink(missing_ok=True)

    def _reopen(self, run: Run) -> None:
        """Make a finished run an unfinished one; its map and what it was validated by stay."""
        store.write_json(run.path / STATE, {"fingerprint": run.meta["fingerprint"], "groups": 0})
        np.save(run.path / "umap.npy", run.samples[["umap_x", "umap_y"]].to_numpy(np.float64))
        shutil.rmtree(self.path)
        os.rename(run.path, self.path)

    def _remove_kernels(self, groups: int) -> None:
        for name in ("gram", "cross"):
            (self.path / f"{name}-{groups}.npy").unlink(missing_ok=True)

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.path / STATE).read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

"""One small finished run for every test that looks at runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from sampleinfo import store
from sampleinfo.config import RunConfig
from sampleinfo.store import Run

SMALL = RunConfig("mnist-4v9", train=60, validation=40)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Matrices of a few rows: threads only stand in each other's way."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with one finished run; SAMPLEINFO_HOME points at it for the whole session."""
    from sampleinfo import pipeline

    folder = tmp_path_factory.mktemp("home")
    before = os.environ.get("SAMPLEINFO_HOME")
    os.environ["SAMPLEINFO_HOME"] = str(folder)
    pipeline.score(SMALL)
    yield folder
    if before is None:
        del os.environ["SAMPLEINFO_HOME"]
    else:
        os.environ["SAMPLEINFO_HOME"] = before


@pytest.fixture(scope="session")
def small_run(small_home: Path) -> Run:
    """The finished run: mnist-4v9, 60 training and 40 validation images."""
    return next(run for run in store.list_runs(small_home / "runs") if _is_small(run))


def _is_small(run: Run) -> bool:
    wanted = replace(SMALL, kernel="exact").as_dict()
    return bool(run.meta["config"] == wanted)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store without runs."""
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"

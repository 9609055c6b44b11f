"""One small finished run for every test that looks at runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from sampleinfo import datasets, embedding, store
from sampleinfo.config import RunConfig
from sampleinfo.store import Run
from sampleinfo.validations import Request

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SMALL = RunConfig("mnist-4v9", train=60, validation=40)
ALONG = RunConfig("mnist-4v9", train=24, validation=20, method="along-training", steps=6, segments=2)
REQUEST = Request(removals=5, sets=3)
#: Quick tests that take as long as one that is marked as slow or drives a browser.
LONG = 20
#: The main module of this process: worker processes read it again before they begin.
MAIN = sys.modules["__main__"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process waits long for the last of the other."""
    weights: Counter[Path] = Counter()
    for item in items:
        weights[item.path] += LONG if any(map(item.get_closest_marker, ("browser", "slow"))) else 1
    items.sort(key=lambda item: -weights[item.path])


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest makes the page it runs the main module, which workers of a later test could not read."""
    sys.modules["__main__"] = MAIN
    yield
    sys.modules["__main__"] = MAIN


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Matrices of a few rows: threads only stand in each other's way."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def plain_map() -> Iterator[None]:
    """Maps by PCA in tests that are not about maps: UMAP compiles for ten seconds in every run."""
    code = "import sys, numpy as np, sampleinfo.embedding as e; np.save(sys.argv[2], e.pca(np.load(sys.argv[1])))"

    def start(features: Path, coordinates: Path, seed: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, str(features), str(coordinates)], stderr=subprocess.PIPE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "start_umap", start)
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


def _in_own_store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SAMPLEINFO_DATABASE", raising=False)
    path = tmp_path / "home" / "runs" / run.id
    shutil.copytree(run.path, path)
    return store.open_run(path)


@pytest.fixture
def run(small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A copy of the small run, in a store of its own without decisions: what a test adds to it stays there."""
    return _in_own_store(small_run, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def along_run(small_home: Path) -> Run:
    """A finished run along the training: mnist-4v9, 24 training and 20 validation images, 6 steps in 2 segments."""
    from sampleinfo import pipeline

    return pipeline.score(ALONG)


@pytest.fixture(scope="session")
def validated_run(along_run: Run) -> Run:
    """The same, validated: 5 images and 3 sets left out."""
    from sampleinfo import validation

    validation.validate(along_run, REQUEST)
    return along_run


@pytest.fixture(scope="session")
def own_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real pictures of a person's own: PNG files of sevens and ones, and some that are no good.

    ``one/``, ``seven <b>/`` with 30 images each; a truncated, an empty and a wrongly named file; a twin in its own
    class and one in the other; and ``table.csv`` beside them with a column of text and one of numbers.
    """
    root = tmp_path_factory.mktemp("own") / "pictures"
    digits, lines = datasets.read("mnist"), ["path,label,pen,hour"]
    for name, label in (("one", 1), ("seven <b>", 7)):
        (root / name).mkdir(parents=True)
        for number, row in enumerate(np.flatnonzero(digits.labels == label)[:30]):
            Image.fromarray(digits.images[int(row)]).save(root / name / f"{number:02d}.png")
            lines.append(f"{name}/{number:02d}.png,{name},{'blue' if number % 3 else 'black'},{number / 2}")
    whole = (root / "one" / "00.png").read_bytes()
    (root / "one" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "one" / "empty.png").write_bytes(b"")
    (root / "one" / "twin.png").write_bytes((root / "one" / "01.png").read_bytes())
    (root / "seven <b>" / "00.jpg").write_bytes(whole)
    (root / "seven <b>" / "other.png").write_bytes((root / "one" / "02.png").read_bytes())
    (root / "table.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store without runs."""
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def two_sources_run(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small run as if its images came from two sources, every third one from the second; in no store."""
    path = tmp_path_factory.mktemp("two-sources") / "two-sources"
    shutil.copytree(small_run.path, path, ignore=shutil.ignore_patterns("analyses", "summaries", "validations"))
    table = small_run.samples.copy()
    table["source"] = ["tablet <b>" if row % 3 == 2 else "pen" for row in range(len(table))]
    table.to_parquet(path / store.SAMPLES, index=False)
    facts = {**small_run.meta["dataset"], "sources": ["pen", "tablet <b>"]}
    store.write_json(path / store.SUMMARY, {**small_run.meta, "fingerprint": "two-sources", "dataset": facts})
    return store.open_run(path)


@pytest.fixture
def sources_run(two_sources_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A copy of it in a store of its own: what a test adds to it stays there."""
    return _in_own_store(two_sources_run, tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium, started once for a file."""
    from tests.browsing import launched

    with launched() as browser:
        yield browser


@pytest.fixture
def port() -> int:
    """A port that nobody uses."""
    from tests.browsing import free_port

    return free_port()


@pytest.fixture
def url(run: Run, port: int) -> Iterator[str]:
    """A dashboard on the store of one run."""
    from tests.browsing import server

    with server(port) as address:
        yield address

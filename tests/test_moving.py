"""Runs copied to another place and back: the same, whole or not at all, and never over another one."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from sampleinfo import moving, store
from sampleinfo.cli import main
from sampleinfo.errors import InvalidRun, InvalidSetting, StorageError
from sampleinfo.execution_storage import Place
from sampleinfo.store import Run


@pytest.fixture(params=["path", "file", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"path": str(tmp_path / "there"), "file": f"file://{tmp_path}/there", "memory": f"memory://{uuid4().hex}"}[
        request.param
    ]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(run: Run, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(run.path)
    assert "thumbnails.arrow" in before
    assert main(["runs", "push", run.id, address]) == 0
    assert capsys.readouterr().out == f"copied to {Place(address).inner(run.id)}\n"
    with pytest.raises(StorageError, match="holds a run already; it is not overwritten"):
        moving.push(run, address)
    with pytest.raises(StorageError, match="exists already; it is not overwritten"):
        moving.pull(f"{address}/{run.id}")
    store.delete_run(run)
    assert main(["runs", "pull", f"{address}/{run.id}/"]) == 0
    assert "data       MNIST 4 against 9" in capsys.readouterr().out
    again = store.open_run(run.id)
    assert content(again.path) == before
    assert again.samples.equals(run.samples)
    assert main(["runs"]) == 0
    assert run.id in capsys.readouterr().out


def test_an_interrupted_copy_is_no_run_and_is_made_again(
    run: Run, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = Place.upload

    def interrupted(place: Place, name: str, source: Path) -> None:
        if name == store.SUMMARY:
            raise KeyboardInterrupt
        upload(place, name, source)

    monkeypatch.setattr(Place, "upload", interrupted)
    with pytest.raises(KeyboardInterrupt):
        moving.push(run, address)
    monkeypatch.undo()
    with pytest.raises(InvalidRun, match=r"is not a run: it has no run\.json"):
        moving.pull(f"{address}/{run.id}")
    moving.push(run, address)
    assert Place(address).inner(run.id).exists(store.SUMMARY)


def test_half_a_copy_back_is_nothing(run: Run, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = moving.push(run, address)
    monkeypatch.setenv("SAMPLEINFO_HOME", str(run.path.parent / "other"))
    download = Place.download

    def interrupted(place: Place, name: str, target: Path) -> None:
        download(place, name, target)
        if name == "run.json":
            raise KeyboardInterrupt

    monkeypatch.setattr(Place, "download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        moving.pull(there.address)
    monkeypatch.setattr(Place, "download", download)
    assert store.list_runs() == []
    assert list(store.runs_folder().iterdir()) == []
    there.remove(store.SAMPLES)
    with pytest.raises(InvalidRun, match=r"incomplete: it has no samples\.parquet"):
        moving.pull(there.address)
    assert list(store.runs_folder().iterdir()) == []


def test_what_is_no_place(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="Protocol not known: nope"):
        moving.push(run, "nope://x")
    with pytest.raises(InvalidSetting, match="must be plain"):
        moving.pull("memory://x/..")

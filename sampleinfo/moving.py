"""Finished runs on an object store or another disk: a copy there, and back; whole or not at all.

``run.json`` makes a folder a run. It is written last on the way there; on the way back files are collected beside the
other runs, and the folder gets its name once all are there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from uuid import uuid4

from sampleinfo import store
from sampleinfo.errors import InvalidRun, InvalidSetting, StorageError
from sampleinfo.execution_storage import Place
from sampleinfo.store import SUMMARY, Run
from sampleinfo.types import Reporter, silent

#: Folders inside folders of a run; deeper ones are nobody's.
DEEPEST = 6


def push(run: Run, address: str, report: Reporter = silent) -> Place:
    """Copy a run into the folder ``address``/<id of the run>.

    What an interrupted copy has left there is written again.

    Raises:
        StorageError: a run is there already, or the folder cannot be written.
        InvalidSetting: an address of another form, or a file whose name no storage takes.
    """
    target = Place(address).inner(run.id)
    if target.exists(SUMMARY):
        raise StorageError(f"{target} holds a run already; it is not overwritten. Remove it, or choose another folder.")
    files = sorted(
        (path for path in run.path.rglob("*") if path.is_file()), key=lambda path: path == run.path / SUMMARY
    )
    for number, path in enumerate(files):
        report("moving", number, len(files))
        *folders, name = path.relative_to(run.path).parts
        _inside(target, folders).upload(name, path)
    report("moving", 1, 1)
    return target


def pull(address: str, report: Reporter = silent) -> Run:
    """Copy the run at ``address`` into the store of this machine.

    Raises:
        InvalidRun: no whole run is there.
        StorageError: the store has a run of that name already, or something cannot be read or written.
        InvalidSetting: an address of another form.
    """
    source = Place(address)
    name = address.rstrip("/").rsplit("/", 1)[-1]
    Place("/").path(name)  # a plain name
    if not source.exists(SUMMARY):
        raise InvalidRun(f"{source} is not a run: it has no {SUMMARY}.")
    target = store.runs_folder() / name
    if target.exists():
        raise StorageError(f"{target} exists already; it is not overwritten. Remove it first.")
    store.check_target(target)
    aside = target.with_name(f".{name}.{uuid4().hex}.pulled")
    try:
        aside.mkdir()
        files = list(_files(source, DEEPEST))
        for number, (folders, file) in enumerate(files):
            report("moving", number, len(files))
            folder = aside.joinpath(*folders)
            folder.mkdir(parents=True, exist_ok=True)
            _inside(source, folders).download(file, folder / file)
        store.open_run(aside)  # complete and of this version
        os.rename(aside, target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    report("moving", 1, 1)
    return store.open_run(target)


def _inside(place: Place, folders: list[str]) -> Place:
    for name in folders:
        place = place.inner(name)
    return place


def _files(place: Place, deepest: int, folders: tuple[str, ...] = ()) -> Iterator[tuple[list[str], str]]:
    """All files under a place: the folders on the way and the name.

    Raises:
        InvalidSetting: a name that could lead elsewhere.
    """
    yield from ((list(folders), name) for name in place.names())
    for name in place.folders():
        if deepest == 0:
            raise InvalidSetting(f"{place} has more folders inside each other than a run has.")
        yield from _files(place.inner(name), deepest - 1, (*folders, name))

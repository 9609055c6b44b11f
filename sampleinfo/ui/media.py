"""Thumbnails where the browser can fetch them: sheets in static files under names nobody can guess."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from sampleinfo import pictures, store
from sampleinfo.config import home
from sampleinfo.store import Run
from sampleinfo.ui.frame import app_folder

#: Sheets of a run that are kept, the last used ones: some 0.3 MB each.
MOST = 300


def publish(run: Run, rows: Sequence[int]) -> str:
    """Put a sheet of the thumbnails of the images at ``rows`` into ``static/``; its address, relative to any page.

    The same images have the same address, so that browsers fetch a sheet once.
    """
    token = _token(run)
    name = f"{hashlib.sha256(np.asarray(rows, dtype=np.int64).tobytes()).hexdigest()[:32]}.jpg"
    folder = app_folder() / "static" / token
    try:
        os.utime(folder / name)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        temporary.write_bytes(pictures.sheet(run.path, rows))
        temporary.replace(folder / name)
        _forget(folder)
    return f"app/static/{token}/{name}"


def withdraw(run: Run) -> None:
    """Take a run's thumbnails out of ``static/``."""
    shutil.rmtree(app_folder() / "static" / _token(run), ignore_errors=True)


def _forget(folder: Path) -> None:
    """Remove the sheets that have not been used for longest."""
    known = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(known) > MOST:
        used = {}
        for path in known:
            with suppress(FileNotFoundError):  # another session was quicker
                used[path] = path.stat().st_mtime_ns
        for path in sorted(used, key=used.__getitem__)[:-MOST]:
            path.unlink(missing_ok=True)


def _token(run: Run) -> str:
    path = home() / "tokens.json"
    try:
        tokens = json.loads(path.read_text())
    except (OSError, ValueError):
        tokens = {}
    key = f"{run.path}:{run.meta['fingerprint']}"
    if key not in tokens:
        tokens[key] = secrets.token_urlsafe(24)
        path.parent.mkdir(parents=True, exist_ok=True)
        store.write_json(path, tokens)
    return str(tokens[key])

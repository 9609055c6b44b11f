"""Thumbnail sheets where the browser can fetch them: static files under names nobody can guess."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path

from sampleinfo import store
from sampleinfo.config import home
from sampleinfo.store import Run
from sampleinfo.ui.frame import app_folder


def publish(run: Run) -> str:
    """Copy (or link) a run's thumbnail sheets into ``static/``; the folder's address, relative to any page."""
    token = _token(run)
    folder = app_folder() / "static" / token
    if not folder.is_dir():
        temporary = folder.with_name(f".{token}.{os.getpid()}")
        temporary.mkdir(parents=True, exist_ok=True)
        for sheet in sorted((run.path / "thumbnails").glob("*.webp")):
            _link(sheet, temporary / sheet.name)
        try:
            temporary.rename(folder)
        except OSError:
            shutil.rmtree(temporary)
    return f"app/static/{token}"


def withdraw(run: Run) -> None:
    """Take a run's thumbnails out of ``static/``."""
    shutil.rmtree(app_folder() / "static" / _token(run), ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _token(run: Run) -> str:
    path = home() / "tokens.json"
    try:
        tokens = json.loads(path.read_text())
    except (OSError, ValueError):
        tokens = {}
    key = f"{run.path}:{run.meta['fingerprint']}"
    if key not in tokens:
        tokens[key] = secrets.token_urlsafe(24)
        store.write_json(path, tokens)
    return str(tokens[key])

"""Whose decisions, and about what."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from sampleinfo import datasets

if TYPE_CHECKING:
    from sampleinfo.store import Run


def collection_of(run: Run) -> str:
    """The data set of a run, by its reference with absolute paths: the same for every run on it."""
    return datasets.canonical(str(run.meta["config"]["dataset"]))


def default_author() -> str:
    """The name under which the person at this computer is logged in."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name, as in some containers
        return f"user {os.getuid()}"

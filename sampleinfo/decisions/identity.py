"""Whose decisions, and about what."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from sampleinfo import datasets
from sampleinfo.config import NOTHING

if TYPE_CHECKING:
    from sampleinfo.store import Run


def collection_of(run: Run) -> str:
    """The data set of a run, by its reference with absolute paths: the same for every run on it.

    A copy with planted errors is another data set: what is decided about its images says nothing about the real ones.
    """
    config = run.meta["config"]
    known, plant = datasets.canonical(str(config["dataset"])), config.get("plant", NOTHING)
    return known if plant == NOTHING else f"{known} with {plant} planted, {config['planted']:g}, {config['seed']}"


def default_author() -> str:
    """The name under which the person at this computer is logged in."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name, as in some containers
        return f"user {os.getuid()}"

"""Whether a process noted earlier still runs: numbers are given again, so that its start is noted too."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import psutil

PERIOD = 1.0


def noted(pid: int) -> dict[str, Any]:
    """``pid`` and the moment of its start, 0 where there is no such process."""
    try:
        return {"pid": pid, "created": psutil.Process(pid).create_time()}
    except psutil.Error:
        return {"pid": pid, "created": 0.0}


def runs(note: Mapping[str, Any]) -> bool:
    """Whether the process of a note runs; one that has ended and was not collected counts as gone."""
    try:
        process = psutil.Process(int(note["pid"]))
        return process.create_time() == note["created"] and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM meanwhile ends the work as Ctrl-C does, through everything that tidies up.

    Only where it would end the process at once: whoever has an answer of their own keeps it.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def end_with_parent() -> None:
    """End this process when the one that started it is gone."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD)
    os._exit(1)

"""What commands print: tables, and how far long work is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from sampleinfo.progress import Tracker
from sampleinfo.types import Reporter

#: The exit code of work that a person stopped.
INTERRUPTED = 130


@contextmanager
def tracked(tracker: Tracker, console: Console) -> Iterator[Reporter]:
    """A reporter under a bar; where nobody watches a terminal, a line every tenth instead."""
    printed = -1
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[left]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("Loading the libraries", total=1.0, left=f"about {tracker.planned:.0f} s left")

        def report(stage: str, done: float, total: float) -> None:
            nonlocal printed
            tracker(stage, done, total)
            rate = 100 * tracker.fraction / max(tracker.seconds, 0.1)
            left = f"{rate:.1f} %/s, {tracker.seconds:.0f} s gone, about {tracker.seconds_left:.0f} s left"
            bar.update(task, description=tracker.words, completed=tracker.fraction, left=left)
            if not console.is_terminal and int(10 * tracker.fraction) > printed:
                printed = int(10 * tracker.fraction)
                print(f"{tracker.fraction:4.0%}  {tracker.words}: {left}", file=sys.stderr, flush=True)

        yield report
        bar.update(task, description="Done", completed=1.0, left=f"{tracker.seconds:.0f} s")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns of text, as wide as the terminal."""
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, highlight=False).print(table)

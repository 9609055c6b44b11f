"""Timing and the one table of all benchmarks."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

#: Seconds of pause before each timed work.
REST = 0.1
PACKAGES = ("sampleinfo", "torch", "torchvision", "numpy", "scipy", "numba")


@dataclass(frozen=True)
class Line:
    """Our seconds beside those of a baseline in the same process; ``target`` is the least ratio wanted."""

    work: str
    seconds: float
    baseline: str
    baseline_seconds: float
    target: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster than the baseline."""
        return self.baseline_seconds / self.seconds


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """Best time of some runs."""
    return seconds_in_turn([work], rounds, warm=False)[0]


def seconds_in_turn(works: Sequence[Callable[[], object]], rounds: int, warm: bool = True) -> list[float]:
    """Best time of each, taken in turn so that all see the same machine; a first round does not count.

    A pause before each lets the waiting threads of the one before go to sleep: they would hold on to their cores.
    """
    best = [float("inf")] * len(works)
    for number in range(rounds + warm):
        for place, work in enumerate(works):
            time.sleep(REST)
            start = time.perf_counter()
            work()
            if number >= warm:
                best[place] = min(best[place], time.perf_counter() - start)
    return best


def show(lines: Sequence[Line]) -> None:
    """Print the table."""
    print(f"{'work':68}{'ours, s':>10}{'baseline, s':>13}{'ratio':>9}{'wanted':>8}  baseline; note")
    for line in lines:
        wanted = "" if line.target is None else f"{line.target:.3g}"
        print(
            f"{line.work:68}{line.seconds:10.4f}{line.baseline_seconds:13.3f}{line.ratio:9.3g}{wanted:>8}"
            f"  {line.baseline}{'; ' * bool(line.note)}{line.note}"
        )


def keep(lines: Sequence[Line], fidelity: Sequence[Any], path: Path) -> None:
    """Store the tables as JSON, with the machine and the versions."""
    rows = [{**asdict(line), "ratio": line.ratio} for line in lines]
    path.write_text(
        json.dumps({"machine": machine(), "rows": rows, "fidelity": [asdict(row) for row in fidelity]}, indent=2) + "\n"
    )


def machine() -> dict[str, object]:
    """What the figures rest on."""
    versions = {name: metadata.version(name) for name in PACKAGES}
    return {
        "date": datetime.now(UTC).date().isoformat(), "cpu": _cpu(), "cores": os.cpu_count(),
        "system": platform.platform(), "load": os.getloadavg()[0], "python": platform.python_version(), **versions,
    }  # fmt: skip


def described(facts: dict[str, object]) -> str:
    """One line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _cpu() -> str:
    try:
        facts = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()
    named = [line.split(":", 1)[1].strip() for line in facts.splitlines() if line.startswith("Model name")]
    return named[0] if named else platform.machine()

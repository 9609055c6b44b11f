"""What a run without a kernel costs against its images: python -m benchmarks.scaling --data DIR [--sizes N ...].

CIFAR-10, ten classes, the bundled ResNet-20, by the command line, one size after the other into a new folder. Prints
Markdown tables: seconds of every stage and their exponents, peak of memory, and what the run says of itself. The memory
is the proportional set size of the command and of all processes that it starts, read every half second from /proc.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reproduction.report import Table

SIZES, PAUSE = (1000, 5000, 50_000), 0.5
#: Seconds at the largest size below which a stage has no exponent worth telling.
LEAST = 2.0


@dataclass(frozen=True)
class Measured:
    """A run: training images, seconds in all and of each stage, bytes at the peak, and its run.json."""

    n: int
    seconds: float
    stages: dict[str, float]
    peak: int
    meta: dict[str, Any]


def measure(data: str, n: int, validation: int, out: Path, more: list[str]) -> Measured:
    """Score ``n`` images by the command line."""
    command = [
        sys.executable, "-m", "sampleinfo", "score", data, "--train", str(n), "--validation", str(validation),
        "--kernel", "primal", "--out", str(out), *more,
    ]  # fmt: skip
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command)
    while process.poll() is None:
        peak = max(peak, sum(map(_proportional, _family(process.pid))))
        time.sleep(PAUSE)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}.")
    meta = json.loads((out / "run.json").read_text())
    return Measured(n, seconds, meta["timings"], peak, meta)


def exponents(runs: list[Measured]) -> dict[str, float | None]:
    """Of every stage: the slope of log seconds against log n, by least squares."""
    sizes, largest = np.log([run.n for run in runs]), runs[-1].stages
    found: dict[str, float | None] = {}
    for stage, seconds in largest.items():
        taken = [run.stages.get(stage, 0.0) for run in runs]
        told = len(runs) > 1 and seconds >= LEAST and min(taken) > 0
        found[stage] = float(np.polyfit(sizes, np.log(taken), 1)[0]) if told else None
    return found


def tables(runs: list[Measured]) -> list[Table]:
    """Seconds by stage with exponents, and the rest by size."""
    later = runs[-2:]
    slopes = [exponents(runs), exponents(later)]
    by_stage = Table(
        ("stage", *(f"{run.n:,} images, s" for run in runs), "exponent", f"exponent from {later[0].n:,} on"),
        [
            (stage, *(f"{run.stages.get(stage, 0.0):.1f}" for run in runs), *(_slope(each[stage]) for each in slopes))
            for stage in runs[-1].stages
        ],
    )
    columns = ("training images", "minutes in all", "GiB at the peak", "planned: minutes, GiB", "coordinates",
               "error of the kernel", "ranking with half the features", "ridge", "validation accuracy",
               "leave-one-out accuracy", "true neighbours found")  # fmt: skip
    rows = []
    for run in runs:
        meta, kernel = run.meta, run.meta["kernel"]
        recall, half = meta["neighbours"]["recall"], kernel["halved"]
        rows.append((
            f"{run.n:,}", f"{run.seconds / 60:.1f}", f"{run.peak / 2**30:.1f}",
            f"{meta['planned_seconds'] / 60:.1f}, {meta['planned_memory'] / 2**30:.1f}", f"{kernel['coordinates']:,}",
            f"{kernel['fidelity']:.1%}", "-" if half is None else f"{half:.3f}", f"{meta['ridge']['value']:.3g}",
            f"{meta['accuracy']['validation']:.1%}", f"{meta['accuracy']['leave_one_out']:.1%}",
            "all" if recall is None else f"{recall:.1%}",
        ))  # fmt: skip
    return [by_stage, Table(columns, rows)]


def _slope(found: float | None) -> str:
    return "-" if found is None else f"{found:.2f}"


def _family(pid: int) -> Iterator[int]:
    """A process and all that it has started, as far as they are still there."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _proportional(pid: int) -> int:
    """Bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main() -> None:
    """Measure and print; runs that are there already are read, with what was measured of them."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--data", required=True, help="the data set: a folder of image Parquet files")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="training images")
    parser.add_argument("--validation", type=int, default=2000, help="validation images")
    parser.add_argument("--to", type=Path, help="folder of the runs; by default a temporary one")
    parser.add_argument("more", nargs="*", help="further options of 'sampleinfo score', after --")
    given = parser.parse_args()
    folder, runs = given.to or Path(tempfile.mkdtemp(prefix="scaling-")), []
    folder.mkdir(parents=True, exist_ok=True)
    for n in sorted(given.sizes):
        out, note = folder / f"run-{n}", folder / f"measured-{n}.json"
        if not note.exists():
            found = measure(given.data, n, given.validation, out, given.more)
            note.write_text(json.dumps(vars(found)))
        runs.append(Measured(**json.loads(note.read_text())))
    print("\n\n".join(str(each) for each in tables(runs)))


if __name__ == "__main__":
    main()

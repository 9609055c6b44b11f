"""Ray and worker processes against this process: python -m benchmarks.backends --data DIR [--train N] [--rounds R]
[-- OPTIONS OF SCORE].

The same run without a kernel by each back end in turn, all with two cores in use: this process with two threads, two
worker processes with one each, two tasks of one core each on a Ray cluster of this machine alone. Prints a Markdown
table: median seconds of every stage that is spread, and of the whole command, and the speed against this process as the
median of the ratios within a round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.reproduction.report import Table
from benchmarks.scaling import Measured, measure

BACKENDS = {
    "this process, two threads": [],
    "two worker processes": ["--workers", "2"],
    "Ray, two tasks at a time": ["--ray", "local", "--workers", "2"],
}
#: Where shards are made or passed over; ``kernel`` also lays out the projection, which the driver does alone.
SPREAD = ("kernel", "ridge", "scores")


def seconds(run: Measured) -> list[float]:
    """Of each stage, of the three together, and of the whole command."""
    stages = [run.stages[stage] for stage in SPREAD]
    return [*stages, sum(stages), run.seconds]


def table(rounds: list[list[Measured]]) -> Table:
    """One row per back end; ``rounds`` are runs in the order of ``BACKENDS``."""
    rows = []
    for place, name in enumerate(BACKENDS):
        taken = [statistics.median(column) for column in zip(*(seconds(each[place]) for each in rounds), strict=True)]
        ratios = [
            [here / there for here, there in zip(seconds(each[0]), seconds(each[place]), strict=True)]
            for each in rounds
        ]
        speeds = [statistics.median(column) for column in zip(*ratios, strict=True)]
        rows.append((name, *(f"{s:.1f} ({speed:.0%})" for s, speed in zip(taken, speeds, strict=True))))
    columns = ("back end", *SPREAD, "together", "whole command")
    return Table((columns[0], *(f"{name}, s (speed)" for name in columns[1:])), rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--data", required=True, help="the data set: a folder of image Parquet files")
    parser.add_argument("--train", type=int, default=2000, help="training images")
    parser.add_argument("--validation", type=int, default=500, help="validation images")
    parser.add_argument("--rounds", type=int, default=2, help="how often each back end is measured")
    parser.add_argument("more", nargs="*", help="further options of 'sampleinfo score', after --")
    given = parser.parse_args()
    rounds = []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory(prefix="backends-") as folder:
            rounds.append([
                measure(given.data, given.train, given.validation, Path(folder) / f"run-{number}", [*given.more, *more])
                for number, more in enumerate(BACKENDS.values())
            ])  # fmt: skip
    print(table(rounds))


if __name__ == "__main__":
    main()

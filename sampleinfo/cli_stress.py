"""The command that plants errors into a copy of a run's data set and says how well each score finds them.

The same from Python:

    planted = pipeline.score(stress.planted_config(store.open_run("RUN"), "labels", 0.1))    # stress RUN
    table = stress.table(planted)
    stress.conclusion(planted, table), stress.curves(planted)
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from sampleinfo import planning, store
from sampleinfo.console import print_table, tracked
from sampleinfo.exports.tables import check_suffix, write
from sampleinfo.planting import PLANTS
from sampleinfo.progress import Tracker
from sampleinfo.reports import stress
from sampleinfo.store import Run


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    parser.add_argument("--plant", default="labels", metavar="|".join(PLANTS), help="what to plant (default labels)")
    parser.add_argument(
        "--share", type=_share, default=0.1, metavar="0.1|10%", help="of the training images (default 0.1)"
    )
    parser.add_argument("--to", type=Path, metavar="FILE", help="write the table to *.csv, *.json or *.parquet")
    parser.set_defaults(run=_stress)


def _stress(args: argparse.Namespace) -> None:
    run = store.open_run(args.reference)
    stress.planted_config(run, args.plant, args.share)
    if args.to is not None:
        check_suffix(args.to)
    planted = stress.find_planted(run, args.plant, args.share) or _planted(run, args.plant, args.share)
    found = stress.table(planted)
    print(f"run      {run.path}")
    print(f"planted  {planted.path}")
    print(f"         {stress.plant_of(planted)[0].words}\n")
    print(stress.conclusion(planted, found))
    print("\nBest average precision first (in brackets 95 % intervals over the images):")
    shown = stress.numbers(found)
    print_table(list(shown.columns), [[str(cell) for cell in row] for row in shown.itertuples(index=False)])
    if args.to is not None:
        rows = write(found, args.to.expanduser())
        print(f"\n{rows} rows written to {args.to}")


def _planted(run: Run, plant: str, share: float) -> Run:
    """The run with errors planted, made now under a bar."""
    config = stress.planted_config(run, plant, share)
    plan = planning.estimate(config)
    console, tracker = Console(stderr=True, soft_wrap=True), Tracker.of(plan)
    console.print(
        f"{run.title}: {PLANTS[plant].title} planted into {share:.0%} of {plan.train} training images and scored, "
        f"about {plan.seconds:.0f} s at first sight.",
        highlight=False,
    )
    with tracked(tracker, console) as report:
        from sampleinfo import pipeline

        return pipeline.score(config, report=report, announce=tracker.replan)


def _share(given: str) -> float:
    """A share such as 0.1 or 10%; whether it is possible is checked with the other settings."""
    try:
        return float(given[:-1]) / 100 if given.endswith("%") else float(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a share such as 0.1 or 10%, got {given!r}") from error

"""The command that sets a run's scores beside real retraining."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from sampleinfo import store, validations
from sampleinfo.agreement import Agreement
from sampleinfo.console import INTERRUPTED, print_table, tracked
from sampleinfo.progress import Tracker
from sampleinfo.validations import ACCURACY, CHOICES, LOSS, METHODS, PREDICTIONS, WEIGHTS, Request, Validation, short


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    given = Request()
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    parser.add_argument("--removals", type=int, default=given.removals, metavar="R", help="retrainings (default 24)")
    parser.add_argument("--choose", default=given.choose, metavar="|".join(CHOICES), help="which images are left out")
    parser.add_argument("--sets", type=int, default=given.sets, metavar="S", help="sets left out as well (default 6)")
    parser.add_argument("--no-influence", action="store_true", help="without influence functions")
    parser.add_argument("--steps", type=int, metavar="T", help="of real training (default: the run's, else 100)")
    parser.add_argument("--lr", type=float, metavar="X", help="on the mean loss (default: a quarter of what is stable)")
    parser.add_argument("--ridge", type=float, metavar="X", help="pull to the initial weights (default: the run's)")
    parser.add_argument("--batch-size", type=int, metavar="B", help="(default: the run's, else all images)")
    parser.add_argument("--segments", type=int, metavar="L", help="(default: as many as it takes)")
    parser.add_argument("--seed", type=int, default=given.seed, metavar="S", help="of choice and batches")
    parser.set_defaults(run=_validate)


def _validate(args: argparse.Namespace) -> int:
    run = store.open_run(args.reference)
    request = Request(
        removals=args.removals, choose=args.choose, sets=args.sets, influence=not args.no_influence, steps=args.steps,
        lr=args.lr, ridge=args.ridge, batch_size=args.batch_size, segments=args.segments, seed=args.seed,
    )  # fmt: skip
    stages, seconds = validations.plan(run, request)
    console = Console(stderr=True, soft_wrap=True)
    console.print(f"{run.title}: real retraining, about {seconds / 60:.0f} minutes at first sight.", highlight=False)
    tracker = Tracker(stages, seconds)
    try:
        with tracked(tracker, console) as report:
            from sampleinfo import validation

            found = validation.validate(run, request, report, tracker.correct)
    except KeyboardInterrupt:
        print("sampleinfo: stopped; finished retrainings are kept, the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    _print(found)
    return 0


def _print(found: Validation) -> None:
    meta = found.meta
    print(f"validation {found.path}")
    print(f"really     trained {store.recipe_words(meta['recipe'])}: accuracy {meta['accuracy']:.1%} on validation")
    print(f"left out   {meta['removals']} images one by one, {meta['sets']} sets")
    count, deviation = meta["segments"]["count"], meta["segments"]["deviation"]
    print(f"segments   {count}" + ("" if deviation is None else f", half as many deviate by {deviation:.1%}"))
    rows = [
        (METHODS[name].title, *(_words(found.agreement(name, kind)) for kind in (WEIGHTS, PREDICTIONS)),
         _rank(found.agreement(name, PREDICTIONS)), *(_words(found.agreement(name, kind)) for kind in (ACCURACY, LOSS)))
        for name in found.methods
    ]  # fmt: skip
    print("\nPearson r with the truth [95 % interval]:")
    columns = ("estimate", "weights (SI)", "predictions (F-SI)", "ranks of F-SI", "accuracy of sets", "loss of sets")
    print_table(columns, rows)


def _words(found: Agreement | None) -> str:
    if found is None or found.pearson is None or found.pearson_interval is None:
        return "-"
    return f"{short(found.pearson)} [{', '.join(map(short, found.pearson_interval))}]"


def _rank(found: Agreement | None) -> str:
    return "-" if found is None or found.spearman is None else short(found.spearman)

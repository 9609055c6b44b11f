"""The commands on finished runs: they list them, show one and export its table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sampleinfo import exports, moving, store, validations
from sampleinfo.config import ALONG_TRAINING
from sampleinfo.console import print_table
from sampleinfo.errors import InvalidSetting
from sampleinfo.scores import ALONG, CHECKPOINTS, SCORES, find
from sampleinfo.store import Run, kernel_words, training_words


def add_show(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``show``."""
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    parser.add_argument("--score", help=f"one of {', '.join(SCORES)} (default: the run's truest)")
    parser.add_argument("--count", type=int, default=10, help="rows of each table (default 10)")
    parser.set_defaults(run=_show)


def add_export(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``export``."""
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="*.csv, *.parquet or *.json")
    parser.set_defaults(run=_export)


def add_runs(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``runs``: a list, or a run to another place and back."""
    parser.set_defaults(run=list_runs)
    actions = parser.add_subparsers(dest="action", metavar="push|pull")
    push = actions.add_parser("push", help="copy a run to a folder or an object store")
    push.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    push.add_argument("address", metavar="ADDRESS", help="a folder for runs: a path, or e.g. s3://bucket/folder")
    push.set_defaults(run=_push)
    pull = actions.add_parser("pull", help="copy a run from there into the store")
    pull.add_argument("address", metavar="ADDRESS", help="of the run itself: ADDRESS/RUN of push")
    pull.set_defaults(run=_pull)


def list_runs(_: argparse.Namespace) -> None:
    """Print the finished runs."""
    runs, broken = store.list_runs(), store.broken_runs()
    rows = [
        (r.id, f"{r.meta['sizes']['train']} + {r.meta['sizes']['validation']}", r.meta["kernel"]["kind"],
         f"{r.meta['accuracy']['validation']:.1%}", r.meta["created"])
        for r in runs
    ]  # fmt: skip
    if rows:
        print_table(("run", "train + validation", "kernel", "validation accuracy", "created"), rows)
    else:
        print(f"No runs in {store.runs_folder()} yet. 'sampleinfo score digits' makes one.")
    for name, reason in broken.items():
        print(f"not readable: {name}: {reason}", file=sys.stderr)


def print_summary(run: Run) -> None:
    """Print what a run was made from, and how true it is."""
    meta = run.meta
    accuracy = meta["accuracy"]
    sizes, model = meta["sizes"], meta["model"]
    print(f"run        {run.path}")
    print(f"data       {meta['dataset']['title']}: {sizes['train']} training, {sizes['validation']} validation images")
    print(f"network    {model['title']}; head: {model['head']['initialisation']}; {model['outputs']} outputs")
    if model.get("left_out"):
        print(f"left out   of its weights: {', '.join(model['left_out'][:6])}")
    print(f"kernel     {kernel_words(run)}")
    if run.meta["kernel"].get("storage"):
        print(f"features   {run.meta['kernel']['storage']}")
    for words in run.meta["kernel"].get("events") or ():
        print(f"happened   {words}")
    print(f"training   {training_words(run)}")
    for kind, number in (meta["dataset"].get("problems") or {}).items():
        print(f"{kind:<10} {number} images; listed in {run.path / store.PROBLEMS}")
    if run.meta.get("along"):
        along = run.meta["along"]
        deviation = along["segments"]["deviation"]
        found = f", half as many segments deviate by {deviation:.1%}" if deviation is not None else ""
        print(f"really     trained once: accuracy {along['accuracy']:.1%}, loss {along['loss'][0]:.3f} to "
              f"{along['loss'][1]:.3f} in {along['recipe']['steps']} steps{found}")  # fmt: skip
    print(f"validated  {validations.badges(run)}")
    print(f"accuracy   validation {accuracy['validation']:.1%}, leave-one-out {accuracy['leave_one_out']:.1%}")


def _push(args: argparse.Namespace) -> None:
    print(f"copied to {moving.push(store.open_run(args.reference), args.address)}")


def _pull(args: argparse.Namespace) -> None:
    print_summary(moving.pull(args.address))


def _show(args: argparse.Namespace) -> None:
    if args.count < 1:
        raise InvalidSetting(f"--count must be at least 1, got {args.count}.")
    run = store.open_run(args.reference)
    score = find(args.score) if args.score else next(iter(run.scores.values()))
    if score.name not in run.scores:
        how = f" with --method {ALONG_TRAINING}" if score.needs in (ALONG, CHECKPOINTS) else " again"
        raise InvalidSetting(f"the run {run.id} has no {score.title}; score its data{how} to have it.")
    print_summary(run)
    table = run.samples
    ranked = table[table["split"] == "train"].sort_values(score.name, ascending=False, kind="stable")
    columns = ("image", "source", "label", "leave-one-out prediction", f"{score.title}, {score.unit}")
    for words, part in (("Most", ranked.head(args.count)), ("Least", ranked.tail(args.count)[::-1])):
        print(f"\n{words} informative:" if score.unit == "nats" else f"\n{words}:")
        fields = part[["sample_id", "source", "class_name", "predicted", score.name]].itertuples(index=False)
        print_table(columns, [(*map(str, row[:-1]), f"{row[-1]:.4g}") for row in fields])


def _export(args: argparse.Namespace) -> None:
    rows = exports.export(store.open_run(args.reference), args.to)
    print(f"{rows} rows written to {args.to}")

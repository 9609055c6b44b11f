"""The command that compares strategies for summaries, chooses a set of images and takes it away.

The same from Python:

    run = store.open_run("RUN")
    table = summarizing.summarize(run)                                         # summarize RUN
    rows = summarizing.chosen(Pool.of(run), "any", "greedy-pool", 300)         # --strategy greedy-pool --keep 300
    labels = open_decisions().book(collection_of(run)).labels()                # without --as-given
    exports.take_away(run, rows, Path("summary.csv"), labels=labels)           # --out summary.csv
    summarizing.summarize(run, "any", [("greedy-pool", 300)]), kept.real(run)  # --retrain 300
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Console

from sampleinfo import exports, store
from sampleinfo.amounts import quotas_of, size_of
from sampleinfo.console import INTERRUPTED, print_table, tracked
from sampleinfo.errors import InvalidSetting
from sampleinfo.evaluation import evaluate
from sampleinfo.progress import Tracker
from sampleinfo.reports import kept, strategies, summaries
from sampleinfo.reports.kept import Points
from sampleinfo.reports.pool import Pool
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.reports.summaries import RANDOM
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, IntArray

if TYPE_CHECKING:
    from sampleinfo.decisions import Book

#: Shares of the training images that the table tells of.
SHARES = (0.05, 0.1, 0.25, 0.5, 0.75)


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--strategy", metavar="S", help=f"{', '.join(STRATEGIES)}; with --retrain several, by commas")
    which.add_argument("--set", metavar="NAME", help="a named set of images instead of a strategy")
    parser.add_argument("--keep", metavar="0.3|30%|300", help="share or number of the training images to keep")
    parser.add_argument("--numbers", metavar="|".join(kept.NUMBERS), help="of each class: any, or equal (default any)")
    parser.add_argument("--per-class", action="append", metavar="CLASS=20,...", help="how many to keep of each class")
    parser.add_argument("--seed", type=int, metavar="S", help="of strategies that are drawn (default 0)")
    parser.add_argument("--out", type=Path, metavar="FILE|DIR", help="where to take the images; nothing may be there")
    parser.add_argument("--format", metavar="F", help=f"{', '.join(exports.FORMATS)} (default: by the ending)")
    parser.add_argument("--as-given", action="store_true", help="with --out: leave the corrected labels out")
    parser.add_argument("--save-as", metavar="NAME", help="keep the choice as a named set")
    parser.add_argument("--retrain", metavar="0.05,300,...", help="train the network for real on summaries so large")
    parser.set_defaults(run=_summarize)


def _summarize(args: argparse.Namespace) -> int:
    run = store.open_run(args.reference)
    _check(args, run)
    numbers = args.numbers or kept.ANY
    if args.retrain is not None:
        return _retrain(args, run, numbers)
    if args.strategy is not None or args.set is not None:
        _choose(args, run, numbers)
        return 0
    table = _curves(run, numbers, [])
    _print_table(run, table)
    _print_advice(table, int(run.meta["sizes"]["train"]))
    return 0


def _check(args: argparse.Namespace, run: Run) -> None:
    """Refuse what does not go together, before anything is computed.

    Raises:
        SampleInfoError: with what does.
    """
    kept.check_numbers(args.numbers or kept.ANY)
    sized = [("--keep", args.keep), ("--per-class", args.per_class), ("--seed", args.seed)]
    taken = [("--out", args.out), ("--format", args.format), ("--as-given", args.as_given or None),
             ("--save-as", args.save_as)]  # fmt: skip
    if args.seed is not None and not 0 <= args.seed < 2**32:
        raise InvalidSetting(f"seed must be between 0 and {2**32 - 1}, got {args.seed}.")
    if args.retrain is not None:
        _refuse([*sized, *taken, ("--set", args.set)], "--retrain takes no {}: its numbers say how many are kept.")
    elif args.set is not None:
        _refuse([*sized, ("--numbers", args.numbers)], "--set takes no {}: the set is as it was made.")
    elif args.strategy is None:
        _refuse([*sized, *taken], "{} needs --strategy or --set.")
    elif (args.keep is None) == (args.per_class is None):
        raise InvalidSetting("--strategy needs --keep or --per-class, one of them, such as --keep 0.3 or --keep 300.")
    elif args.numbers is not None and args.per_class is not None:
        raise InvalidSetting("--numbers and --per-class contradict each other; give one of them.")
    if args.out is None:
        _refuse([("--format", args.format), ("--as-given", args.as_given or None)], "{} needs --out.")
    for name in _names(args) if args.strategy is not None else ():
        strategies.find(name)
    if args.keep is not None:
        size_of("keep", args.keep, int(run.meta["sizes"]["train"]))
    if args.out is not None:
        exports.check_target(args.out.expanduser(), args.format)
    if args.save_as is None:
        return
    from sampleinfo.decisions import checks

    checks.name("set", args.save_as)
    if any(each.name == args.save_as for each in _book(run).sets()):
        raise InvalidSetting(f"there is a set called {args.save_as!r} already; choose another name with --save-as.")


def _refuse(given: Sequence[tuple[str, object]], words: str) -> None:
    for name, value in given:
        if value is not None:
            raise InvalidSetting(words.format(name))


def _names(args: argparse.Namespace) -> list[str]:
    """The strategies that are named; more than one only to be retrained."""
    return args.strategy.split(",") if args.retrain is not None else [args.strategy]


def _book(run: Run) -> Book:
    from sampleinfo.decisions import collection_of, open_decisions

    return open_decisions().book(collection_of(run))


def _choose(args: argparse.Namespace, run: Run, numbers: str) -> None:
    """Choose a set, say what is predicted of it, and take it away."""
    rows = _set(run, args.set) if args.set is not None else None
    pool = Pool.of(run)
    if rows is None:
        rows = _chosen(args, run, pool, numbers)
    labels = _corrections(args, run, rows)
    samples = run.samples
    counts = samples["class_name"].iloc[rows].value_counts(sort=False)
    words = STRATEGIES[args.strategy].title if args.set is None else f"the set {args.set!r}"
    print(f"run        {run.path}")
    print(f"chosen     {len(rows)} images: {words}")
    print(f"classes    {', '.join(f'{count} {name}' for name, count in counts.items())}")
    trained = rows[(samples["split"] == TRAIN).to_numpy()[rows]]
    if len(trained):
        alone = evaluate(pool.trained_on(trained)).overall
        print(f"predicted  accuracy {alone.accuracy:.1%}, loss {alone.loss:.4f} with these {len(trained)} of the "
              f"{pool.n} training images alone")  # fmt: skip
    if args.out is not None:
        kind = exports.check_target(args.out.expanduser(), args.format)
        count = exports.take_away(run, rows, args.out, args.format, labels=labels)
        print(f"written    {count} images to {args.out} ({kind.title})")
        if labels:
            numbers = f"{len(labels)} label{'' if len(labels) == 1 else 's'}"
            print(f"corrected  {numbers}: {kind.corrected} (--as-given leaves them out)")
    if args.save_as is not None:
        _book(run).create_set(args.save_as, [str(each) for each in samples["sample_id"].iloc[rows]])
        print(f"saved      as the set {args.save_as!r}")


def _corrections(args: argparse.Namespace, run: Run, rows: IntArray) -> dict[str, str]:
    """The corrected labels of images that are taken away.

    Raises:
        InvalidSetting: the run does not have a class of them.
        StorageError: the decisions cannot be read.
    """
    if args.out is None or args.as_given:
        return {}
    labels = exports.touching(run, rows, _book(run).labels())
    exports.check_classes(run, labels)
    return labels


def _chosen(args: argparse.Namespace, run: Run, pool: Pool, numbers: str) -> IntArray:
    from sampleinfo import summarizing

    seed = args.seed or 0
    if args.per_class is None:
        return summarizing.chosen(pool, numbers, args.strategy, size_of("keep", args.keep, pool.n), seed)
    names = [str(each) for each in run.meta["dataset"]["class_names"]]
    quotas = quotas_of(args.per_class, names)
    for label, wanted in quotas.items():
        have = int((pool.labels == label).sum())
        if wanted > have:
            raise InvalidSetting(f"class {names[label]!r} has {have} training images, {wanted} cannot be kept.")
    return strategies.choose(pool, args.strategy, sum(quotas.values()), seed, quotas)


def _set(run: Run, name: str) -> IntArray:
    """The rows of a named set; its images that the run does not have are told of."""
    ids = _book(run).members(name)
    rows = {str(each): row for row, each in enumerate(run.samples["sample_id"])}
    found = [rows[each] for each in ids if each in rows]
    if not found:
        have = f"none of its {len(ids)} images is in the run {run.id}" if ids else "it is empty"
        raise InvalidSetting(f"the set {name!r} gives nothing to take away: {have}.")
    if len(found) < len(ids):
        print(f"sampleinfo: {len(ids) - len(found)} of the {len(ids)} images of the set {name!r} are not in the run "
              f"{run.id}; they are left out.", file=sys.stderr)  # fmt: skip
    return np.asarray(found, dtype=np.int64)


def _curves(run: Run, numbers: str, points: Points) -> pd.DataFrame:
    """The predicted curves, and ``points`` retrained; says how far it is where that takes long."""
    known = kept.curves(run, numbers)
    if known is not None and not points:
        return known
    stages = kept.plan(run, numbers, points)
    seconds = sum(stages.values())
    console, tracker = Console(stderr=True, soft_wrap=True), Tracker(stages, seconds)
    what = f"real training on {len(points)} summaries" if points else "comparing strategies"
    long = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
    console.print(f"{run.title}: {what}, about {long} at first sight.", highlight=False)
    with tracked(tracker, console) as report:
        from sampleinfo import summarizing

        return summarizing.summarize(run, numbers, points, report, tracker.correct)


def _print_table(run: Run, table: pd.DataFrame) -> None:
    n = int(run.meta["sizes"]["train"])
    whole = table[table["size"] == n].iloc[0]
    print(f"run         {run.path}")
    print(f"everything  {n} training images: predicted accuracy {whole['accuracy']:.1%}, loss {whole['loss']:.4f}")
    print("\nPredicted accuracy in % / loss on the half of the validation images that no choice has looked at:")
    sizes = summaries.sizes_of(n, SHARES)
    columns = ("strategy", "keeping", *(f"{size / n:.0%} ({size})" for size in sizes))
    names = [name for name in STRATEGIES if name in set(table["strategy"])]
    print_table(
        columns, [(name, STRATEGIES[name].title, *(_cell(table, name, size) for size in sizes)) for name in names]
    )  # fmt: skip


def _cell(table: pd.DataFrame, name: str, size: int) -> str:
    at = table[(table["strategy"] == name) & (table["size"] == size)]
    accuracy, loss = 100 * at["accuracy"], at["loss"]
    if len(at) < 2:
        return f"{accuracy.mean():.1f} / {_short(loss.mean())}"
    return f"{accuracy.mean():.1f}±{accuracy.std():.1f} / {_short(loss.mean())}±{_short(loss.std())}"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _print_advice(table: pd.DataFrame, n: int) -> None:
    print()
    for size in summaries.sizes_of(n, SHARES):
        best = summaries.advise(table, size)
        clear = "" if best.clear else ", which is no clear difference"
        print(f"To keep {size / n:.0%} ({size} images): {best.strategy}, predicted {best.reached.accuracy:.1%}; random "
              f"{100 * best.random:.1f} ± {100 * best.spread:.1f} %{clear}.")  # fmt: skip


def _retrain(args: argparse.Namespace, run: Run, numbers: str) -> int:
    n = int(run.meta["sizes"]["train"])
    sizes = sorted({size_of("retrain", each, n) for each in args.retrain.split(",")})
    table = _curves(run, numbers, [])
    if args.strategy is not None:
        points = [(name, size) for size in sizes for name in dict.fromkeys(_names(args))]
    else:
        points = [(name, size) for size in sizes for name in (summaries.advise(table, size).strategy, RANDOM)]
    try:
        _curves(run, numbers, points)
    except KeyboardInterrupt:
        print("sampleinfo: stopped; finished retrainings are kept, the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    _print_real(run, table, numbers, points)
    return 0


def _print_real(run: Run, table: pd.DataFrame, numbers: str, points: Points) -> None:
    real, n, pool = kept.real(run), int(run.meta["sizes"]["train"]), None
    assert real is not None  # was just retrained
    real, rows = real[real["numbers"] == numbers], []
    for name, size in [*points, ("everything", n)]:
        found = real[(real["strategy"] == name) & (real["size"] == size)].iloc[-1]
        at = table[(table["size"] == size) & (table["seed"] == 0)]
        at = at if name == "everything" else at[at["strategy"] == name]
        if len(at):
            accuracy, loss = float(at["accuracy"].iloc[0]), float(at["loss"].iloc[0])
        else:  # a size between those of the curves
            from sampleinfo import summarizing

            pool = pool or Pool.of(run)
            reached = evaluate(pool.trained_on(summarizing.chosen(pool, numbers, name, size))).overall
            accuracy, loss = reached.accuracy, reached.loss
        title = STRATEGIES[name].title if name in STRATEGIES else "Everything"
        rows.append((title, f"{size / n:.0%} ({size})", f"{accuracy:.1%}", f"{found['accuracy']:.1%}", f"{loss:.4f}",
                     f"{found['loss']:.4f}"))  # fmt: skip
    print(f"run        {run.path}")
    print(f"really     trained {real['recipe'].iloc[-1]}\n")
    print_table(("strategy", "kept", "accuracy predicted", "really", "loss predicted", "really"), rows)

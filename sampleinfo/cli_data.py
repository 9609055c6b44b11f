"""The commands on what can be scored: they list data sets and networks, and check a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from sampleinfo import datasets, exports, models
from sampleinfo.console import print_table
from sampleinfo.datasets import problems
from sampleinfo.errors import InvalidSetting, printable

DATASET_HELP = "a name, the path of your own, torchvision:NAME, or several joined with +; see 'sampleinfo datasets'"
#: Rows of a table that are printed at most.
MOST_ROWS = 20


def add_check(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``check``."""
    add_reading(parser)
    parser.add_argument("--to", type=Path, metavar="FILE", help="write the findings to *.csv, *.parquet or *.json")
    parser.set_defaults(run=_check)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The data set, and how it is read."""
    parser.add_argument("dataset", metavar="DATASET", help=DATASET_HELP)
    parser.add_argument("--layout", default="auto", metavar="|".join(datasets.LAYOUTS), help="of an image folder")
    parser.add_argument(
        "--columns", default="", metavar="path=A,label=B", help=f"columns of a table: {', '.join(datasets.COLUMNS)}"
    )
    parser.add_argument("--download", action="store_true", help="fetch a torchvision data set that is not there yet")


def names(given: str) -> tuple[str, ...]:
    """Names between commas; a comma inside a name is written as two."""
    marked = given.replace(",,", "\0")
    return tuple(name.strip().replace("\0", ",") for name in marked.split(",") if name.strip())


def columns(given: str) -> tuple[tuple[str, str], ...]:
    """Pairs of role and column.

    Raises:
        InvalidSetting: something else than pairs.
    """
    pairs = []
    for pair in names(given):
        role, mark, column = pair.partition("=")
        if not mark:
            raise InvalidSetting(f"columns must be pairs such as path=FILE_COLUMN; got {pair!r}.")
        pairs.append((role.strip(), column.strip()))
    return tuple(pairs)


def list_datasets(_: argparse.Namespace) -> None:
    """Print what can be read."""
    rows = []
    for preset in datasets.PRESETS.values():
        facts, sizes = preset.facts, preset.facts.defaults or ()
        rows.append(
            (facts.name, str(facts.images), str(len(facts.class_names)), " + ".join(map(str, sizes)), facts.title)
        )
    print_table(("data set", "images", "classes", "default train + validation", "what"), rows)
    print(f"\nor the path of your own: {', '.join(datasets.FORMATS)}, or one of them in a .zip")
    print(f"or torchvision:NAME with one of {', '.join(datasets.torchvision.KNOWN)}")
    print("or several, joined with +: each becomes a source, classes are matched by name")


def list_models(_: argparse.Namespace) -> None:
    """Print the networks."""
    rows = [
        (s.name, f"{s.parameters(10):,}", f"{s.image_size} px", ", ".join(s.weights_names) or "--weights FILE", s.title)
        for s in models.MODELS.values()
    ]
    print_table(("model", "parameters (10 classes)", "input", "weights, default last", "what"), rows)


def _check(args: argparse.Namespace) -> None:
    options = datasets.Options(args.layout, columns(args.columns))
    datasets.fetch(args.dataset, args.download)
    if args.to is not None:
        exports.check_suffix(args.to)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading the images", total=1.0)
        dataset = datasets.prepare(
            args.dataset, options, report=lambda _, done, total: bar.update(task, completed=done / total)
        )
    found = problems.findings(dataset)
    facts = datasets.facts.of(dataset, dataset.name)
    print(f"data set   {dataset.name}: {len(dataset)} readable images, {len(dataset.class_names)} classes")
    places = [(s, p) for s in facts.sources for p in dict.fromkeys(x.split for x in facts.strata if x.source == s)]
    header = ["class", *(f"{source}, {split}" if split else source for source, split in places), "all"]
    counts = {(x.class_name, x.source, x.split): x.images for x in facts.strata}
    each = facts.per_class()
    rows = [(n, *(str(counts.get((n, *place), 0)) for place in places), str(each[n])) for n in facts.class_names]
    print_table(header, rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        print(f"... and {len(rows) - MOST_ROWS} more classes")
    for kind, number in problems.counts(found).items():
        print(f"\n{number} {problems.WORDS[kind]}")
        some = [each for each in found if each.kind == kind][:MOST_ROWS]
        print_table(("image", "reason"), [(printable(each.image), printable(each.reason)) for each in some])
        if number > MOST_ROWS:
            print(f"... and {number - MOST_ROWS} more; --to FILE writes all of them")
    if not found:
        print("\nnothing wrong was found: every image can be read, and no two are equal")
    if args.to is not None:
        print(f"\n{exports.write(problems.table(found), args.to)} findings written to {args.to}")

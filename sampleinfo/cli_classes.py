"""The command that says which classes of a run need more images, and which groups inside them.

The same from Python:

    tables = analysing.analyse(store.open_run("RUN"), "classes")     # classes RUN
    tables["classes"], tables["groups"], tables["members"]
    class_judgement.conclusion(tables["classes"], tables["groups"])
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from sampleinfo import store
from sampleinfo.cli_answer import answered
from sampleinfo.console import print_table
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.exports.tables import check_suffix, write
from sampleinfo.reports.class_judgement import ALONE, conclusion
from sampleinfo.reports.class_words import (
    accuracy_words,
    fall_words,
    need_words,
    percent_words,
    rank_words,
    ratio_words,
    rise_words,
    short_interval,
)
from sampleinfo.reports.classes import ANALYSIS


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    parser.add_argument("--to", type=Path, metavar="FILE", help="write a table to *.csv, *.json or *.parquet")
    parser.add_argument(
        "--table", metavar="|".join(ANALYSIS.tables), help="the table that --to writes (default classes)"
    )
    parser.set_defaults(run=_classes)


def _classes(args: argparse.Namespace) -> None:
    if args.table is not None and args.to is None:
        raise InvalidSetting("--table needs --to: the file that the table is written to.")
    name = args.table or "classes"
    if name not in ANALYSIS.tables:
        raise UnknownName("table", name, ANALYSIS.tables)
    if args.to is not None:
        check_suffix(args.to)
    run = store.open_run(args.reference)
    tables = answered(run, ANALYSIS.name)
    print(f"run  {run.path}\n")
    print(conclusion(tables["classes"], tables["groups"]))
    _print_classes(tables["classes"])
    _print_groups(tables["groups"])
    if args.to is not None:
        rows = write(tables[name], args.to.expanduser())
        print(f"\n{rows} rows written to {args.to}")


def _print_classes(table: pd.DataFrame) -> None:
    each = [row for _, row in table.iterrows()]
    print("\nClasses, the one that needs images most first (in brackets 95 % intervals):")
    rows = [
        (rank_words(row), str(row["class_name"]), str(row["train"]), need_words(row), rise_words(row), fall_words(row),
         "under-sampled" if row["under_sampled"] else "")
        for row in each
    ]  # fmt: skip
    print_table(("rank", "class", "images", "need", "a fifth fewer: loss", "a fifth fewer: accuracy", ""), rows)
    print("\nInformation and accuracy:")
    lines = [
        (str(row["class_name"]), f"{row['share']:.0%}", percent_words(row, "information_share"),
         short_interval(row["mean"]), accuracy_words(row, "leave_one_out"), accuracy_words(row, "validation"))
        for row in each
    ]  # fmt: skip
    columns = ("class", "of the images", "of the information", "mean F-SI", "training images right, left out")
    print_table((*columns, "validation images right"), lines)


def _print_groups(table: pd.DataFrame) -> None:
    found = table[table["verdict"] != ALONE]
    if found.empty:
        print("\nNo class falls into groups.")
        return
    print("\nGroups of alike images inside the classes, found without labels:")
    rows = [
        (
            str(row["class_name"]), str(row["group"]), f"{row['size']} ({row['share_of_class']:.0%})",
            short_interval(row["mean"], row["mean_low"], row["mean_high"]), ratio_words(row),
            need_words(row), f"{row['validation']} of the {row['measured_on']}",
            f"{row['nearest']:.0%}", str(row["verdict"]),
        )
        for _, row in found.iterrows()
    ]  # fmt: skip
    print_table(
        ("class", "group", "images", "mean F-SI", "to the rest", "need", "measured on", "of validation", "verdict"),
        rows,
    )  # fmt: skip

"""The command that compares the sources of a run, and of a second one.

The same from Python:

    run = store.open_run("RUN")
    tables = analysing.analyse(run, "sources")                               # sources RUN
    print(verdict(tables))
    exports.write(long(tables), Path("sources.csv"))                         # --to sources.csv
    described(members(run, store.open_run("RUN2")), "functional_information")  # --with RUN2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sampleinfo import exports, store
from sampleinfo.cli_answer import answered
from sampleinfo.console import print_table
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.sources import described, restricted
from sampleinfo.reports.sources_members import caveats, members, shown_first
from sampleinfo.reports.sources_verdict import verdict
from sampleinfo.reports.sources_words import long, reasons, sections
from sampleinfo.reports.truest import score_of
from sampleinfo.scores import SCORES
from sampleinfo.store import Run


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    parser.add_argument("--with", dest="other", metavar="RUN2", help="a second run, whose sources stand beside it")
    parser.add_argument("--to", type=Path, metavar="FILE", help="write every number to *.csv, *.parquet or *.json")
    parser.set_defaults(run=_sources)


def _sources(args: argparse.Namespace) -> None:
    run = store.open_run(args.reference)
    other = None if args.other is None else store.open_run(args.other)
    if args.to is not None:
        exports.check_suffix(args.to)
    tables = answered(run, "sources") if other is None else described(members(run, other), score_of(run, other).name)
    found = members(run, other)
    shown = shown_first(found)
    _print(run, other, restricted(tables, [each.label for each in shown]))
    if len(shown) < len(found):
        print(f"\nShown are {len(shown)} of {len(found)} sources, the largest ones; --to FILE writes all of them.")
    if args.to is not None:
        rows = exports.write(long(tables), args.to)
        print(f"\n{rows} rows written to {args.to}")


def _print(run: Run, other: Run | None, tables: Tables) -> None:
    print(f"run      {run.path}")
    if other is not None:
        print(f"with     {other.path}")
    print(f"score    {SCORES[str(tables['worth']['score'].iloc[0])].title}")
    print(f"verdict  {verdict(tables)}")
    for section in sections(tables).values():
        print(f"\n{section.title}. {section.words.replace('*', '')}")
        print_table([str(each) for each in section.table.columns], section.table.astype(str).to_numpy().tolist())
    for reason in reasons(tables):
        print(f"\nSome numbers are missing: {reason}")
    if other is not None:
        print(f"\n{' '.join(caveats(run, other))}")
        print("What needs one kernel (whole sources, pairs, teaching, batches) is told of each run by itself.")

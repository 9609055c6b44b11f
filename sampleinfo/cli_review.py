"""The command that says which training images of a run deserve a second look, and gives the evidence.

The same from Python:

    run = store.open_run("RUN")
    tables = analysing.analyse(run, "review")                                  # review RUN
    review_words.conclusion(tables["images"], run.meta["suspicion"])
    review.most_suspicious(tables["images"], review.find("corrupted"), 20)     # review RUN --cause corrupted
    row, neighbours = review.evidence_for(tables, "img-7")                     # review RUN --image img-7
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sampleinfo import store
from sampleinfo.cli_answer import answered
from sampleinfo.console import print_table
from sampleinfo.errors import InvalidSetting
from sampleinfo.exports.tables import check_suffix, write
from sampleinfo.reports import review
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.class_words import UNKNOWN, short_interval
from sampleinfo.reports.review import ANALYSIS, CAUSES, Cause
from sampleinfo.reports.review_words import EFFECT, MARGIN, conclusion, effect_words, explained
from sampleinfo.store import Run

if TYPE_CHECKING:
    from sampleinfo.decisions import Verdict

#: Images that are printed.
TOP = 20


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    parser.add_argument("--cause", metavar="|".join(CAUSES), help="what the images are ranked by (default mislabeled)")
    parser.add_argument("--top", type=int, metavar="N", help=f"images printed (default {TOP})")
    parser.add_argument("--agreement", action="store_true", help="print which scores of the run say the same")
    parser.add_argument("--image", metavar="ID", help="print all the evidence for one training image instead")
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="write all, with the verdicts, to *.csv, *.json, *.parquet"
    )
    parser.set_defaults(run=_review)


def _review(args: argparse.Namespace) -> None:
    _check(args)
    cause = review.find(args.cause or next(iter(CAUSES)))
    run = store.open_run(args.reference)
    tables = answered(run, ANALYSIS.name)
    verdicts = _verdicts(run)
    print(f"run  {run.path}\n")
    if args.image is not None:
        _print_image(run, tables, verdicts, args.image)
    else:
        print(conclusion(tables["images"], run.meta["suspicion"], verdicts))
        _print_top(run, tables["images"], verdicts, cause, args.top or TOP)
    if args.agreement:
        _print_agreement(run, tables["agreement"])
    if args.to is not None:
        rows = write(review.with_verdicts(tables["images"], verdicts), args.to.expanduser())
        print(f"\n{rows} rows written to {args.to}")


def _check(args: argparse.Namespace) -> None:
    """Refuse what does not go together, before anything is computed.

    Raises:
        InvalidSetting: with what does.
    """
    if args.top is not None and args.top < 1:
        raise InvalidSetting(f"--top must be at least 1, got {args.top}.")
    for name, value in (("--cause", args.cause), ("--top", args.top)):
        if args.image is not None and value is not None:
            raise InvalidSetting(f"--image takes no {name}: it gives all the evidence for one image.")
    if args.to is not None:
        check_suffix(args.to)


def _verdicts(run: Run) -> dict[str, Verdict]:
    from sampleinfo.decisions import collection_of, open_decisions

    return open_decisions().book(collection_of(run)).verdicts()


def _print_top(run: Run, images: pd.DataFrame, verdicts: Mapping[str, Verdict], cause: Cause, top: int) -> None:
    validation, sources = int(run.meta["sizes"]["validation"]), images["source"].nunique() > 1
    print(f"\n{cause.title}, the most suspicious first. {cause.words}")
    rows = [
        (
            str(row[cause.rank]), str(row["sample_id"]), *([str(row["source"])] if sources else []),
            str(row["class_name"]), str(row["predicted"]), str(row["suggested"]), short_interval(row["margin"]),
            short_interval(row[cause.name]), effect_words(row, "relabel", validation),
            effect_words(row, "drop", validation), _verdict(verdicts, row["sample_id"]),
        )
        for _, row in review.most_suspicious(images, cause, top).iterrows()
    ]  # fmt: skip
    print_table(
        ("rank", "image", *(["source"] if sources else []), "label", "predicted without it", "suggested", "margin",
         "score", "relabelled", "dropped", "verdict"),
        rows,
    )  # fmt: skip
    print(f"\n{MARGIN}\n{EFFECT}")


def _verdict(verdicts: Mapping[str, Verdict], sample_id: str) -> str:
    return str(verdicts.get(sample_id, ""))


def _print_image(run: Run, tables: Tables, verdicts: Mapping[str, Verdict], sample_id: str) -> None:
    row, neighbours = review.evidence_for(tables, sample_id)
    sizes = run.meta["sizes"]
    print(f"{sample_id} (source {row['source']}, verdict: {_verdict(verdicts, sample_id) or 'none'})\n")
    print("\n".join(explained(row, int(sizes["train"]), int(sizes["validation"]))))
    print("\nScores, with their ranks from the most suspicious:")
    print_table(
        ("cause", "score", "rank", "what it says"),
        [(each.title, short_interval(row[each.name]), str(row[each.rank]), each.words) for each in CAUSES.values()],
    )  # fmt: skip
    print("\nThe training images that look most alike to the network:")
    named = {review.GIVEN: str(row["class_name"]), review.SUGGESTED: str(row["suggested"])}
    print_table(
        ("labelled", "", "image", "cosine distance"),
        [
            (named[str(each["side"])], f"{each['side']} {each['place']}", str(each["neighbour"]),
             short_interval(each["distance"]))
            for _, each in neighbours.iterrows()
        ],
    )  # fmt: skip


def _print_agreement(run: Run, agreement: pd.DataFrame) -> None:
    matrix = review.matrix_of(agreement)
    print("\nAgreement: rank correlations (Spearman) between the scores of the training images.")
    titles = {name: score.title for name, score in run.scores.items()}
    rows = [
        (f"{place} {titles.get(str(name), str(name))}", *map(_correlation, line))
        for place, (name, line) in enumerate(zip(matrix.index, matrix.to_numpy(), strict=True), start=1)
    ]
    print_table(("score", *(str(place) for place in range(1, len(matrix) + 1))), rows)


def _correlation(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if np.isfinite(value) else UNKNOWN

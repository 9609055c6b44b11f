"""The command ``sampleinfo review``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sampleinfo import analysing, cli
from sampleinfo.decisions import RELABEL, UNSURE, Verdict, collection_of, open_decisions
from sampleinfo.reports import review
from sampleinfo.reports.review import CAUSES
from sampleinfo.reports.review_words import conclusion, effect_words, explained
from sampleinfo.store import Run


def test_the_evidence_is_printed_and_written(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "review.csv"
    assert cli.main(["review", run.id, "--top", "5", "--to", str(to)]) == 0
    said = capsys.readouterr()
    assert "gathering the evidence, about" in said.err
    tables = analysing.analyse(run, "review")
    images, out = tables["images"], " ".join(said.out.split())
    assert conclusion(images, run.meta["suspicion"]) in out and CAUSES["mislabeled"].words in out
    top = review.most_suspicious(images, CAUSES["mislabeled"], 6)
    for place, (_, row) in enumerate(top.iterrows()):
        lines = [line for line in said.out.splitlines() if f" {row['sample_id']} " in line]
        assert len(lines) == (place < 5) and all(effect_words(row, "drop", 40) in line for line in lines)
    written = pd.read_csv(to, dtype={"class_name": str, "predicted": str, "suggested": str})
    assert written[["verdict", "new_class"]].isna().all().all() and f"60 rows written to {to}" in said.out
    pd.testing.assert_frame_equal(written.drop(columns=["verdict", "new_class"]), images, check_dtype=False)


def test_verdicts_are_printed_and_written(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = analysing.analyse(run, "review")["images"]
    first, second = review.most_suspicious(images, CAUSES["corrupted"], 2)["sample_id"]
    book = open_decisions().book(collection_of(run))
    book.judge([first], Verdict(RELABEL, "4"), {})
    book.judge([second], Verdict(UNSURE), {})
    to = tmp_path / "review.parquet"
    assert cli.main(["review", run.id, "--cause", "corrupted", "--top", "1", "--to", str(to)]) == 0
    said = capsys.readouterr()
    assert said.err == ""  # answered before
    assert "relabel as 4" in said.out and "unsure" not in said.out
    assert conclusion(images, run.meta["suspicion"], [first, second]) in said.out
    written = pd.read_parquet(to).set_index("sample_id")
    assert written["verdict"].dropna().to_dict() == {first: "relabel", second: "unsure"}
    assert written["new_class"].dropna().to_dict() == {first: "4"}


def test_one_image_with_its_neighbours(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    tables = analysing.analyse(run, "review")
    name = str(tables["images"]["sample_id"][7])
    row, neighbours = review.evidence_for(tables, name)
    assert cli.main(["review", run.id, "--image", name]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "verdict: none" in out and all(sentence in out for sentence in explained(row, 60, 40))
    assert all(each in out for each in neighbours["neighbour"]) and all(each.words in out for each in CAUSES.values())


def test_scores_that_agree(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["review", run.id, "--top", "1", "--agreement"]) == 0
    lines = capsys.readouterr().out.splitlines()
    matrix = review.matrix_of(analysing.analyse(run, "review")["agreement"])
    for place, (name, score) in enumerate(run.scores.items(), start=1):
        line = next(line for line in lines if line.startswith(f"{place} {score.title}"))
        wanted = [f"{each:.2f}".replace("-", "−") for each in matrix.loc[name] if np.isfinite(each)]
        assert line.removeprefix(f"{place} {score.title}").split() == wanted and wanted[place - 1] == "1.00"


def test_what_cannot_be_is_said(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--to", "review.xls"], "must be one of .csv, .parquet, .json"),
        (["--top", "0"], "--top must be at least 1, got 0"),
        (["--cause", "odd"], "Unknown cause 'odd'"),
        (["--image", "a", "--cause", "corrupted"], "--image takes no --cause"),
        (["--image", "a", "--top", "3"], "--image takes no --top"),
    ):
        assert cli.main(["review", run.id, *arguments]) == 1
        assert words in capsys.readouterr().err
    assert not (run.path / "analyses").exists()  # nothing was computed for it
    assert cli.main(["review", run.id, "--image", "nothing"]) == 1
    assert "'nothing' is no training image of this run" in capsys.readouterr().err
    (run.path / "held_out.npy").unlink()
    (run.path / "analyses").rename(run.path / "gone")
    assert cli.main(["review", run.id]) == 1
    assert "score it again with this version" in capsys.readouterr().err

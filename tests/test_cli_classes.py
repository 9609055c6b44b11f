"""The command ``sampleinfo classes``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sampleinfo import analysing, cli
from sampleinfo.reports.class_judgement import conclusion
from sampleinfo.reports.class_words import need_words, rise_words
from sampleinfo.store import Run


def test_classes_are_compared_printed_and_written(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    to = tmp_path / "classes.csv"
    assert cli.main(["classes", run.id, "--to", str(to)]) == 0
    said = capsys.readouterr()
    assert "asking what each class needs, about" in said.err and "Asking" not in said.out
    tables = analysing.analyse(run, "classes")
    out = " ".join(said.out.split())
    assert conclusion(tables["classes"], tables["groups"]) in out
    for _, row in tables["classes"].iterrows():
        assert need_words(row) in said.out and rise_words(row) in out
    written = pd.read_csv(to, dtype={"class_name": str})
    pd.testing.assert_frame_equal(written, tables["classes"], check_dtype=False)
    assert f"2 rows written to {to}" in said.out
    members = tmp_path / "members.parquet"
    assert cli.main(["classes", run.id, "--to", str(members), "--table", "members"]) == 0
    said = capsys.readouterr()
    assert said.err == "" and pd.read_parquet(members).equals(tables["members"])  # answered before
    groups = tmp_path / "groups.json"
    assert cli.main(["classes", run.id, "--to", str(groups), "--table", "groups"]) == 0
    assert len(pd.read_json(groups)) == len(tables["groups"])


def test_what_cannot_be_is_said(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["classes", run.id, "--to", "classes.xls"]) == 1
    assert "must be one of .csv, .parquet, .json" in capsys.readouterr().err
    assert cli.main(["classes", run.id, "--table", "groups"]) == 1
    assert "--table needs --to" in capsys.readouterr().err
    assert cli.main(["classes", run.id, "--table", "rows", "--to", "rows.csv"]) == 1
    assert "Unknown table 'rows'" in capsys.readouterr().err
    assert not (run.path / "analyses").exists()  # nothing was computed for it
    assert cli.main(["classes", "no-such-run"]) == 1
    assert "no run called 'no-such-run'" in capsys.readouterr().err
